"""Requests that are complete in one turn of the event loop: predicted together, written in one flush, answered.

What is small is computed in the loop's own thread: handing a request to a thread and its answer back takes longer than a
small call of a model. What would keep the loop from others for longer goes to the worker, so that health checks and small
models do not wait behind a large one.
"""

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable

from pilothouse.serving.delivery.spool import Entry, Spool
from pilothouse.serving.prediction.calls import ModelFailedError, Work, call, groups, rows_of
from pilothouse.serving.prediction.vital_threads import vital
from pilothouse.serving.prediction.worker import MAXIMUM_BATCH_ROWS, Worker

log = logging.getLogger(__name__)

_IN_TURN_NS = 2_000_000
"""Duration up to which the calls of one turn are made in the event loop."""


class Turns:
    """Requests of the event loop that runs where it is first used. ``submit`` is for that loop's thread."""

    def __init__(self, worker: Worker, spool: Spool) -> None:
        self._worker, self._spool = worker, spool
        self._works: list[Work] = []
        self._answer_turn = vital(self._answer, "answering of a turn")

    def submit(self, work: Work) -> None:
        """Have ``work`` answered at the end of this turn, or by the worker."""
        self._works.append(work)
        if len(self._works) == 1:
            asyncio.get_running_loop().call_soon(self._answer_turn)

    def _answer(self) -> None:
        works, self._works = self._works, []
        left_ns: float = _IN_TURN_NS
        entries: list[Entry] = []
        for group in groups(works):
            rows = rows_of(group)
            expected_ns = group[0].loaded.costs.expected_ns(rows)
            if rows <= MAXIMUM_BATCH_ROWS and expected_ns <= left_ns:
                left_ns -= expected_ns
                try:
                    entries += call(group)
                    continue
                except ModelFailedError:  # the worker finds out whose values it was
                    pass
            for work in group:
                self._worker.submit(work)
        if entries:
            self._spool.append_now(entries)


class Outbox:
    """Calls to make in the event loop, from any thread: one wake-up of the loop for all that are posted meanwhile."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Outbox of ``loop``, made in its thread."""
        self._loop, self._thread = loop, threading.get_ident()
        self._calls: deque[Callable[[], None]] = deque()
        self._is_posted = False

    def post(self, act: Callable[[], None]) -> None:
        """Have ``act`` called: at once in the loop's own thread, else soon. Nothing happens once the loop is closed."""
        if threading.get_ident() == self._thread:
            _call(act)
            return
        self._calls.append(act)
        if not self._is_posted:
            self._is_posted = True
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        self._is_posted = False  # before the look: what is posted from now on posts again
        while self._calls:
            _call(self._calls.popleft())


def _call(act: Callable[[], None]) -> None:
    try:
        act()
    except Exception:  # a fault of ours, in one answer: the others that were posted are given
        log.exception("an answer failed")
