"""Events and outcomes that were not taken in, or not as they came: why, and which."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RejectionReason(StrEnum):
    """Reason why an event or an outcome was not taken in, or lost a column. The values are on record in telemetry."""

    UNKNOWN_VERSION = "unknown version"
    WRONG_COLUMNS = "wrong columns"
    CUT_BATCH = "cut batch"
    UNREADABLE = "not a batch"
    FUTURE = "in the future"
    BEHIND = "far behind its target's clock"
    AHEAD = "far ahead of its target's clock"
    NO_TIME = "no event time"
    NO_SCORE = "no usable score"
    WRONG_LABEL = "unknown label"
    TAKEN_ID = "id already taken"
    TAKEN_SEQUENCE = "sequence already taken by another batch"
    PRODUCER_OF_ANOTHER = "producer of another target"
    PRIVATE_COLUMN = "private column dropped"
    EXTRA_COLUMN = "unknown column dropped"
    NOT_AN_OUTCOME = "outcome of a wrong kind"
    NO_SUCH_ROW = "outcome of a prediction that was rejected"
    EXPIRED = "outcome of a prediction that was deleted"
    NOT_ITS_OWN = "outcome from another target"
    TOO_MANY_WAIT = "too many outcomes wait"
    NEVER_CAME = "outcome whose prediction never came"
    CONFLICT = "another outcome was there"
    ERASED = "erased before"


@dataclass(frozen=True, slots=True)
class RejectedEvents:
    """Events that the hub did not take, counted by reason."""

    reason: str
    """A RejectionReason; another word where another release counted it."""
    count: int
    last_at: datetime
    example: str


@dataclass(frozen=True, slots=True)
class WaitingOutcome:
    """An outcome that came before its prediction, or whose prediction never will."""

    id: int
    prediction: str
    value: str
    handed_in_by: str
    """The target that handed it in; empty for a file."""
    since: datetime
    batch: str
    """``PRODUCER.SEQUENCE`` of the batch that has not arrived; empty where the id is not one of ours."""


@dataclass(frozen=True, slots=True)
class OutcomeConflict:
    """A second outcome of one prediction that says something else: ``kept`` is the first, which stands."""

    id: int
    prediction: str
    model: str
    version: int
    target: str
    kept: str
    other: str
    at: datetime
