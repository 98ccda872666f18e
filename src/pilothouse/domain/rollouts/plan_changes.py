"""What a changed plan drops of the evidence or the time that the plan before it asked for."""

from collections.abc import Iterator, Sequence
from typing import Any

from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.rollouts.plan import GoOn, Plan, Step, StepKind, Wave, placed

_RANK = {GoOn.TIME: 0, GoOn.EVIDENCE: 1, GoOn.HAND: 1}
"""A person's word and a verdict are not compared: each is more than time alone."""


def looser(old: Plan, new: Plan) -> Iterator[str]:
    """One line for each respect in which ``new`` asks for less than ``old``; none where it asks for as much everywhere.

    Waves are compared in their order. A wave that selects other targets counts as looser: what was first may then be last.
    """
    if new.false_rollbacks < old.false_rollbacks:
        yield f"false_rollbacks falls from {old.false_rollbacks:g} to {new.false_rollbacks:g}: harm is found later"
    if new.margin > old.margin:
        yield f"margin rises from {old.margin:g} to {new.margin:g}: more counts as not worse"
    if new.slower > old.slower:
        yield f"slower rises from {old.slower:g} to {new.slower:g}: a slower version goes out"
    if old.changed is not None and (new.changed is None or new.changed > old.changed):
        now = "is gone" if new.changed is None else f"rises from {old.changed:g} to {new.changed:g}"
        yield f"changed {now}: more decisions may differ"
    if old.moved is not None and (new.moved is None or new.moved > old.moved):
        now = "is gone" if new.moved is None else f"rises from {old.moved:g} to {new.moved:g}"
        yield f"moved {now}: scores may move further before an outcome is known"
    if len(new.waves) < len(old.waves):
        yield f"it has {len(new.waves)} waves in place of {len(old.waves)}"
    for number, (before, after) in enumerate(zip(old.waves, new.waves, strict=False), 1):
        yield from _wave(f"wave {number} ({after.name})", before, after)


def moved_targets(plan: Plan, before: Sequence[Any], after: Sequence[Any]) -> Iterator[str]:
    """One line for each target that another description moves between the waves of a plan: what was first may then be last, or
    come without the shadow of its wave. Targets of both are compared by name; they are as ``placed`` takes them."""
    was, now = (_wave_of(plan, targets) for targets in (before, after))
    for name in sorted(was.keys() & now.keys()):
        if was[name] != now[name]:
            yield f"{name}: wave {was[name]} → {now[name]} of the plan {plan.name}"


def _wave_of(plan: Plan, targets: Sequence[Any]) -> dict[str, str]:
    """Name of each target's wave; ``none`` where no wave selects it."""
    placing = placed(plan, targets)
    found = {name: plan.waves[i].name for i, names in enumerate(placing.waves) for name in names}
    return found | dict.fromkeys(placing.left, "none")


def _wave(name: str, old: Wave, new: Wave) -> Iterator[str]:
    if old.select != new.select:
        yield f"{name} selects other targets"
    if len(new.steps) < len(old.steps):
        yield f"{name} has {len(new.steps)} steps in place of {len(old.steps)}"
        return
    added = len(new.steps) - len(old.steps)
    if old.steps[0].kind is StepKind.SHADOW and any(
        step.kind is StepKind.CANARY for step in new.steps[:added]
    ):
        yield f"{name} has a canary before its shadow: it answers before anything is known of it"
    for place, before in enumerate(old.steps, added):  # from the last: a first step may be added
        yield from _step(f"{name}, step {place + 1}", before, new.steps[place])


def _step(name: str, old: Step, new: Step) -> Iterator[str]:
    if new.kind is not old.kind:
        yield f"{name} is {new.kind} in place of {old.kind}"
        return
    if new.kind is StepKind.CANARY and (new.share or 0) > (old.share or 0):
        yield f"{name} answers {new.share:g} of the requests in place of {old.share:g}"
    if new.ends_by is not old.ends_by and _RANK[new.ends_by] <= _RANK[old.ends_by]:
        yield f"{name} ends by {new.ends_by} in place of {old.ends_by}"
    if new.requests < old.requests:
        yield f"{name} asks for {new.requests} requests in place of {old.requests}"
    if new.judged < old.judged:
        yield f"{name} asks for {new.judged} requests with outcomes in place of {old.judged}"
    if old.outcomes_within is not None and (
        new.outcomes_within is None or new.outcomes_within < old.outcomes_within
    ):
        now = "the usual time" if new.outcomes_within is None else format_duration(new.outcomes_within)
        yield f"{name} waits for outcomes of logs for {now} in place of {format_duration(old.outcomes_within)}"
    if new.bake < old.bake:
        yield f"{name} bakes for {format_duration(new.bake)} in place of {format_duration(old.bake)}"
    if new.clock is not old.clock:
        yield f"{name} bakes by the {new.clock} clock in place of the {old.clock} clock"
