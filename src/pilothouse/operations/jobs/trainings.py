"""Queueing work for the daemon: trainings, reproductions, backtests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import (
    ConflictError,
    InvalidInputError,
    ModelFileError,
    NotFoundError,
)
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.jobs import JobKind
from pilothouse.domain.model_file import spec_from_plain, spec_to_plain
from pilothouse.domain.model_spec import ModelSpec, Scalar
from pilothouse.domain.records import Job, Model
from pilothouse.domain.roles import DAEMON, Actor, Permission
from pilothouse.operations.authorisation import Change, changing, clean_text, reading
from pilothouse.operations.catalogue import require_model, require_version
from pilothouse.operations.services import Services
from pilothouse.store import alerts, jobs, models, targets, workspace

_OVERRIDABLE = ("data.lookback",)
_OVERRIDABLE_BELOW = "training."
_MOST_OVERRIDES = 64
LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100


def start_training(
    services: Services,
    actor: Actor,
    model: str,
    *,
    as_of: datetime | None = None,
    overrides: Mapping[str, Scalar] | None = None,
    reason: str = "",
    trigger_key: str | None = None,
    alert: int | None = None,
    priority: int = 0,
    deadline: datetime | None = None,
    after: Sequence[int] = (),
    fresh: bool = False,
) -> Job:
    """Queue a training of the model as its file in force says it.

    ``as_of`` (now where None): only rows whose outcome was known then exist for the training. ``overrides``: dotted keys
    of the model file, ``data.lookback`` or anything under ``training``. ``trigger_key``: there is one job
    a key; where it exists already, that one is returned. ``alert``: the number of the alert that asks for it.
    ``priority``: −100 to 100, higher first. ``deadline``: it is ended where it has not ended by then. ``after``: jobs that
    must succeed first. ``fresh``: no step is spared because nothing has changed since it ran before.

    Raises NotFoundError, NotAllowedError, InvalidInputError (an override, a time to come) or ConflictError (automation is
    paused, for the daemon).
    """
    words = clean_text(reason, "the reason")
    with changing(services, actor, Permission.TRAIN, model) as change:
        found = require_model(change.connection, model)
        if trigger_key and (before := jobs.find_by_trigger(change.connection, model, trigger_key)):
            return before
        _check_not_paused(change)
        if as_of is not None and as_of.tzinfo is None:
            raise InvalidInputError(f"as_of: {as_of.isoformat()} has no time zone; add one, e.g. Z for UTC")
        if as_of is not None and as_of > change.at and actor.name == DAEMON.name:
            as_of = change.at  # an event clock may run a little ahead of the wall
        if as_of is not None and as_of > change.at:
            raise InvalidInputError(f"as_of: {as_of.isoformat()} is still to come; expected now or before")
        if alert is not None and alerts.find(change.connection, alert) is None:
            raise NotFoundError(f"there is no alert {alert}: list them with pilothouse alerts")
        stored = models.spec_by_id(change.connection, found.spec_id)
        assert stored is not None
        overrides = dict(overrides or {})
        spec = merge_overrides(spec_from_plain(stored.spec), overrides)
        _check_order(change, priority, deadline, after)
        job = queue(
            change,
            found,
            "train",
            words,
            {
                "as_of": (as_of or change.at).isoformat(),
                "overrides": overrides,
                **({"fresh": True} if fresh else {}),
            },
            trigger_key=trigger_key or "",
            alert_id=alert,
            priority=priority,
            deadline=deadline,
            after=after,
            max_attempts=spec.training.retries + 1,
        )
        if alert is not None:
            alerts.set_retrain_job(change.connection, alert, job.id)
        return job


def start_reproduction(services: Services, actor: Actor, reference: str, *, reason: str = "") -> Job:
    """Queue the training of a version again from its record. Raises NotFoundError or NotAllowedError."""
    words = clean_text(reason, "the reason")
    with reading(services, actor) as connection:
        model = require_version(connection, reference).model
    with changing(services, actor, Permission.TRAIN, model) as change:
        version = require_version(change.connection, reference)
        found = require_model(change.connection, model)
        words = words or f"reproduce {version_uri(model, version.number)}"
        return queue(change, found, "reproduce", words, {"version": version.number}, version_id=version.id)


def start_backtest(
    services: Services,
    actor: Actor,
    model: str,
    versions: Sequence[int],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    target: str | None = None,
    reason: str = "",
    trigger_key: str = "",
    priority: int = 0,
) -> Job:
    """Queue the scoring of versions on the same served rows whose outcome is known, by event time ``since <= t < until``.

    Raises NotFoundError, NotAllowedError or InvalidInputError.
    """
    words = clean_text(reason, "the reason")
    numbers = list(dict.fromkeys(versions))
    if not numbers:
        raise InvalidInputError("a backtest needs at least one version to score")
    for name, time in (("since", since), ("until", until)):
        if time is not None and time.tzinfo is None:
            raise InvalidInputError(f"{name}: {time.isoformat()} has no time zone; add one, e.g. Z for UTC")
    if since is not None and until is not None and since >= until:
        raise InvalidInputError(f"since {since.isoformat()} is not before until {until.isoformat()}")
    with changing(services, actor, Permission.TRAIN, model) as change:
        found = require_model(change.connection, model)
        if trigger_key and (before := jobs.find_by_trigger(change.connection, model, trigger_key)):
            return before
        for number in numbers:
            require_version(change.connection, version_uri(model, number))
        known = targets.targets_of(change.connection, model)
        if target is not None and target not in known:
            raise NotFoundError(f"{model} has no target {target!r}: its model file names {', '.join(known)}")
        options = {
            "versions": numbers,
            "since": since.isoformat() if since else None,
            "until": until.isoformat() if until else None,
            "target": target,
        }
        words = words or f"backtest versions {', '.join(map(str, numbers))}"
        return queue(change, found, "backtest", words, options, trigger_key=trigger_key, priority=priority)


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


def _check_order(change: Change, priority: int, deadline: datetime | None, after: Sequence[int]) -> None:
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise InvalidInputError(
            f"priority: found {priority}; expected {LOWEST_PRIORITY} to {HIGHEST_PRIORITY}"
        )
    if deadline is not None and deadline.tzinfo is None:
        raise InvalidInputError(f"deadline: {deadline.isoformat()} has no time zone; add one, e.g. Z for UTC")
    if deadline is not None and deadline <= change.at:
        raise InvalidInputError(f"deadline: {deadline.isoformat()} has passed; expected a time to come")
    for number in after:
        if jobs.find(change.connection, number) is None:
            raise NotFoundError(f"after: there is no job {number}: list them with pilothouse jobs")


def _check_not_paused(change: Change) -> None:
    state = workspace.automation(change.connection)
    if change.actor.name == DAEMON.name and state.paused:
        raise ConflictError(f"automation is paused by {state.actor}: {state.reason}")


def queue(
    change: Change,
    model: Model,
    kind: JobKind,
    reason: str,
    options: dict[str, Any],
    *,
    trigger_key: str = "",
    alert_id: int | None = None,
    version_id: int | None = None,
    priority: int = 0,
    deadline: datetime | None = None,
    after: Sequence[int] = (),
    max_attempts: int = 3,
) -> Job:
    """Put a job of a model into the queue, with its audit row."""
    number = jobs.add(
        change.connection,
        kind=kind,
        model_id=model.id,
        spec_id=model.spec_id,
        created_by=change.actor.name,
        reason=reason,
        at=change.at,
        options=options,
        trigger_key=trigger_key,
        alert_id=alert_id,
        version_id=version_id,
        priority=priority,
        deadline=deadline,
        after=after,
        max_attempts=max_attempts,
    )
    detail: dict[str, Any] = {"kind": kind, "model": model.name, "reason": reason, **options}
    if kind == "train":
        detail |= {"trigger_key": trigger_key, "alert": alert_id}
        asked = {"priority": priority, "deadline": deadline and deadline.isoformat(), "after": list(after)}
        detail |= {key: value for key, value in asked.items() if value}
    change.record("job.queued", f"job {number}", detail)
    job = jobs.find(change.connection, number)
    assert job is not None
    return job
