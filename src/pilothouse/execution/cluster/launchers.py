"""Launchers of a worker: as many as steps run at once, one of them ready before it is needed."""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse.execution.launcher_client import Launcher

_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Manner:
    """How steps are run: launchers of the same manner can stand in for each other."""

    isolation: str
    package: str
    path: tuple[str, ...]
    grace_s: float


class Launchers:
    """``most`` launchers of each manner."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._idle: dict[Manner, list[Launcher]] = {}
        self._started: dict[Manner, int] = {}

    def keep_ready(self, manner: Manner) -> None:
        """Have one import the libraries before a step needs it, where none is idle and there may be more. Raises
        UnavailableError where nothing confines here."""
        with self._changed:
            if self._idle.get(manner) or self._started.get(manner, 0) >= self._most:
                return
            self._started[manner] = self._started.get(manner, 0) + 1
        try:
            launcher = Launcher(
                isolation="warn" if manner.isolation == "warn" else "require",
                steps_package=manner.package,
                path=[Path(folder) for folder in manner.path],
                grace_s=manner.grace_s,
                niceness=0,  # nothing is served here: how much the worker yields to others is for who starts it to say
            )
            launcher.start()
        except BaseException:
            with self._changed:
                self._started[manner] -= 1
            raise
        self._give_back(manner, launcher)

    @contextlib.contextmanager
    def lent(self, manner: Manner) -> Iterator[Launcher]:
        """A launcher that no other step has: one that dies takes one attempt along. Raises UnavailableError."""
        launcher = self._take(manner)
        try:
            self.keep_ready(manner)
            yield launcher
        finally:
            self._give_back(manner, launcher)

    def _take(self, manner: Manner) -> Launcher:
        while True:
            self.keep_ready(manner)
            with self._changed:
                if idle := self._idle.get(manner):
                    return idle.pop()
                self._changed.wait(_LOOK_EVERY_S)  # another thread has it, or starts the last one just now

    def _give_back(self, manner: Manner, launcher: Launcher) -> None:
        with self._changed:
            self._idle.setdefault(manner, []).append(launcher)
            self._changed.notify_all()
