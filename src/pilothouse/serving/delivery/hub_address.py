"""Address of the hub, a unix socket or with TLS a host and a port, and connections to it."""

import contextlib
import errno
import http.client
import os
import signal
import socket
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError
from pilothouse.system.paths import LONGEST_SOCKET_PATH
from pilothouse.system.processes import close_all_but, die_with_parent

_CONNECTS_WITHIN_S = 10.0
"""Seconds for a connection over the network."""
_UNHEARD_S = 10.0
"""Seconds for which the other side may leave bytes unacknowledged before the connection counts as broken."""
_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", 18)
_HTTPS_PORT = 443
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""Where systems keep the certificates of the authorities that they trust, all in one file."""


@dataclass(frozen=True, slots=True)
class HubAddress:
    """Where the hub is: the path of its unix socket, or host and port, with what its certificate is checked by."""

    path: Path | None = None
    host: str = ""
    port: int = 0
    tls: ssl.SSLContext | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"

    def connect(self) -> socket.socket:
        """Connection to the hub, without TLS yet. Raises OSError where it does not answer."""
        if self.path is None:
            return socket.create_connection((self.host, self.port), _CONNECTS_WITHIN_S)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(str(self.path))
        except OSError:
            connection.close()
            raise
        return connection


class HubConnection(http.client.HTTPConnection):
    """HTTP connection to the hub."""

    def __init__(self, hub: HubAddress | Path, timeout_s: float) -> None:
        self._hub = hub if isinstance(hub, HubAddress) else HubAddress(hub)
        super().__init__(self._hub.host or "hub", self._hub.port or None, timeout=timeout_s)

    def connect(self) -> None:
        """Connect to where the hub is, and over the network check who answers. Raises OSError."""
        connection = _BROKERS[-1].connect() if _BROKERS else self._hub.connect()
        try:
            connection.settimeout(self.timeout)
            if self._hub.path is None:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # an address that has changed is told to nobody: what was sent is not waited for longer
                connection.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, int(_UNHEARD_S * 1_000))
                assert self._hub.tls is not None  # an address of the network is never made without
                connection = self._hub.tls.wrap_socket(connection, server_hostname=self._hub.host)
        except BaseException:
            connection.close()
            raise
        self.sock = connection


class _Broker:
    """Process beside this one that connects to the hub in its place, and hands each connection over."""

    def __init__(self, hub: HubAddress) -> None:
        self._socket, its_end = socket.socketpair()
        self._lock = threading.Lock()
        if not os.fork():
            try:
                die_with_parent()
                for number in (
                    signal.SIGINT,
                    signal.SIGTERM,
                ):  # the spool is still offered to the hub after these
                    signal.signal(number, signal.SIG_IGN)
                close_all_but({0, 1, 2, its_end.fileno()})
                _connect_for(its_end, hub)
            finally:
                os._exit(0)
        its_end.close()

    def connect(self) -> socket.socket:
        """Connection to the hub. Raises OSError where it does not answer."""
        with self._lock:
            self._socket.sendall(b"c")
            answer, descriptors, _, _ = socket.recv_fds(self._socket, 4, 1)
        if not descriptors:
            code = int.from_bytes(answer or errno.EPIPE.to_bytes(4, "big"), "big")
            raise OSError(code, os.strerror(code))
        return socket.socket(fileno=descriptors[0])


def use_broker(hub: HubAddress) -> None:
    """From now on let another process connect to the hub: for a process that is about to be shut off from its folder, or from
    the network.

    Call it while there is one thread.
    """
    _BROKERS.append(_Broker(hub))


_BROKERS: list[_Broker] = []


def _connect_for(asker: socket.socket, hub: HubAddress) -> None:
    while asker.recv(1):
        try:
            with hub.connect() as connection:
                connection.settimeout(None)
                socket.send_fds(asker, [bytes(4)], [connection.fileno()])
        except OSError as error:
            # a name that is not found, and a time that is over, have no number of the system's
            known = error.errno if error.errno and not isinstance(error, socket.gaierror) else None
            code = known or (errno.ETIMEDOUT if isinstance(error, TimeoutError) else errno.EHOSTUNREACH)
            asker.sendall(code.to_bytes(4, "big"))


def read_address(hub: str, authority: Path | None = None) -> HubAddress:
    """Address in ``unix:PATH`` or ``https://HOST:PORT``. ``authority``: file with the certificates by which the hub's own is
    checked; those that the system trusts otherwise.

    Raises InvalidInputError for another form, a path that is too long for a socket, or a file that cannot be used.
    """
    if hub.startswith("https:"):
        return _network_address(hub, authority)
    if authority is not None:
        raise InvalidInputError(f"{hub!r} is no address of the network: --ca goes with https://HOST:PORT")
    scheme, _, path = hub.partition(":")
    if scheme != "unix" or not path:
        raise InvalidInputError(
            f"{hub!r} does not name a hub: expected unix:PATH, or https://HOST:PORT for one of another machine"
        )
    if len(path.encode()) > LONGEST_SOCKET_PATH:
        raise InvalidInputError(
            f"{path!r} is too long for a unix socket: expected at most {LONGEST_SOCKET_PATH} bytes"
        )
    return HubAddress(Path(path).absolute())


def _network_address(hub: str, authority: Path | None) -> HubAddress:
    wrong = InvalidInputError(f"{hub!r} does not name a hub: expected https://HOST:PORT and nothing after it")
    try:
        parts = urlsplit(hub)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
        raise wrong
    try:
        host.encode("idna")  # as a connection does it, where the process would end by it
    except UnicodeError:
        raise wrong from None
    return HubAddress(host=host, port=port or _HTTPS_PORT, tls=_client_tls(authority))


def _client_tls(authority: Path | None) -> ssl.SSLContext:
    """Context that checks the hub's certificate and name. All files are read now: later the process sees none of them."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if authority is None:
        context.load_default_certs()
        for bundle in _BUNDLES:
            with contextlib.suppress(OSError):
                context.load_verify_locations(bundle)
        return context
    try:
        context.load_verify_locations(authority)
    except OSError as error:  # an error of TLS is one too
        why = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise InvalidInputError(f"--ca {authority} cannot be used: {why}") from None
    return context
