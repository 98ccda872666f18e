"""Traffic of a serving process since its start, counted by version: requests, rows, errors by status, durations.

It is counted in the event loop alone, so it needs no lock.
"""

import time
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram of durations, in seconds."""
_BUCKETS_NS = tuple(round(bound * 1e9) for bound in BUCKETS_S)

Version = tuple[str, int]
"""Model and number."""


@dataclass(slots=True)
class VersionTraffic:
    """Requests to one version. A duration runs from the request's head to its answer, so that a slow body counts."""

    answered: int = 0
    rows: int = 0
    answered_ns: int = 0
    failed_ns: int = 0
    last_ms: int = 0
    """Milliseconds since 1970 of the last answer; 0 where there was none."""
    errors: Counter[int] = field(default_factory=Counter)
    """Errors by the status of their answers."""
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    """Answers by the first bound that their duration does not exceed; the last counts those beyond all."""

    @property
    def failed(self) -> int:
        return self.errors.total()


class Traffic:
    """Counts of one process."""

    def __init__(self) -> None:
        self.versions: dict[Version, VersionTraffic] = {}
        self.refused: Counter[int] = Counter()
        """Requests that reached no version, by the status of their answers."""

    def of(self, version: Version) -> VersionTraffic:
        """Traffic of a version, empty where it has had none."""
        return self.versions.get(version) or VersionTraffic()

    def answer(self, version: Version, rows: int, began_ns: int) -> None:
        """Count an answer, by the performance counter at its beginning."""
        counts = self._counts(version)
        took = time.perf_counter_ns() - began_ns
        counts.answered += 1
        counts.rows += rows
        counts.answered_ns += took
        counts.last_ms = time.time_ns() // 1_000_000
        counts.buckets[bisect_left(_BUCKETS_NS, took)] += 1

    def fail(self, version: Version, status: int, began_ns: int) -> None:
        """Count an error of that status."""
        counts = self._counts(version)
        counts.errors[status] += 1
        counts.failed_ns += time.perf_counter_ns() - began_ns

    def refuse(self, status: int) -> None:
        """Count a request that reached no version."""
        self.refused[status] += 1

    def _counts(self, version: Version) -> VersionTraffic:
        counts = self.versions.get(version)
        if counts is None:
            counts = self.versions[version] = VersionTraffic()
        return counts
