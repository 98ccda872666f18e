"""Baselines that one process of this machine has measured, for all others that load the same version.

In a wave over many targets, one process measures while the others wait, instead of all at once: that is cheaper, and nearer to
a latency without traffic. Each still answers a request of its own before its version goes live.
"""

import asyncio
import time
from dataclasses import dataclass, field

from pilothouse.domain.formats.wire import BaselineAnswer, BaselineQuestion, DesiredVersion

COUNTS_S = 60.0
"""Seconds for which a baseline counts for others: the length of a wave, and no longer, for the machine's load changes."""
_MEASURES_S = 5.0
"""Seconds that a process has to measure; after that the others do so themselves."""
_MOST = 1_000
"""Baselines that are kept at most."""

_UNKNOWN = BaselineAnswer(0, 0.0)
_Key = tuple[DesiredVersion, str, bool]
"""Version with its files, release of the process, and whether it was measured beside the requests of the process."""


@dataclass(slots=True)
class _Entry:
    """Baseline that is measured by ``target``, or was. ``until``: the moment up to which others wait, or it counts."""

    target: str
    until: float
    found: BaselineAnswer | None = None
    waiting: "list[asyncio.Future[BaselineAnswer]]" = field(default_factory=list)


class SharedBaselines:
    """Baselines by version and release. For one event loop."""

    def __init__(self) -> None:
        self._entries: dict[_Key, _Entry] = {}

    async def answer(
        self, target: str, version: DesiredVersion, question: BaselineQuestion
    ) -> BaselineAnswer:
        """Baseline of a version; a p95 of 0 asks the target to measure it. A question with figures tells what was measured."""
        key, now = (version, question.release, question.beside), time.monotonic()
        entry = self._entries.get(key)
        if question.p95_us:
            found = BaselineAnswer(question.p95_us, question.stretch)
            # only of whoever was asked to measure: the others' figures are those of a machine that is busy
            if entry is not None and entry.target == target and entry.found is None:
                entry.found, entry.until = found, now + COUNTS_S
                for waiting in entry.waiting:
                    if not waiting.done():
                        waiting.set_result(found)
                entry.waiting.clear()
            return found
        if entry is None or now >= entry.until or (entry.target == target and entry.found is None):
            self._begin(key, _Entry(target, now + _MEASURES_S))
            return _UNKNOWN
        if entry.found is not None:
            return entry.found
        waiting = asyncio.get_running_loop().create_future()
        entry.waiting.append(waiting)
        try:
            return await asyncio.wait_for(waiting, entry.until - now)
        except TimeoutError:
            return _UNKNOWN

    def _begin(self, key: _Key, entry: _Entry) -> None:
        self._entries.pop(key, None)
        while len(self._entries) >= _MOST:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = entry
