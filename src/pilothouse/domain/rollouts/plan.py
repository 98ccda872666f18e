"""Plan of a roll-out: waves of targets, and the steps that each wave goes through."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.models.dataclass_reader import read_dataclass, to_plain
from pilothouse.domain.models.model_spec import Duration
from pilothouse.domain.models.target_selection import selector

_NONE, _WEEK = Duration(0), Duration(7 * 86_400)


class StepKind(StrEnum):
    """What the targets of a wave do in a step."""

    SHADOW = "shadow"
    """The version that was live answers; the new one answers a copy of the requests, and nobody sees it."""
    CANARY = "canary"
    """The new version answers a share of the requests."""
    LIVE = "live"
    """The new version is live."""


class GoOn(StrEnum):
    """What ends a step."""

    EVIDENCE = "evidence"
    """The verdict that the new version is not worse."""
    HAND = "hand"
    """A person who says so."""
    TIME = "time"
    """The least time and the least number of requests, where no fault of the version was found."""


class Clock(StrEnum):
    """Clock by which a step's least time is measured."""

    WALL = "wall"
    EVENT = "event"
    """Of each target: its newest event."""


@dataclass(frozen=True, slots=True)
class Step:
    """``[[plan.wave.step]]``. Times are seconds."""

    kind: StepKind
    go_on: GoOn | None = None
    """Evidence for shadow and canary, time for live, where it is not said."""
    share: float | None = None
    """Of a canary: share of the requests that the new version answers, above 0 and below 1."""
    requests: int = 0
    """Least number of requests (pairs, in the shadow), whether or not their outcomes are known."""
    judged: int = 0
    """Least number of requests (pairs) whose outcome is known."""
    bake: Duration = _NONE
    """Least time."""
    patience: Duration = _WEEK
    """Time after which a step that has not ended pauses the roll-out and says what is missing; by the wall clock."""
    clock: Clock = Clock.WALL
    outcomes_within: Duration | None = None
    """Of a canary on a platform whose answers come as logs: time for which an hour of the logs waits for its outcomes and for
    the other version's log; a day and the model's ``outcome_delay`` where it is not said."""

    @property
    def is_blind(self) -> bool:
        """True where it tries a version and may end by requests of which no outcome is known."""
        return self.kind is not StepKind.LIVE and self.ends_by is GoOn.TIME and not self.judged

    @property
    def ends_by(self) -> GoOn:
        return self.go_on or (GoOn.TIME if self.kind is StepKind.LIVE else GoOn.EVIDENCE)

    @property
    def title(self) -> str:
        """``canary 10 %``."""
        return str(self.kind) if self.share is None else f"{self.kind} {100 * self.share:.4g} %"


LIVE = Step(StepKind.LIVE)
"""The one step of a wave that names none."""


@dataclass(frozen=True, slots=True)
class Wave:
    """``[[plan.wave]]``: targets that go through the same steps together."""

    name: str
    select: dict[str, Any] = field(default_factory=dict)
    """As in ``[targets]`` of a model file; empty for every target that no wave before has selected."""
    step: tuple[Step, ...] = (LIVE,)

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.step


@dataclass(frozen=True, slots=True)
class Plan:
    """``[[plan]]``."""

    name: str
    wave: tuple[Wave, ...]
    false_rollbacks: float = 0.01
    """Rate of roll-backs without cause that is promised, over a whole roll-out."""
    margin: float = 0.01
    """Loss of the task by which the new version may be worse and still counts as not worse."""
    slower: float = 1.5
    """p95 of a canary over that of the version before, from which on it counts as harm."""
    changed: float | None = None
    """Share of decisions that may differ in the shadow; more counts as harm. None: they are shown and stop nothing."""
    moved: float | None = None
    """Share of answers by which scores (or, of three classes and more, classes) may move, before any outcome is known; more
    counts as harm. None: nothing is tested."""

    @property
    def waves(self) -> tuple[Wave, ...]:
        return self.wave

    def to_plain(self) -> dict[str, Any]:
        """Plain data that is stored and hashed: every key, as it holds; ``moved``, ``judged`` and ``outcomes_within`` only
        where they are set, as digests were before them."""
        return {
            "name": self.name,
            "false_rollbacks": self.false_rollbacks,
            "margin": self.margin,
            "slower": self.slower,
            "changed": self.changed,
            **({"moved": self.moved} if self.moved is not None else {}),
            "wave": [
                {
                    "name": wave.name,
                    "select": to_plain(wave.select),
                    "step": [_plain(step) for step in wave.step],
                }
                for wave in self.wave
            ],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Plan":
        """Plan of stored data. Raises ValueError where it is none."""
        problems: list[str] = []
        plan = read_dataclass(cls, plain, "plan", problems)
        if plan is None:
            raise ValueError(problems[0])
        return plan

    @property
    def digest(self) -> str:
        """sha256 that names this plan, whatever the file looks like."""
        return canonical_digest(self.to_plain())

    def steps(self) -> Iterator[tuple[int, int, Step]]:
        """(wave, step, step itself) in their order."""
        for number, wave in enumerate(self.wave):
            for place, step in enumerate(wave.step):
                yield number, place, step


def blind_steps(plan: Plan) -> Iterator[str]:
    """One sentence for each step that tries a version and may end before any outcome is known."""
    for number, place, step in plan.steps():
        if step.is_blind:
            yield (
                f"{plan.name}: wave {number + 1}, step {place + 1} ({step.title}) goes on whether or not an outcome is known: "
                f'judged = {step.requests or 500} waits for outcomes, go_on = "evidence" for a verdict'
            )


def _plain(step: Step) -> dict[str, Any]:
    return {
        "kind": str(step.kind),
        "go_on": str(step.ends_by),
        "share": step.share,
        "requests": step.requests,
        "bake": int(step.bake),
        "patience": int(step.patience),
        "clock": str(step.clock),
        **({"judged": step.judged} if step.judged else {}),
        **({"outcomes_within": int(step.outcomes_within)} if step.outcomes_within is not None else {}),
    }


@dataclass(frozen=True, slots=True)
class Placing:
    """Targets by the wave that selects them, and those that none does."""

    waves: tuple[tuple[str, ...], ...]
    """Names of the targets of each wave of the plan, in its order; a wave may have none."""
    left: tuple[str, ...]


def placed(plan: Plan, targets: Iterable[Any]) -> Placing:
    """Place each target (with ``name`` and what a selection looks at) into the first wave that selects it."""
    tests = [selector(wave.select) for wave in plan.wave]
    waves: list[list[str]] = [[] for _ in plan.wave]
    left: list[str] = []
    for target in targets:
        number = next((i for i, test in enumerate(tests) if test(target)), None)
        (left if number is None else waves[number]).append(target.name)
    return Placing(tuple(tuple(names) for names in waves), tuple(left))


def uncovered_text(plan: str, left: Sequence[str]) -> str:
    """What is said of targets that no wave selects."""
    named = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
    return f"no wave of the plan {plan} selects {named}: add a last wave without select, which takes all that are left"
