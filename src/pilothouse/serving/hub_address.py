"""Address of the hub."""

from pathlib import Path

from pilothouse.domain.errors import InvalidInputError

_LONGEST_SOCKET_PATH = 107
"""Bytes of ``sun_path`` in ``struct sockaddr_un`` on Linux, less the closing 0."""


def socket_path(hub: str) -> Path:
    """Path in ``unix:PATH``. Raises InvalidInputError for another form, or a path that is too long for a socket."""
    scheme, _, path = hub.partition(":")
    if scheme != "unix" or not path:
        raise InvalidInputError(f"{hub!r} does not name a hub: expected unix:PATH")
    if len(path.encode()) > _LONGEST_SOCKET_PATH:
        raise InvalidInputError(f"{path!r} is too long for a unix socket: expected at most 107 bytes")
    return Path(path)
