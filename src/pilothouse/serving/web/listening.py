"""Sockets on which a serving process listens, made before the process is confined."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError, UnavailableError

_BACKLOG = 512
"""Connections that may wait to be accepted."""


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
