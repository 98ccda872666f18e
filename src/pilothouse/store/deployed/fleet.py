# ruff: noqa: S608 - names of tables and columns are our own; what people type is bound
"""The fleet as screens and commands read it: states of deployments and models on record, with what they are about."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.monitoring.deployment_state import HEARD, PASSING, WAS, is_of_then
from pilothouse.domain.monitoring.findings import WindowFinding
from pilothouse.domain.monitoring.fleet import Place
from pilothouse.domain.monitoring.monitoring import Health, ServingState, TargetState
from pilothouse.domain.records import Deployment
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import marks
from pilothouse.sqlite.windows import Listing
from pilothouse.store.deployed.deployment_states import decode_figures, decode_grounds
from pilothouse.store.promotion.request_conditions import OUTDATED

_HEALTHY, _NOT_DEPLOYED = Health.HEALTHY.rank, Health.NOT_DEPLOYED.rank
_PASSING = f"IN ({', '.join(str(health.rank) for health in PASSING)})"
STATES = Listing(
    "deployment_states s",
    {
        "m": "JOIN models m ON m.id = s.model_id",
        "t": "JOIN targets t ON t.id = s.target_id",
    },
    "s.id",
    {
        "health": "s.severity", "model": "m.name", "target": "t.name", "live": "s.version", "serving": "s.serving",
        "alert": "s.alerts", "since": "s.since", "why": "s.why", "region": "t.region", "product": "t.product",
        "unit": "t.business_unit", "environment": "t.environment", "deployed": "s.live_since", "how": "s.live_how",
        "by": "s.live_by", "reason": "s.live_reason",
    },
    "lower(s.health || ' ' || s.why)",
    f"s.severity NOT IN ({_HEALTHY}, {_NOT_DEPLOYED})",
    {"s.model_id": ("m", "models"), "s.target_id": ("t", "targets")},
    {
        "model": "models m CROSS JOIN deployment_states s ON s.model_id = m.id",
        "target": "targets t CROSS JOIN deployment_states s ON s.target_id = t.id",
    },
    tests={"health": "s.health {}"},
)  # fmt: skip

LABEL = "labels."
"""Beginning of a column that is a label of the target: ``labels.tier``."""


_HEALTH, _SEVERITY, _WHY, _SERVING = (
    f"CASE WHEN s.severity {_PASSING} THEN '{Health.NOT_JUDGED}' ELSE s.health END",
    f"CASE WHEN s.severity {_PASSING} THEN {Health.NOT_JUDGED.rank} ELSE s.severity END",
    f"CASE WHEN s.severity {_PASSING} THEN '{WAS} ' || s.health || ', ' || s.why ELSE s.why END",
    f"CASE WHEN s.serving IN {tuple(map(str, HEARD))} THEN '{ServingState.NOT_HEARD}' ELSE s.serving END",
)
"""Columns as ``domain/monitoring/deployment_state.py`` (``state_as_known``) shows them while nothing watches."""
_UNWATCHED = replace(
    STATES,
    columns={**STATES.columns, "health": _SEVERITY, "why": _WHY, "serving": _SERVING},
    text=f"lower({_HEALTH} || ' ' || {_WHY})",
    unhealthy=f"s.severity <> {_NOT_DEPLOYED}",
    tests={"health": _HEALTH + " {}"},
)


def states_with(labels: Sequence[str], *, watched: bool = True) -> Listing:
    """The list of states with these labels (``labels.tier``) among its columns; a target without one has an empty value."""
    listing = STATES if watched else _UNWATCHED
    known = {name: name.removeprefix(LABEL) for name in labels}
    assert all(_LABEL_KEY.fullmatch(key) for key in known.values()), labels
    columns = {name: f"coalesce(t.labels ->> '$.\"{key}\"', '')" for name, key in known.items()}
    return replace(listing, columns={**listing.columns, **columns}) if columns else listing


_LABEL_KEY = re.compile(r"[a-z0-9-]{1,64}")

_SELECT = (
    "SELECT s.*, m.name AS model, t.name AS target, t.region, t.product, t.business_unit, d.kind, d.actor, d.reason, "
    "d.request_id, d.recorded_at, d.effective_at, r.port, r.loaded, r.failed, r.received_at FROM deployment_states s "
    "JOIN models m ON m.id = s.model_id JOIN targets t ON t.id = s.target_id "
    "LEFT JOIN deployments d ON d.id = s.deployment_id LEFT JOIN serving_reports r ON r.target_id = s.target_id "
)


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, TargetState]:
    """States by their numbers."""
    return {
        row["id"]: _state(row, {})
        for row in connection.execute(_SELECT + "WHERE s.id IN " + marks(numbers), numbers)
    }


def states_of_model(connection: Connection, model: str) -> list[TargetState]:
    """States of a model on its targets: those that its file names in its order, then the others by name."""
    rows = connection.execute(
        _SELECT + "LEFT JOIN model_targets n ON n.model_id = s.model_id AND n.target_id = s.target_id "
        "WHERE s.model_id = (SELECT id FROM models WHERE name = ?) ORDER BY n.position IS NULL, n.position, t.name",
        (model,),
    )
    parsed: dict[str, Any] = {}
    return [_state(row, parsed) for row in rows]


def state_of(connection: Connection, model: str, target: str) -> TargetState | None:
    """State of one deployment, or None."""
    rows = connection.execute(
        _SELECT + "WHERE s.model_id = (SELECT id FROM models WHERE name = ?) "
        "AND s.target_id = (SELECT id FROM targets WHERE name = ?)",
        (model, target),
    )
    return next((_state(row, {}) for row in rows), None)


def states_on(connection: Connection, models: Sequence[str]) -> list[TargetState]:
    """States of some models on all their targets, by model and target."""
    rows = connection.execute(
        _SELECT
        + "WHERE s.model_id IN (SELECT id FROM models WHERE name IN (SELECT value FROM json_each(?))) "
        "ORDER BY m.name, t.name",
        (canonical_json(list(models)),),
    )
    parsed: dict[str, Any] = {}
    return [_state(row, parsed) for row in rows]


def models_by_health(connection: Connection) -> list[Row]:
    """A row of each model that has been applied, the worst first: its state, champion, newest version and open work.

    Its alerts are those of every version: that one went back is an alert of a version which is live no more."""
    rows: list[Row] = connection.execute(
        "SELECT m.name AS model, f.task, f.spec ->> '$.monitoring.metric' AS metric, "
        "coalesce(s.health, 'not deployed') AS health, coalesce(s.why, '') AS why, "
        "coalesce(s.counts, '{}') AS counts, coalesce(s.figures, '{}') AS figures, coalesce(a.alerts, 0) AS alerts, "
        "(SELECT v.number FROM aliases a JOIN versions v ON v.id = a.version_id "
        "WHERE a.model_id = m.id AND a.alias = 'champion') AS champion, "
        "(SELECT max(v.number) FROM versions v WHERE v.model_id = m.id) AS latest, "
        "coalesce(j.jobs, 0) AS jobs, coalesce(q.requests, 0) AS requests, coalesce(h.holds, 0) AS holds "
        "FROM models m JOIN model_specs f ON f.id = (SELECT max(id) FROM model_specs WHERE model_id = m.id) "
        "LEFT JOIN model_states s ON s.model_id = m.id "
        "LEFT JOIN (SELECT model_id, count(*) AS alerts FROM alerts WHERE status <> 'resolved' GROUP BY model_id) a "
        "ON a.model_id = m.id "
        "LEFT JOIN (SELECT model_id, count(*) AS jobs FROM jobs WHERE status IN ('queued', 'running') GROUP BY model_id) j "
        "ON j.model_id = m.id "
        "LEFT JOIN (SELECT r.model_id, count(*) AS requests FROM promotion_requests r "
        f"WHERE r.status = 'open' AND NOT {OUTDATED} GROUP BY r.model_id) q "
        "ON q.model_id = m.id "
        "LEFT JOIN (SELECT model_id, count(*) AS holds FROM holds WHERE lifted_at IS NULL GROUP BY model_id) h "
        "ON h.model_id = m.id "
        f"ORDER BY coalesce(s.severity, {_NOT_DEPLOYED}), m.name"
    ).fetchall()
    return rows


def names_by_health(connection: Connection) -> list[str]:
    """Models that have been applied, the worst first."""
    rows = connection.execute(
        "SELECT m.name FROM models m LEFT JOIN model_states s ON s.model_id = m.id "
        "WHERE EXISTS (SELECT 1 FROM model_specs f WHERE f.model_id = m.id) "
        f"ORDER BY coalesce(s.severity, {_NOT_DEPLOYED}), m.name"
    )
    return [row[0] for row in rows]


def health_of_models(connection: Connection) -> list[tuple[str, Health, str]]:
    """Health of each model whose deployments have a state, and their number by health as JSON; the worst first."""
    rows = connection.execute(
        "SELECT m.name, s.health, s.counts FROM model_states s JOIN models m ON m.id = s.model_id "
        "ORDER BY s.severity, m.name"
    )
    return [(row[0], Health(row[1]), row[2]) for row in rows]


def places(connection: Connection) -> list[Place]:
    """Targets on which some deployment has a state, by name."""
    rows = connection.execute(
        "SELECT t.name, t.region, t.product, t.business_unit, t.environment, t.labels FROM targets t "
        "WHERE EXISTS (SELECT 1 FROM deployment_states s WHERE s.target_id = t.id) ORDER BY t.name"
    )
    return [
        Place(row[0], row[1], row[2], row[3], environment=row[4], labels=msgspec.json.decode(row[5]))
        for row in rows
    ]


def counts_by_target(connection: Connection) -> list[tuple[str, int, int]]:
    """Target, severity and number of its deployments of that severity, along one index."""
    rows = connection.execute(
        "SELECT t.name, c.severity, c.number FROM (SELECT target_id, severity, count(*) AS number FROM deployment_states "
        "GROUP BY target_id, severity) c JOIN targets t ON t.id = c.target_id ORDER BY t.name, c.severity"
    )
    return [tuple(row) for row in rows]


def reason_on(connection: Connection, target: str, severity: int) -> tuple[str, str]:
    """Model and reason of one deployment of that severity on a target."""
    row = connection.execute(
        "SELECT m.name, s.why FROM deployment_states s JOIN models m ON m.id = s.model_id "
        "WHERE s.target_id = (SELECT id FROM targets WHERE name = ?) AND s.severity = ? ORDER BY s.model_id LIMIT 1",
        (target, severity),
    ).fetchone()
    return row[0], row[1]


def counts_by_model(connection: Connection, targets: Sequence[str]) -> list[tuple[str, int, int]]:
    """Model, severity and number of its deployments of that severity on some targets, the worst first."""
    rows = connection.execute(
        "SELECT m.name, c.severity, c.number FROM (SELECT s.model_id, s.severity, count(*) AS number FROM "
        "(SELECT id FROM targets WHERE name IN (SELECT value FROM json_each(?))) t "
        "CROSS JOIN deployment_states s ON s.target_id = t.id GROUP BY s.model_id, s.severity) c "
        "JOIN models m ON m.id = c.model_id ORDER BY c.severity, m.name",
        (canonical_json(list(targets)),),
    )
    return [tuple(row) for row in rows]


def _state(row: Row, parsed: dict[str, Any]) -> TargetState:
    """``parsed``: reports that were parsed before; a report lists all models of its target."""
    figures = decode_figures(row["figures"])
    finding, window = figures.performance, figures.performance_window
    deployment = _deployment(row)
    since = deployment.effective_at if deployment else None
    return TargetState(
        model=row["model"],
        target=row["target"],
        region=row["region"],
        product=row["product"],
        business_unit=row["business_unit"],
        deployment=deployment,
        serving=ServingState(row["serving"]),
        serving_error=_plain(row["failed"], parsed).get(row["model"], "")
        if row["serving"] == "failed"
        else "",
        serving_version=_plain(row["loaded"], parsed).get(row["model"]),
        reported_at=from_us(row["received_at"]),
        health=Health(row["health"]),
        why=row["why"],
        grounds=decode_grounds(row["grounds"]),
        since=from_us(row["since"]),
        port=row["port"],
        performance=WindowFinding(window=window, finding=finding, version=row["version"])
        if finding and window
        else None,
        of_then=is_of_then(window or figures.drift_window, since),
        drifted=figures.drifted,
        features=figures.features,
        drift_window=figures.drift_window,
        p95_ms=figures.p95_ms,
        rows_last_window=figures.rows_last_window,
        open_alerts=row["alerts"],
        event_clock=None,
        id=row["id"],
    )


def _deployment(row: Row) -> Deployment | None:
    if row["deployment_id"] is None:
        return None
    return Deployment(
        id=row["deployment_id"],
        model=row["model"],
        version=row["version"],
        target=row["target"],
        kind=row["kind"],
        actor=row["actor"],
        reason=row["reason"],
        request_id=row["request_id"],
        recorded_at=from_us(row["recorded_at"]),
        effective_at=from_us(row["effective_at"]),
    )


def _plain(text: str | None, parsed: dict[str, Any]) -> dict[str, Any]:
    if not text:
        return {}
    if text not in parsed:
        parsed[text] = msgspec.json.decode(text)
    plain: dict[str, Any] = parsed[text]
    return plain
