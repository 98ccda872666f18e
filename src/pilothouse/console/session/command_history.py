"""Commands typed after ``:``, kept in a file for each user. A file that cannot be read or written is ignored."""

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path

KEPT = 500
_LONGEST = 400


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_STATE_HOME/pilothouse/commands``."""
    home = environment.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(home).expanduser() / "pilothouse" / "commands"


class CommandHistory:
    """Lines, oldest first; they are kept for this console only where ``path`` is None."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self.lines: list[str] = []
        if path is not None:
            with contextlib.suppress(OSError):
                text = path.read_bytes()[-KEPT * _LONGEST :].decode("utf-8", "replace")
                self.lines = [line for line in text.splitlines() if line.isprintable() and line][-KEPT:]

    def add(self, line: str) -> None:
        """Remember a line; an earlier equal one moves to the end."""
        command = " ".join(line.split())[:_LONGEST]
        if not command or not command.isprintable():
            return
        self.lines = [*(old for old in self.lines if old != command), command][-KEPT:]
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._write(self._path)

    def _write(self, path: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in self.lines))
        fresh.replace(path)
