"""Which worker takes the next step, seen from the process that has sent them all."""

import asyncio
import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_SHUNNED_S = 60.0
"""Seconds for which a worker whose disk was full is given nothing, unless there is no other."""


@dataclass
class Worker:
    """A worker that can be given steps, one a thread at a time."""

    address: str
    threads: int
    agent: str
    """Name of the agent in it, which is another one each time that the worker starts."""
    host: str = ""
    fault: str = ""
    others: int = 0
    """Tasks that run there, as it told last, whoever has sent them."""
    steps: int = 0
    shunned_until: float = 0.0
    known: set[str] = field(default_factory=set)
    """Digests of files that it was sent; it may have removed some since."""


@dataclass(frozen=True, slots=True)
class Place:
    """Turn of one step on a worker, and its number among the steps of this process on that machine."""

    worker: Worker
    number: int


class Places:
    """The threads of a cluster's workers, given to steps in the order in which they ask."""

    def __init__(self, say_time: Callable[[], float] = time.monotonic) -> None:
        self._now = say_time
        self._workers: dict[str, Worker] = {}
        self._queue: deque[object] = deque()
        self._numbers: dict[str, set[int]] = {}
        self._changed = asyncio.Event()
        self._first = os.getpid()  # several workspaces may share a machine, and know nothing of each other

    def tell(self, workers: dict[str, dict[str, Any]]) -> None:
        """Take the workers that there are: ``threads``, ``agent``, ``host``, ``fault`` and ``others`` of each, by address."""
        for address in self._workers.keys() - workers.keys():
            del self._workers[address]
        for address, facts in workers.items():
            known = self._workers.get(address)
            if known is None or known.agent != facts["agent"]:
                self._workers[address] = Worker(address, **facts)
            else:
                known.threads, known.fault, known.others = facts["threads"], facts["fault"], facts["others"]
        self._wake()

    async def take(self) -> Place:
        """Wait for a free thread. Of several, one of the worker with the least to do."""
        turn = object()
        self._queue.append(turn)
        try:
            while self._queue[0] is not turn or (worker := self._best()) is None:
                await self._changed.wait()
            worker.steps += 1
            numbers = self._numbers.setdefault(worker.host, set())
            number = next(n for n in itertools.count() if n not in numbers)
            numbers.add(number)
            return Place(worker, self._first + number)
        finally:
            self._queue.remove(turn)
            self._wake()

    def give_back(self, place: Place) -> None:
        """End a turn."""
        place.worker.steps -= 1
        self._numbers[place.worker.host].discard(place.number - self._first)
        self._wake()

    def shun(self, place: Place) -> None:
        """Give a worker that has no room on its disk nothing for a while, where there is another."""
        place.worker.shunned_until = self._now() + _SHUNNED_S

    def is_shunned(self, address: str) -> bool:
        worker = self._workers.get(address)
        return worker is not None and worker.shunned_until > self._now()

    def _best(self) -> Worker | None:
        sound = [worker for worker in self._workers.values() if not worker.fault]
        able = [worker for worker in sound if worker.shunned_until <= self._now()]
        # where all are at fault the step is to hear of it
        free = [worker for worker in able or sound or self._workers.values() if worker.steps < worker.threads]
        return min(free, key=lambda worker: (worker.steps, worker.others, worker.address), default=None)

    def _wake(self) -> None:
        """Let all that wait look again."""
        self._changed.set()
        self._changed = asyncio.Event()
