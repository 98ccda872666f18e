"""Quiet times: hours on the wall of a time zone, through the nights in which the clocks are changed."""

import re
from datetime import UTC, date, datetime, time, timedelta

from pilothouse.domain.formats.time_parsing import zone
from pilothouse.domain.outbox.settings import QuietTime

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MOST_IN_A_ROW = 8
"""Quiet times of a week that follow one another without a gap."""


def hours_of(text: str) -> tuple[time, time | None]:
    """Begin and end of ``22:00-07:00``; None for the day's end. Raises ValueError."""
    found = _HOURS.fullmatch(text)
    if found is None:
        raise ValueError(text)
    begin = time(int(found[1]), int(found[2]))
    end = None if found[3] is None else time(int(found[3]), int(found[4]))
    if begin == end:
        raise ValueError(text)
    return begin, end


def quiet_until(quiet: QuietTime, at: datetime) -> datetime | None:
    """When the quiet time ends that holds at ``at``, in UTC; None where none holds. Times that follow one another without a gap
    are one; where that never ends, a week."""
    end = None
    for _ in range(_MOST_IN_A_ROW):
        later = _end(quiet, end or at)
        if later is None:
            return end
        end = later
    return end


def _end(quiet: QuietTime, at: datetime) -> datetime | None:
    begin, end = hours_of(quiet.hours)
    timezone = zone(quiet.timezone)
    today = at.astimezone(timezone).date()
    for day in (today - timedelta(days=1), today):
        if _DAYS[day.weekday()] not in quiet.days:
            continue
        last = day if end is not None and end > begin else day + timedelta(days=1)
        # an hour that the wall shows twice is quiet both times: the first begins, the second ends
        begins = _moment(day, begin, timezone, fold=0)
        ends = _moment(last, end or time(0), timezone, fold=1)
        if begins <= at < ends:
            return ends
    return None


def _moment(day: date, at: time, timezone: object, *, fold: int) -> datetime:
    wall = datetime.combine(day, at, tzinfo=timezone)  # type: ignore[arg-type]
    moment = wall.replace(fold=fold).astimezone(UTC)
    if (
        moment.astimezone(wall.tzinfo).time() != at
    ):  # the wall never shows it: the clocks were put forward over it
        return wall.replace(fold=0).astimezone(UTC)
    return moment
