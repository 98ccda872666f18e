"""Blocks of time: rows of one day share their weather, so that a resample draws days and not rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.statistics.arrays import AnyArray

DAY_US = 86_400_000_000
FEWEST_BLOCKS = 8
"""Blocks below which shorter ones are taken: a resample of fewer says little of how they differ."""
_SHORTEST_US = DAY_US // 24


@dataclass(frozen=True, slots=True)
class TimeBlocks:
    """Label of each row's block of time, and the length of a block in µs; no labels where the rows span too little time."""

    labels: npt.NDArray[np.int64] | None
    length_us: int
    count: int

    @property
    def phrase(self) -> str:
        """``14 whole days drawn again``."""
        if self.labels is None:
            return "rows drawn singly: they span too little time for blocks"
        hours = self.length_us / _SHORTEST_US
        if hours == 24:
            return f"{self.count} whole days drawn again"
        length = f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} h"
        return f"{self.count} whole blocks of {length} drawn again"


def time_blocks(times_us: AnyArray, length_us: int = DAY_US) -> TimeBlocks:
    """Blocks of the rows at ``times_us`` (int64[n], µs since 1970 UTC) by whole multiples of ``length_us``.

    Where that gives fewer than ``FEWEST_BLOCKS`` the length is halved until it does, down to an hour; where even hours are too
    few, rows stand for themselves.
    """
    times = np.asarray(times_us, dtype=np.int64)
    while True:
        labels = times // length_us
        count = len(np.unique(labels))
        if count >= FEWEST_BLOCKS:
            return TimeBlocks(labels, length_us, count)
        if length_us // 2 < _SHORTEST_US:
            return TimeBlocks(None, 0, len(times))
        length_us //= 2
