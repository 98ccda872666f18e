"""Deployments, live and ended, and holds that keep models from automatic deployment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.canonical import canonical_json
from pilothouse.domain.records import Deployment, Hold
from pilothouse.domain.time_units import from_us, to_us
from pilothouse.sqlite import Connection
from pilothouse.store.listing import marks
from pilothouse.store.values import columns_of, deployment_keys, from_row, insert

_SELECT = (
    "SELECT d.*, m.name AS model, v.number AS version, t.name AS target FROM deployments d "
    "JOIN models m ON m.id = d.model_id JOIN versions v ON v.id = d.version_id JOIN targets t ON t.id = d.target_id "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeployment:
    """Deployment to record: the version that goes live on a target, by whom and why."""

    model: str
    version: int
    target: str
    kind: str
    actor: str
    reason: str
    request_id: int | None
    effective_at: datetime


def live(connection: Connection, *, model: str | None = None, target: str | None = None) -> list[Deployment]:
    return _select(
        connection,
        "WHERE d.ended_at IS NULL AND (? IS NULL OR m.name = ?) AND (? IS NULL OR t.name = ?) ORDER BY m.name, t.name",
        (model, model, target, target),
    )


def live_versions(
    connection: Connection, keys: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, datetime]]:
    """Live version of each of these (model, target), and when it was recorded; those without one are left out."""
    rows = connection.execute(
        "SELECT m.name, t.name, v.number, d.recorded_at FROM json_each(?) k CROSS JOIN models m ON m.name = k.value ->> 0 "
        "CROSS JOIN targets t ON t.name = k.value ->> 1 CROSS JOIN deployments d ON d.model_id = m.id AND d.target_id = t.id "
        "AND d.ended_at IS NULL JOIN versions v ON v.id = d.version_id",
        (canonical_json([list(key) for key in keys]),),
    )
    return {(model, target): (version, from_us(at)) for model, target, version, at in map(tuple, rows)}


def newer_than(connection: Connection, number: int, *, limit: int) -> list[Deployment]:
    """Live deployments with a higher number, newest first."""
    return _select(
        connection, "WHERE d.id > ? AND d.ended_at IS NULL ORDER BY d.id DESC LIMIT ?", (number, limit)
    )


def newest_number(connection: Connection) -> int:
    """Number of the newest deployment; 0 where there is none."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM deployments").fetchone()[0])


def changed_after(connection: Connection, number: int) -> list[tuple[str, str]]:
    """Model and target of the deployments with a higher number."""
    rows = connection.execute(
        "SELECT DISTINCT m.name, t.name FROM deployments d JOIN models m ON m.id = d.model_id "
        "JOIN targets t ON t.id = d.target_id WHERE d.id > ?",
        (number,),
    )
    return [(row[0], row[1]) for row in rows]


def history(
    connection: Connection, *, model: str | None = None, target: str | None = None, limit: int = 500
) -> list[Deployment]:
    """Deployments, newest first."""
    return _select(
        connection,
        "WHERE (? IS NULL OR m.name = ?) AND (? IS NULL OR t.name = ?) ORDER BY d.id DESC LIMIT ?",
        (model, model, target, target, limit),
    )


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, Deployment]:
    return {d.id: d for d in _select(connection, "WHERE d.id IN " + marks(numbers), numbers)}


def recorded_at_time(connection: Connection, at: datetime) -> list[Deployment]:
    """Deployments that were live at a time by the wall clock."""
    return _select(
        connection,
        "WHERE d.recorded_at <= ? AND (d.ended_at IS NULL OR d.ended_at > ?) ORDER BY m.name, t.name",
        (to_us(at), to_us(at)),
    )


def effective_at_time(connection: Connection, at: datetime) -> list[Deployment]:
    """Deployments that were live at a time by the targets' event clocks: the last one recorded where a clock has gone
    back."""
    return _select(
        connection,
        "WHERE d.id IN (SELECT max(id) FROM deployments WHERE effective_at <= ? "
        "AND (ended_effective_at IS NULL OR ended_effective_at > ?) GROUP BY model_id, target_id) "
        "ORDER BY m.name, t.name",
        (to_us(at), to_us(at)),
    )


def version_before(connection: Connection, model: str, target: str) -> int | None:
    """Version that a roll-back goes to: the one that the live version replaced.

    After a roll-back it is not the version rolled back from, but the one before the version that is live again.
    """
    rows = connection.execute(
        "SELECT v.number, d.kind FROM deployments d JOIN models m ON m.id = d.model_id "
        "JOIN targets t ON t.id = d.target_id JOIN versions v ON v.id = d.version_id "
        "WHERE m.name = ? AND t.name = ? ORDER BY d.id",
        (model, target),
    ).fetchall()
    path: list[int] = []
    for row in rows:
        if row["kind"] == "rollback" and row["number"] in path:
            del path[len(path) - path[::-1].index(row["number"]) :]
        elif not path or path[-1] != row["number"]:
            path.append(row["number"])
    return path[-2] if len(path) > 1 else None


def deploy(connection: Connection, new: NewDeployment, *, at: datetime) -> int | None:
    """Swap the live version of a model on a target, in the caller's transaction; returns the one that was live."""
    before = live(connection, model=new.model, target=new.target)
    connection.execute(
        "UPDATE deployments SET ended_at = ?, ended_effective_at = ? WHERE ended_at IS NULL "
        "AND model_id = (SELECT id FROM models WHERE name = ?) AND target_id = (SELECT id FROM targets WHERE name = ?)",
        (to_us(at), to_us(new.effective_at), new.model, new.target),
    )
    keys = deployment_keys(connection, new.model, new.version, new.target)
    assert keys is not None, f"{new.model}/{new.version} or {new.target} is not there"
    columns = columns_of(new, "model", "version", "target")
    insert(connection, "deployments", {**keys, **columns, "recorded_at": at})
    return before[0].version if before else None


def holds(connection: Connection, model: str | None = None) -> list[Hold]:
    """Holds in force."""
    rows = connection.execute(
        "SELECT h.*, m.name AS model FROM holds h JOIN models m ON m.id = h.model_id "
        "WHERE h.lifted_at IS NULL AND (? IS NULL OR m.name = ?) ORDER BY m.name",
        (model, model),
    )
    return [from_row(Hold, row) for row in rows]


def set_hold(connection: Connection, model: str, *, reason: str, by: str, at: datetime) -> None:
    """Hold a model back; a hold in force stays as it is."""
    connection.execute(
        "INSERT INTO holds (model_id, reason, set_by, recorded_at) SELECT id, ?, ?, ? FROM models m WHERE name = ? "
        "AND NOT EXISTS (SELECT 1 FROM holds WHERE model_id = m.id AND lifted_at IS NULL)",
        (reason, by, to_us(at), model),
    )


def lift_hold(connection: Connection, model: str, *, reason: str, by: str, at: datetime) -> bool:
    """End the hold in force; False where there is none."""
    changed = connection.execute(
        "UPDATE holds SET lifted_at = ?, lifted_by = ?, lift_reason = ? WHERE lifted_at IS NULL "
        "AND model_id = (SELECT id FROM models WHERE name = ?)",
        (to_us(at), by, reason, model),
    )
    return changed.rowcount == 1


def _select(connection: Connection, where: str, values: tuple[Any, ...]) -> list[Deployment]:
    return [from_row(Deployment, row) for row in connection.execute(_SELECT + where, values)]
