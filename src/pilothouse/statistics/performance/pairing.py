"""Pairing of the rows of two tables, so that two models' predictions of the same row can be compared."""

from collections import defaultdict, deque
from collections.abc import Hashable, Sequence

import numpy as np

from pilothouse.statistics.arrays import Ints


def paired_rows(first: Sequence[Hashable], second: Sequence[Hashable], *, whole: bool) -> tuple[Ints, Ints]:
    """Row numbers (int64[pairs] each) in ``first`` and in ``second`` of rows with equal keys, in the order of ``first``.

    Where the keys are ``whole`` rows, rows that occur several times are paired one by one: a model predicts the same
    for each. Where they are parts of rows, a key that occurs more than once on either side is ambiguous and left out.
    """
    rows_of: dict[Hashable, deque[int]] = defaultdict(deque)
    for row, key in enumerate(second):
        rows_of[key].append(row)
    counts: dict[Hashable, int] = defaultdict(int)
    if not whole:
        for key in first:
            counts[key] += 1
    matches: list[tuple[int, int]] = []
    for row, key in enumerate(first):
        there = rows_of.get(key)
        if not there:
            continue
        if whole:
            matches.append((row, there.popleft()))
        elif len(there) == 1 and counts[key] == 1:
            matches.append((row, there[0]))
    pairs = np.array(matches, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
