"""Figures of the registry for metrics: counts by index, and the worst deployments with what is on record of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.sqlite import Connection

Counts = list[tuple[tuple[str, ...], int]]
"""Labels and number of each group."""


class _Window(msgspec.Struct):
    end: datetime


class _Finding(msgspec.Struct):
    metric: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None


class NewestFigures(msgspec.Struct):
    """The part of a state's figures that metrics are made of; trends and verdicts are not read."""

    performance: _Finding | None = None
    performance_window: _Window | None = None
    drifted: int = 0
    features: int = 0
    blind: int = 0
    drift_window: _Window | None = None
    p95_ms: float | None = None
    traffic_window: _Window | None = None
    rows_last_window: int = 0
    last_event: datetime | None = None


_FIGURES = msgspec.json.Decoder(NewestFigures)


@dataclass(frozen=True, slots=True)
class Deployed:
    """Deployment on record. ``version``: None where nothing is live."""

    model: str
    target: str
    version: int | None
    health: str
    alerts: int
    figures: NewestFigures


def worst_deployments(connection: Connection, most: int) -> Iterator[Deployed]:
    """Deployments on which a version is live, the worst first, ``most`` at most."""
    rows = connection.execute(
        "SELECT m.name, t.name, s.version, s.health, s.alerts, s.figures FROM (SELECT id FROM deployment_states "
        "WHERE severity < ? ORDER BY severity, id LIMIT ?) w JOIN deployment_states s ON s.id = w.id "
        "JOIN models m ON m.id = s.model_id JOIN targets t ON t.id = s.target_id",
        (Health.NOT_DEPLOYED.rank, most),
    )
    for model, target, version, health, alerts, figures in map(tuple, rows):
        yield Deployed(model, target, version, health, alerts, _FIGURES.decode(figures))


def by_model_and_health(connection: Connection, most: int) -> Counts:
    """Number of deployments by model and health, of ``most`` groups, the worst first."""
    rows = connection.execute(
        "SELECT m.name, g.severity, g.number FROM (SELECT model_id, severity, count(*) AS number FROM deployment_states "
        "GROUP BY model_id, severity) g JOIN models m ON m.id = g.model_id ORDER BY g.severity, g.model_id LIMIT ?",
        (most,),
    )
    healths = list(Health)
    return [((model, str(healths[severity])), number) for model, severity, number in map(tuple, rows)]


def alerts(connection: Connection) -> Counts:
    """Alerts that are not resolved, by kind, severity and status."""
    return _counts(
        connection,
        "SELECT kind, severity, status, count(*) FROM alerts WHERE status IN ('open', 'acknowledged') GROUP BY 1, 2, 3",
    )


def incidents(connection: Connection) -> Counts:
    """Incidents that go on, by state and severity."""
    return _counts(
        connection,
        "SELECT state, severity, count(*) FROM incidents WHERE state <> 'resolved' AND merged_into IS NULL GROUP BY 1, 2",
    )


def jobs(connection: Connection) -> Counts:
    """Jobs that wait or run, by kind and status."""
    return _counts(
        connection,
        "SELECT kind, status, count(*) FROM jobs WHERE status IN ('queued', 'running') GROUP BY 1, 2",
    )


def ended_jobs(connection: Connection) -> Counts:
    """Jobs that have ended, by status."""
    return [
        (labels, number)
        for labels, number in _counts(connection, "SELECT status, count(*) FROM jobs GROUP BY status")
        if labels[0] not in ("queued", "running")
    ]


def oldest_jobs(connection: Connection) -> list[tuple[str, datetime]]:
    """Time at which the oldest waiting and the oldest running job were queued, and begun."""
    rows = connection.execute(
        "SELECT status, min(CASE status WHEN 'running' THEN started_at ELSE created_at END) FROM jobs "
        "WHERE status IN ('queued', 'running') GROUP BY status"
    )
    return [(status, at) for status, us in map(tuple, rows) if (at := from_us(us)) is not None]


def rollouts(connection: Connection) -> tuple[Counts, Counts, datetime | None]:
    """Roll-outs that are on their way and those that have ended, by state; when the oldest of the first began."""
    counts = _counts(connection, "SELECT state, count(*) FROM rollouts GROUP BY state")
    (oldest,) = connection.execute("SELECT min(recorded_at) FROM rollouts WHERE ended_at IS NULL").fetchone()
    going = [one for one in counts if one[0][0] in ("running", "paused")]
    return going, [one for one in counts if one not in going], from_us(oldest)


def deployments_made(connection: Connection) -> Counts:
    """Times that a version went live, by kind."""
    return _counts(connection, "SELECT kind, count(*) FROM deployments GROUP BY kind")


def newest_number(connection: Connection, table: str) -> int:
    """Number of the newest row of a table whose rows are never deleted: how many there ever were."""
    assert table in ("alerts", "incidents", "jobs")
    (number,) = connection.execute(f"SELECT max(id) FROM {table}").fetchone()  # noqa: S608 - ours
    return int(number or 0)


def open_requests(connection: Connection) -> int:
    """Promotion requests that wait for a decision."""
    (number,) = connection.execute("SELECT count(*) FROM promotion_requests WHERE status = 'open'").fetchone()
    return int(number)


def spooled_batches(connection: Connection) -> int:
    """Batches that serving processes said they hold back."""
    (number,) = connection.execute(
        "SELECT sum(spooled_batches) FROM serving_reports WHERE silent = 0"
    ).fetchone()
    return int(number or 0)


def _counts(connection: Connection, sql: str) -> Counts:
    return [(tuple(map(str, labels)), int(number)) for *labels, number in map(tuple, connection.execute(sql))]
