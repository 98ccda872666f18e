"""Write guard of a workspace: a small file in ``state`` that says that nothing may be written, why, and what to do.

It is a file and not a row because it is wanted when no row can be written. Looking for it costs one ``stat``.
"""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.system.files import write_atomically

Cause = Literal["disk", "check", "person"]
"""Cause of a read-only state, which decides who lifts it: the daemon when there is room again (disk), or an operator (a
check that failed, or an operator's wish)."""

_RESERVE_BYTES = 256 << 10
"""Bytes held back, so that the guard's file can be written on a full disk."""

_ADVICE: dict[str, str] = {
    "disk": "make room; the daemon then lifts it by itself",
    "check": "run pilothouse doctor; restore a backup, or lift it with pilothouse writable",
    "person": "pilothouse writable lifts it",
}


@dataclass(frozen=True, slots=True)
class ReadOnly:
    """Reason why nothing is written. ``since`` is an ISO time in UTC."""

    cause: Cause
    reason: str
    since: str
    by: str

    @property
    def message(self) -> str:
        """Message in one line: since when, why, what to do."""
        return f"the workspace is read-only since {self.since[:16]} UTC: {self.reason}; {_ADVICE[self.cause]}"


class WriteGuard:
    """Guard of one workspace. Every unit of work that writes calls ``check`` first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reserve = path.with_name("reserve")

    def state(self) -> ReadOnly | None:
        """Reason why nothing may be written, or None."""
        try:
            plain = parse_json(self._path.read_bytes())
            return ReadOnly(plain["cause"], str(plain["reason"]), str(plain["since"]), str(plain["by"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return ReadOnly("check", f"{self._path.name} cannot be read", "", "")

    def check(self) -> None:
        """Raise UnavailableError where nothing may be written."""
        if self._path.exists() and (mark := self.state()) is not None:
            raise UnavailableError(mark.message)

    def keep_room(self) -> None:
        """Hold some room back in a file, so that a full disk can be noted. Does nothing where there is no room."""
        if not self._reserve.exists():
            with contextlib.suppress(OSError):
                write_atomically(self._reserve, bytes(_RESERVE_BYTES))

    def take_room(self) -> None:
        """Release the room that ``keep_room`` held."""
        self._reserve.unlink(missing_ok=True)

    def close(self, mark: ReadOnly) -> None:
        """Forbid all writes from now on. Raises OSError."""
        write_atomically(self._path, json.dumps(asdict(mark)).encode())

    def open(self) -> None:
        """Allow writes again."""
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()
