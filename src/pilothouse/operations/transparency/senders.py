"""Ways on which a head goes out: a line at the end of a file, a message to the system's log, a request to a witness."""

import http.client
import json
import os
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.transparency import witness_requests
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.witness_requests import Request

PATIENCE_S = 4.0
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


def append_line(path: Path, line: str) -> None:
    """Put a line at the end of a file, and on the disk. Raises UnavailableError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o644)
        try:
            data = f"{line}\n".encode()
            if os.write(descriptor, data) != len(data):
                raise UnavailableError(f"{path}: only a part of the line was written: the disk is full")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnavailableError(f"{path}: {error.strerror}") from error


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
    """Send a request to a witness. Raises UnavailableError where none answers."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        connection: http.client.HTTPConnection = _SocketConnection(parts.path)
        path = witness_requests.PATH
    else:
        path = parts.path.rstrip("/") + witness_requests.PATH
        host, port = parts.hostname or "", parts.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=PATIENCE_S, context=ssl.create_default_context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=PATIENCE_S)
        )
    try:
        connection.request(
            "POST", path, body=str(request).encode(), headers={"Content-Type": "text/plain; charset=utf-8"}
        )
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
