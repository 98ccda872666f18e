"""States of deployments and of models, as they are on record.

They follow from other tables and from telemetry; ``operations/states`` writes them in the transaction of what changes them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.monitoring.deployment_state import Figures
from pilothouse.domain.monitoring.monitoring import Health, ServingState, StateGround
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.store.deployed.processes import CAUSE, END, UNHEARD

_FIGURES = msgspec.json.Decoder(Figures)
_GROUNDS = msgspec.json.Decoder(tuple[StateGround, ...])

UNREADABLE = (msgspec.DecodeError, ValueError)
"""Errors where a row holds what nothing here has written."""

Key = tuple[str, str]
"""Model and target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    """What the registry says of a deployment, beside its alerts: from it, and telemetry, its state follows."""

    id: int
    model: str
    target: str
    is_named: bool
    """True where the model file in force names the target."""
    is_elsewhere: bool
    """Something else serves the target."""
    deployment: int | None
    version: int | None
    effective_at: datetime | None
    was_live: bool
    """True where the version was live there before too."""
    reported_at: datetime | None
    is_silent: bool
    """True where the report is too old, or its process has ended."""
    is_unheard: bool
    """True where the report came before the daemon started."""
    cause: str
    end: str
    """Reason why its process does not start; empty where none is known."""
    loaded: Mapping[str, int]
    failed: Mapping[str, str]
    failed_since: Mapping[str, int]
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentState:
    """State to record."""

    id: int
    deployment: int | None
    version: int | None
    health: Health
    why: str
    since: datetime | None
    serving: ServingState
    alerts: int
    figures: Figures
    grounds: tuple[StateGround, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Deployment as a part of its model's state."""

    target: str
    is_deployed: bool
    health: Health
    why: str
    alerts: int
    effective_at: datetime | None
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelState:
    """State of a model to record. ``figures`` is plain data."""

    model: str
    health: Health
    why: str
    counts: dict[str, int]
    figures: dict[str, Any]
    alerts: int


def decode_figures(text: str) -> Figures:
    return _FIGURES.decode(text)


def decode_grounds(text: str) -> tuple[StateGround, ...]:
    return _GROUNDS.decode(text)


def keys_of_model(connection: Connection, model: str) -> list[Key]:
    """Targets that the model file in force names, and those where a version of it is live or which have a state."""
    rows = connection.execute(
        "WITH m AS (SELECT id FROM models WHERE name = ?) SELECT t.name FROM targets t JOIN ("
        "SELECT target_id FROM model_targets WHERE model_id = (SELECT id FROM m) "
        "UNION SELECT target_id FROM deployments WHERE ended_at IS NULL AND model_id = (SELECT id FROM m) "
        "UNION SELECT target_id FROM deployment_states WHERE model_id = (SELECT id FROM m)) k "
        "ON k.target_id = t.id ORDER BY t.name",
        (model,),
    )
    return [(model, row[0]) for row in rows]


def models_on(connection: Connection, target: str) -> list[str]:
    """Models that have a state on a target, live there or not: a report says something of each."""
    rows = connection.execute(
        "SELECT m.name FROM deployment_states s JOIN models m ON m.id = s.model_id "
        "WHERE s.target_id = (SELECT id FROM targets WHERE name = ?) ORDER BY m.name",
        (target,),
    )
    return [row[0] for row in rows]


def is_in_use(connection: Connection, target: str) -> bool:
    """True where a version is live on the target."""
    row = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM deployment_states WHERE severity < ? AND target_id = "
        "(SELECT id FROM targets WHERE name = ?))",
        (Health.NOT_DEPLOYED.rank, target),
    ).fetchone()
    return bool(row[0])


def targets_in_use(connection: Connection) -> set[str]:
    """Targets on which a version is live. It costs as much as there are targets, not deployments."""
    rows = connection.execute(
        "SELECT t.name FROM targets t WHERE EXISTS "
        "(SELECT 1 FROM deployment_states s WHERE s.target_id = t.id AND s.severity < ?)",
        (Health.NOT_DEPLOYED.rank,),
    )
    return {row[0] for row in rows}


_NAMED = "json_each(?) k CROSS JOIN models m ON m.name = k.value ->> 0 CROSS JOIN targets t ON t.name = k.value ->> 1"


_COLUMNS = "deployment_id, version, health, severity, why, since, serving, alerts, figures, grounds"
_OF_LIVE = "live_since, live_how, live_by, live_reason"
"""Columns about what is live, by which deployments are sorted."""
_LIVE = "SELECT d.effective_at, d.kind, d.actor, d.reason FROM deployments d WHERE d.id = ?1"


def add(connection: Connection, keys: Iterable[Key], first: DeploymentState) -> bool:
    """Add a state for each of these deployments that has none: ``first``, as it is before anything has come. True where one
    was added."""
    added = connection.execute(
        f"INSERT OR IGNORE INTO deployment_states (model_id, target_id, {_COLUMNS}) "  # noqa: S608 - ours
        f"SELECT m.id, t.id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM {_NAMED.replace('?', '?1')} WHERE true",
        (_listed(keys), *_values(first)),
    )
    return added.rowcount > 0


def _listed(keys: Iterable[Key]) -> str:
    return canonical_json([list(key) for key in keys])


def bases(connection: Connection, keys: Iterable[Key]) -> list[Basis]:
    """Bases of these deployments, by model and target; ``id`` is 0 where one has no state on record."""
    rows = connection.execute(
        "SELECT coalesce(s.id, 0) AS id, m.name AS model, t.name AS target, coalesce(s.figures, '{}') AS figures, "  # noqa: S608 - ours
        "d.id AS deployment, v.number AS version, d.effective_at, EXISTS (SELECT 1 FROM deployments b "
        "WHERE b.model_id = d.model_id AND b.target_id = d.target_id AND b.version_id = d.version_id AND b.id < d.id) "
        "AS was_live, "
        f"r.received_at, r.silent, {UNHEARD} AS unheard, CASE r.silent WHEN 1 THEN {CAUSE} END AS cause, "
        f"CASE r.silent WHEN 1 THEN {END} END AS process_end, "
        "r.loaded, r.failed, r.failed_since, EXISTS "
        "(SELECT 1 FROM model_targets n WHERE n.model_id = m.id AND n.target_id = t.id) AS is_named, "
        "EXISTS (SELECT 1 FROM target_places p WHERE p.target_id = t.id AND p.place = 'elsewhere') AS is_elsewhere "
        f"FROM {_NAMED} LEFT JOIN deployment_states s ON s.model_id = m.id AND s.target_id = t.id "
        "LEFT JOIN deployments d ON d.model_id = m.id AND d.target_id = t.id AND d.ended_at IS NULL "
        "LEFT JOIN versions v ON v.id = d.version_id "
        "LEFT JOIN serving_reports r ON r.target_id = t.id ORDER BY m.name, t.name",
        (_listed(keys),),
    ).fetchall()
    parsed: dict[str, Any] = {}  # a report lists all models of its target: once for all of them

    def plain(text: str | None) -> Any:
        if text is None:
            return {}
        if text not in parsed:
            parsed[text] = msgspec.json.decode(text)
        return parsed[text]

    return [
        Basis(
            id=row["id"],
            model=row["model"],
            target=row["target"],
            is_named=bool(row["is_named"]),
            is_elsewhere=bool(row["is_elsewhere"]),
            deployment=row["deployment"],
            version=row["version"],
            effective_at=from_us(row["effective_at"]),
            was_live=bool(row["was_live"]),
            reported_at=from_us(row["received_at"]),
            is_silent=bool(row["silent"]),
            is_unheard=bool(row["unheard"]),
            cause=row["cause"] or "",
            end=row["process_end"] or "",
            loaded=plain(row["loaded"]),
            failed=plain(row["failed"]),
            failed_since=plain(row["failed_since"]),
            figures=decode_figures(row["figures"]),
        )
        for row in rows
    ]


def without_traffic(connection: Connection, keys: Iterable[Key]) -> list[Key]:
    """Those of these deployments of whose grounds one says that no prediction comes, be it the worst or not."""
    rows = connection.execute(
        f"SELECT m.name, t.name FROM {_NAMED} CROSS JOIN deployment_states s ON s.model_id = m.id AND s.target_id = t.id "  # noqa: S608 - ours
        "WHERE EXISTS (SELECT 1 FROM json_each(s.grounds) g WHERE g.value ->> 'health' IN (?, ?))",
        (_listed(keys), str(Health.NO_DATA), str(Health.NO_TRAFFIC)),
    )
    return [(row[0], row[1]) for row in rows]


def put(connection: Connection, state: DeploymentState) -> bool:
    """Record a state; False where it is on record already."""
    changed = connection.execute(
        f"UPDATE deployment_states SET ({_COLUMNS}) = (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) "  # noqa: S608 - ours
        f"WHERE id = ?11 AND ({_COLUMNS}) IS NOT (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        (*_values(state), state.id),
    )
    connection.execute(
        f"UPDATE deployment_states SET ({_OF_LIVE}) = ({_LIVE}) WHERE id = ?2 AND ({_OF_LIVE}) IS NOT ({_LIVE})",  # noqa: S608
        (state.deployment, state.id),
    )
    return changed.rowcount == 1


def is_on_record(connection: Connection, state: DeploymentState) -> bool:
    """Whether exactly this state is on record, but for the time of its newest event, which moves without a new state."""
    row = connection.execute(
        "SELECT (deployment_id, version, health, severity, why, since, serving, alerts, "  # noqa: S608 - ours
        "json_remove(figures, '$.last_event'), grounds) "
        "IS (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, json_remove(?9, '$.last_event'), ?10) "
        f"AND ({_OF_LIVE}) IS ({_LIVE}) FROM deployment_states WHERE id = ?11",
        (*_values(state), state.id),
    ).fetchone()
    return row is not None and bool(row[0])


def _values(state: DeploymentState) -> tuple[object, ...]:
    """Values of the columns of a state, in their order."""
    return (
        state.deployment,
        state.version,
        str(state.health),
        state.health.rank,
        state.why,
        to_us(state.since) if state.since else None,
        str(state.serving),
        state.alerts,
        msgspec.json.encode(state.figures).decode(),
        msgspec.json.encode(state.grounds).decode(),
    )


def drop(connection: Connection, number: int) -> None:
    """Remove the state of a deployment that is none any more."""
    connection.execute("DELETE FROM deployment_states WHERE id = ?", (number,))


def states_of(connection: Connection, model: str, target: str = "") -> dict[str, DeploymentState]:
    """States on record of a model, by target; of one target where it is named."""
    rows = connection.execute(
        "SELECT s.*, t.name AS target FROM deployment_states s JOIN targets t ON t.id = s.target_id "  # noqa: S608 - ours
        "WHERE s.model_id = (SELECT id FROM models WHERE name = ?1)"
        + (" AND s.target_id = (SELECT id FROM targets WHERE name = ?2)" if target else ""),
        (model, target) if target else (model,),
    )
    return {
        row["target"]: DeploymentState(
            id=row["id"],
            deployment=row["deployment_id"],
            version=row["version"],
            health=Health(row["health"]),
            why=row["why"],
            since=from_us(row["since"]),
            serving=ServingState(row["serving"]),
            alerts=row["alerts"],
            figures=decode_figures(row["figures"]),
            grounds=decode_grounds(row["grounds"]),
        )
        for row in rows
    }


def parts(connection: Connection, model: str) -> list[Part]:
    """Deployments of a model as parts of its state, the worst first."""
    rows = connection.execute(
        "SELECT t.name AS target, s.deployment_id, s.health, s.why, s.alerts, s.figures, d.effective_at "
        "FROM deployment_states s JOIN targets t ON t.id = s.target_id LEFT JOIN deployments d ON d.id = s.deployment_id "
        "WHERE s.model_id = (SELECT id FROM models WHERE name = ?) ORDER BY s.severity, t.name",
        (model,),
    )
    return [
        Part(
            target=row["target"],
            is_deployed=row["deployment_id"] is not None,
            health=Health(row["health"]),
            why=row["why"],
            alerts=row["alerts"],
            effective_at=from_us(row["effective_at"]),
            figures=decode_figures(row["figures"]),
        )
        for row in rows
    ]


def stored(state: ModelState) -> tuple[Any, ...]:
    """State of a model as the values of its row, without its key."""
    return (
        str(state.health),
        state.health.rank,
        state.why,
        msgspec.json.encode(state.counts).decode(),
        msgspec.json.encode(state.figures).decode(),
        state.alerts,
    )


def model_on_record(connection: Connection, model: str) -> tuple[Any, ...] | None:
    """Values of a model's row, as ``stored`` gives them; None where there is none."""
    row = connection.execute(
        "SELECT health, severity, why, counts, figures, alerts FROM model_states "
        "WHERE model_id = (SELECT id FROM models WHERE name = ?)",
        (model,),
    ).fetchone()
    return tuple(row) if row else None


def put_model(connection: Connection, state: ModelState) -> bool:
    """Record the state of a model; False where it is on record already."""
    changed = connection.execute(
        "INSERT INTO model_states (model_id, health, severity, why, counts, figures, alerts) "
        "SELECT id, ?1, ?2, ?3, ?4, ?5, ?6 FROM models WHERE name = ?7 "
        "ON CONFLICT (model_id) DO UPDATE SET (health, severity, why, counts, figures, alerts) = (?1, ?2, ?3, ?4, ?5, ?6) "
        "WHERE (health, severity, why, counts, figures, alerts) IS NOT (?1, ?2, ?3, ?4, ?5, ?6)",
        (*stored(state), state.model),
    )
    return changed.rowcount == 1


def on_record(connection: Connection) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Both tables as plain rows, in the order of their keys."""
    deployments = connection.execute("SELECT * FROM deployment_states ORDER BY model_id, target_id")
    models = connection.execute("SELECT * FROM model_states ORDER BY model_id")
    return [tuple(row) for row in deployments], [tuple(row) for row in models]


def fill(connection: Connection, tables: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    """Put plain rows, as ``on_record`` gives them, in place of what the tables hold."""
    for table, rows in zip(("deployment_states", "model_states"), tables, strict=True):
        connection.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608 - ours


def count_by_health(connection: Connection, model: str | None = None) -> dict[Health, int]:
    """Number of deployments by health, of one model or of all, the worst first."""
    conditions, values = where({"model_id = (SELECT id FROM models WHERE name = ?)": model})
    rows = connection.execute(
        f"SELECT severity, count(*) FROM deployment_states {conditions} GROUP BY severity ORDER BY severity",  # noqa: S608 - ours
        values,
    )
    return {list(Health)[severity]: count for severity, count in map(tuple, rows)}
