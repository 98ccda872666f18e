"""``plans.toml``: read, compared with the plans in force, and put in force."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.domain.identity.roles import Permission
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.records import Target
from pilothouse.domain.rollouts.plan import Plan, blind_steps, placed, uncovered_text
from pilothouse.domain.rollouts.plan_changes import looser
from pilothouse.domain.rollouts.plan_file import PLANS_FILE, load_plans
from pilothouse.operations.authorisation import Change, check
from pilothouse.operations.services import Services
from pilothouse.operations.workspace_texts import read_settings
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.models import models
from pilothouse.store.models import targets as target_store
from pilothouse.store.promotion import rollouts

_DURATIONS = ("bake", "patience", "outcomes_within")


@dataclass(frozen=True, slots=True)
class PlanChanges:
    """Plans to put in force by name, None for one that the file names no more; ``action`` as of the targets' file."""

    put: Mapping[str, Plan | None]
    action: str
    differences: tuple[str, ...] = ()
    loosens: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Steps that may be misread, of every plan of the file."""


def read_plans_file(services: Services, problems: list[str]) -> dict[str, Plan] | None:
    """Plans of the file by name; None without one, or where it has faults, which are added to ``problems``."""
    return read_settings(services, PLANS_FILE, load_plans, problems)


def planned_plans(connection: Connection, described: Mapping[str, Plan] | None) -> PlanChanges:
    """What the file changes of the plans in force; without a file they stay as they are."""
    stored = {name: recorded.plan for name, recorded in rollouts.plans(connection).items()}
    if described is None:
        return PlanChanges({}, "missing: the plans in force stay" if stored else "")
    put: dict[str, Plan | None] = {
        name: plan
        for name, plan in described.items()
        if name not in stored or stored[name].digest != plan.digest
    }
    put |= {name: None for name in stored if name not in described}
    differences, loosens = [], []
    for name, plan in put.items():
        before = stored.get(name)
        if plan is None:
            differences.append(f"{name}: gone")
            loosens.append(f"{name}: gone")
        elif before is None:
            differences.append(f"{name}: new")
        else:
            differences += _differences(before.to_plain(), plan.to_plain(), name)
            loosens += [f"{name}: {line}" for line in looser(before, plan)]
    action = "create" if not stored else "update" if put else "unchanged"
    notes = [note for plan in described.values() for note in blind_steps(plan)]
    return PlanChanges(put, action, tuple(differences), tuple(loosens), tuple(notes))


def put_plans(change: Change, planned: PlanChanges, git: Mapping[str, Any]) -> None:
    """Put the plans of the file in force; the texts before stay on record. ``git``: the repository that it lies in."""
    if not planned.put:
        return
    check(change.connection, change.actor, Permission.APPLY)
    for name, plan in planned.put.items():
        rollouts.put_plan(change.connection, name, plan, by=change.actor.name, at=change.at)
    change.record(
        "plans.described",
        PLANS_FILE,
        {
            "differences": list(planned.differences),
            "loosens": list(planned.loosens),
            "digests": {name: plan.digest if plan else None for name, plan in planned.put.items()},
            **({"git": dict(git)} if git else {}),
        },
    )


def plan_faults(
    connection: Connection,
    described: Mapping[str, Plan] | None,
    specs: Sequence[ModelSpec],
    put: Sequence[Target],
) -> Iterator[str]:
    """Faults of models whose plan is not there or leaves some of their targets out, and of a floor whose plan is gone.
    ``put``: targets that are described anew."""
    plans = described if described is not None else {n: r.plan for n, r in rollouts.plans(connection).items()}
    targets = {target.name: target for target in (*target_store.all_targets(connection), *put)}
    for spec in specs:
        name = spec.promotion.plan
        if name is None:
            continue
        if name not in plans:
            listed = ", ".join(plans) or "none"
            yield f"{spec.name}: promotion.plan: {name!r} is not in {PLANS_FILE}; expected one of its plans ({listed})"
            continue
        places = [
            targets.get(t.name) or Target(t.name, t.region, t.product, t.business_unit) for t in spec.targets
        ]
        if left := placed(plans[name], places).left:
            yield f"{spec.name}: promotion.plan: {uncovered_text(name, left)}"
    floor = workspace.policy(connection).plan
    if floor and floor not in plans:
        yield (
            f"{PLANS_FILE}: the workspace's policy asks for the plan {floor!r}, which is not there: put it back, "
            'or name another with pilothouse policy set --plan NAME ("" for none)'
        )
    here, gone = {spec.name for spec in specs}, rollouts.plans(connection).keys() - plans.keys()
    for model, name in models.plans_named(connection, gone).items() if gone else ():
        if model not in here:
            yield f"{PLANS_FILE}: {model} goes out by the plan {name!r}, which is not there any more"


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[str]:
    for key in dict.fromkeys((*old, *new)):
        before, after, where = old.get(key), new.get(key), f"{path}.{key}"
        if isinstance(before, list) and isinstance(after, list):
            for i in range(max(len(before), len(after))):
                if i >= len(after):
                    yield f"{where}[{i}]: gone"
                elif i >= len(before):
                    yield f"{where}[{i}]: new"
                else:
                    yield from _differences(before[i], after[i], f"{where}[{i}]")
        elif before != after:
            yield f"{where}: {_shown(key, before)} → {_shown(key, after)}"


def _shown(key: str, value: Any) -> str:
    if value is None or value == {}:
        return "none"
    if key in _DURATIONS and isinstance(value, int):
        return format_duration(value)
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {text}" for name, text in sorted(value.items())) + " }"
    return str(value)
