"""Roll-out with everything that a view shows of it, as one value."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.rollouts.rollout import Rollout, RolloutEvent, RolloutTarget
from pilothouse.domain.rollouts.rules import Act, ArmEvidence, Facts, StepEvidence, Wait


@dataclass(frozen=True, slots=True)
class PlaceView:
    """Target of a roll-out with what runs there. ``serving``: what its process says of the version that is live."""

    place: RolloutTarget
    live: int | None
    serving: str
    answers: bool


@dataclass(frozen=True, slots=True)
class RolloutView:
    """Roll-out, its targets, its evidence so far, what it waits for, what happened, and what the reader may do."""

    rollout: Rollout
    places: tuple[PlaceView, ...]
    """By wave, then by name."""
    evidence: StepEvidence
    next: str
    """What it waits for, or does next; what is left to people where it went back; empty where it has ended otherwise."""
    until: datetime | None
    """Time at which that may change by the wall clock alone."""
    events: tuple[RolloutEvent, ...]
    """Oldest first."""
    arms: tuple[ArmEvidence, ...]
    """Of each version that shares the requests; empty where the roll-out's own is tried alone."""
    may: frozenset[str]
    """Acts that are open to the reader now: ``pause``, ``resume``, ``go-on``, ``abort``."""


def next_words(act: Act, facts: Facts) -> tuple[str, datetime | None]:
    """What is said of the next act, and when that may change."""
    if isinstance(act, Wait):
        return act.why, act.until
    return f"about to {_ABOUT[type(act).__name__]}", facts.now


_ABOUT = {
    "Enter": "begin the step",
    "CatchUp": "let targets catch up that answer again",
    "Pass": "end the step",
    "Complete": "complete",
    "Pause": "pause",
    "GoBack": "go back",
    "Leave": "end, since another version is live in its place",
    "DropArm": "take a version out that was tried beside it",
    "Stand": "stand still",
    "MoveOn": "move on after a freeze",
}


@dataclass(frozen=True, slots=True)
class Course:
    """One version of a roll-out's trials over time: points of (seconds since 1970, value). ``losses`` are known where outcomes
    are; ``latencies`` are p95 in milliseconds; ``scores`` means."""

    version: int
    rows: int
    losses: tuple[tuple[float, float], ...]
    latencies: tuple[tuple[float, float], ...]
    scores: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class RolloutCourse:
    """Versions of a roll-out's trials beside each other, those that were live first. ``loss``: what a loss is."""

    versions: tuple[Course, ...] = ()
    loss: str = ""
