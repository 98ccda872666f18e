"""States of tests as plain values for a record, and back: a daemon that was killed goes on from them to the same number."""

from dataclasses import asdict
from typing import Any, TypeVar

import msgspec

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.statistics.sequential.arm_answers import ArmAnswers
from pilothouse.statistics.sequential.arm_errors import ArmErrors
from pilothouse.statistics.sequential.decisions import Decisions
from pilothouse.statistics.sequential.latency_ratio import TwoLatencies
from pilothouse.statistics.sequential.paired_answers import PairedAnswers
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.paired_losses import PairedLosses
from pilothouse.statistics.sequential.two_arms import TwoArms

AnyState = (
    ArmAnswers | ArmErrors | Decisions | PairedAnswers | PairedErrors | PairedLosses | TwoArms | TwoLatencies
)
State = TypeVar("State", bound=AnyState)


def to_plain(state: AnyState) -> dict[str, Any]:
    """A state as JSON takes it."""
    return asdict(state)


def from_plain(kind: type[State], plain: object) -> State:
    """The state of a ``kind`` that ``to_plain`` gave, after JSON too. Raises IntegrityError for what is none."""
    try:
        return msgspec.convert(plain, kind)
    except (msgspec.ValidationError, InvalidInputError) as error:
        raise IntegrityError(
            f"a stored state of {kind.__name__} is damaged: {error}; restore it from a backup"
        ) from None
