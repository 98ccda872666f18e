"""Roll-out as it stands: its state, its place in the plan, and each of its targets."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from pilothouse.domain.rollouts.plan import Plan, Step, StepKind, Wave


class RolloutState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    """It takes no step forward until somebody resumes it; what is found against it takes it back all the same."""
    COMPLETED = "completed"
    ABORTED = "aborted"
    """A person ended it."""
    ROLLED_BACK = "rolled back"
    """Something was found against its version, and every target went back."""
    SUPERSEDED = "superseded"
    """A newer request took its place; its live targets stayed."""

    @property
    def is_open(self) -> bool:
        return self in (RolloutState.RUNNING, RolloutState.PAUSED)


class PlaceState(StrEnum):
    """What a target has of the roll-out's version."""

    WAITING = "waiting"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    BACK = "back"
    """It had some of it, and has gone back to what was live before."""
    PASSED_OVER = "passed over"
    """It did not answer when its wave went on; it catches up when it does."""

    @property
    def is_trial(self) -> bool:
        return self in (PlaceState.SHADOW, PlaceState.CANARY)

    @property
    def is_touched(self) -> bool:
        return self.is_trial or self is PlaceState.LIVE


STATE_IN: dict[StepKind, PlaceState] = {
    StepKind.SHADOW: PlaceState.SHADOW,
    StepKind.CANARY: PlaceState.CANARY,
    StepKind.LIVE: PlaceState.LIVE,
}
"""State of a target in a step of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutTarget:
    """Target of a roll-out."""

    target: str
    wave: int
    state: PlaceState
    before: int | None
    """Version that was live when the roll-out was made; None: none was."""
    share: float | None = None
    """Of a canary."""
    entered_at: datetime | None = None
    """When it came into this state, by the wall clock."""
    entered_clock: datetime | None = None
    """Its event clock then, or where nothing had come from it the event time at which its live version took effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Version that the canaries of a roll-out try beside its own, for as large a share of the requests."""

    version: int
    place: int
    """Counted from 1; 0 is the roll-out's own version."""
    why: str = ""
    """Why it is tried no more; empty while it is."""
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Roll-out of a request's version over its targets by a plan that is frozen in it."""

    id: int
    request_id: int
    model: str
    version: int
    kind: str
    """Kind of its deployments: ``promotion`` or ``automatic``."""
    plan: Plan
    salt: str
    """By which the requests of a canary are chosen: others in each roll-out."""
    state: RolloutState
    wave: int
    """Place in the plan, counted from 0; as many as there are waves once every wave is through."""
    step: int
    entered_at: datetime | None
    """When the step was entered; None before that."""
    patience_from: datetime | None
    """Since when its patience counts: from the step's begin, or since somebody resumed it."""
    released_by: str
    """Who said that this step may go on; empty where nobody has."""
    why: str
    """Why it is paused, or how it ended."""
    made_by: str
    recorded_at: datetime
    ended_at: datetime | None = None
    ended_by: str | None = None
    superseded_by: int | None = None
    """Number of the request that took its place."""
    targets: tuple[RolloutTarget, ...] = ()
    arms: tuple[Arm, ...] = ()
    """Versions beside its own, by their place."""
    stands_since: datetime | None = None
    """Since when its step stands still in a freeze; None: it does not."""
    stood_us: int = 0
    """Microseconds for which its step has stood still before: its least time by the wall clock did not go on."""

    @property
    def tried(self) -> tuple[Arm, ...]:
        """Arms that are tried still."""
        return tuple(arm for arm in self.arms if arm.ended_at is None)

    @property
    def uri(self) -> str:
        return f"{self.model}/{self.version}"

    @property
    def current(self) -> tuple[Wave, Step] | None:
        """Wave and step at which it is; None once every wave is through."""
        if self.wave >= len(self.plan.waves):
            return None
        wave = self.plan.waves[self.wave]
        return wave, wave.steps[self.step]

    @property
    def place_text(self) -> str:
        """``2 of 3 rest: canary 10 %``."""
        current = self.current
        if current is None:
            return "every wave is through"
        wave, step = current
        return f"{self.wave + 1} of {len(self.plan.waves)} {wave.name}: {step.title}"

    @property
    def step_name(self) -> str:
        """``2.1``: the first step of the second wave, as a person names the step that they saw."""
        return f"{self.wave + 1}.{self.step + 1}"

    def of_wave(self, number: int) -> tuple[RolloutTarget, ...]:
        return tuple(one for one in self.targets if one.wave == number)

    @property
    def touched(self) -> tuple[RolloutTarget, ...]:
        """Targets that have some of its version now."""
        return tuple(one for one in self.targets if one.state.is_touched)

    def after(self) -> tuple[int, int]:
        """Wave and step that follow; waves without a target of this roll-out are left out."""
        if self.step + 1 < len(self.plan.waves[self.wave].steps):
            return self.wave, self.step + 1
        return first_wave(self.plan, {one.wave for one in self.targets}, self.wave + 1), 0


def first_wave(plan: Plan, used: set[int], since: int = 0) -> int:
    """Number of the first wave from ``since`` on that has targets; the number of waves where none has."""
    return next((number for number in range(since, len(plan.waves)) if number in used), len(plan.waves))


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutEvent:
    """What happened to a roll-out, and who did it. ``wave`` and ``step`` are where it was then."""

    what: str
    """``made``, ``entered``, ``passed``, ``passed over``, ``caught up``, ``paused``, ``resumed``, ``released``, ``stands``,
    ``moves on``, ``arm out``, or a state in which it ended."""
    actor: str
    recorded_at: datetime
    wave: int
    step: int
    text: str
    figures: dict[str, Any] = field(default_factory=dict)
