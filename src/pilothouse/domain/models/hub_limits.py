"""How much a machine that comes to the hub over the network may send: bounds of a day and of a rate, and what it has sent."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

LEAST_MB, LEAST_ROWS = 64, 200_000
"""The largest body and the largest batch: a day must have room for one, or what holds it could never be handed in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``[hub.limits]``, and ``[target.limits]`` for one target; None: as the hub says, or its default."""

    mb_a_day: int | None = None
    """Megabytes (2^20 bytes) of bodies a day (UTC)."""
    rows_a_day: int | None = None
    """Rows of predictions and pairs a day, also those that are rejected."""
    requests_a_second: int | None = None
    """Requests of every kind; four seconds' worth may come at once."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of one target as they are in force."""

    bytes_a_day: int
    rows_a_day: int
    requests_a_second: int


_DEFAULT = Limits(mb_a_day=4_096, rows_a_day=50_000_000, requests_a_second=50)


def bounds_in_force(of_hub: dict[str, Any], of_target: dict[str, Any]) -> Bounds:
    """Bounds of a target, by the limits of the hub and its own as they are on record."""

    def limit(name: str) -> int:
        own, common = of_target.get(name), of_hub.get(name)
        return int(own or common or getattr(_DEFAULT, name))

    return Bounds(limit("mb_a_day") * 2**20, limit("rows_a_day"), limit("requests_a_second"))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a target has sent on a day (UTC, ``2026-05-03``), and what of it was refused, the last time why."""

    target: str
    day: str
    bytes: int = 0
    rows: int = 0
    refused: int = 0
    refused_at: datetime | None = None
    why: str = ""

    @property
    def text(self) -> str:
        """``12.4 MB and 3,000 rows on 2026-05-03``, and what was refused."""
        sent = f"{self.bytes / 2**20:,.1f} MB and {self.rows:,} rows on {self.day}"
        return f"{sent}; {self.refused:,} requests refused: {self.why}" if self.refused else sent


def day_of(now: datetime) -> str:
    """Day that a quota counts by."""
    return now.astimezone(UTC).date().isoformat()


def seconds_of_day_left(now: datetime) -> int:
    """Seconds until the next day begins, rounded up."""
    following = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
    return int((following - now).total_seconds()) + 1


@dataclass(slots=True)
class Bucket:
    """Requests that may come at once: filled by ``rate`` a second up to ``size``. Times are seconds of one steady clock."""

    rate: float
    size: float
    level: float
    filled_at: float

    def take(self, now: float) -> float:
        """Take one; returns 0, or the seconds after which there is one again."""
        self.level = min(self.size, self.level + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.level >= 1.0:
            self.level -= 1.0
            return 0.0
        return (1.0 - self.level) / self.rate
