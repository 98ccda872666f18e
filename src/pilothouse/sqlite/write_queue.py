"""A fair queue before the write lock of a database: who asks first writes first, between processes and threads.

SQLite's own waiting is a lottery. Who finds the lock taken sleeps, longer each time, and looks again; meanwhile those who
have just come take it, and with a dozen writers the unlucky wait for seconds. So two locks of the kernel stand before it,
on two bytes of a file beside the database. Who wants to write takes ``next``, waits for ``now`` with it in hand, and lets
``next`` go; who waits for ``next`` sleeps in the kernel, which wakes those who want the same bytes one after another, in
the order in which they came (``__locks_insert_block`` in Linux's fs/locks.c). Nobody can pass whoever holds ``next``.

The queue only puts writers in order. What protects the data is SQLite's own lock, so a writer may go without its turn:
where the kernel or the place has no such locks, and where the one before it takes longer than ``PATIENCE_S``, for it may
have been stopped. A process that ends, however, gives its place up.
"""

import contextlib
import fcntl
import os
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

PATIENCE_S = 5.0
_NEXT, _NOW = 0, 1
_FLOCK = "hhqqi"
"""``struct flock`` of fcntl(2): type, whence, start, length, pid (0 for a lock of an open file description)."""


class WriteQueue:
    """One thread's place in the queue of one database. Not to be shared: the locks belong to its open file."""

    def __init__(self, database: Path) -> None:
        self._path = queue_file(database)
        self._file: int | None = None
        self._late: _Wait | None = None

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
        """Leave the queue."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _take(self) -> None:
        if self._late is not None and not self._late.over.is_set():  # whoever held it up still does
            return
        try:
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            if self._at_once(self._file):
                return
            wait = _Wait(self._file)
        except (
            OSError,
            AttributeError,
            RuntimeError,
        ):  # a read-only place, another system, the program's end
            self.close()
            return
        try:
            wait.over.wait(PATIENCE_S)
        finally:
            if not wait.is_granted():
                self._file, self._late = None, wait

    @staticmethod
    def _at_once(file: int) -> bool:
        """Take the turn where nobody waits or writes; where somebody only writes, hold ``next`` already."""
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK, _NEXT))
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_WRLCK, _NOW))
        except BlockingIOError:
            return False
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, _NEXT))
        return True


class _Wait:
    """Waiting in the kernel, which knows no time-out: so a thread waits, and the writer waits for the thread."""

    def __init__(self, file: int) -> None:
        self.over = threading.Event()
        """Set once the thread waits no more."""
        self._file = file
        self._lock = threading.Lock()
        self._granted = self._given_up = False
        threading.Thread(target=self._wait, name="write queue", daemon=True).start()

    def is_granted(self) -> bool:
        """True where it is the writer's turn; else the file is the thread's, which closes it when its turn has come."""
        with self._lock:
            self._given_up = not self._granted
            return self._granted

    def _wait(self) -> None:
        try:
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLKW, _lock(fcntl.F_WRLCK, _NEXT))
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLKW, _lock(fcntl.F_WRLCK, _NOW))
            fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, _lock(fcntl.F_UNLCK, _NEXT))
        finally:
            with self._lock:
                self._granted = not self._given_up
                if self._given_up:
                    os.close(self._file)
            self.over.set()


def queue_file(database: Path) -> Path:
    """The file whose bytes are locked; it is empty. A file of its own: closing any descriptor of the database or of its
    shared memory would drop SQLite's locks."""
    return database.with_name(f"{database.name}-queue")


def _lock(kind: int, byte: int, length: int = 1) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, byte, length, 0)
