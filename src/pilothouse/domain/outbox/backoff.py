"""When a message that was not taken is tried again."""

from datetime import datetime, timedelta

FIRST_S, LONGEST_S = 2.0, 900.0
LONGEST_ASKED_S = 3_600.0
"""Longest time for which a receiver that asks for patience is given it."""


def pause_s(tries: int, jitter: float, asked_s: float | None = None) -> float:
    """Seconds until the next try after ``tries`` that failed: doubled each time up to a quarter of an hour, of which ``jitter``
    (0 to 1) takes up to a half. Never sooner than the receiver asked for (``asked_s``)."""
    pause = min(LONGEST_S, FIRST_S * 2.0 ** min(tries - 1, 20)) * (1.0 - jitter / 2)
    return pause if asked_s is None else max(pause, min(asked_s, LONGEST_ASKED_S))


def next_try(now: datetime, tries: int, jitter: float, asked_s: float | None) -> datetime:
    """Moment of the next try."""
    return now + timedelta(seconds=pause_s(tries, jitter, asked_s))
