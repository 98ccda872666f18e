"""Ways on which a head goes out: a line at the end of a file, a message to the system's log, a request to a witness."""

import contextlib
import errno
import http.client
import json
import os
import socket
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.sending.http_post import Bounds, NoHttpError, NotSentError, ask
from pilothouse.transparency import witness_requests
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.witness_requests import Request

PATIENCE_S = 4.0
_TEXT = {"Content-Type": "text/plain; charset=utf-8"}
_AGAIN = "put it back, or remove the anchor and add it again"
GONE = f"heads were sent to this file, and it is gone: {_AGAIN}"
EMPTIED = f"heads were sent to this file, and it is empty: {_AGAIN}"
_NOTICE_TO_AUTHPRIV = 10 * 8 + 5
"""Priority of the messages to the system's log."""


def line_of(head: SignedCheckpoint, now: datetime) -> str:
    """A head as one line of JSON; ``note`` is the head itself."""
    facts = {
        "origin": head.checkpoint.origin,
        "size": head.checkpoint.size,
        "time": _time(now),
        "note": str(head),
    }
    return json.dumps(facts, ensure_ascii=True)


def append_line(path: Path, line: str, *, is_first: bool = True, after_failure: bool = False) -> None:
    """Put a line at the end of a file, and on the disk; a file is made for the first line alone. Raises UnavailableError: what
    was written of the line is then taken back, and where that is forbidden, the next line begins with an end of line."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | (os.O_CREAT if is_first else 0), 0o644)
        try:
            status = os.fstat(descriptor)
            is_plain = stat.S_ISREG(status.st_mode)
            if is_plain and not status.st_size and not is_first:
                raise UnavailableError(f"{path}: {EMPTIED}")
            needs_end = (
                is_plain and status.st_size and not _ends_a_line(path, status, otherwise=after_failure)
            )
            data = (f"\n{line}\n" if needs_end else f"{line}\n").encode()
            _write_whole(descriptor, data, status.st_size if is_plain else None)
        finally:
            os.close(descriptor)
    except FileNotFoundError as error:
        raise UnavailableError(f"{path}: {error.strerror if is_first else GONE}") from error
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error


def is_missing(path: Path) -> bool:
    """True where there is no such file; False too where that cannot be seen."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _write_whole(descriptor: int, data: bytes, before: int | None) -> None:
    """Write, and be sure that it is on the disk; take back what was written of it otherwise."""
    written = 0
    try:
        written = os.write(descriptor, data)
        if written != len(data):
            raise OSError(errno.ENOSPC, "only a part of the line was written: the disk is full")
        os.fsync(descriptor)
    except OSError:
        # somebody else's line behind it stays; a file that may only grow keeps the part
        if before is not None and os.fstat(descriptor).st_size == before + written:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
        raise


def _ends_a_line(path: Path, status: os.stat_result, *, otherwise: bool) -> bool:
    """True where a file's last byte ends a line; for a file that we may not read, not ``otherwise``."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return not otherwise
    try:
        return os.pread(descriptor, 1, status.st_size - 1) == b"\n"
    finally:
        os.close(descriptor)


def send_to_syslog(place: str, line: str) -> None:
    """Send a message to a socket of the system's log. Raises UnavailableError."""
    message = f"<{_NOTICE_TO_AUTHPRIV}>pilothouse[{os.getpid()}]: {line}".encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.settimeout(PATIENCE_S)
        try:
            out.connect(place)
            out.send(message)
        except OSError as error:
            raise UnavailableError(f"{place}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer of a witness."""

    status: int
    text: str


def ask_witness(url: str, request: Request) -> Answer:
    """Send a request to a witness. Its host may be reached wherever it is: an admin has named it. Raises UnavailableError where
    none answers, InvalidInputError where something else does."""
    parts = urlsplit(url)
    body = str(request).encode()
    if parts.scheme == "unix":
        return _ask_socket(url, parts.path, body)
    place = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{witness_requests.PATH}"
    bounds = Bounds(
        allow=(parts.hostname or "",),
        timeout_s=PATIENCE_S,
        within_s=2 * PATIENCE_S,
        longest=witness_requests.LONGEST,
        reads_success=True,
    )
    try:
        answer = ask(place, body, _TEXT, bounds)
        return Answer(answer.status, answer.said.decode())
    except (NoHttpError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{url}: this is not a witness ({error})") from error
    except NotSentError as error:
        raise UnavailableError(f"{url}: {error}") from error


def _ask_socket(url: str, path: str, body: bytes) -> Answer:
    connection = _SocketConnection(path)
    try:
        connection.request("POST", witness_requests.PATH, body=body, headers=_TEXT)
        answer = connection.getresponse()
        return Answer(answer.status, answer.read(witness_requests.LONGEST).decode())
    except TimeoutError:
        raise UnavailableError(f"{url}: no answer within {PATIENCE_S:g} s") from None
    except OSError as error:
        raise UnavailableError(
            f"{url}: {(error.strerror or str(error) or 'no connection').lower()}"
        ) from error
    except (http.client.HTTPException, UnicodeDecodeError, ValueError) as error:
        raise InvalidInputError(f"{url}: this is not a witness ({type(error).__name__})") from error
    finally:
        connection.close()


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a socket of this machine."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(self._path)


def _time(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
