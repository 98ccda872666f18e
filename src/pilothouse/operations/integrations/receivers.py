"""Ways on which events leave: lines at the end of a file, and requests to a URL."""

import contextlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from pilothouse import __version__
from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.sending.http_post import NO_REDIRECT, Bounds, NotSentError, ask

PATIENCE_S = 5.0
_LONGEST_ANSWER = 64 << 10
_REFUSED = frozenset({400, 409, 413, 415, 422})
"""Answers to an event that would be answered so again, whenever it is sent."""


def append_lines(path: Path, lines: Sequence[bytes]) -> None:
    """Put lines at the end of a file and on the disk, all or none. Raises UnavailableError."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o600)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise UnavailableError(f"{path}: is no plain file; name another one in integrations.toml")
            try:
                data = b"".join(line + b"\n" for line in lines)
                if status.st_size and os.pread(descriptor, 1, status.st_size - 1) != b"\n":
                    data = b"\n" + data  # the machine went down within a line: it stays by itself
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            except OSError:
                with contextlib.suppress(OSError):  # half a line must not stay
                    os.ftruncate(descriptor, status.st_size)
                raise
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error


def post(url: str, body: bytes, token: str, allow: Sequence[str] = ()) -> None:
    """Send JSON, to public addresses and those that ``allow`` names. Raises InvalidInputError where the receiver will never
    take it, UnavailableError otherwise. No redirect is followed: the token goes to no other host."""
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc}"
    headers = {"content-type": "application/json", "user-agent": f"pilothouse/{__version__}"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    bounds = Bounds(allow, timeout_s=PATIENCE_S, within_s=2 * PATIENCE_S, longest=_LONGEST_ANSWER)
    try:
        answer = ask(url, body, headers, bounds)
    except NotSentError as error:
        raise UnavailableError(f"{host}: {one_line(str(error), 300)}") from None
    if 200 <= answer.status < 300:
        return
    said = NO_REDIRECT if 300 <= answer.status < 400 else answer.said.decode("utf-8", "replace")
    text = f"{host} answered {answer.status}: {one_line(said, 200)}"
    raise InvalidInputError(text) if answer.status in _REFUSED else UnavailableError(text)
