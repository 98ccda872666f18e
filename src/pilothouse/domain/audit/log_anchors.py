"""What takes the heads of the audit log, how far each is, and how what it holds stands to the log."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

_LONGEST_PAUSE_S = 600


class AnchorKind(StrEnum):
    """Kind of an anchor."""

    FILE = "file"
    SYSLOG = "syslog"
    WITNESS = "witness"


class DeliveryFault(StrEnum):
    """In what way an anchor has not taken the head that it was sent last."""

    UNREACHABLE = "cannot be reached"
    REFUSED = "does not take it"
    CONTRADICTS = "contradicts"


class AnchorStanding(StrEnum):
    """How what an anchor holds stands to the log, the gravest first."""

    CONTRADICTS = "contradicts"
    """It holds a head that this log does not extend."""
    REFUSED = "does not take it"
    UNREACHABLE = "cannot be reached"
    BEHIND = "behind"
    """It does not have the newest signed head yet."""
    SENT = "sent"
    """The newest head was sent, and what it holds cannot be read from here."""
    AGREES = "agrees"
    """It holds the newest head, which is the log's own."""


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
    fault: DeliveryFault | None = None
    """In what way the last try failed; None where it did not, and for failures of earlier releases."""

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

    def failed(
        self, error: str, now: datetime, fault: DeliveryFault = DeliveryFault.UNREACHABLE
    ) -> "Delivery":
        """After a head was not taken."""
        return Delivery(
            self.sent_size,
            self.sent_at,
            now,
            self.failures + 1,
            self.failing_since or now,
            error or "failed",
            fault,
        )


FAILING_FOR_LONG = timedelta(minutes=15)
"""Time after which it is told that an anchor takes nothing."""


def news_of(before: Delivery, after: Delivery) -> bool | None:
    """Whether a try brings news for people: True for an anchor that has failed for long, or contradicts, as of this try; False
    for one that takes heads again after that; None for neither."""
    was, now = _is_grave(before), _is_grave(after)
    return None if was == now else now


def _is_grave(one: Delivery) -> bool:
    if one.failing_since is None or one.tried_at is None:
        return False
    return one.fault is DeliveryFault.CONTRADICTS or one.tried_at - one.failing_since >= FAILING_FOR_LONG


@dataclass(frozen=True, slots=True)
class Held:
    """What an anchor holds: the size of its newest head, since when, whether that was compared with the log's rows, and what
    of it contradicts them (empty for nothing)."""

    size: int = 0
    since: datetime | None = None
    is_compared: bool = False
    contradiction: str = ""


@dataclass(frozen=True, slots=True)
class AnchorState:
    """Anchor with how far it is, and what it holds as far as that was looked at."""

    anchor: Anchor
    delivery: Delivery
    held: Held = Held()

    @property
    def contradiction(self) -> str:
        """What it holds against the log; empty for nothing."""
        if self.delivery.fault is DeliveryFault.CONTRADICTS:
            return self.delivery.error
        return self.held.contradiction

    def standing(self, newest: int) -> AnchorStanding:
        """How what it holds stands to the log, whose newest signed head is of so many rows."""
        if self.contradiction:
            return AnchorStanding.CONTRADICTS
        if self.delivery.error:
            is_refused = self.delivery.fault is DeliveryFault.REFUSED
            return AnchorStanding.REFUSED if is_refused else AnchorStanding.UNREACHABLE
        if self.held.size < newest or not newest:
            return AnchorStanding.BEHIND
        return AnchorStanding.AGREES if self.held.is_compared else AnchorStanding.SENT


def contradictions_of(states: Iterable[AnchorState]) -> list[str]:
    """What anchors and witnesses hold against the log, a line each."""
    return [
        f"{one.anchor.name} contradicts this log: {one.contradiction}" for one in states if one.contradiction
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """State of the log: its rows, its newest signed head, and its anchors with what they hold."""

    origin: str
    """Name under which strangers know it; empty before its first head."""
    key: str
    rows: int
    signed_size: int
    signed_root: str
    """In base64."""
    signed_at: datetime | None
    quorum: int
    """How many witnesses must have signed a head."""
    cosigned_size: int
    """Size of the newest head that so many have signed; 0 for none."""
    anchors: list[AnchorState]
    """None in the past: what they held then is not recorded."""
    is_past: bool = False
    fault: str = ""
    """What is wrong with the rows by the newest signed head; empty for nothing."""

    @property
    def witnesses(self) -> int:
        return sum(one.anchor.kind is AnchorKind.WITNESS for one in self.anchors)

    @property
    def contradictions(self) -> list[str]:
        """What contradicts the rows, a line each: the newest signed head, then the anchors."""
        return [*filter(None, [self.fault]), *contradictions_of(self.anchors)]

    @property
    def waiting(self) -> list[AnchorState]:
        """Anchors that the newest signed head has not reached."""
        newest = self.signed_size
        return [one for one in self.anchors if one.delivery.sent_size < newest or one.delivery.error]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Place of an audit row in the log, and what covers it: the signed head that proves it, and who holds one that has it."""

    leaf: int
    """Its number, from 0."""
    head_size: int = 0
    """Rows of the head; 0 where no head covers it yet."""
    head_at: datetime | None = None
    head_root: str = ""
    hashes: int = 0
    """Number of hashes from the row to the root."""
    cosigners: tuple[str, ...] = ()
    """Witnesses that have signed the head."""
    is_enough: bool = True
    """Whether they are as many as the quorum asks for."""
    holders: tuple[str, ...] = ()
    """Anchors and witnesses that hold a head which covers it."""
    fault: str = ""
    """Why it cannot be proven, where the rows are not what the head says."""
