"""Turns of work on the same files: some share, one has them alone. The kernel ends a turn with its process."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from pilothouse.domain.errors import UnavailableError


@contextlib.contextmanager
def turn(path: Path, busy: str, *, alone: bool) -> Iterator[None]:
    """Context with a lock on a file, which is made where it is absent. Raises UnavailableError with ``busy`` where another one
    holds it alone, or, for one who wants it alone, where anybody holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(busy) from None
        yield
    finally:
        os.close(descriptor)
