"""Queueing work for the daemon: trainings, reproductions, backtests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import (
    AutomationPausedError,
    InvalidInputError,
    ModelFileError,
    NotFoundError,
)
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.model_file import spec_from_plain, spec_to_plain
from pilothouse.domain.model_spec import ModelSpec, Scalar
from pilothouse.domain.records import Job
from pilothouse.domain.roles import DAEMON, Actor, Permission
from pilothouse.operations.authorisation import Change, changing, clean_text, reading
from pilothouse.operations.catalogue import require_model, require_version
from pilothouse.operations.services import Services
from pilothouse.store import alerts, jobs, models, targets, workspace
from pilothouse.store.jobs import NewJob

_OVERRIDABLE = ("data.lookback",)
_OVERRIDABLE_BELOW = "training."
_MOST_OVERRIDES = 64
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """What may be said of a training beside its model: what it is made of, what it is for, when it has its turn."""

    as_of: datetime | None = None
    """Only rows whose outcome was known then exist for the training; now where None."""
    overrides: Mapping[str, Scalar] = field(default_factory=dict)
    """Dotted keys of the model file: ``data.lookback`` or anything under ``training``."""
    fresh: bool = False
    """No step is spared because nothing has changed since it ran before."""
    trigger_key: str = ""
    """There is one job a key: where it exists already, that one is returned."""
    alert: int | None = None
    """The number of the alert that asks for it."""
    priority: int = 0
    """−100 to 100, higher first."""
    deadline: datetime | None = None
    """It is ended where it has not ended by then."""
    after: Sequence[int] = ()
    """Jobs that must succeed first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacktestOptions:
    """What may be said of a backtest beside its versions: the rows, by event time ``since <= t < until``, and its turn."""

    since: datetime | None = None
    until: datetime | None = None
    target: str | None = None
    """Rows that were served there alone; everywhere where None."""
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
    """Queue a training of the model as its file in force says it.

    Raises NotFoundError, NotAllowedError, InvalidInputError (an override, a time to come) or ConflictError (automation is
    paused, for the daemon).
    """
    words = clean_text(reason, "the reason")
    with changing(services, actor, Permission.TRAIN, model) as change:
        found = require_model(change.connection, model)
        if before := _started_before(change, model, options.trigger_key):
            return before
        _check_not_paused(change)
        as_of = _cut(change, options.as_of)
        if options.alert is not None and alerts.find(change.connection, options.alert) is None:
            raise NotFoundError(f"there is no alert {options.alert}: list them with pilothouse alerts")
        stored = models.spec_by_id(change.connection, found.spec_id)
        assert stored is not None
        overrides = dict(options.overrides)
        spec = merge_overrides(spec_from_plain(stored.spec), overrides)
        _check_order(change, options)
        job = queue(
            change,
            NewJob(
                kind="train",
                model_id=found.id,
                spec_id=found.spec_id,
                created_by=actor.name,
                reason=words,
                options={
                    "as_of": as_of.isoformat(),
                    "overrides": overrides,
                    **({"fresh": True} if options.fresh else {}),
                },
                trigger_key=options.trigger_key,
                alert_id=options.alert,
                priority=options.priority,
                deadline=options.deadline,
                after=tuple(options.after),
                max_attempts=spec.training.retries + 1,
            ),
            _audited(options),
        )
        if options.alert is not None:
            alerts.set_retrain_job(change.connection, options.alert, job.id)
        return job


def _audited(options: TrainingOptions) -> dict[str, Any]:
    """What the audit row of a training says beside what the job itself is given; its turn only where it was chosen."""
    asked = {
        "priority": options.priority,
        "deadline": options.deadline and options.deadline.isoformat(),
        "after": list(options.after),
    }
    chosen = {key: value for key, value in asked.items() if value}
    return {"trigger_key": options.trigger_key, "alert": options.alert, **chosen}


def _started_before(change: Change, model: str, trigger_key: str) -> Job | None:
    return jobs.find_by_trigger(change.connection, model, trigger_key) if trigger_key else None


def _cut(change: Change, as_of: datetime | None) -> datetime:
    """The time by which a row's outcome has to be known. Raises InvalidInputError."""
    if as_of is None:
        return change.at
    if as_of.tzinfo is None:
        raise InvalidInputError(f"as_of: {as_of.isoformat()} has no time zone; add one, e.g. Z for UTC")
    if as_of > change.at and change.actor.name == DAEMON.name:
        return change.at  # an event clock may run a little ahead of the wall
    if as_of > change.at:
        raise InvalidInputError(f"as_of: {as_of.isoformat()} is still to come; expected now or before")
    return as_of


def start_reproduction(services: Services, actor: Actor, reference: str, *, reason: str = "") -> Job:
    """Queue the training of a version again from its record. Raises NotFoundError or NotAllowedError."""
    words = clean_text(reason, "the reason")
    with reading(services, actor) as connection:
        model = require_version(connection, reference).model
    with changing(services, actor, Permission.TRAIN, model) as change:
        version = require_version(change.connection, reference)
        found = require_model(change.connection, model)
        return queue(
            change,
            NewJob(
                kind="reproduce",
                model_id=found.id,
                spec_id=found.spec_id,
                created_by=actor.name,
                reason=words or f"reproduce {version_uri(model, version.number)}",
                options={"version": version.number},
                version_id=version.id,
            ),
        )


def start_backtest(
    services: Services,
    actor: Actor,
    model: str,
    versions: Sequence[int],
    options: BacktestOptions = BacktestOptions(),
    *,
    reason: str = "",
) -> Job:
    """Queue the scoring of versions on the same served rows whose outcome is known.

    Raises NotFoundError, NotAllowedError or InvalidInputError.
    """
    words = clean_text(reason, "the reason")
    numbers = list(dict.fromkeys(versions))
    since, until, target = options.since, options.until, options.target
    if not numbers:
        raise InvalidInputError("a backtest needs at least one version to score")
    for name, time in (("since", since), ("until", until)):
        if time is not None and time.tzinfo is None:
            raise InvalidInputError(f"{name}: {time.isoformat()} has no time zone; add one, e.g. Z for UTC")
    if since is not None and until is not None and since >= until:
        raise InvalidInputError(f"since {since.isoformat()} is not before until {until.isoformat()}")
    with changing(services, actor, Permission.TRAIN, model) as change:
        found = require_model(change.connection, model)
        if before := _started_before(change, model, options.trigger_key):
            return before
        for number in numbers:
            require_version(change.connection, version_uri(model, number))
        known = targets.targets_of(change.connection, model)
        if target is not None and target not in known:
            raise NotFoundError(f"{model} has no target {target!r}: its model file names {', '.join(known)}")
        return queue(
            change,
            NewJob(
                kind="backtest",
                model_id=found.id,
                spec_id=found.spec_id,
                created_by=actor.name,
                reason=words or f"backtest versions {', '.join(map(str, numbers))}",
                options={
                    "versions": numbers,
                    "since": since.isoformat() if since else None,
                    "until": until.isoformat() if until else None,
                    "target": target,
                },
                trigger_key=options.trigger_key,
                priority=options.priority,
            ),
        )


def merge_overrides(spec: ModelSpec, overrides: Mapping[str, Scalar]) -> ModelSpec:
    """The spec with some values of its file replaced, checked as strictly as the file. Raises InvalidInputError.

    Gates, the hold-out, promotion and monitoring cannot be overridden: what judges a version is what was applied.
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


def _set(plain: dict[str, Any], key: str, value: Scalar) -> None:
    if key not in _OVERRIDABLE and not key.startswith(_OVERRIDABLE_BELOW):
        raise InvalidInputError(
            f"override {key}: cannot be set for one training; expected {', '.join(_OVERRIDABLE)} or "
            f"{_OVERRIDABLE_BELOW}*: change the model file and apply it"
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
    if deadline is not None and deadline.tzinfo is None:
        raise InvalidInputError(f"deadline: {deadline.isoformat()} has no time zone; add one, e.g. Z for UTC")
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
    """Put a job of a model into the queue, with its audit row, in which ``facts`` stand too."""
    number = jobs.add(change.connection, new, at=change.at)
    job = jobs.find(change.connection, number)
    assert job is not None
    detail = {"kind": job.kind, "model": job.model, "reason": job.reason, **new.options, **(facts or {})}
    change.record("job.queued", f"job {number}", detail)
    return job
