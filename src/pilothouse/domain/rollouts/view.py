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


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReading:
    """How far the logs are by which a canary on a target is judged: ``up_to`` the end of the newest hour in the trial, hours
    and rows in it, rows with an outcome; hours that wait, and for what; what was left out, came late, or cannot count."""

    target: str
    up_to: datetime | None
    hours: int
    rows: int
    judged: int
    waiting: int
    waiting_outcomes: int
    waiting_logs: tuple[int, ...]
    """Versions whose log has not gone beyond an hour that waits."""
    patience: str
    """For how long an hour waits."""
    left_out: int
    late_rows: int
    late_outcomes: int
    nameless: int
    """Rows without a prediction id of their own."""
    keyless: int
    """Rows without a request key, each of which counts as an independent draw."""

    @property
    def text(self) -> str:
        """``from logs, up to 2026-05-03 14:00; 2 hours wait, for 31 outcomes and the log of v2``."""
        if self.up_to is not None:
            parts = [
                f"from logs, up to {self.up_to:%Y-%m-%d %H:%M} UTC: {_counted(self.hours, 'hour')}, "
                f"{self.judged:,} of {self.rows:,} rows with an outcome"
            ]
        else:
            parts = ["from logs, of which no whole hour is in yet"]
        if self.waiting:
            wanted = [_counted(self.waiting_outcomes, "outcome")] if self.waiting_outcomes else []
            wanted += [f"the log of v{version} to go on" for version in self.waiting_logs]
            wait = "waits" if self.waiting == 1 else "wait"
            parts.append(
                f"{_counted(self.waiting, 'hour')} {wait} for {' and '.join(wanted)} ({self.patience} at most)"
            )
        if self.left_out:
            parts.append(f"{_counted(self.left_out, 'hour')} left out, for want of the log of one version")
        if self.late_rows or self.late_outcomes:
            late = [_counted(self.late_rows, "row")] if self.late_rows else []
            late += [_counted(self.late_outcomes, "outcome")] if self.late_outcomes else []
            parts.append(f"{' and '.join(late)} came too late to count")
        if self.nameless:
            parts.append(f"{_counted(self.nameless, 'row')} without a prediction_id cannot count")
        if self.keyless:
            parts.append("rows without a request_key count as independent draws")
        return "; ".join(parts)


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


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
    logs: tuple[LogReading, ...] = ()
    """Of each target whose canary is judged by logs."""


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
