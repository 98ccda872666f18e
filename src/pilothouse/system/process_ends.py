"""Ends of processes that are no children of this one, heard of at once (pidfd_open(2))."""

import contextlib
import os
import select
import threading
from collections.abc import Callable

from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.system.processes import is_alive


class EndWatch:
    """Thread that calls ``on_end`` when a watched process has ended.

    Where the kernel has no such descriptors nobody is watched: who needs to know looks now and then too.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._poll = select.epoll()
        self._closing, self._close = os.pipe()
        self._poll.register(self._closing, select.EPOLLIN)
        self._watched: set[int] = set()
        """Descriptors of the processes that have not ended."""
        self._thread = threading.Thread(target=self._run, name="ends of processes", daemon=True)
        self._thread.start()

    def add(self, name: ProcessName) -> None:
        """Watch a process; ``on_end`` is called at once where it has ended already."""
        try:
            descriptor = os.pidfd_open(name.pid)
        except ProcessLookupError:
            self._on_end()
            return
        except OSError:
            return
        if not is_alive(name):  # another process has its pid by now
            os.close(descriptor)
            self._on_end()
            return
        self._watched.add(descriptor)
        self._poll.register(descriptor, select.EPOLLIN)

    def close(self) -> None:
        """End the thread."""
        os.close(self._close)
        self._thread.join()
        for descriptor in self._watched:
            os.close(descriptor)

    def _run(self) -> None:
        with contextlib.closing(self._poll):
            while True:
                for descriptor, _ in self._poll.poll():
                    self._poll.unregister(descriptor)
                    self._watched.discard(descriptor)
                    os.close(descriptor)
                    if descriptor == self._closing:
                        return
                    self._on_end()
