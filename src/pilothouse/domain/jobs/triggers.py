"""Conditions under which a trigger may start a training, without a clock of its own. Times are by the wall clock,
microseconds since 1970."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pilothouse.domain.formats.time_units import DAY_US, SECOND_US


class Hindrance(StrEnum):
    """Hindrance to a training that an alert or a trigger would start."""

    PAUSED = "paused"
    """All automation is; asked again when it is not."""
    RUNNING = "running"
    """A training of the model is under way."""
    UNDECIDED = "undecided"
    """A promotion request of the model is open."""
    COOLING_DOWN = "cooling down"
    OVER_BUDGET = "over budget"
    TOO_SOON = "too soon"
    """Too few days since the change are known to learn it; considered again with the next window."""
    NO_RULE = "no rule"
    """The model file in force has no such trigger."""
    REFUSED = "refused"
    """The training itself could not be queued."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Refusal of a training. ``reason`` is for people and is read back by nobody; ``moment`` holds what the next look finds
    changed, such as the seconds that are left."""

    hindrance: Hindrance
    reason: str
    moment: str = ""

    @property
    def text(self) -> str:
        """Reason and moment."""
        return f"{self.reason}: {self.moment}" if self.moment else self.reason


class EventStatus(StrEnum):
    """Status of an event that set a trigger off."""

    WAITING = "waiting"
    STARTED = "started"
    SUPERSEDED = "superseded"
    REFUSED = "refused"
    """Status of an alert's: it is considered again only where automation was paused."""


class ActivityState(StrEnum):
    """State of something that automation did or left undone."""

    DONE = "done"
    GOING_ON = "going on"
    WAITS = "waits"
    NOTHING = "nothing"
    """Left undone."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TriggerState:
    """State of a model when a trigger has been set off."""

    paused_because: str | None
    running_job: int | None
    last_start_us: int | None
    """Last time at which this trigger started a training."""
    started_us: Sequence[int]
    """Times at which alerts and triggers started trainings of this model in the last day."""


def why_not_start(state: TriggerState, now_us: int, cooldown_s: int, budget_per_day: int) -> Refusal | None:
    """Reason why no training starts now; None where one may start."""
    if state.paused_because is not None:
        return Refusal(Hindrance.PAUSED, f"automation is paused: {state.paused_because}")
    if state.running_job is not None:
        return training_goes_on(state.running_job)
    if state.last_start_us is not None and now_us - state.last_start_us < cooldown_s * SECOND_US:
        left = cooldown_s - (now_us - state.last_start_us) // SECOND_US
        reason = f"the cool-down of {cooldown_s} s is not over"
        return Refusal(Hindrance.COOLING_DOWN, reason, f"{left} s are left")
    return why_over_budget(state.started_us, now_us, budget_per_day)


def training_goes_on(job: int) -> Refusal:
    """A training of the model has not ended."""
    return Refusal(Hindrance.RUNNING, f"training job {job} of this model has not ended yet")


def why_over_budget(started_us: Sequence[int], now_us: int, budget_per_day: int) -> Refusal | None:
    """The day's budget where it is used up; None where it is not."""
    recent = sum(now_us - DAY_US < started <= now_us for started in started_us)
    if recent >= budget_per_day:
        reason = f"the budget of {budget_per_day} trainings in 24 hours is used up"
        return Refusal(Hindrance.OVER_BUDGET, reason)
    return None


FAILS_AFTER = 3
"""Looks in a row that fail until receivers are told."""


@dataclass(frozen=True, slots=True)
class Look:
    """Newest look of a trigger at its source. ``fault`` is empty where it could be looked at; ``failures`` counts looks in a
    row that failed, the first of them at ``since``. The next is ``every_s`` seconds later at the latest."""

    at: datetime
    fault: str
    failures: int
    since: datetime | None
    every_s: int

    @property
    def next_at(self) -> datetime:
        """When the source is looked at again at the latest."""
        return self.at + timedelta(seconds=self.every_s)


def looked(at: datetime, fault: str, every_s: int, before: Look | None = None) -> Look:
    """A look, with what the one before adds to it."""
    if not fault:
        return Look(at, "", 0, None, every_s)
    failures, since = (before.failures, before.since) if before is not None else (0, None)
    return Look(at, fault, failures + 1, since or at, every_s)


@dataclass(frozen=True, slots=True)
class Firing:
    """Event that set a trigger off. ``at`` is by the wall clock, or by the data's for an alert."""

    at: datetime
    what: str
    key: str
    status: EventStatus
    reason: str
    job: int | None


@dataclass(frozen=True, slots=True)
class Starter:
    """Trigger or rule that starts trainings of a model by itself, in its present state."""

    model: str
    name: str
    on: str
    """``data``, ``version`` or ``alert``."""
    what: str
    cooldown_s: int
    """Seconds by the wall clock; by the data's clock where alerts start it."""
    used_today: int
    budget_today: int
    """Trainings that alerts and triggers have started, and may start, in 24 hours."""
    obstacle: str
    """Reason why it would start nothing now; empty where it would."""
    paused: bool
    """All automation is."""
    started: Firing | None = None
    """Newest event that started a training."""
    refused: Firing | None = None
    """Newest event that has started none, with the reason; it may be older than ``started``."""
    look: Look | None = None
    """Newest look at its source; None for a trigger that reads none, or before the first."""

    @property
    def id(self) -> str:
        """Its name among all."""
        return f"{self.model} {self.name}"


@dataclass(frozen=True, slots=True)
class ActivityEntry:
    """Entry of automation's activity, done or left undone: ``next`` is its result, or what it waits for."""

    at: datetime
    model: str
    what: str
    why: str
    next: str
    state: ActivityState
    job: int | None = None
