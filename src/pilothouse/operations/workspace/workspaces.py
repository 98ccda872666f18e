"""Creation of a workspace, identities and roles in it, its settings, and the policy under every model's policy."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict, Unpack

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.identity import Identity, IdentityKind
from pilothouse.domain.identity.persons import check_name, folded
from pilothouse.domain.identity.roles import DAEMON, PERMISSIONS, READERS, Actor, Grant, Permission, Role
from pilothouse.domain.identity.scopes import ALL_TARGETS, TargetChoice
from pilothouse.domain.promotion.documents import MOST, name_fault
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.operations.authorisation import (
    OPEN_READING,
    Change,
    as_now,
    changing,
    check_admin_left,
    check_standing,
    clean_text,
    reading,
)
from pilothouse.operations.catalogue import require_model
from pilothouse.operations.promotion.teams import check_team
from pilothouse.operations.services import Services, wall_clock
from pilothouse.operations.workspace import person_records
from pilothouse.sqlite import Connection
from pilothouse.sqlite.schema import version_of
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
from pilothouse.store.governance import access, persons
from pilothouse.store.governance import teams as team_store
from pilothouse.system.leader import check_not_led
from pilothouse.system.paths import WorkspacePaths

_CREATED = "created_by"
PLUGINS = "console_plugins"
"""Name of the setting, ``yes`` or ``no``, whether consoles may run their readers' own commands; not set by default."""
_DEMO = "demo"
_WRAPPERS = "trusted_wrappers"


def initialise(
    root: Path,
    admin: str,
    *,
    demo: bool = False,
    solo: bool = False,
    clock: Callable[[], datetime] = wall_clock,
) -> None:
    """Create a workspace in ``root`` with its first admin. One without an admin, left by an interruption, is completed.

    Its policy is the default: one approval, four eyes, nothing deploys without hands. ``solo``: the admin may approve too, and
    four eyes is off until somebody else may.

    Raises ConflictError (there is a workspace), InvalidInputError (not a user name) or UnavailableError (disk, folder).
    """
    check_name(admin)
    paths = WorkspacePaths(root.resolve())
    paths.make_folders()
    is_there = paths.registry.exists()
    if is_there and version_of(paths.registry, Registry.schema) < Registry.schema.version:
        raise _is_there(root)  # one of an older release, which is left as it is
    registry = (
        Registry.upgrade(paths.registry, lambda: check_not_led(paths.daemon_lock))
        if is_there
        else Registry.create(paths.registry)
    )
    try:
        with registry.transaction() as connection:
            if workspace.setting(connection, _CREATED) is not None:
                raise _is_there(root)
            now = clock()
            workspace.set_setting(connection, _CREATED, admin)
            workspace.set_setting(connection, _DEMO, "yes" if demo else "no")
            workspace.set_setting(connection, OPEN_READING, "yes")
            access.add_grant(connection, admin, Grant(Role.ADMIN), by=Actor(admin), at=now)
            change = Change(connection, Actor(admin), now)
            if solo:
                workspace.set_solo(connection, admin)
            detail: dict[str, Any] = {"admin": admin, "demo": demo, "open_reading": True}
            if not workspace.identity(connection):
                workspace.add_identity(connection, by=admin, at=now)
            detail["workspace"] = workspace.identity(connection)
            detail["policy"] = _rules(workspace.policy(connection))
            change.record("workspace.created", "workspace", detail | ({"solo": True} if solo else {}))
            if solo:
                access.add_grant(connection, admin, Grant(Role.APPROVER), by=Actor(admin), at=now)
                change.record("role.granted", admin, {"role": str(Role.APPROVER), "model": ""})
    finally:
        registry.close()


def _is_there(root: Path) -> ConflictError:
    return ConflictError(f"{root} is a workspace already: use it, or name another folder")


def is_demo(services: Services) -> bool:
    """True for a workspace in which everybody may act under another name with ``--as``."""
    with services.registry.read() as connection:
        return workspace.setting(connection, _DEMO) == "yes"


def check_new(root: Path) -> None:
    """Raise ConflictError where ``root`` is a workspace already."""
    paths = WorkspacePaths(root.resolve())
    if paths.registry.exists():
        raise ConflictError(
            f"{root} is a workspace already: add a model with pilothouse new NAME --from FILE"
        )


def solo_person(services: Services) -> str:
    """The one person who runs the workspace, with four eyes off; empty where others may approve."""
    with services.registry.read() as connection:
        return workspace.policy(connection).solo


def identify(services: Services, user: str, as_name: str | None = None, *, uid: int | None = None) -> Actor:
    """The acting person: ``user``, whose account is ``uid``, as the system knows them, or the name that a trusted wrapper
    hands over.

    ``as_name`` is allowed in a demo workspace, and to system users whom an admin named as wrappers (for example a service
    account that SSH starts with a forced command). Raises NotAllowedError otherwise, or InvalidInputError.
    """
    with services.registry.read() as connection:
        name, identity = user, Identity(IdentityKind.ACCOUNT, user)
        if as_name is not None and as_name != user:
            identity = _identity_of_other(connection, user)
            name, uid = as_name, None
        if folded(name) == DAEMON.name:
            raise NotAllowedError(f"{name!r} is the daemon's own name here: nobody can act under it")
        check_name(name)
        actor = as_now(connection, Actor(name, identity=identity, uid=uid))
        check_standing(connection, actor)
        return actor


def grant_role(
    services: Services,
    actor: Actor,
    name: str,
    role: Role,
    *,
    model: str = "",
    targets: TargetChoice = ALL_TARGETS,
    deny: bool = False,
) -> None:
    """Grant a role, for one model or for all, on some targets or on all; or deny it there.

    Raises ConflictError (held already, the last admin denied), NotFoundError (no such model) or InvalidInputError (reading for
    some targets alone).
    """
    check_name(name)
    if role is Role.DAEMON or folded(name) == DAEMON.name:
        raise InvalidInputError(
            "the role and the name daemon belong to the daemon itself: they cannot be granted"
        )
    if role in READERS and (targets or (deny and model)):
        raise InvalidInputError(
            f"{role} is about reading, which is of the whole workspace: grant it without targets"
        )
    grant = Grant(role, model, deny, targets)
    with changing(services, actor, Permission.GRANT, act=f"grant {name} a role") as change:
        if model:
            require_model(change.connection, model)
        same = persons.alike(change.connection, name)
        if same:
            raise ConflictError(f"{name} differs only by case from {same}, who is known: grant it to {same}")
        if grant in access.grants_of(change.connection, name):
            raise ConflictError(f"{name} is {grant} already")
        access.add_grant(change.connection, name, grant, by=actor, at=change.at)
        if deny:
            check_admin_left(change.connection, name)
        change.record("role.granted", name, grant.plain)
        solo = workspace.policy(change.connection).solo
        is_another = not person_records.is_same(change.connection, solo, name)
        if solo and is_another and not deny and Permission.DECIDE in PERMISSIONS[role]:
            workspace.set_solo(change.connection, "")
            change.record("solo.ended", "workspace", {"was": solo, "approver": name})
            if not workspace.policy(
                change.connection
            ).four_eyes:  # one that was set while one person was alone
                _put_policy(change, f"{name} may approve now, so that four eyes holds", four_eyes=True)
            from pilothouse.operations.promotion import promotions  # every command opens this module

            promotions.withdraw_solo_requests(change, name)


def revoke_role(
    services: Services,
    actor: Actor,
    name: str,
    role: Role,
    *,
    model: str = "",
    targets: TargetChoice = ALL_TARGETS,
    deny: bool = False,
) -> None:
    """Revoke a role, or the denial of one. Raises NotFoundError (not held) or ConflictError (the last admin)."""
    with changing(services, actor, Permission.GRANT, act=f"revoke a role of {name}") as change:
        grant = Grant(role, model, deny, targets)
        if not access.end_grant(change.connection, name, grant, by=actor.name, at=change.at):
            raise NotFoundError(f"{name} is not {grant}: see pilothouse roles")
        check_admin_left(change.connection, name)
        change.record("role.revoked", name, grant.plain)


def list_roles(services: Services, actor: Actor) -> tuple[Actor, ...]:
    """Holders of roles, by name."""
    with reading(services, actor) as connection:
        return tuple(Actor(name, grants) for name, grants in access.all_grants(connection).items())


def trust_wrapper(services: Services, actor: Actor, user: str, *, trusted: bool = True) -> None:
    """Trust a system user to hand over other people's names, or stop trusting them.

    Raises InvalidInputError (no user name), ConflictError (trusted already) or NotFoundError (not trusted).
    """
    check_name(user)
    with changing(services, actor, Permission.GRANT, act="change who may hand over names") as change:
        before = _wrappers(change.connection)
        if trusted and user in before:
            raise ConflictError(f"{user} is trusted to hand over names already")
        if not trusted and user not in before:
            raise NotFoundError(f"{user} is not trusted to hand over names: see pilothouse wrapper list")
        after = before | {user} if trusted else before - {user}
        workspace.set_setting(change.connection, _WRAPPERS, "\n".join(sorted(after)))
        change.record(
            "wrapper.trusted" if trusted else "wrapper.distrusted", user, {"before": sorted(before)}
        )


def set_open_reading(services: Services, actor: Actor, *, allowed: bool, reason: str = "") -> None:
    """Set whether people without a role may read."""
    with changing(services, actor, Permission.GRANT, act="change who may read") as change:
        action = "reading.opened" if allowed else "reading.closed"
        _set_switch(change, OPEN_READING, allowed, action, reason)


def set_plugins(services: Services, actor: Actor, *, allowed: bool, reason: str = "") -> None:
    """Set whether consoles may run their readers' own commands."""
    with changing(services, actor, Permission.SET_POLICY) as change:
        action = "plugins.allowed" if allowed else "plugins.forbidden"
        _set_switch(change, PLUGINS, allowed, action, reason)


def set_break_glass(services: Services, actor: Actor, *, allowed: bool, reason: str = "") -> None:
    """Set whether somebody may deploy alone in an emergency (``break_glass``)."""
    from pilothouse.operations.promotion import break_glass

    with changing(services, actor, Permission.SET_POLICY) as change:
        action = "break_glass.allowed" if allowed else "break_glass.forbidden"
        _set_switch(change, break_glass.SETTING, allowed, action, reason)


def _set_switch(change: Change, name: str, value: bool, action: str, reason: str) -> None:
    reason = clean_text(reason, "the reason")
    before = workspace.setting(change.connection, name)
    workspace.set_setting(change.connection, name, "yes" if value else "no")
    change.record(action, "workspace", {"reason": reason, "before": before})


def plugins_allowed(services: Services, *, handed_over: bool) -> bool:
    """Whether a console may run its reader's own commands.

    Without a setting, only people under their own name may: a program that a login service's account runs for somebody
    (``handed_over``) is a way into that account.
    """
    with services.registry.read() as connection:
        setting = workspace.setting(connection, PLUGINS)
        if setting:
            return setting == "yes"
        return not handed_over or workspace.setting(connection, _DEMO) == "yes"


def list_wrappers(services: Services, actor: Actor) -> tuple[str, ...]:
    """System users who may hand over other people's names."""
    with reading(services, actor) as connection:
        return tuple(sorted(_wrappers(connection)))


def reading_is_open(services: Services, actor: Actor) -> bool:
    """Whether people without a role may read."""
    with reading(services, actor) as connection:
        return workspace.setting(connection, OPEN_READING) == "yes"


def workspace_policy(services: Services, actor: Actor) -> WorkspacePolicy:
    """Policy of the workspace, the floor under every model's policy."""
    with reading(services, actor) as connection:
        return workspace.policy(connection)


class PolicyChange(TypedDict, total=False):
    """What is set of the workspace's policy; what is None, or left out, stays as it is."""

    approvals: int | None
    four_eyes: bool | None
    allow_automatic: bool | None
    signature: Component | None
    teams: Mapping[str, int] | None
    """Changed one by one; 0 asks nothing of one."""
    documents: Mapping[str, bool] | None
    """Changed one by one; False asks for one no more."""


def set_workspace_policy(
    services: Services, actor: Actor, *, reason: str = "", **rules: Unpack[PolicyChange]
) -> WorkspacePolicy:
    """Set the floor. Open requests take what is tighter, never what is looser."""
    _check_rules(rules)
    reason = clean_text(reason, "the reason")
    with changing(services, actor, Permission.SET_POLICY) as change:
        with_members = {member.team for member in team_store.members(change.connection)}
        if empty := sorted(
            team for team, count in (rules.get("teams") or {}).items() if count and team not in with_members
        ):
            raise ConflictError(
                f"the team {empty[0]} has no member, so nobody could approve anything: pilothouse teams add {empty[0]} NAME"
            )
        return _put_policy(change, reason, **rules)


def _check_rules(rules: PolicyChange) -> None:
    """Raise InvalidInputError where a value is out of bounds, or a name is none."""
    approvals, documents = rules.get("approvals"), rules.get("documents") or {}
    if approvals is not None and not 0 <= approvals <= 100:
        raise InvalidInputError(f"approvals: found {approvals}; expected 0 to 100")
    for team, count in (rules.get("teams") or {}).items():
        check_team(team)
        if not 0 <= count <= 100:
            raise InvalidInputError(f"approvals of the team {team}: found {count}; expected 0 to 100")
    if fault := next(filter(None, map(name_fault, documents)), ""):
        raise InvalidInputError(fault)


def _put_policy(change: Change, reason: str, **rules: Unpack[PolicyChange]) -> WorkspacePolicy:
    """Put a policy in force, with its audit row. Raises ConflictError where it asks for too many documents."""
    before = workspace.policy(change.connection)
    plain = ("approvals", "four_eyes", "allow_automatic", "signature")
    asked = dict.fromkeys(before.documents, True) | dict(rules.get("documents") or {})
    documents = tuple(sorted(name for name, wanted in asked.items() if wanted))
    if len(documents) > MOST:
        raise ConflictError(f"the policy would ask for {len(documents)} documents: expected {MOST} at most")
    teams = {team: n for team, n in {**before.teams, **(rules.get("teams") or {})}.items() if n}
    changed: dict[str, Any] = {name: value for name in plain if (value := rules.get(name)) is not None}
    after = replace(before, **changed, teams=teams, documents=documents)
    workspace.add_policy(change.connection, after, by=change.actor.name, at=change.at)
    detail = {"reason": reason, "before": _rules(before), "after": _rules(after)}
    change.record("policy.set", "workspace", detail)
    return workspace.policy(change.connection)


def _identity_of_other(connection: Connection, user: str) -> Identity:
    if user in _wrappers(connection):
        return Identity(IdentityKind.WRAPPER, user)
    if workspace.setting(connection, _DEMO) == "yes":
        return Identity(IdentityKind.DEMO, user)
    raise NotAllowedError(
        f"{user} cannot act as somebody else here: leave --as out (it is for demo workspaces and trusted wrappers)"
    )


def _wrappers(connection: Connection) -> set[str]:
    return set(filter(None, (workspace.setting(connection, _WRAPPERS) or "").split("\n")))


def _rules(policy: WorkspacePolicy) -> dict[str, Any]:
    return {
        "approvals": policy.approvals,
        "four_eyes": policy.four_eyes,
        "allow_automatic": policy.allow_automatic,
        **({"signature": str(policy.signature)} if policy.signature.rank else {}),
        **({"teams": policy.teams} if policy.teams else {}),
        **({"documents": list(policy.documents)} if policy.documents else {}),
        **({"plan": policy.plan} if policy.plan else {}),
        **({"replay": policy.replay} if policy.replay else {}),
    }
