"""Explanation of what somebody may do: each of their grants, and what it says to an action on a model and targets."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.domain.audit.inventory import obstacle_to_review
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Grant, Permission, Role
from pilothouse.domain.identity.scopes import Reach
from pilothouse.domain.promotion.request_rules import effective_policy
from pilothouse.operations.authorisation import (
    as_now,
    grants_in_force,
    permits,
    places,
    reading,
    roles_needed,
)
from pilothouse.operations.catalogue import spec_of_model
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.governance import access, users
from pilothouse.store.models import models, targets

ACTIONS = {
    **{permission.name.lower().replace("_", "-"): permission for permission in Permission},
    **{permission.word: permission for permission in Permission},
    "approve": Permission.DECIDE,
    "reject": Permission.DECIDE,
    "rollback": Permission.ROLL_BACK,
    "ack": Permission.HANDLE_ALERT,
    "resolve": Permission.HANDLE_ALERT,
    "revoke": Permission.GRANT,
    "users": Permission.GRANT,
    "policy": Permission.SET_POLICY,
    "cancel": Permission.CANCEL_JOB,
    "retry": Permission.CANCEL_JOB,
    "resume": Permission.PAUSE,
    "withdraw": Permission.REQUEST,
    "writable": Permission.FREEZE,
    "conditions": Permission.CONFIRM,
    "break-glass": Permission.BREAK_GLASS,
}
"""What people ask for, by the words of the commands and by the names of permissions."""


@dataclass(frozen=True, slots=True)
class GrantVerdict:
    """What one grant says: ``allows``, ``denies`` or ``says nothing``, and why."""

    grant: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether somebody may, in a sentence, and what each of their grants says."""

    allowed: bool
    sentence: str
    grants: tuple[GrantVerdict, ...]


def explain(
    services: Services, actor: Actor, name: str, action: str, model: str = "", on: Sequence[str] = ()
) -> Explanation:
    """Whether ``name`` may do ``action`` to a model (empty: none in particular) on targets (none: all of the model).

    Raises InvalidInputError (no such action), NotFoundError (no such model or target).
    """
    permission = ACTIONS.get(action)
    if permission is None:
        raise InvalidInputError(
            f"there is no action {action!r}: expected one of {', '.join(sorted(ACTIONS))}"
        )
    with reading(services, actor) as connection:
        _check_names(connection, model, on)
        held = Actor(name, grants_in_force(connection, name))
        named = tuple(on) or None
        allowed = permits(connection, held, permission, model, named)
        where = places(connection, model, named)
        reach = Reach(model, None if where is None else tuple(where))
        own = access.grants_of(connection, name)
        verdicts = tuple(_verdict(grant, permission, reach, own) for grant in held.grants)
        ended = users.ending(connection, name, None)
        is_review = permission is Permission.REVIEW and model
        other = _other_reviewer(connection, as_now(connection, held), model) if is_review else ""
    what = str(permission).removesuffix(" of a model") if model else str(permission)
    about = f"{what}{f' of {model}' if model else ''}{f' on {_listed(on)}' if on else ''}"
    if ended:
        return Explanation(False, f"no: {ended}", verdicts)
    if allowed and other:
        return Explanation(False, f"no: {name} may not {about}: {other}", verdicts)
    if allowed:
        return Explanation(True, f"yes: {name} may {about}", verdicts)
    denied = any(verdict.verdict == "denies" for verdict in verdicts)
    why = "a grant denies it, and that wins" if denied else roles_needed(permission)
    return Explanation(False, f"no: {name} may not {about}: {why}", verdicts)


def _other_reviewer(connection: Connection, reviewer: Actor, model: str) -> str:
    """Why somebody whose role permits it may not review the model; empty where they may."""
    spec = spec_of_model(connection, model)
    policy = effective_policy(spec.promotion, workspace.policy(connection))
    return obstacle_to_review(spec, reviewer, four_eyes=policy.four_eyes)


def _verdict(grant: Grant, permission: Permission, reach: Reach, own: Sequence[Grant]) -> GrantVerdict:
    is_given = grant not in own and grant.role is Role.VIEWER
    shown = "viewer, since reading is open to everybody" if is_given else str(grant)
    if permission not in grant.permissions:
        return GrantVerdict(shown, "says nothing", "the role is not about it")
    if grant.deny:
        if reach.touches(grant.model, grant.targets):
            return GrantVerdict(shown, "denies", "some of it is in its scope" if grant.targets else "")
        return GrantVerdict(shown, "says nothing", "none of it is in its scope")
    if reach.within(grant.model, grant.targets):
        return GrantVerdict(shown, "allows", "")
    return GrantVerdict(shown, "says nothing", _why_not(grant, reach))


def _why_not(grant: Grant, reach: Reach) -> str:
    if grant.model and grant.model != reach.model:
        return f"it is for {grant.model}" if reach.model else "it is for one model, this is about all"
    if reach.targets is None:
        return "it is for some targets, this is about all"
    outside = list(reach.outside(grant.targets))
    return f"not in its scope: {_listed(outside)}" if outside else "there is no target that it could be for"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def _check_names(connection: Connection, model: str, on: Sequence[str]) -> None:
    if model and models.find(connection, model) is None:
        raise NotFoundError(f"there is no model {model!r}: see pilothouse models")
    known = targets.names(connection)
    for name in on:
        if name not in known:
            raise NotFoundError(f"there is no target {name!r}: see pilothouse targets")
