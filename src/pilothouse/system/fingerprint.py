"""Fingerprints of files from what the file system knows of them: cheap, for no byte is read."""

import hashlib
import os
import stat
from pathlib import Path

_MOST_FILES = 100_000
"""Files above which a folder is refused."""


def fingerprint(path: Path) -> str | None:
    """Digest of name, size, times and inode of the file, or of every file in the folder; None where there is nothing.

    A SQLite file's write-ahead log counts with it. Raises OSError where the path cannot be looked at.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    lines = []
    if stat.S_ISDIR(facts.st_mode):
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_file():
                    lines.append(_line(entry.name, entry.stat()))
                if len(lines) > _MOST_FILES:
                    raise OSError(f"{path} holds over {_MOST_FILES:,} files")
    else:
        lines.append(_line(path.name, facts))
        log = path.with_name(path.name + "-wal")
        if log.exists():
            lines.append(_line(log.name, log.stat()))
    return (
        hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()
        if lines
        else None
    )


def _line(name: str, facts: os.stat_result) -> str:
    return f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_ctime_ns}\0{facts.st_ino}\n"
