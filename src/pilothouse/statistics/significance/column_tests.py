"""Tests of one column in one window, and the p-value that they make together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pilothouse.statistics.significance.calibration import EFFECT, Null
from pilothouse.statistics.significance.multiplicity import harmonic, needed

RECENT_PREFIX = "recent_"
"""Prefix of the name of a statistic that is measured against the days just before the window."""
LASTING_PREFIX = "lasting_"
"""Prefix of the name of a statistic of the last windows together."""


@dataclass(frozen=True, slots=True)
class ColumnTest:
    """Test of one statistic of a column against one thing that it is compared with."""

    null: Null
    value: float
    rows: int
    """Rows by which the null is read: those of the window, or fewer where the recent past is short of rows."""
    p_value: float
    sampled: bool
    """The reference has no days to learn from: its null is the sampling null alone."""
    lasting: bool = False
    weight: float = 1.0
    """Share of the column's level."""

    @property
    def name(self) -> str:
        """Name of the statistic as it is shown."""
        prefix = LASTING_PREFIX if self.lasting else RECENT_PREFIX if self.null.recent else ""
        return f"{prefix}{self.null.statistic}"

    @property
    def large(self) -> bool:
        return self.value >= EFFECT[self.null.statistic]


@dataclass(frozen=True, slots=True)
class Looked:
    """Tests of a column: the ``tests`` that count, how many were ``made``, and the p-value up to which it is
    ``certain``."""

    tests: list[ColumnTest]
    made: int
    laws_known: bool
    """Every test has a sampling null, which is known far into its tail."""
    certain: float

    @property
    def p_value(self) -> float:
        """p-value of the column: its tests' smallest over its weight (Bonferroni), or their harmonic mean where all
        have sampling nulls."""
        counting = worth(self.tests)
        if self.laws_known:
            return harmonic([t.p_value for t in counting], [t.weight for t in counting])
        return min(1.0, *(t.p_value / t.weight for t in counting))

    def value_needed(self, test: ColumnTest, level: float) -> float:
        """Value of a test at which the column's p-value is ``level``."""
        if not self.laws_known:
            return test.null.value_at(level * test.weight, test.rows)
        others = [t for t in worth(self.tests) if t is not test]
        p_value = needed(level, test.weight, [t.p_value for t in others], [t.weight for t in others])
        if self.p_value <= level:  # several tests that are less than certain may be significant together
            p_value = max(p_value, test.p_value)
        return test.null.value_at(p_value, test.rows)

    @property
    def large(self) -> bool:
        return any(t.large for t in self.tests)


def weighed(tests: Sequence[ColumnTest], weights: Mapping[str, float], share: float) -> list[ColumnTest]:
    """Tests with their part of a ``share`` of the column's level, by ``weights``."""
    whole = math.fsum(weights[t.null.statistic] for t in tests)
    return [replace(t, weight=share * weights[t.null.statistic] / whole) for t in tests]


def worth(tests: Sequence[ColumnTest]) -> Sequence[ColumnTest]:
    """Tests that count for the column's p-value: those whose value reaches its EFFECT, or all where none does."""
    return [t for t in tests if t.large] or tests
