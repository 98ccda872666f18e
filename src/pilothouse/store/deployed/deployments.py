"""Deployments, live and ended, and holds that keep models from automatic deployment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.records import Deployment, Hold
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import marks, where
from pilothouse.store.models.targets import target_ids
from pilothouse.store.values import from_row

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
    conditions, values = where({"m.name = ?": model, "t.name = ?": target}, "d.ended_at IS NULL")
    return _select(connection, f"{conditions} ORDER BY m.name, t.name", values)


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


@dataclass(frozen=True, slots=True)
class LiveFile:
    """Live version with the files that serve it, and the run that made it."""

    model: str
    version: int
    model_digest: str
    schema_digest: str
    run_id: int
    portable_digest: str
    """Empty where the version has no portable form."""


def live_files(connection: Connection, target: str) -> list[LiveFile]:
    """Files of the versions that are live on a target, by model."""
    rows = connection.execute(
        "SELECT m.name, v.number, v.model_digest, v.schema_digest, v.run_id, coalesce((SELECT p.digest "
        "FROM portable_models p WHERE p.version_id = v.id ORDER BY p.id DESC LIMIT 1), '') FROM deployments d "
        "JOIN models m ON m.id = d.model_id JOIN versions v ON v.id = d.version_id "
        "WHERE d.ended_at IS NULL AND d.target_id = (SELECT id FROM targets WHERE name = ?) ORDER BY m.name",
        (target,),
    )
    return [LiveFile(*row) for row in rows]


def live_runs(connection: Connection, model: str) -> list[int]:
    """Runs that made the live versions of a model, each once."""
    rows = connection.execute(
        "SELECT DISTINCT v.run_id FROM deployments d JOIN versions v ON v.id = d.version_id "
        "WHERE d.ended_at IS NULL AND d.model_id = (SELECT id FROM models WHERE name = ?)",
        (model,),
    )
    return [row[0] for row in rows]


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
    conditions, values = where({"m.name = ?": model, "t.name = ?": target})
    return _select(connection, f"{conditions} ORDER BY d.id DESC LIMIT ?", (*values, limit))


def of_version(connection: Connection, version_id: int) -> list[Deployment]:
    """Deployments of a version, oldest first."""
    return _select(connection, "WHERE d.version_id = ? ORDER BY d.id", (version_id,))


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


def ever_live(connection: Connection, model: str, target: str) -> set[int]:
    """Numbers of the versions of a model that are or have been live on a target."""
    rows = connection.execute(
        "SELECT DISTINCT v.number FROM deployments d JOIN versions v ON v.id = d.version_id "
        "JOIN models m ON m.id = d.model_id JOIN targets t ON t.id = d.target_id WHERE m.name = ? AND t.name = ?",
        (model, target),
    )
    return {row[0] for row in rows}


def versions_before(connection: Connection, model: str | None = None) -> dict[tuple[str, str], int]:
    """Version that a roll-back goes to, by model and target: the one that the live version replaced.

    After a roll-back it is not the version rolled back from, but the one before the version that is live again. What one
    person put live by breaking the glass is passed over, unless two others let it stand: nobody else agreed to it.
    """
    conditions, values = where({"m.name = ?": model})
    rows = connection.execute(
        "SELECT m.name AS model, t.name AS target, v.number, d.kind, d.kind <> 'break-glass' OR EXISTS "  # noqa: S608 - conditions of our own
        "(SELECT 1 FROM broken_glass g WHERE g.request_id = d.request_id AND g.closed_at IS NOT NULL "
        "AND g.taken_back_at IS NULL) AS agreed FROM deployments d JOIN models m ON m.id = d.model_id "
        f"JOIN targets t ON t.id = d.target_id JOIN versions v ON v.id = d.version_id {conditions} ORDER BY d.model_id, d.id",
        values,
    )
    paths: dict[tuple[str, str], list[tuple[int, bool]]] = {}
    for name, target, number, kind, agreed in map(tuple, rows):
        path = paths.setdefault((name, target), [])
        numbers = [one for one, _ in path]
        if kind == "rollback" and number in numbers:
            del path[len(path) - numbers[::-1].index(number) :]
        elif not path or path[-1] != (number, bool(agreed)):
            path.append((number, bool(agreed)))
    return {deployment: before for deployment, path in paths.items() if (before := _before(path)) is not None}


def _before(path: Sequence[tuple[int, bool]]) -> int | None:
    """Newest version before the live one that was agreed to; None where there is none."""
    live = path[-1][0]
    return next((number for number, agreed in reversed(path[:-1]) if agreed and number != live), None)


def deploy(connection: Connection, new: NewDeployment, *, at: datetime) -> int | None:
    """Swap the live version of a model on a target, in the caller's transaction; returns the one that was live."""
    return deploy_all(connection, [new], at=at).get(new.target)


def deploy_all(connection: Connection, new: Sequence[NewDeployment], *, at: datetime) -> dict[str, int]:
    """Swap the live version of one model on several targets; returns the versions that were live, by target."""
    model, version = {(deployment.model, deployment.version) for deployment in new}.pop()
    effective = {deployment.target: to_us(deployment.effective_at) for deployment in new}
    before = {
        deployment.target: deployment
        for deployment in live(connection, model=model)
        if deployment.target in effective
    }
    connection.executemany(
        "UPDATE deployments SET ended_at = ?, ended_effective_at = ? WHERE id = ?",
        [(to_us(at), effective[target], deployment.id) for target, deployment in before.items()],
    )
    keys = connection.execute(
        "SELECT v.model_id, v.id FROM versions v JOIN models m ON m.id = v.model_id WHERE m.name = ? AND v.number = ?",
        (model, version),
    ).fetchone()
    places = target_ids(connection, effective)
    assert keys is not None, f"{model}/{version} is not there"
    connection.executemany(
        "INSERT INTO deployments (model_id, version_id, target_id, kind, actor, reason, request_id, recorded_at, "
        "effective_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (*keys, places[d.target], d.kind, d.actor, d.reason, d.request_id, to_us(at), effective[d.target])
            for d in new
        ],
    )
    return {target: deployment.version for target, deployment in before.items()}


def holds(connection: Connection, model: str | None = None) -> list[Hold]:
    """Holds in force."""
    conditions, values = where({"m.name = ?": model}, "h.lifted_at IS NULL")
    rows = connection.execute(
        f"SELECT h.*, m.name AS model FROM holds h JOIN models m ON m.id = h.model_id {conditions} ORDER BY m.name",  # noqa: S608 - conditions of our own
        values,
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


def _select(connection: Connection, rest: str, values: tuple[Any, ...]) -> list[Deployment]:
    return [from_row(Deployment, row) for row in connection.execute(_SELECT + rest, values)]
