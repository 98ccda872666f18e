"""Whether a window holds enough rows for a verdict, and what it lacks."""

from pilothouse.domain.time_units import DAY_S, HOUR_S, MINUTE_S

MOST_TOGETHER = 8
"""Windows that are judged together at most, where each holds fewer rows than ``monitoring.minimum_rows``."""
FEWEST_ROWS = 50
"""Rows below which no ``minimum_rows`` is suggested: a verdict on fewer would find only what is seen without one."""


def lack(rows: int, minimum_rows: int, window_s: int) -> str:
    """What ``rows`` in ``window_s`` seconds lack for a verdict, and the ``minimum_rows`` with which there would be one;
    empty where rows are not what is missing."""
    if rows >= minimum_rows:
        return ""
    have = f"{rows:,} of {minimum_rows:,} rows in {_length(window_s)}"
    bound = enough_with(rows)
    return f"{have}; minimum_rows = {bound} would judge it" if bound else f"{have}; too few for any verdict"


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
