"""Times as people type them: ISO 8601, or so long before another time."""

import re
from datetime import UTC, datetime, timedelta

from .errors import InvalidInputError

_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_BEFORE = re.compile(r"-(\d{1,6})([mhdw])")


def parse_moment(text: str, base: datetime) -> datetime:
    """``2013-07-04 14:00`` (UTC where it names no zone) or ``-7d``: so long before ``base``. Raises InvalidInputError."""
    words = text.strip()
    before = _BEFORE.fullmatch(words)
    try:
        if before:
            return base - int(before[1]) * _UNITS[before[2]]
        found = datetime.fromisoformat(words)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f'{words[:40]!r} is not a time: expected e.g. 2013-07-04, "2013-07-04 14:00" or -7d (also m, h, w)'
        ) from None
