"""The rule of roll-outs, pure: plan, place in it and facts in, the one next act out. Doing an act twice changes nothing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.rollouts.plan import Clock, GoOn, Step, StepKind
from pilothouse.domain.rollouts.rollout import STATE_IN, PlaceState, Rollout, RolloutState, RolloutTarget

ALERTS_AGAINST = ("performance", "errors", "latency", "data_quality")
"""Kinds of alert that count against a version which goes out. Inputs that drift do so whichever version answers."""
_NAMED = 3
"""Targets that are named; more are counted."""


class Outcome(StrEnum):
    """What the evidence of a step says."""

    HARM = "harm"
    NOT_WORSE = "not worse"
    UNDECIDED = "undecided"
    NO_TRAFFIC = "no traffic"
    """Neither pass nor fail."""


@dataclass(frozen=True, slots=True)
class PlaceFacts:
    """What is known of a target now."""

    answers: bool = True
    """False where its process is known to have ended, or has not been heard of; one that nobody serves counts as answering."""
    ready: bool = True
    """It has loaded what it should; True where no process of ours serves it."""
    live: int | None = None
    """Version that the registry says is live there."""
    clock: datetime | None = None
    """Its event clock."""
    champion: int | None = None
    """Version that was live when the trial there began; None where none is under way."""
    tries: bool = True
    """A version can be tried there beside the live one; False where something else serves it."""


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """What the tests of the step say so far."""

    requests: int = 0
    """Pairs in the shadow; otherwise requests that the new version has answered."""
    outcome: Outcome = Outcome.NO_TRAFFIC
    words: str = ""
    """``e-value 3.1 of 20; about 900 more pairs``."""
    judged: int = 0
    """Requests (pairs) whose outcome is known."""


@dataclass(frozen=True, slots=True)
class Breach:
    """Fault of the version (harm, a failed load, an alert, a process that dies): every touched target goes back."""

    kind: str
    """``not loaded``, ``process``, ``alert`` or ``harm``."""
    why: str
    """One line with figures."""
    target: str = ""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ArmEvidence:
    """What the tests of one version of a canary with several arms say so far, against the version that is live."""

    version: int
    words: str = ""
    is_better: bool = False
    """Shown to have smaller losses than the live version."""
    estimate: float | None = None
    """Difference of the mean losses, this version minus the live one; None where no outcome has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the next act follows from, beside the roll-out itself."""

    now: datetime
    places: Mapping[str, PlaceFacts]
    blocked: str = ""
    """Why no step forward is taken now: a freeze, a hold, paused automation."""
    is_frozen: bool = False
    """It is a freeze: the step stands still meanwhile."""
    breaches: Sequence[Breach] = ()
    arm_breaches: Mapping[int, Breach] = field(default_factory=dict)
    """Faults of versions that are tried beside the roll-out's own, by their numbers."""
    evidence: StepEvidence = StepEvidence()
    arms: Sequence[ArmEvidence] = ()
    """Of every version that shares the requests, the roll-out's own first; empty where that is tried alone."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is to be done. ``why``: what it waits for; ``until``: when that may have changed by the wall clock alone."""

    why: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Enter:
    """Begin the step: ``targets`` take its state, ``passed_over`` do not answer."""

    targets: tuple[str, ...]
    passed_over: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CatchUp:
    """Targets that were passed over answer again, and take the state that their wave has."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pass:
    """End the step, and go to the next."""

    why: str


@dataclass(frozen=True, slots=True)
class Complete:
    """Every wave is through, and no target is missing."""


@dataclass(frozen=True, slots=True)
class Pause:
    """The step's patience is at its end."""

    why: str


@dataclass(frozen=True, slots=True)
class GoBack:
    """Take every touched target back."""

    breach: Breach


@dataclass(frozen=True, slots=True)
class Leave:
    """Somebody has put another version live where this one was, or where the version was that it is compared with: end it, and
    leave the other targets as they are."""

    targets: tuple[str, ...]
    was_champion: bool = False
    """The version that was replaced is the one beside which it was tried."""


@dataclass(frozen=True, slots=True)
class DropArm:
    """Try a version beside the roll-out's own no more: its part of the requests goes back to the live version."""

    version: int
    breach: Breach


@dataclass(frozen=True, slots=True)
class Stand:
    """A freeze has begun: neither the patience of the step nor its least time by the wall clock goes on."""

    why: str


@dataclass(frozen=True, slots=True)
class MoveOn:
    """The freeze is over: the step has stood still since then."""

    since: datetime


Act = Wait | Enter | CatchUp | Pass | Complete | Pause | GoBack | Leave | DropArm | Stand | MoveOn


def next_act(rollout: Rollout, facts: Facts) -> Act:
    """The one act that follows. Back is always possible; forward only where the roll-out runs and nothing blocks it."""
    if not rollout.state.is_open:
        return Wait(f"it is {rollout.state}")
    if facts.breaches:
        return GoBack(facts.breaches[0])
    if taken := _taken(rollout, facts):
        return Leave(taken)
    if replaced := _replaced(rollout, facts):
        return Leave(replaced, was_champion=True)
    for arm in rollout.tried:
        if arm.version in facts.arm_breaches:
            return DropArm(arm.version, facts.arm_breaches[arm.version])
    if rollout.stands_since is not None and not facts.is_frozen:
        return MoveOn(rollout.stands_since)
    if rollout.state is RolloutState.PAUSED:
        return Wait(f"paused: {rollout.why}")
    if facts.is_frozen and rollout.stands_since is None and rollout.entered_at is not None:
        return Stand(facts.blocked)
    if facts.blocked:
        return Wait(facts.blocked)
    if returned := _returned(rollout, facts):
        return CatchUp(returned)
    if rollout.current is None:
        missing = [one.target for one in rollout.targets if one.state is PlaceState.PASSED_OVER]
        return Wait(f"every wave is through; {named(missing)} does not answer") if missing else Complete()
    step = rollout.current[1]
    if step.kind is not StepKind.LIVE and not _compared(rollout, facts):
        of_others = any(one.before is not None for one in rollout.of_wave(rollout.wave))
        return Pass(
            "something else serves its targets, where nothing can be tried beside what is live"
            if of_others
            else "nothing is live on its targets that it could be compared with"
        )
    if rollout.entered_at is None:
        return _entry(rollout, facts)
    return _judged(rollout, facts, step)


def _taken(rollout: Rollout, facts: Facts) -> tuple[str, ...]:
    live = [one.target for one in rollout.targets if one.state is PlaceState.LIVE]
    return tuple(one for one in live if facts.places[one].live != rollout.version)


def _replaced(rollout: Rollout, facts: Facts) -> tuple[str, ...]:
    """Targets of trials whose champion is live no more: what comes is compared with another version than was approved."""
    tried = [one.target for one in rollout.targets if one.state.is_trial]
    return tuple(one for one in tried if facts.places[one].champion not in (None, facts.places[one].live))


def _returned(rollout: Rollout, facts: Facts) -> tuple[str, ...]:
    """Targets that were passed over, answer, and whose wave has something for them."""
    return tuple(
        one.target
        for one in rollout.targets
        if one.state is PlaceState.PASSED_OVER
        and facts.places[one.target].answers
        and (one.wave < rollout.wave or (one.wave == rollout.wave and rollout.entered_at is not None))
    )


def catch_up_step(rollout: Rollout, target: RolloutTarget) -> Step:
    """The step that a target which was passed over catches up with: its wave's last once that is through."""
    steps = rollout.plan.waves[target.wave].steps
    return steps[rollout.step] if target.wave == rollout.wave else steps[-1]


def _compared(rollout: Rollout, facts: Facts) -> list[RolloutTarget]:
    """Targets of the wave with a version beside which the new one can be tried, or is."""
    return [
        one
        for one in rollout.of_wave(rollout.wave)
        if one.before is not None and (facts.places[one.target].tries or one.state.is_trial)
    ]


def _entry(rollout: Rollout, facts: Facts) -> Enter:
    is_live = rollout.current is not None and rollout.current[1].kind is StepKind.LIVE
    names = [one.target for one in (rollout.of_wave(rollout.wave) if is_live else _compared(rollout, facts))]
    return Enter(
        tuple(name for name in names if facts.places[name].answers),
        tuple(name for name in names if not facts.places[name].answers),
    )


def _judged(rollout: Rollout, facts: Facts, step: Step) -> Act:
    assert rollout.entered_at is not None
    missing = next(_missing(rollout, facts, step), None)
    by_hand = step.ends_by is GoOn.HAND
    if rollout.released_by and (missing is None or (not by_hand and not missing.is_of_places)):
        return Pass(f"{rollout.released_by} let it go on")
    if missing is None:
        if by_hand:
            return Wait(
                f"waits for a person: pilothouse rollout go-on {rollout.id} --step {rollout.step_name}"
            )
        return Pass(_passed(facts, step))
    since = rollout.patience_from or rollout.entered_at
    ends = since + timedelta(seconds=step.patience)
    if facts.now >= ends:
        return Pause(f"{missing.why}, for {format_duration(step.patience)}")
    return Wait(missing.why, min(ends, missing.until) if missing.until else ends)


def _passed(facts: Facts, step: Step) -> str:
    if step.ends_by is GoOn.EVIDENCE:
        return f"not worse: {facts.evidence.words}" if facts.evidence.words else "not worse"
    parts = [f"nothing was found against it in {format_duration(step.bake)}"] if step.bake else []
    if step.requests or step.judged:
        known = f"{facts.evidence.judged:,} of them with an outcome"
        parts.append(f"{facts.evidence.requests:,} requests, {known}")
    return ", ".join(parts) or "nothing was found against it"


@dataclass(frozen=True, slots=True)
class _Missing:
    why: str
    until: datetime | None = None
    is_of_places: bool = False
    """What is missing is a place that answers with the version: no word of a person stands in for that."""


def _missing(rollout: Rollout, facts: Facts, step: Step) -> Iterator[_Missing]:
    """What the step lacks, the first thing first."""
    state = STATE_IN[step.kind]
    inside = [one for one in rollout.of_wave(rollout.wave) if one.state is state]
    answering = [one for one in inside if facts.places[one.target].answers]
    if not answering:
        yield _Missing("no target of the wave answers", is_of_places=True)
        return
    if unready := [one.target for one in answering if not facts.places[one.target].ready]:
        yield _Missing(f"{named(unready)} has not loaded {rollout.uri} yet", is_of_places=True)
    yield from _unbaked(rollout, facts, step, answering)
    if facts.evidence.requests < step.requests:
        seen, needed = facts.evidence.requests, step.requests
        yield _Missing(
            f"{seen:,} of {needed:,} requests" if seen else f"no traffic: 0 of {needed:,} requests"
        )
    if facts.evidence.judged < step.judged:
        yield _Missing(f"{facts.evidence.judged:,} of {step.judged:,} requests with outcomes")
    if step.ends_by is GoOn.EVIDENCE and facts.evidence.outcome is not Outcome.NOT_WORSE:
        words = facts.evidence.words or str(facts.evidence.outcome)
        yield _Missing(words)


def _unbaked(
    rollout: Rollout, facts: Facts, step: Step, places: Sequence[RolloutTarget]
) -> Iterator[_Missing]:
    bake, began = timedelta(seconds=step.bake), rollout.entered_at
    assert began is not None
    if not bake:
        return
    if step.clock is Clock.WALL:
        # since the first of them has it: where none answered when the step began, nothing has baked before one caught up
        ends = (
            min(one.entered_at or began for one in places) + bake + timedelta(microseconds=rollout.stood_us)
        )
        if facts.now < ends:
            yield _Missing(f"bakes until {ends:%Y-%m-%d %H:%M:%S} UTC", ends)
        return
    for one in places:
        clock = facts.places[one.target].clock
        since = one.entered_clock or clock
        if clock is None or since is None:
            yield _Missing(f"bakes by the event clock, and no event has come from {one.target}")
        elif clock - since < bake:
            yield _Missing(f"bakes until {since + bake:%Y-%m-%d %H:%M} by the events of {one.target}")
        else:
            continue
        return


def named(targets: Sequence[str]) -> str:
    """``ewr, jfk, lga and 4 more``."""
    more = len(targets) - _NAMED
    return ", ".join(targets[:_NAMED]) + (f" and {more} more" if more > 0 else "")
