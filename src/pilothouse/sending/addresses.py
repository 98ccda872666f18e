"""Addresses that may be reached: public ones, and what is allowed by name."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import NamedTuple

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_GLOBAL = ipaddress.IPv6Network("2000::/3")
"""All that is given out of version 6. What lies beside it holds, on some networks, an address of version 4 (``::10.0.0.1``,
``64:ff9b:1::/48``) or is local to a site (``fec0::/10``), and ``ipaddress`` calls part of that global."""
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RefusedAddressError(Exception):
    """The place may not be reached; the text says why and what allows it."""


class Place(NamedTuple):
    """Address that may be connected to."""

    family: socket.AddressFamily
    address: tuple[str, int]


def refused_literal(host: str, allow: Sequence[str]) -> str:
    """Why a host that is written as an address, or is this machine by its name, may not be reached; empty where it may, or
    where its name has to be looked up."""
    name = host.lower()
    if name in allow:
        return ""
    try:
        address = ipaddress.ip_address("127.0.0.1" if name == "localhost" else name.partition("%")[0])
    except ValueError:
        return ""
    return "" if is_public(address) or _is_allowed(address, allow) else _refusal(address)


def places_of(host: str, port: int, allow: Sequence[str]) -> list[Place]:
    """Addresses of a host, each of which may be reached. Raises RefusedAddressError where one may not, OSError where there is
    none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    places = [Place(family, (str(address[0]), port)) for family, _, _, _, address in found]
    if host.lower() in allow:
        return places
    for place in places:
        address = ipaddress.ip_address(place.address[0].partition("%")[0])
        if not (is_public(address) or _is_allowed(address, allow)):
            raise RefusedAddressError(_refusal(address))
    return places


def _refusal(address: _Address) -> str:
    inner = _inner(address) or address
    kind = "loopback" if inner.is_loopback else "link-local" if inner.is_link_local else "private"
    return f'its host has a {kind} address: name host or address in "allow" where that is meant'


def is_public(address: _Address) -> bool:
    """True for an address of the public internet, and not one that leads to another by translation."""
    inner = _inner(address)
    if inner is not None:
        return is_public(inner)
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL:
        return False
    return address.is_global and not address.is_multicast


def _inner(address: _Address) -> ipaddress.IPv4Address | None:
    """The address to which one of version 6 is translated; None where it stands for itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def _is_allowed(address: _Address, allow: Sequence[str]) -> bool:
    for name in allow:
        try:
            network = ipaddress.ip_network(name)
        except ValueError:
            continue
        if address.version == network.version and address in network:
            return True
    return False
