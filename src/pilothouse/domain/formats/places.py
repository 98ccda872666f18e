"""Names of places on a network, as settings allow them: hosts, addresses, networks."""

import ipaddress
import re

PLACES = "a host, an address or a network such as 10.0.0.0/8"
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_])?")


def is_place(name: str) -> bool:
    """True for a host in small letters, an address, or a network."""
    try:
        ipaddress.ip_network(name)
    except ValueError:
        return bool(_HOST.fullmatch(name))
    return True
