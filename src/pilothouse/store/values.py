"""Conversion between Python values and columns: times are integer microseconds since 1970 UTC, structures canonical JSON."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, overload

from pilothouse.domain.errors import IntegrityError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def to_us(time: datetime) -> int: ...
@overload
def to_us(time: None) -> None: ...
def to_us(time: datetime | None) -> int | None:
    """Microseconds of an aware time, exactly. Raises ValueError for a naive one."""
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone: times in the store are aware")
    return (time - _EPOCH) // _MICROSECOND


@overload
def from_us(us: int) -> datetime: ...
@overload
def from_us(us: None) -> None: ...
def from_us(us: int | None) -> datetime | None:
    """Aware time in UTC of microseconds, exactly."""
    return None if us is None else _EPOCH + timedelta(microseconds=us)


def from_json(text: str) -> Any:
    """Content of a JSON column. Raises IntegrityError where it is not JSON any more."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise IntegrityError(
            f"the registry is damaged: a record is not JSON ({error}): restore a backup into a new folder"
        ) from None
