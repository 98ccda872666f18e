"""Whether a window holds enough rows for a verdict, how many windows are judged as one, what is lacking, and when the next
can be judged."""

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from pilothouse.domain.formats.time_units import DAY_S, HOUR_S, MINUTE_S
from pilothouse.domain.models.model_spec import ModelSpec, MonitoringSpec
from pilothouse.domain.monitoring.findings import Window

MOST_TOGETHER = 8
"""Windows that are judged together at most, where each holds fewer rows than ``monitoring.minimum_rows``."""
MOST_DILUTED = 16
"""Rows judged together for each row of the newest window, at most: beyond that they say nothing about it."""
FEWEST_ROWS = 50
"""Rows below which no ``minimum_rows`` is suggested: a verdict on fewer would find only what is seen without one."""

MOST_NOTES = 12
"""Notes on windows that will hold too few rows, of a model with many targets."""


def windows_together(rows: Sequence[int], minimum_rows: int) -> int:
    """Number of the newest windows that are judged as one, of the ``rows`` of each, newest first: as few as hold
    ``minimum_rows``, or all that may be merged where those are too few. A window without rows ends them."""
    taken = rows[0]
    for count, before in enumerate(rows[1:MOST_TOGETHER], 1):
        if taken >= minimum_rows or not before or rows[0] * MOST_DILUTED < taken + before:
            return count
        taken += before
    return min(len(rows), MOST_TOGETHER)


def performance_grid(monitoring: MonitoringSpec) -> tuple[int, int]:
    """Length and step of the windows of measured performance, in seconds: whole days."""
    window, step = (
        math.ceil(duration / DAY_S) * DAY_S
        for duration in (monitoring.performance_window, monitoring.performance_step)
    )
    return window, step


def next_judged_performance(end: datetime, spec: ModelSpec) -> datetime:
    """Earliest event time at which the window of performance after one that ended at ``end`` can be judged: it has ended, and
    its outcomes have had their time to come."""
    _, step = performance_grid(spec.monitoring)
    return end + timedelta(seconds=step + spec.data.outcome_delay)


def windows_wanted(significant: Sequence[bool], monitoring: MonitoringSpec, together: int) -> int:
    """Number of windows, at least, after which a suspected loss is an alert or is not one. ``significant``: whether the
    windows judged so far were, newest last, that one included; ``together``: how many it was judged with. Windows judged
    together are certain by themselves or say nothing."""
    if together > 1:
        return 1
    kept = significant[-(monitoring.of - 1) :] if monitoring.of > 1 else ()
    return max(1, monitoring.fire - sum(kept))


def lack(rows: int, minimum_rows: int, window_s: int) -> str:
    """What ``rows`` in ``window_s`` seconds lack for a verdict, and the ``minimum_rows`` with which there would be one;
    empty where rows are not what is missing."""
    if rows >= minimum_rows:
        return ""
    have = f"{rows:,} of {minimum_rows:,} rows in {_length(window_s)}"
    bound = enough_with(rows)
    return f"{have}; minimum_rows = {bound} would judge it" if bound else f"{have}; too few for any verdict"


def why_not_judged(window: Window, minimum_rows: int, *, has_reference: bool = True) -> str:
    """The reason for which a window has no verdict; empty where it has one."""
    if window.judged:
        return ""
    if not has_reference:
        return "there is no reference to compare it with"
    seconds = window.together * round((window.end - window.start).total_seconds())
    return lack(window.judged_rows, minimum_rows, seconds) or "it was closed under another minimum_rows"


def together_text(window: Window) -> str:
    """``3 windows together, 876 rows``; empty for a window that was judged by itself."""
    return f"{window.together} windows together, {window.judged_rows:,} rows" if window.together > 1 else ""


def window_notes(rows_a_day: Mapping[str, float], monitoring: MonitoringSpec) -> list[str]:
    """A note for each target whose windows will hold fewer rows than a verdict takes, or fewer outcomes than one on
    performance; the first MOST_NOTES, and how many more there are."""
    notes = [note for target, rate in rows_a_day.items() for note in _notes(target, rate, monitoring)]
    more = len(notes) - MOST_NOTES
    return [*notes[:MOST_NOTES], f"and {more} more such windows"] if more > 0 else notes


def _notes(target: str, rows_a_day: float, monitoring: MonitoringSpec) -> Iterator[str]:
    for what, window_s, of in (
        ("rows", monitoring.window, ""),
        ("outcomes", monitoring.performance_window, " of performance"),
    ):
        rows = round(rows_a_day * window_s / DAY_S)
        if rows >= monitoring.minimum_rows:
            continue
        head = (
            f"on {target} a window of {_length(window_s)}{of} will hold about {_about(rows)} {what} of the "
            f"{monitoring.minimum_rows:,} that a verdict needs"
        )
        most = MOST_TOGETHER * rows
        bound = enough_with(most)
        if most >= monitoring.minimum_rows:
            yield f"{head}: {math.ceil(monitoring.minimum_rows / rows)} are judged together"
        elif bound:
            yield (
                f"{head}: even {MOST_TOGETHER} windows together hold only {_about(most)}, nothing will be judged; "
                f"minimum_rows = {bound} would judge them"
            )
        else:
            yield f"{head}: even {MOST_TOGETHER} windows together are too few for any verdict"


def _about(rows: int) -> str:
    """Two digits of a number that is not known better."""
    return f"{int(float(f'{rows:.2g}')):,}"


def enough_with(rows: int) -> int:
    """The largest round ``minimum_rows`` (50, 100, 200, 500, 1000, …) that a window of so many rows reaches; 0 below
    FEWEST_ROWS."""
    if rows < FEWEST_ROWS:
        return 0
    power: int = 10 ** (len(str(rows)) - 1)
    return max(factor * power for factor in (1, 2, 5) if factor * power <= rows)


def _length(seconds: int) -> str:
    for unit, size in (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S)):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds / HOUR_S:.1f} h"
