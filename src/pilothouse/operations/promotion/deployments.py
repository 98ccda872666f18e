"""Deployments: as they are recorded, roll-back, holds, and the desired state of each target."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from weakref import WeakKeyDictionary

from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.formats.wire import DesiredState, DesiredTrial, DesiredVersion
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.integrations.integration_file import SETTING, integrations_from_plain
from pilothouse.domain.records import Deployment, Hold, RollBackStep
from pilothouse.operations.authorisation import Change, changing, reading, reason_given
from pilothouse.operations.catalogue import require_model, require_version, spec_of_model
from pilothouse.operations.promotion.accounted_rows import check_version
from pilothouse.operations.promotion.activation import put_live
from pilothouse.operations.promotion.records import with_records
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
from pilothouse.store.deployed import deployments
from pilothouse.store.models import targets
from pilothouse.store.promotion import trials as trial_store
from pilothouse.store.work import runs


def roll_back(
    services: Services,
    actor: Actor,
    model: str,
    targets: Sequence[str] | None = None,
    reason: str = "",
    *,
    only_from: int | None = None,
) -> list[Deployment]:
    """Deploy the version before on these targets (where None, on all that have one), and set a hold on automatic deployment.

    Needs a reason and no approval. ``only_from`` is the version that somebody saw live, who wants that one to go and no other.
    Returns the new deployments. Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (there is
    no version before, or another version than ``only_from`` is live).
    """
    reason = reason_given(reason, "rolling back")
    with changing(services, actor, Permission.ROLL_BACK, model, targets) as change:
        require_model(change.connection, model)
        steps = _plan(change.connection, model, targets)
        for step in steps:
            if only_from not in (None, step.now):
                raise ConflictError(
                    f"{step.target} runs {model}/{step.now} and not {model}/{only_from}: it has changed since you looked"
                )
        return go_back(services, change, model, steps, reason)


def go_back(
    services: Services, change: Change, model: str, steps: Sequence[RollBackStep], reason: str
) -> list[Deployment]:
    """Take steps back in the caller's transaction, and set a hold on automatic deployment; the new deployments by target."""
    deployed: list[Deployment] = []
    for step in steps:
        before = require_version(change.connection, version_uri(model, step.then))
        check_version(change.connection, before, [step.target])
    for number in sorted({step.then for step in steps}):
        version = require_version(change.connection, version_uri(model, number))
        on_targets = [step.target for step in steps if step.then == number]
        deployed += put_live(
            services, change, version, on_targets, kind="rollback", reason=reason, request_id=None
        )
    if not deployments.holds(change.connection, model):
        deployments.set_hold(change.connection, model, reason=reason, by=change.actor.name, at=change.at)
        change.record("hold.set", model, {"reason": reason})
    return sorted(deployed, key=lambda deployment: deployment.target)


def roll_back_plan(
    services: Services, actor: Actor, model: str, targets: Sequence[str] | None = None
) -> list[RollBackStep]:
    """Steps that ``roll_back`` would take now, by target, with the records of both versions.

    Raises NotFoundError or ConflictError as it would.
    """
    with reading(services, actor) as connection:
        require_model(connection, model)
        return with_records(services, connection, _plan(connection, model, targets))


def roll_back_steps(services: Services, actor: Actor, model: str | None = None) -> list[RollBackStep]:
    """All possible steps back, of one model or of all."""
    with reading(services, actor) as connection:
        return _steps(connection, deployments.live(connection, model=model), model)


def lift_hold(services: Services, actor: Actor, model: str, reason: str) -> None:
    """End the hold on automatic deployment of a model. Raises ConflictError where there is none."""
    reason = reason_given(reason, "lifting a hold")
    with changing(services, actor, Permission.LIFT_HOLD, model) as change:
        require_model(change.connection, model)
        held = [
            {"reason": one.reason, "set_by": one.set_by}
            for one in deployments.holds(change.connection, model)
        ]
        if not deployments.lift_hold(change.connection, model, reason=reason, by=actor.name, at=change.at):
            raise ConflictError(f"nothing holds {model}: automatic deployment is as its policy says")
        change.record("hold.lifted", model, {"reason": reason, "before": held})


def list_holds(services: Services, actor: Actor, model: str | None = None) -> list[Hold]:
    """Holds in force."""
    with reading(services, actor) as connection:
        return deployments.holds(connection, model)


def list_deployments(
    services: Services,
    actor: Actor,
    *,
    model: str | None = None,
    target: str | None = None,
    live_only: bool = True,
    limit: int = 500,
) -> list[Deployment]:
    """Live deployments by model and target, or with ``live_only=False`` the history, newest first."""
    with reading(services, actor) as connection:
        if model is not None:
            require_model(connection, model)
        if live_only:
            return deployments.live(connection, model=model, target=target)
        return deployments.history(connection, model=model, target=target, limit=limit)


def deployed_at(
    services: Services, actor: Actor, time: datetime, *, clock: str = "recorded"
) -> list[Deployment]:
    """Deployments live at a time, by the wall clock (``recorded``) or by the event clock of each target (``event``)."""
    with reading(services, actor) as connection:
        if clock == "event":
            return deployments.effective_at_time(connection, time)
        return deployments.recorded_at_time(connection, time)


@dataclass(slots=True)
class _Known:
    """What was read of a registry before: desired states with the data version that they are of, and how the rows of a
    version's training were read, by its run, which never changes. Every target asks every two seconds."""

    states: dict[str, tuple[int, DesiredState]] = field(default_factory=dict)
    trained: dict[int, runs.ReadRows] = field(default_factory=dict)


_KNOWN: WeakKeyDictionary[Registry, _Known] = WeakKeyDictionary()


def desired_state(services: Services, target: str) -> DesiredState:
    """Versions that a target should serve; ``revision`` changes when anything in it does. Raises NotFoundError."""
    known = _KNOWN.setdefault(services.registry, _Known())
    seen = services.registry.data_version()
    before = known.states.get(target)
    if before is not None and before[0] == seen:
        return before[1]
    with services.registry.read() as connection:
        if targets.target_id(connection, target) is None:
            raise NotFoundError(f"there is no target {target!r}")
        files = deployments.live_files(connection, target)
        tried = trial_store.trials_on(connection, target)
        traced = _traced(connection)
        runs_of = [(f.model, f.run_id) for f in files] + [(t.model, t.run_id) for t in tried]
        trained = _rows_read(services, connection, [run_id for _, run_id in runs_of])
        private = {
            file.model: sorted(
                {
                    *spec_of_model(connection, file.model).data.private,  # making one private works at once
                    *(name for model, run in runs_of if model == file.model for name in trained[run].private),
                }
            )
            for file in files
        }
    versions = [_desired(file, trained[file.run_id]) for file in files]
    named = [[v.model, v.version, v.model_digest, v.schema_digest, v.portable_digest] for v in versions]
    trials = [
        DesiredTrial(t.rollout, _desired(t, trained[t.run_id]), t.mode, t.share, t.salt, t.place, t.arms)
        for t in tried
    ]
    read = [[v.timezone, *v.excluded] for v in versions if v.timezone or v.excluded]
    # as in earlier releases where nothing is tried, so that a new daemon has nothing loaded again
    revision = canonical_digest(
        [
            target,
            named,
            private,
            *map(asdict, trials),
            *([traced] if traced else []),
            *([read] if read else []),
        ]
    )
    state = DesiredState(target, revision, versions, private, trials, traced)
    known.states[target] = (seen, state)
    return state


def _desired(files: deployments.LiveFile | trial_store.TrialFile, rows: runs.ReadRows) -> DesiredVersion:
    digests = files.model_digest, files.schema_digest, files.portable_digest
    return DesiredVersion(files.model, files.version, *digests, rows.timezone, rows.excluded)


def _traced(connection: Connection) -> float:
    """Share of requests whose spans ``integrations.toml`` asks for."""
    text = workspace.setting(connection, SETTING)
    traces = integrations_from_plain(json.loads(text)).traces if text else None
    return traces.requests if traces else 0.0


def private_columns(services: Services, model: str) -> tuple[str, ...]:
    """Columns of a model that are never stored: private in its file now, or when a version that is live was trained.

    Raises NotFoundError.
    """
    with services.registry.read() as connection:
        columns = set(spec_of_model(connection, model).data.private)
        trained = _rows_read(services, connection, deployments.live_runs(connection, model))
    return tuple(sorted(columns.union(*(rows.private for rows in trained.values()))))


def _rows_read(
    services: Services, connection: Connection, run_ids: Sequence[int]
) -> dict[int, runs.ReadRows]:
    """How the rows were read that the versions of these runs learnt from."""
    known = _KNOWN.setdefault(services.registry, _Known()).trained
    if unknown := [number for number in run_ids if number not in known]:
        known.update(runs.rows_read(connection, unknown))
    return {number: known[number] for number in run_ids}


def _plan(connection: Connection, model: str, targets: Sequence[str] | None) -> list[RollBackStep]:
    """Steps on the given targets; where None, on all that have one. Raises NotFoundError or ConflictError."""
    live = {deployment.target: deployment for deployment in deployments.live(connection, model=model)}
    for target in targets or ():
        if target not in live:
            raise NotFoundError(
                f"{model} is not live on {target!r}: it is live on {', '.join(live) or 'no target'}"
            )
    wanted = list(dict.fromkeys(targets or live))
    steps = _steps(connection, [live[target] for target in wanted], model)
    going = {step.target for step in steps}
    stuck = [target for target in wanted if target not in going]
    if targets and stuck:
        raise ConflictError(f"{model} has no version before the live one on {', '.join(stuck)}")
    if not steps:
        raise ConflictError(f"{model} has no version before the live one on any target")
    return steps


def _steps(connection: Connection, live: Sequence[Deployment], model: str | None) -> list[RollBackStep]:
    before = deployments.versions_before(connection, model)
    return [
        RollBackStep(deployment.model, deployment.target, deployment.version, before[place])
        for deployment in sorted(live, key=lambda deployment: (deployment.model, deployment.target))
        if (place := (deployment.model, deployment.target)) in before
    ]
