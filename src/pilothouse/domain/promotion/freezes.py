"""Freeze windows: times in which nothing is promoted, in a time zone; weekly, daily or from one date to another. Pure.

A window begins and ends by the wall clock of its zone: ``fri 16:00`` to ``mon 08:00`` is every weekend, ``22:00`` to ``06:00``
every night, ``2026-12-20 00:00`` to ``2027-01-05 00:00`` once. Where the clock of the zone is put back, the earlier of two
equal times counts; where it is put forward, a time that does not exist is the one before the change.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pilothouse.domain.errors import InvalidInputError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY = re.compile(rf"(?:({'|'.join(_DAYS)}) )?([01]\d|2[0-3]):([0-5]\d)")
_DATED = re.compile(r"\d{4}-\d\d-\d\d [0-2]\d:[0-5]\d")


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeWindow:
    """Window in which nothing is promoted. ``model`` is empty for all models."""

    id: int
    name: str
    model: str
    begins: str
    ends: str
    timezone: str
    reason: str
    set_by: str
    recorded_at: datetime
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lift_reason: str | None = None

    @property
    def rule(self) -> str:
        """``fri 16:00 to mon 08:00 Europe/Berlin``."""
        return f"{self.begins} to {self.ends} {self.timezone}"


def checked(begins: str, ends: str, timezone: str) -> tuple[str, str]:
    """Both ends of a window in their usual spelling. Raises InvalidInputError."""
    begins, ends = begins.strip().lower(), ends.strip().lower()
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidInputError(
            f"time zone {timezone!r} is unknown: expected one such as Europe/Berlin"
        ) from None
    kinds = {_kind(text) for text in (begins, ends)}
    if len(kinds) != 1:
        raise InvalidInputError(
            f"a freeze from {begins!r} to {ends!r}: both are days of the week, times of every day, or dates"
        )
    if begins == ends:
        raise InvalidInputError(f"a freeze from {begins!r} to {ends!r} has no length")
    if kinds == {"dated"} and _local(begins) > _local(ends):
        raise InvalidInputError(f"a freeze from {begins} ends before it begins, at {ends}")
    return begins, ends


def _kind(text: str) -> str:
    if match := _WEEKLY.fullmatch(text):
        return "weekly" if match[1] else "daily"
    if _DATED.fullmatch(text):
        _local(text)
        return "dated"
    raise InvalidInputError(
        f'a freeze begins or ends at {text!r}: expected "fri 16:00", "22:00" (every day) or "2026-12-20 00:00"'
    )


def _local(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInputError(f"{text!r} is no time that exists") from None


def frozen_until(window: FreezeWindow, now: datetime) -> datetime | None:
    """End of the window that ``now`` (UTC) lies in, UTC; None where it lies in none."""
    zone = ZoneInfo(window.timezone)
    for begin, end in _spans(window, now.astimezone(zone).date()):
        first, last = begin.replace(tzinfo=zone), end.replace(tzinfo=zone)
        if first.timestamp() <= now.timestamp() < last.timestamp():
            return last.astimezone(now.tzinfo)
    return None


def _spans(window: FreezeWindow, today: date) -> Iterator[tuple[datetime, datetime]]:
    """Begins and ends on the zone's clock that ``today`` can lie in."""
    if _kind(window.begins) == "dated":
        yield _local(window.begins), _local(window.ends)
        return
    (first_day, first), (last_day, last) = _parts(window.begins), _parts(window.ends)
    for back in range(8):
        day = today - timedelta(days=back)
        if first_day is not None and day.weekday() != first_day:
            continue
        begin = datetime.combine(day, first)
        if last_day is None or first_day is None:
            days = 0 if last > first else 1
        else:
            days = (last_day - first_day) % 7 or (0 if last > first else 7)
        yield begin, datetime.combine(day + timedelta(days=days), last)


def _parts(text: str) -> tuple[int | None, time]:
    match = _WEEKLY.fullmatch(text)
    assert match
    return _DAYS.index(match[1]) if match[1] else None, time(int(match[2]), int(match[3]))


def freeze_of(
    windows: Iterable[FreezeWindow], model: str, now: datetime
) -> tuple[FreezeWindow, datetime] | None:
    """Window in force for a model that lasts longest from now on, with its end; None where nothing is frozen."""
    ends = [
        (window, end)
        for window in windows
        if window.model in ("", model) and window.lifted_at is None and (end := frozen_until(window, now))
    ]
    return max(ends, key=lambda pair: pair[1], default=None)


def freeze_text(window: FreezeWindow, until: datetime) -> str:
    """``frozen by the window weekend (fri 16:00 to mon 08:00 Europe/Berlin) until 2026-11-30 07:00 UTC``."""
    return f"frozen by the window {window.name} ({window.rule}) until {until:%Y-%m-%d %H:%M} UTC"
