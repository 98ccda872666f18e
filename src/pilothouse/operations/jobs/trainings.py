"""Trainings, reproductions and backtests, queued for the daemon."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import AutomationPausedError, InvalidInputError, ModelFileError, NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.models.model_file import spec_from_plain, spec_to_plain
from pilothouse.domain.models.model_spec import ModelSpec, Scalar
from pilothouse.domain.records import Job, Model
from pilothouse.operations.authorisation import Change, changing, clean_text, reading
from pilothouse.operations.catalogue import (
    require_in_use,
    require_model,
    require_run,
    require_version,
    spec_of_model,
)
from pilothouse.operations.jobs.jobs import require_job
from pilothouse.operations.jobs.judging_code import check_as_applied, judging_code
from pilothouse.operations.jobs.lost_rows import check_reproducible
from pilothouse.operations.models.source_columns import local_sources
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.deployed import alerts
from pilothouse.store.models import models, targets
from pilothouse.store.work import jobs
from pilothouse.store.work.jobs import NewJob

_OVERRIDABLE = ("data.lookback",)
_OVERRIDABLE_BELOW = "training."
_MOST_OVERRIDES = 64
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """Options of a training: its data and parameters, its cause, its turn in the queue."""

    as_of: datetime | None = None
    """The training uses rows whose outcome was known at this time; now where None."""
    overrides: Mapping[str, Scalar] = field(default_factory=dict)
    """Dotted keys of the model file: ``data.lookback`` or anything under ``training``."""
    fresh: bool = False
    """Every step runs, also where its inputs have not changed since an earlier run."""
    trigger_key: str = ""
    """Key of which there is one job at most: an existing one is returned."""
    alert: int | None = None
    """Number of the alert that caused the training."""
    changed_at: datetime | None = None
    """Moment of the change that the training is about: days since are held out in turn, so that the others are learnt."""
    priority: int = 0
    """−100 to 100, higher first."""
    deadline: datetime | None = None
    """Time at which the job is ended if it still waits or runs."""
    after: Sequence[int] = ()
    """Jobs that must succeed first."""
    adopted: Mapping[str, Any] | None = None
    """Model file of another registry that takes the place of the fit: ``model`` (digest), ``made_us``, and where it is from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOptions:
    """Options of a backtest: its rows, by event time ``since <= t < until``, and its turn in the queue."""

    since: datetime | None = None
    until: datetime | None = None
    target: str | None = None
    """Only rows served on this target; on all where None."""
    trigger_key: str = ""
    priority: int = 0


def start_training(
    services: Services,
    actor: Actor,
    model: str,
    options: TrainingOptions = TrainingOptions(),
    *,
    reason: str = "",
) -> Job:
    """Queue a training by the model file in force.

    Raises NotFoundError, NotAllowedError, InvalidInputError (an override, a time to come) or ConflictError (the model is
    retired; automation is paused, for the daemon; the code that judges is not what was applied, for a person, who can do
    something about it now).
    """
    reason = clean_text(reason, "the reason")
    if actor.name != DAEMON.name:
        _check_judging_code(services, actor, model)
    with changing(services, actor, Permission.TRAIN, model) as change:
        registered = require_model(change.connection, model)
        if before := jobs.find_by_trigger(change.connection, model, options.trigger_key):
            return before
        require_in_use(change.connection, model)
        _check_not_paused(change)
        job_options: dict[str, Any] = {
            "as_of": _as_of(change, options.as_of).isoformat(),
            "overrides": dict(options.overrides),
        }
        if options.changed_at is not None:
            job_options["changed_at"] = options.changed_at.isoformat()
        if options.fresh:
            job_options["fresh"] = True
        if options.adopted is not None:
            job_options["adopted"] = dict(options.adopted)
        if options.alert is not None and alerts.find(change.connection, options.alert) is None:
            raise NotFoundError(f"there is no alert {options.alert}: list them with pilothouse alerts")
        spec = merge_overrides(spec_of_model(change.connection, model), options.overrides)
        _check_order(change, options)
        new = replace(
            _new_job(change, "train", registered, reason, job_options),
            trigger_key=options.trigger_key,
            alert_id=options.alert,
            priority=options.priority,
            deadline=options.deadline,
            after=tuple(options.after),
            max_attempts=spec.training.retries + 1,
        )
        job = queue(change, new, _audited(options))
        if options.alert is not None:
            alerts.set_retrain_job(change.connection, options.alert, job.id)
        return job


def _check_judging_code(services: Services, actor: Actor, model: str) -> None:
    with reading(services, actor) as connection:
        applied = models.spec_in_force(connection, model)
    if applied is None:
        return
    spec = spec_from_plain(applied.spec)
    folder = services.paths.root / applied.folder
    if spec.gates.function is None or not folder.is_dir():
        return
    now = judging_code(folder, spec.gates.function, local_sources(spec, folder))
    check_as_applied(spec.gates.function, applied.judging_code, now)


def _audited(options: TrainingOptions) -> dict[str, Any]:
    """Facts in the audit row of a training beside the job's own options; its turn only where it was chosen."""
    turn = {
        "priority": options.priority,
        "deadline": options.deadline and options.deadline.isoformat(),
        "after": list(options.after),
    }
    chosen = {key: value for key, value in turn.items() if value}
    return {"trigger_key": options.trigger_key, "alert": options.alert, **chosen}


def _new_job(change: Change, kind: str, model: Model, reason: str, options: dict[str, Any]) -> NewJob:
    return NewJob(
        kind=kind,
        model_id=model.id,
        spec_id=model.spec_id,
        created_by=change.actor.name,
        reason=reason,
        options=options,
    )


def _as_of(change: Change, as_of: datetime | None) -> datetime:
    """Time by which the outcome of a row has to be known. Raises InvalidInputError."""
    if as_of is None:
        return change.at
    check_zone("as_of", as_of)
    if as_of > change.at and change.actor.name == DAEMON.name:
        return change.at  # an event clock may run a little ahead of the wall clock
    if as_of > change.at:
        raise InvalidInputError(f"as_of: {as_of.isoformat()} is still to come; expected now or before")
    return as_of


def check_zone(name: str, time: datetime | None) -> None:
    if time is not None and time.tzinfo is None:
        raise InvalidInputError(f"{name}: {time.isoformat()} has no time zone; add one, e.g. Z for UTC")


def start_reproduction(services: Services, actor: Actor, reference: str) -> Job:
    """Queue a reproduction of a version from its record. Raises NotFoundError, NotAllowedError, or ConflictError where training
    rows were erased."""
    with reading(services, actor) as connection:
        model = require_version(connection, reference).model
    with changing(services, actor, Permission.TRAIN, model) as change:
        version = require_version(change.connection, reference)
        check_reproducible(change.connection, version)
        if "adopted_model" in require_run(change.connection, version).parameters:
            raise InvalidInputError(
                f"{version_uri(model, version.number)} was adopted, not trained here: nothing to reproduce"
            )
        reason = f"reproduce {version_uri(model, version.number)}"
        registered = require_model(change.connection, model)
        new = _new_job(change, "reproduce", registered, reason, {"version": version.number})
        return queue(change, replace(new, version_id=version.id))


def start_backtest(
    services: Services,
    actor: Actor,
    model: str,
    versions: Sequence[int],
    options: BacktestOptions = BacktestOptions(),
    *,
    reason: str = "",
) -> Job:
    """Queue a backtest: the scoring of versions on the same served rows whose outcome is known.

    Raises NotFoundError, NotAllowedError or InvalidInputError.
    """
    reason = clean_text(reason, "the reason")
    numbers = list(dict.fromkeys(versions))
    since, until, target = options.since, options.until, options.target
    if not numbers:
        raise InvalidInputError("a backtest needs at least one version to score")
    check_zone("since", since)
    check_zone("until", until)
    if since is not None and until is not None and since >= until:
        raise InvalidInputError(f"since {since.isoformat()} is not before until {until.isoformat()}")
    with changing(services, actor, Permission.TRAIN, model) as change:
        registered = require_model(change.connection, model)
        if before := jobs.find_by_trigger(change.connection, model, options.trigger_key):
            return before
        for number in numbers:
            require_version(change.connection, version_uri(model, number))
        names = targets.targets_of(change.connection, model)
        if target is not None and target not in names:
            raise NotFoundError(f"{model} has no target {target!r}: its model file names {', '.join(names)}")
        job_options = {
            "versions": numbers,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "target": target,
        }
        reason = reason or f"backtest versions {', '.join(map(str, numbers))}"
        new = _new_job(change, "backtest", registered, reason, job_options)
        return queue(change, replace(new, trigger_key=options.trigger_key, priority=options.priority))


def merge_overrides(spec: ModelSpec, overrides: Mapping[str, Scalar]) -> ModelSpec:
    """Specification with some of its values replaced, checked as strictly as a file. Raises InvalidInputError.

    Gates, the hold-out, promotion and monitoring cannot be overridden: a version is judged by the file that was applied.
    """
    if not overrides:
        return spec
    if len(overrides) > _MOST_OVERRIDES:
        raise InvalidInputError(f"{len(overrides)} overrides; expected {_MOST_OVERRIDES} at most")
    plain = spec_to_plain(spec)
    for key, value in overrides.items():
        _set(plain, key, value)
    try:
        return spec_from_plain(plain, "override")
    except ModelFileError as error:
        raise InvalidInputError("\n".join(error.problems)) from None


def stored_spec(connection: Connection, job_id: int) -> models.StoredSpec:
    """Specification that was in force when a job was queued."""
    stored = models.spec_by_id(connection, jobs.origin_of(connection, job_id).spec_id)
    assert stored is not None
    return stored


def spec_of_job(connection: Connection, job: Job) -> ModelSpec:
    """Specification that was in force when a job was queued, with the job's overrides."""
    spec = spec_from_plain(stored_spec(connection, job.id).spec)
    return merge_overrides(spec, job.options.get("overrides", {}))


def _set(plain: dict[str, Any], key: str, value: Scalar) -> None:
    if key not in _OVERRIDABLE and not key.startswith(_OVERRIDABLE_BELOW):
        meant = f" (training.parameters.{key}?)" if "." not in key else ""
        raise InvalidInputError(
            f"override {key}: cannot be set for one training; expected {', '.join(_OVERRIDABLE)} or "
            f"{_OVERRIDABLE_BELOW}*{meant}: change the model file and apply it"
        )
    *path, last = key.split(".", 2) if key.startswith("training.parameters.") else key.split(".")
    table: Any = plain
    for part in path:
        table = table.get(part)
        if not isinstance(table, dict):
            raise InvalidInputError(
                f"override {key}: the model file has no table {part!r}; add it there and apply"
            )
    table[last] = value


def _check_order(change: Change, options: TrainingOptions) -> None:
    priority, deadline = options.priority, options.deadline
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise InvalidInputError(
            f"priority: found {priority}; expected {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}"
        )
    check_zone("deadline", deadline)
    if deadline is not None and deadline <= change.at:
        raise InvalidInputError(f"deadline: {deadline.isoformat()} has passed; expected a time to come")
    for number in options.after:
        if jobs.find(change.connection, number) is None:
            raise NotFoundError(f"after: there is no job {number}: list them with pilothouse jobs")


def _check_not_paused(change: Change) -> None:
    state = workspace.automation(change.connection)
    if change.actor.name == DAEMON.name and state.paused:
        raise AutomationPausedError(f"automation is paused by {state.actor}: {state.reason}")


def queue(change: Change, new: NewJob, facts: Mapping[str, Any] | None = None) -> Job:
    """Queue a job, with its audit row, to which ``facts`` are added."""
    job = require_job(change.connection, jobs.add(change.connection, new, at=change.at))
    detail = {"kind": job.kind, "model": job.model, "reason": job.reason, **new.options, **(facts or {})}
    change.record("job.queued", f"job {job.id}", detail)
    return job
