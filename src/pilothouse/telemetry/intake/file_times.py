"""Event times of a file that are believed. Pure.

A file is known whole, so its rows are judged in the order of their times, against each other and against the clock of
their target. Rows without a gap longer than the bound between them are a *group*. A group of many rows is believed
wherever it lies; a few rows apart from all others are not: a wrong date in one row would make every later event too late.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from pilothouse.telemetry.intake.admission import Believed, Clock, Limits
from pilothouse.telemetry.rows.columns import MISSING_TIME, Ints

_SHARE_OF_MANY = 0.01
"""Share of a file's rows from which as many rows as move a clock are believed apart from the others."""
_SHARE_OF_FEW = 0.05
"""Share of a file's rows from which fewer rows, but more than one, are."""
_GAPS_OF_A_RHYTHM = 3
"""Long gaps from which a file is one of a rhythm, as of a model that predicts once a month."""
_LONGEST_GAP = 3
"""Longest gap of a rhythm, as a multiple of the middle one."""
_ROWS_AT_ONCE = 1_000_000


def believed_times(
    times: Ints, clock: Clock | None, now_us: int, limits: Limits, history: bool, rows_of_file: int = 0
) -> Believed:
    """Span of the event times of a file that are believed; ``clock`` is that of its target before the file.

    Where there is no clock, the file is judged by itself; so it is in a ``history``, but for a single row ahead of the
    clock. Else a group that lies far before the clock is not believed, and one far after it only where it holds many rows,
    or the wall clock confirms it. ``rows_of_file``: rows of the file, where ``times`` are those of some of them alone.
    """
    ordered = times if _is_sorted(times) else np.sort(times)
    first_usable = np.searchsorted(ordered, MISSING_TIME, "right")
    ordered = ordered[first_usable : np.searchsorted(ordered, now_us + limits.future_us, "right")]
    if not ordered.size:
        return Believed(now_us, now_us)
    groups = np.split(ordered, _long_gaps(ordered, limits.ahead_us))
    if clock is None:
        kept = _kept_groups(groups, limits)
        return Believed(int(kept[0][0]), int(kept[-1][-1]))
    first, last = clock.event_us - limits.behind_us, clock.event_us + limits.ahead_us
    current = abs(clock.arrived_us - clock.event_us) <= limits.ahead_us
    of_now = now_us - limits.ahead_us if current else None
    if history:
        kept = _kept_groups(groups, limits, rows_of_file, last, of_now)
        return Believed(
            min([first, *(int(group[0]) for group in kept)]), max([last, *(int(group[-1]) for group in kept)])
        )
    for group in groups:
        joins = int(group[0]) <= last
        confirmed = of_now is not None and int(group[0]) >= of_now
        if joins or confirmed or _is_many(len(group), len(ordered), limits):
            last = max(last, int(group[-1]))
    return Believed(first, last)


def _is_sorted(times: Ints) -> bool:
    return bool((times[1:] >= times[:-1]).all())


def _long_gaps(ordered: Ints, longest: int) -> Ints:
    """Numbers of the rows after a longer gap; of a long file a part at a time is in memory twice."""
    parts = [
        first + 1 + np.flatnonzero(np.diff(ordered[first : first + _ROWS_AT_ONCE + 1]) > longest)
        for first in range(0, len(ordered), _ROWS_AT_ONCE)
    ]
    return np.concatenate(parts)


def _kept_groups(
    groups: Sequence[Ints],
    limits: Limits,
    rows_of_file: int = 0,
    clock_until: int | None = None,
    of_now: int | None = None,
) -> list[Ints]:
    """Groups of a history that are believed: the largest, those of many rows, and those of its rhythm.

    The largest may be a single row, or few of a file of which the others are not known, but not where it lies after
    ``clock_until``, up to which the target's clock believes events, and before the times ``of_now``, which the wall clock
    confirms: it is apart from all that the target has had.
    """
    rows = max(sum(map(len, groups)), rows_of_file)
    largest = max(range(len(groups)), key=lambda i: len(groups[i]))
    rhythm = _groups_of_a_rhythm(groups)
    return [
        group
        for i, group in enumerate(groups)
        if (
            i == largest
            and not (
                (len(group) == 1 or len(group) < _SHARE_OF_FEW * rows_of_file)
                and _is_apart(int(group[0]), clock_until, of_now)
            )
        )
        or i in rhythm
        or _is_many(len(group), rows, limits)
        or (len(group) > 1 and len(group) >= _SHARE_OF_FEW * rows)
    ]


def _is_apart(time_us: int, clock_until: int | None, of_now: int | None) -> bool:
    return clock_until is not None and time_us > clock_until and (of_now is None or time_us < of_now)


def _is_many(rows: int, of: int, limits: Limits) -> bool:
    return rows >= limits.confirmations and rows >= _SHARE_OF_MANY * of


def _groups_of_a_rhythm(groups: Sequence[Ints]) -> set[int]:
    """Numbers of the groups as large as others, and as far from their neighbours as these are."""
    gaps = np.array([int(after[0]) - int(before[-1]) for before, after in itertools.pairwise(groups)])
    if len(gaps) < _GAPS_OF_A_RHYTHM:
        return set()
    near = gaps <= _LONGEST_GAP * np.median(gaps)
    smallest = sum(map(len, groups)) / len(groups) / 2
    return {
        i for i, group in enumerate(groups) if len(group) >= smallest and near[max(i - 1, 0) : i + 1].any()
    }
