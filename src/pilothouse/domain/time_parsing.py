"""Moments as people and model files write them: ISO 8601, on the wall of a time zone, or so long before another time."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pilothouse.domain.errors import InvalidInputError

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_BEFORE = re.compile(r"-(\d{1,6})([mhdw])")


def parse_moment(text: str, base: datetime) -> datetime:
    """``2013-07-04 14:00`` (UTC where it names no zone) or ``-7d``: so long before ``base``. Raises InvalidInputError."""
    text = text.strip()
    before = _BEFORE.fullmatch(text)
    try:
        if before:
            return base - int(before[1]) * _UNITS[before[2]]
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f'{text[:40]!r} is not a time: expected e.g. 2013-07-04, "2013-07-04 14:00" or -7d (also m, h, w)'
        ) from None


def moment(at: str, timezone: str) -> datetime:
    """The moment that ``at`` names: of itself, or on the wall of ``timezone``; in UTC. Raises InvalidInputError."""
    try:
        time = datetime.fromisoformat(at)
        return (time if time.tzinfo else time.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
    except (LookupError, ValueError, OSError, OverflowError) as error:
        raise InvalidInputError(f"at {at!r} in the time zone {timezone!r} is not valid: {error}") from None
