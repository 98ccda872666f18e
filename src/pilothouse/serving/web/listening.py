"""Sockets on which a serving process listens, made before the process is confined; and a listener of few connections."""

import contextlib
import resource
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from pilothouse.domain.errors import InvalidInputError, UnavailableError

_BACKLOG = 512
"""Connections that may wait to be accepted."""

_MOST_OPEN, _LEAST_OPEN = 800, 16


class BoundedListener(socket.socket):
    """Listener that anybody on a network can reach: of its connections at most ``most`` are open at once, those in the
    middle of a handshake of TLS among them, of which no protocol knows yet. Further ones are closed as they come.

    All of them together may take a quarter of the process's descriptors: the rest is for databases, and for other doors.
    """

    def __init__(self, family: int, kind: int, protocol: int = 0) -> None:
        super().__init__(family, kind, protocol)
        self._taken: WeakSet[socket.socket] = WeakSet()
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        share = _MOST_OPEN if descriptors == resource.RLIM_INFINITY else descriptors // 4
        self.most = max(_LEAST_OPEN, min(_MOST_OPEN, share))

    def accept(self) -> tuple[socket.socket, Any]:
        """Next connection. Raises ConnectionAbortedError, which asyncio passes over, for one too many."""
        connection, address = super().accept()
        if sum(one.fileno() >= 0 for one in self._taken) >= self.most:
            connection.close()
            raise ConnectionAbortedError
        self._taken.add(connection)
        return connection, address


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process listens. Port 0: a free one; without a ``grpc_port`` there is no gRPC."""

    host: str = "127.0.0.1"
    port: int = 0
    grpc_port: int | None = None


@dataclass(frozen=True, slots=True)
class Listeners:
    """Sockets of one process; ``grpc`` None: it does not speak gRPC."""

    http: socket.socket
    grpc: socket.socket | None = None

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports, HTTP's first."""
        return tuple(one.getsockname()[1] for one in (self.http, self.grpc) if one is not None)

    @property
    def descriptors(self) -> set[int]:
        """Descriptors of the sockets."""
        return {one.fileno() for one in (self.http, self.grpc) if one is not None}

    def close(self) -> None:
        """Close them in this process."""
        self.http.close()
        if self.grpc is not None:
            self.grpc.close()


def listen_on(address: Address) -> Listeners:
    """Sockets that listen there. Raises as ``listen`` does."""
    http = listen(address.host, address.port)
    if address.grpc_port is None:
        return Listeners(http)
    try:
        return Listeners(http, listen(address.host, address.grpc_port))
    except (InvalidInputError, UnavailableError):
        http.close()
        raise


@contextlib.contextmanager
def listening(address: Address) -> Iterator[Listeners]:
    """As ``listen_on``; they are closed at the end."""
    listeners = listen_on(address)
    try:
        yield listeners
    finally:
        listeners.close()


def listen(host: str, port: int) -> socket.socket:
    """Socket that listens on ``host``; port 0 picks a free one.

    Raises InvalidInputError for what is no address, UnavailableError for a port that is taken.
    """
    if not 0 <= port <= 65_535:
        raise InvalidInputError(f"{port} is not a port: expected 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol: asyncio sets TCP_NODELAY only where it sees IPPROTO_TCP, and answers take 40 ms without.
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise InvalidInputError(f"{host}:{port} is not an address to listen on: {error}") from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise UnavailableError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    return listener
