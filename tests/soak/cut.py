"""A process that is killed at the n-th thing that it does to the disk: a statement of SQLite, or a file made, renamed, removed.

Every statement and every change of a file is such a point, without a hook in the program: SQLite's own trace and
Python's audit events tell of each just before it happens.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any

_CHANGES = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.truncate")
_PROOFS = ("killed_writers", "contention", "workers_killed")
NEVER = 1 << 62


class Cutter:
    """Counts the points that are passed once it is armed; kills this process at the one wanted."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.passed: list[str] = []
        self.armed = False

    def point(self, name: str) -> None:
        """About to happen."""
        if self.armed:
            self.passed.append(name)
            if len(self.passed) == self.at:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Hear of every statement of connections opened from now on, and of every change of a file."""
        from pilothouse.sqlite import database

        connect = database.connect

        def traced(*arguments: Any, **options: Any) -> Any:
            connection = connect(*arguments, **options)
            connection.set_trace_callback(lambda sql: self.point(" ".join(sql.split()[:4])))
            return connection

        database.connect = traced  # type: ignore[assignment]
        sys.addaudithook(self._event)

    def _event(self, event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and bool(set(arguments[1]) & set("wax+"))
        if writes or event in _CHANGES:
            self.point(event)


def context() -> BaseContext:
    """Where children come from: a clean process that has imported everything and opened nothing."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload(["soak.scenarios", *(f"soak.test_{name}" for name in _PROOFS)])
    if forkserver._forkserver._forkserver_pid is None:  # it is told our sys.path and does not take it
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([*sys.path, before or ""])
        forkserver.ensure_running()
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    return made


def run(scenario: str, root: Path, at: int) -> tuple[int, list[str]]:
    """Play a scenario in a process of its own, cut at its ``at``-th point: its exit code and, uncut, the points passed."""
    here = context()
    mine, theirs = here.Pipe(duplex=False)
    child = here.Process(target=_play, args=(scenario, root, at, theirs))
    child.start()
    theirs.close()
    try:
        points = mine.recv()
    except EOFError:
        points = []
    child.join(60)
    assert child.exitcode is not None, "the child hangs"
    return child.exitcode, points


def _play(scenario: str, root: Path, at: int, answer: Any) -> None:
    from soak.scenarios import SCENARIOS

    cutter = Cutter(at)
    cutter.watch()
    act: Callable[[], None] = SCENARIOS[scenario].ready(root)
    cutter.armed = True
    act()
    cutter.armed = False
    answer.send(cutter.passed)
