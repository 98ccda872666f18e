"""Socket on which a serving process listens, made before the process is confined."""

import socket

from pilothouse.domain.errors import InvalidInputError, UnavailableError

_BACKLOG = 512
"""Connections that may wait to be accepted."""


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
