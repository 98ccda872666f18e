"""What takes the heads of the audit log, and how far each is."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_LONGEST_PAUSE_S = 600


class AnchorKind(StrEnum):
    """Kind of an anchor."""

    FILE = "file"
    SYSLOG = "syslog"
    WITNESS = "witness"


@dataclass(frozen=True, slots=True)
class Anchor:
    """Place that takes heads: a file's path, a socket of the system's log, a witness's URL with its key."""

    id: int
    name: str
    kind: AnchorKind
    place: str
    key: str
    added_by: str
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far an anchor is: the head that it took last, and since when it has failed, with the error."""

    sent_size: int = 0
    sent_at: datetime | None = None
    tried_at: datetime | None = None
    failures: int = 0
    failing_since: datetime | None = None
    error: str = ""

    def is_due(self, size: int, now: datetime) -> bool:
        """True where a head of that size should be sent now; after failures the pauses grow to ten minutes."""
        if self.sent_size >= size and not self.failures:
            return False
        if self.tried_at is None or not self.failures:
            return True
        pause = timedelta(seconds=min(_LONGEST_PAUSE_S, 2 ** min(self.failures, 10)))
        return not timedelta(0) <= now - self.tried_at < pause

    def sent(self, size: int, now: datetime) -> "Delivery":
        """After a head was taken."""
        return Delivery(size, now, now)

    def failed(self, error: str, now: datetime) -> "Delivery":
        """After a head was not taken."""
        return Delivery(
            self.sent_size, self.sent_at, now, self.failures + 1, self.failing_since or now, error or "failed"
        )


@dataclass(frozen=True, slots=True)
class AnchorState:
    """Anchor with how far it is."""

    anchor: Anchor
    delivery: Delivery
