"""Messages on their way: deliveries, the lines that wait to be told, and how each receiver takes what it is sent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

FAILING_FOR_LONG = timedelta(minutes=15)
"""Time after which a receiver that takes nothing is one that nobody may trust."""


class DeliveryState(StrEnum):
    """State of a message for one receiver."""

    WAITING = "waiting"
    SENT = "sent"
    """The receiver said that it has it."""
    DEAD = "dead"
    """It was not taken until its time was over, or its receiver is gone."""


class Purpose(StrEnum):
    """Why a message is sent."""

    NEWS = "news"
    REPEAT = "repeat"
    ESCALATION = "escalation"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Message for one receiver. ``delivery`` names it over all tries."""

    id: int
    delivery: str
    receiver: str
    route: str
    purpose: Purpose
    message: dict[str, Any]
    state: DeliveryState
    made_at: datetime
    due_at: datetime
    gives_up_at: datetime
    tries: int
    tried_at: datetime | None
    error: str
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Line:
    """What a receiver is to be told of one thing, that is in no message yet."""

    id: int
    alert_id: int | None
    receiver: str
    route: str
    group_key: tuple[str, ...]
    purpose: Purpose
    line: dict[str, Any]
    due_at: datetime
    held_by: str
    """What holds it back: ``silence 3`` or ``quiet time nights``; empty for the group's wait."""


@dataclass(frozen=True, slots=True)
class ReceiverHealth:
    """How a receiver takes what it is sent."""

    receiver: str
    taken_at: datetime | None = None
    failing_since: datetime | None = None
    failures: int = 0
    error: str = ""
    told: bool = False
    """True once it was said in the log that it fails for long."""

    def fails_for_long(self, now: datetime) -> bool:
        """True where nobody may trust it."""
        return self.failing_since is not None and now - self.failing_since >= FAILING_FOR_LONG
