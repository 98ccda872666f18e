"""Role grants."""

from datetime import datetime

from pilothouse.domain.roles import Actor, Grant, Role
from pilothouse.domain.time_units import to_us
from pilothouse.sqlite import Connection
from pilothouse.store.values import insert


def grants_of(connection: Connection, actor: str) -> tuple[Grant, ...]:
    """Roles that an actor has now."""
    rows = connection.execute(
        "SELECT role, model FROM grants WHERE actor = ? AND revoked_at IS NULL ORDER BY role, model", (actor,)
    )
    return tuple(Grant(Role(row["role"]), row["model"]) for row in rows)


def all_grants(connection: Connection) -> dict[str, tuple[Grant, ...]]:
    """Roles that every actor has now, by name."""
    by_actor: dict[str, tuple[Grant, ...]] = {}
    for row in connection.execute(
        "SELECT actor, role, model FROM grants WHERE revoked_at IS NULL ORDER BY actor, role, model"
    ):
        by_actor[row["actor"]] = (*by_actor.get(row["actor"], ()), Grant(Role(row["role"]), row["model"]))
    return by_actor


def add_grant(connection: Connection, actor: str, grant: Grant, *, by: Actor, at: datetime) -> None:
    """Record a role from now on. The caller has checked that the actor does not have it yet."""
    columns = {"actor": actor, "role": grant.role, "model": grant.model}
    insert(
        connection,
        "grants",
        {**columns, "granted_by": by.name, "identity": by.identity, "recorded_at": at},
    )


def end_grant(connection: Connection, actor: str, grant: Grant, *, by: str, at: datetime) -> bool:
    """Record that an actor no longer has a role; False where it did not have it."""
    changed = connection.execute(
        "UPDATE grants SET revoked_at = ?, revoked_by = ? "
        "WHERE actor = ? AND role = ? AND model = ? AND revoked_at IS NULL",
        (to_us(at), by, actor, str(grant.role), grant.model),
    )
    return changed.rowcount == 1


def count_holders(connection: Connection, role: Role) -> int:
    """Number of actors that have a role for all models."""
    row = connection.execute(
        "SELECT count(DISTINCT actor) AS n FROM grants WHERE role = ? AND model = '' AND revoked_at IS NULL",
        (str(role),),
    ).fetchone()
    return int(row["n"])
