"""Freeze windows: set, lifted, listed; whether a model is frozen now."""

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.freezes import FreezeWindow, checked
from pilothouse.operations.authorisation import changing, reading, reason_given
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.services import Services
from pilothouse.store.governance import freezes

_LONGEST_NAME = 60


def set_freeze(
    services: Services,
    actor: Actor,
    name: str,
    begins: str,
    ends: str,
    timezone: str,
    *,
    model: str = "",
    reason: str,
) -> FreezeWindow:
    """Let nothing be promoted in a window (``domain/freezes``), of one model or of all. Raises InvalidInputError, NotFoundError
    (model), NotAllowedError or ConflictError (the name is taken)."""
    reason, name = reason_given(reason, "a freeze"), name.strip()
    if not 0 < len(name) <= _LONGEST_NAME:
        raise InvalidInputError(
            f"the name of a freeze has {len(name)} characters; expected 1 to {_LONGEST_NAME}"
        )
    begins, ends = checked(begins, ends, timezone)
    with changing(services, actor, Permission.SET_POLICY, model) as change:
        if model:
            require_model(change.connection, model)
        if any(window.name == name for window in freezes.in_force(change.connection)):
            raise ConflictError(f"there is a freeze {name!r} already: lift it first, or choose another name")
        window = FreezeWindow(
            id=0,
            name=name,
            model=model,
            begins=begins,
            ends=ends,
            timezone=timezone,
            reason=reason,
            set_by=actor.name,
            recorded_at=change.at,
        )
        freezes.add(change.connection, window)
        change.record("freeze.set", name, {"rule": window.rule, "model": model, "reason": reason})
        return window


def lift_freeze(services: Services, actor: Actor, name: str, reason: str) -> None:
    """End a window for good. Raises NotFoundError, NotAllowedError or InvalidInputError (no reason)."""
    reason = reason_given(reason, "lifting a freeze")
    with changing(services, actor, Permission.SET_POLICY) as change:
        window = next((one for one in freezes.in_force(change.connection) if one.name == name), None)
        if window is None:
            raise NotFoundError(f"there is no freeze {name!r}: pilothouse freeze list names them")
        freezes.lift(change.connection, name, reason=reason, by=actor.name, at=change.at)
        change.record(
            "freeze.lifted", name, {"reason": reason, "before": {"rule": window.rule, "model": window.model}}
        )


def list_freezes(services: Services, actor: Actor, *, with_lifted: bool = False) -> list[FreezeWindow]:
    """Windows in force by name, or every one that ever was."""
    with reading(services, actor) as connection:
        return freezes.every(connection) if with_lifted else freezes.in_force(connection)
