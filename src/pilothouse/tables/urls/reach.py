"""Which addresses a source by URL may lead to: public ones, and those that the workspace allows. Who writes a model file names
the source, and must not look round the network that the daemon is in, nor ask a cloud's metadata service.

Two layers, for drivers connect by themselves: the hosts that are named are looked up before a driver is started, and every
connection of a Python socket is looked at as it is made, wherever a redirect or an answer leads it. A driver in C or Rust is
held by the first alone; PostgreSQL's is given the addresses that were checked.
"""

import ipaddress
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.tables.source_url import SourceKind, SourceUrl
from pilothouse.sending.addresses import RefusedAddressError, places_of
from pilothouse.tables.urls.secrets import Credentials

WHERE = "[sources] of integrations.toml"
_PORTS = {"https": 443, "http": 80}


class _Guard:
    """What Python's sockets may be connected to. None: everything. One for the process, for a driver's threads are its own."""

    def __init__(self) -> None:
        self.allow: Sequence[str] | None = None
        self.refused = ""
        self._is_installed = False
        self._lock = threading.Lock()

    def install(self) -> None:
        """Look at every connection from now on. A hook cannot be taken out: it looks at nothing while ``allow`` is None."""
        with self._lock:
            if not self._is_installed:
                sys.addaudithook(self._look)
                self._is_installed = True

    def _look(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "socket.connect" or self.allow is None:
            return
        address = arguments[1]
        if not isinstance(address, tuple) or len(address) < 2:
            return  # no socket of a network
        allow, host = self.allow, str(address[0])
        if _is_allowed_by_name(host, allow):
            return
        try:
            places_of(host, int(address[1]), allow)
        except RefusedAddressError as error:
            self.refused = f"{host}: {error}"
            raise PermissionError(self.refused) from None


_guard = _Guard()


@contextmanager
def reaching(allow: Sequence[str] | None) -> Iterator[None]:
    """Python's sockets connect to public addresses and those of ``allow`` alone; None: to every one. Raises InvalidInputError,
    whatever a driver makes of it, where a connection was refused."""
    if allow is None:
        yield
        return
    _guard.install()
    _guard.allow, _guard.refused = tuple(allow), ""
    try:
        yield
    except Exception:
        if _guard.refused:
            raise InvalidInputError(_refusal(_guard.refused)) from None
        raise
    finally:
        _guard.allow = None


def check_source(
    url: SourceUrl, credentials: Credentials, allow: Sequence[str] | None, later: Sequence[str] = ()
) -> list[str]:
    """Look up the hosts that a source and its credentials name; returns the addresses of a database's one host. Raises
    InvalidInputError where one may not be reached, UnavailableError where it may once what ``later`` allows is in force. A name
    without an address is left to the driver."""
    if allow is None or not url.is_remote:
        return []
    found: list[str] = []
    hosts = _hosts_of(url, credentials)
    for host, port in hosts:
        try:
            found += check_host(host, port, allow)
        except InvalidInputError:
            if not later:
                raise
            check_host(host, port, (*allow, *later))
            raise UnavailableError(
                f"data.source: {host} is on a private network, and {WHERE} that allows it is not in force yet"
            ) from None
    return found if len(hosts) == 1 and url.kind is SourceKind.DATABASE else []


def check_host(host: str, port: int, allow: Sequence[str] | None) -> list[str]:
    """Addresses of a host, each of which may be reached. Raises InvalidInputError."""
    if allow is None:
        return []
    try:
        return list(dict.fromkeys(place.address[0] for place in places_of(host, port, allow)))
    except RefusedAddressError as error:
        raise InvalidInputError(_refusal(f"{host}: {error}")) from None
    except (OSError, UnicodeError):
        return []


def check_url(text: str, allow: Sequence[str] | None) -> None:
    """Look up the host of an endpoint, as a catalogue answers with one: a URL of HTTP, or ``host:port``. Raises
    InvalidInputError."""
    host, port = _host_of(text)
    check_host(host, port, allow)


def _hosts_of(url: SourceUrl, credentials: Credentials) -> list[tuple[str, int]]:
    parts = urlsplit(url.location)
    if url.kind is SourceKind.DATABASE:
        servers = parts.netloc.rpartition("@")[2].split(",")  # PostgreSQL takes several
        hosts = [urlsplit(f"//{server}") for server in servers]
        return [(one.hostname or "localhost", one.port or 1) for one in hosts]
    named = [credentials.settings.get("endpoint_url")]
    named += [url.location] if parts.scheme in _PORTS else []
    return [_host_of(str(text)) for text in named if text]


def _host_of(text: str) -> tuple[str, int]:
    """Host and port of a URL of HTTP, or of ``host:port``."""
    try:
        parts = urlsplit(text if "://" in text else f"//{text}")
        return parts.hostname or "localhost", parts.port or _PORTS.get(parts.scheme, 443)
    except ValueError:
        raise InvalidInputError("data.source: an endpoint is no URL; expected https://host:port") from None


def _is_allowed_by_name(host: str, allow: Sequence[str]) -> bool:
    """True for an address of a host that is allowed by its name: by then a socket knows the address alone."""
    try:
        wanted = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower() in allow
    for name in allow:
        try:
            ipaddress.ip_network(name)
        except ValueError:
            try:
                addresses = {place.address[0].partition("%")[0] for place in places_of(name, 1, allow)}
            except OSError:
                continue
            if str(wanted) in addresses:
                return True
    return False


def _refusal(said: str) -> str:
    return "data.source: " + said.replace('in "allow"', f'in "allow" of {WHERE}')
