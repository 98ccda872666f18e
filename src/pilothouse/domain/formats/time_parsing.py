"""Moments as people and model files write them: ISO 8601, on the wall of a time zone, or so long before another time."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,3}")
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


def zone(name: str) -> ZoneInfo:
    """Time zone by its IANA name. Raises LookupError: before a name becomes the path of a file, or of a package."""
    if not _ZONE.fullmatch(name):
        raise LookupError("no IANA name")
    try:
        return ZoneInfo(name)
    except (ValueError, OSError) as error:
        raise LookupError(one_line(str(error))) from None


def moment(at: str, timezone: str) -> datetime:
    """The moment that ``at`` names: of itself, or on the wall of ``timezone``; in UTC. Raises InvalidInputError."""
    try:
        time = datetime.fromisoformat(at)
        return (time if time.tzinfo else time.replace(tzinfo=zone(timezone))).astimezone(UTC)
    except (LookupError, ValueError, OSError, OverflowError) as error:
        raise InvalidInputError(
            f"at {at[:80]!r} in the time zone {timezone[:80]!r} is not valid: {one_line(str(error))}"
        ) from None
