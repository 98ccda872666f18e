"""Cost of a version's calls by their rows, as measured: what decides whether the event loop may make one itself."""

import math

_WEIGHT = 1 / 8
"""Weight of the newest call in a running average."""


class CallCosts:
    """Running averages of the processor time of calls, one for each power of two of rows: a busy machine makes no call heavy.
    Several threads may note calls."""

    def __init__(self) -> None:
        self._average_ns: dict[int, float] = {}

    def note(self, rows: int, computed_ns: int) -> None:
        """Take the processor time of a call into account."""
        size = rows.bit_length()
        before = self._average_ns.get(size, computed_ns)
        self._average_ns[size] = before + (computed_ns - before) * _WEIGHT

    def expected_ns(self, rows: int) -> float:
        """Processor time to expect of a call. Of a size that has not been measured it is at most as much as it would be if
        every row cost what it does in the next smaller size; infinite where there is none."""
        size = rows.bit_length()
        if size in self._average_ns:
            return self._average_ns[size]
        smaller = max((known for known in self._average_ns.copy() if known < size), default=None)
        return math.inf if smaller is None else self._average_ns[smaller] * rows / (1 << (smaller - 1))
