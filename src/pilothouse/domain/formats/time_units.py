"""Times and durations as integers: a time is microseconds since 1970 UTC, as columns, files and processes hold it.

A name that ends in ``_US`` counts microseconds, one that ends in ``_S`` seconds.
"""

from datetime import UTC, datetime, timedelta
from typing import overload

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
SECOND_US = 1_000_000
HOUR_US, DAY_US = HOUR_S * SECOND_US, DAY_S * SECOND_US

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def to_us(time: datetime) -> int: ...
@overload
def to_us(time: None) -> None: ...
def to_us(time: datetime | None) -> int | None:
    """An aware time as microseconds, exactly. Raises ValueError for a naive one."""
    if time is None:
        return None
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone: times that are kept are aware")
    return (time - _EPOCH) // _MICROSECOND


@overload
def from_us(us: int) -> datetime: ...
@overload
def from_us(us: None) -> None: ...
def from_us(us: int | None) -> datetime | None:
    """Microseconds as an aware time in UTC, exactly."""
    return None if us is None else _EPOCH + timedelta(microseconds=us)
