"""Role grants."""

from datetime import datetime
from functools import lru_cache

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Actor, Grant, Role
from pilothouse.domain.identity.scopes import TargetChoice
from pilothouse.sqlite import Connection, Row
from pilothouse.store.values import from_json, insert

_COLUMNS = "role, model, deny, targets"


def grants_of(connection: Connection, actor: str) -> tuple[Grant, ...]:
    """Roles that an actor has now."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM grants WHERE actor = ? AND revoked_at IS NULL ORDER BY {_COLUMNS}",  # noqa: S608 - ours
        (actor,),
    )
    return tuple(map(_grant, rows))


def all_grants(connection: Connection) -> dict[str, tuple[Grant, ...]]:
    """Roles that every actor has now, by name."""
    by_actor: dict[str, tuple[Grant, ...]] = {}
    for row in connection.execute(
        f"SELECT actor, {_COLUMNS} FROM grants WHERE revoked_at IS NULL ORDER BY actor, {_COLUMNS}"  # noqa: S608 - ours
    ):
        by_actor[row["actor"]] = (*by_actor.get(row["actor"], ()), _grant(row))
    return by_actor


def add_grant(connection: Connection, actor: str, grant: Grant, *, by: Actor, at: datetime) -> None:
    """Record a role from now on. The caller has checked that the actor does not have it yet."""
    columns: dict[str, object] = {"actor": actor, "role": grant.role, "model": grant.model}
    columns |= {"deny": grant.deny, "targets": grant.targets.plain}
    insert(
        connection,
        "grants",
        {**columns, "granted_by": by.name, "identity": by.identity, "recorded_at": at},
    )


def end_grant(connection: Connection, actor: str, grant: Grant, *, by: str, at: datetime) -> bool:
    """Record that an actor no longer has a role; False where it did not have it."""
    changed = connection.execute(
        "UPDATE grants SET revoked_at = ?, revoked_by = ? "
        "WHERE actor = ? AND role = ? AND model = ? AND deny = ? AND targets = ? AND revoked_at IS NULL",
        (to_us(at), by, actor, str(grant.role), grant.model, grant.deny, canonical_json(grant.targets.plain)),
    )
    return changed.rowcount == 1


def _grant(row: Row) -> Grant:
    return _granted(row["role"], row["model"], row["deny"], row["targets"])


@lru_cache(maxsize=256)
def _granted(role: str, model: str, deny: int, targets: str) -> Grant:
    """Grant of a row's columns: each change asks for those of its actor, which are the same ones again and again."""
    return Grant(Role(role), model, bool(deny), TargetChoice(tuple(sorted(from_json(targets).items()))))
