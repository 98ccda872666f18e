"""A moment as a model file writes it."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from .errors import InvalidInputError


def moment(at: str, timezone: str) -> datetime:
    """The moment that ``at`` names: of itself, or on the wall of ``timezone``; in UTC. Raises InvalidInputError."""
    try:
        time = datetime.fromisoformat(at)
        return (time if time.tzinfo else time.replace(tzinfo=ZoneInfo(timezone))).astimezone(UTC)
    except (LookupError, ValueError, OSError, OverflowError) as error:
        raise InvalidInputError(f"at {at!r} in the time zone {timezone!r} is not valid: {error}") from None
