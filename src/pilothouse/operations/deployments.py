"""What runs where: reading it, rolling back, holds, and what each target should serve."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pilothouse.domain.canonical import canonical_digest
from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.records import Deployment, Hold
from pilothouse.domain.roles import Actor, Permission
from pilothouse.domain.wire import DesiredState, DesiredVersion
from pilothouse.sqlite import Connection
from pilothouse.store import deployments, runs, targets

from .authorisation import changing, reading, reason_given
from .catalogue import require_model, require_version, spec_of_model
from .rollout import put_live
from .services import Services


def roll_back(
    services: Services, actor: Actor, model: str, targets: Sequence[str] | None = None, reason: str = ""
) -> list[Deployment]:
    """Put the version before back on these targets (all that have one where None), and hold automatic deployment off.

    Needs a reason and no approval. Returns what is live now. Raises NotFoundError, NotAllowedError, InvalidInputError (no
    reason) or ConflictError (there is no version before).
    """
    words = reason_given(reason, "rolling back")
    with changing(services, actor, Permission.ROLL_BACK, model) as change:
        require_model(change.connection, model)
        steps = _steps_back(change.connection, model, targets)
        done: list[Deployment] = []
        for number in sorted(set(steps.values())):
            version = require_version(change.connection, version_uri(model, number))
            there = [target for target, before in steps.items() if before == number]
            done += put_live(services, change, version, there, kind="rollback", reason=words, request_id=None)
        if not deployments.holds(change.connection, model):
            deployments.set_hold(change.connection, model, reason=words, by=actor.name, at=change.at)
            change.record("hold.set", model, {"reason": words})
        return sorted(done, key=lambda deployment: deployment.target)


def lift_hold(services: Services, actor: Actor, model: str, reason: str) -> None:
    """Let automatic deployment of a model run again. Raises ConflictError where nothing holds it."""
    words = reason_given(reason, "lifting a hold")
    with changing(services, actor, Permission.LIFT_HOLD, model) as change:
        require_model(change.connection, model)
        if not deployments.lift_hold(change.connection, model, reason=words, by=actor.name, at=change.at):
            raise ConflictError(f"nothing holds {model}: automatic deployment is as its policy says")
        change.record("hold.lifted", model, {"reason": words})


def list_holds(services: Services, actor: Actor, model: str | None = None) -> list[Hold]:
    """The holds in force."""
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
    """What is live by model and target, or with ``live_only=False`` the history, newest first."""
    with reading(services, actor) as connection:
        if model is not None:
            require_model(connection, model)
        if live_only:
            return deployments.live(connection, model=model, target=target)
        return deployments.history(connection, model=model, target=target, limit=limit)


def deployed_at(
    services: Services,
    actor: Actor,
    time: datetime,
    *,
    clock: Literal["recorded", "event"] | str = "recorded",
) -> list[Deployment]:
    """What was live where at a time: by the wall clock (``recorded``), or by the events of each target (``event``)."""
    with reading(services, actor) as connection:
        if clock == "event":
            return deployments.effective_at_time(connection, time)
        return deployments.recorded_at_time(connection, time)


def desired_state(services: Services, target: str) -> DesiredState:
    """What a target should serve; ``revision`` changes when anything in it does. Raises NotFoundError."""
    with services.registry.read() as connection:
        if targets.target_id(connection, target) is None:
            raise NotFoundError(f"there is no target {target!r}")
        versions: list[DesiredVersion] = []
        private: dict[str, list[str]] = {}
        for deployment in deployments.live(connection, target=target):
            version = require_version(connection, version_uri(deployment.model, deployment.version))
            versions.append(
                DesiredVersion(version.model, version.number, version.model_digest, version.schema_digest)
            )
            private[version.model] = _private_columns(connection, version.model, version.run_id)
    revision = canonical_digest(
        [target, [[v.model, v.version, v.model_digest, v.schema_digest] for v in versions], private]
    )
    return DesiredState(target, revision, versions, private)


def private_columns(services: Services, model: str) -> tuple[str, ...]:
    """The columns of a model that are never stored: as its file says now, or said for a version that is live.

    Raises NotFoundError.
    """
    with services.registry.read() as connection:
        found = set(spec_of_model(connection, model).data.private)
        for deployment in deployments.live(connection, model=model):
            version = require_version(connection, version_uri(model, deployment.version))
            found.update(_private_columns(connection, model, version.run_id))
    return tuple(sorted(found))


def _private_columns(connection: Connection, model: str, run_id: int) -> list[str]:
    """Private when the version was trained, or since: making a column private works at once."""
    trained = runs.spec_of(connection, run_id)["data"]["private"]
    return sorted({*trained, *spec_of_model(connection, model).data.private})


def _steps_back(connection: Connection, model: str, asked: Sequence[str] | None) -> dict[str, int]:
    """Target to the version that it goes back to. Raises NotFoundError or ConflictError."""
    live = [deployment.target for deployment in deployments.live(connection, model=model)]
    for target in asked or ():
        if target not in live:
            raise NotFoundError(
                f"{model} is not live on {target!r}: it is live on {', '.join(live) or 'no target'}"
            )
    before = {target: deployments.version_before(connection, model, target) for target in asked or live}
    steps = {target: number for target, number in before.items() if number is not None}
    stuck = [target for target in before if target not in steps]
    if asked and stuck:
        raise ConflictError(f"{model} has no version before the live one on {', '.join(stuck)}")
    if not steps:
        raise ConflictError(f"{model} has no version before the live one on any target")
    return steps
