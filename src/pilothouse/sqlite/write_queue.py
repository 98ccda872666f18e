"""Fair queue before the write lock of a database: who asks first writes first, between processes and threads.

SQLite's own waiting is a lottery. A writer that finds the lock taken sleeps, longer each time, and looks again; meanwhile
later ones take it, and with a dozen writers the unlucky wait for seconds. So two locks of the kernel stand before it, on
two bytes of a file beside the database. A writer takes ``next``, waits for ``now`` with it in hand, and lets ``next`` go.
One that waits for ``next`` sleeps in the kernel, which wakes the waiters for the same bytes one after another, in the
order in which they came (``__locks_insert_block`` in Linux's fs/locks.c); so only one looks for ``now``, a thousand times
a second, and nobody can pass it.

The queue only puts writers in order. SQLite's own lock protects the data, so a writer may go without its turn: where the
kernel or the file system has no such locks, and where the one before it takes longer than ``PATIENCE_S``, for it may have
been stopped. A process that ends gives its place up.
"""

import contextlib
import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

PATIENCE_S = 5.0
"""Seconds that a writer waits for its turn."""
_IMPATIENT_S = 60.0
"""Seconds for which a writer that has waited in vain does not wait again."""
_LOOK_EVERY_S = 0.001
"""Seconds between two looks at ``now``."""
_NEXT, _NOW = 0, 1
"""Bytes of the queue's file that are locked."""
_FLOCK = "hhqqi"
"""``struct flock`` of fcntl(2): type, whence, start, length, pid (0 for a lock of an open file description)."""


class WriteQueue:
    """Position of one thread in the queue of one database. Not to be shared: the locks belong to its open file."""

    def __init__(self, database: Path) -> None:
        self._path = queue_file(database)
        self._file: int | None = None
        self._impatient_until = 0.0
        """Monotonic time up to which this writer, having waited in vain, does not wait again."""

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Wait until it is this writer's turn, ``PATIENCE_S`` at most, and let the next one in at the end."""
        try:
            self._take()
            yield
        finally:
            if self._file is not None:
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, _NEXT, 2))

    def close(self) -> None:
        file, self._file = self._file, None  # its number may be another's as soon as it is closed
        if file is not None:
            os.close(file)

    def _take(self) -> None:
        now = time.monotonic()
        patience = PATIENCE_S if now >= self._impatient_until else 0.0
        until = now + patience
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            granted = _locked(self._file, _NEXT) or self._wait_for_next(patience)
            while granted and not _locked(self._file, _NOW):
                granted = time.monotonic() < until
                time.sleep(_LOOK_EVERY_S)
            if not granted and patience:
                self._impatient_until = time.monotonic() + _IMPATIENT_S
            if self._file is not None:
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, _NEXT))
        # a read-only folder, a system without such locks, a thread that cannot start while the program ends
        except (OSError, AttributeError, RuntimeError):
            self.close()

    def _wait_for_next(self, patience: float) -> bool:
        assert self._file is not None
        if not patience:
            return False
        wait = _Wait(self._file)
        try:
            wait.over.wait(patience)
        finally:
            granted = wait.is_granted()
            if not granted:
                self._file = None
        return granted


class _Wait:
    """Wait for ``next`` in the kernel, which has no time-out: so a thread waits, and the writer waits for the thread."""

    def __init__(self, file: int) -> None:
        self.over = threading.Event()
        """Set once the thread has stopped waiting."""
        self._file = file
        self._lock = threading.Lock()
        self._granted = self._given_up = False
        threading.Thread(target=self._wait, name="write queue", daemon=True).start()

    def is_granted(self) -> bool:
        """True where the writer has ``next``; else the file is the thread's, which closes it when its turn has come."""
        with self._lock:
            self._given_up = not self._granted
            return self._granted

    def _wait(self) -> None:
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLKW, _lock(fcntl.F_WRLCK, _NEXT))
        finally:
            with self._lock:
                self._granted = not self._given_up
                if self._given_up:
                    os.close(self._file)
            self.over.set()


def queue_file(database: Path) -> Path:
    """File whose bytes are locked; it is empty. A file of its own: closing any descriptor of the database or of its
    shared memory would drop SQLite's locks."""
    return database.with_name(f"{database.name}-queue")


def _locked(file: int, byte: int) -> bool:
    """Lock a byte; False where another writer holds it."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK, byte))
    except BlockingIOError:
        return False
    return True


def _lock(kind: int, byte: int, length: int = 1) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, byte, length, 0)
