"""Workspaces with very many deployments, written straight into the registry: for lists, groups and measurements."""

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from pilothouse.domain.monitoring.deployment_state import Figures, TrendPoint, Verdict
from pilothouse.domain.monitoring.findings import PerformanceFinding, Window
from pilothouse.domain.monitoring.monitoring import Health, StateGround
from pilothouse.sqlite import Connection
from support import example

REGIONS = ("emea", "apac", "amer", "latam", "nordics")
PRODUCTS = ("cards", "loans", "claims")
TIERS = ("gold", "silver")
_RARE = {0: Health.DOWN, 1: Health.CRITICAL, 2: Health.DEGRADED, 3: Health.NO_TRAFFIC, 4: Health.NOT_JUDGED}
_DAY_US = 86_400_000_000


def build(root: Path, *, models: int, targets: int) -> None:
    """The workspace of the console's tests with ``models`` x ``targets`` more deployments; one in forty is not healthy."""
    example.build(root)
    with example.opened(root) as services, services.registry.transaction() as connection:
        add(connection, models=models, targets=targets, now=example.NOW)


def health_of(model: int, target: int) -> Health:
    """Health of the deployment of the n-th model on the n-th target."""
    number = (model * 7 + target * 13) % 200
    return _RARE.get(number, Health.HEALTHY)


def add(connection: Connection, *, models: int, targets: int, now: datetime) -> None:
    """Models ``model-0000`` … on targets ``target-000`` …, each with one version, a state and its figures."""
    at = int(now.timestamp() * 1e6)
    names = [f"model-{i:04}" for i in range(models)]
    places = [f"target-{i:03}" for i in range(targets)]
    connection.executemany(
        "INSERT INTO targets (name, region, product, business_unit, labels, created_at) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                place,
                REGIONS[i % len(REGIONS)],
                PRODUCTS[i % len(PRODUCTS)],
                f"unit-{i % 7}",
                json.dumps({"tier": TIERS[i % 2]}),
                at,
            )
            for i, place in enumerate(places)
        ],
    )
    for i, name in enumerate(names):
        _add_model(connection, name, i, at)
    connection.execute(
        "INSERT INTO model_targets (model_id, target_id, position) SELECT m.id, t.id, t.id FROM models m, targets t "
        "WHERE m.name LIKE 'model-%' AND t.name LIKE 'target-%'"
    )
    connection.execute(
        "INSERT INTO deployments (model_id, version_id, target_id, kind, actor, reason, request_id, recorded_at, effective_at) "
        "SELECT m.id, v.id, t.id, 'promotion', 'pat', 'approved', (SELECT max(id) FROM promotion_requests), ?, ? "
        "FROM models m JOIN versions v ON v.model_id = m.id, targets t "
        "WHERE m.name LIKE 'model-%' AND t.name LIKE 'target-%'",
        (at - 60 * _DAY_US, at - 60 * _DAY_US),
    )
    _add_states(connection, names, places, now)


def _add_model(connection: Connection, name: str, number: int, at: int) -> None:
    (model,) = connection.execute(
        "INSERT INTO models (name, created_at, created_by) VALUES (?, ?, 'ada') RETURNING id", (name, at)
    ).fetchone()
    spec = connection.execute("SELECT spec FROM model_specs WHERE model_id = 1 LIMIT 1").fetchone()[0]
    plain = json.loads(spec) | {"name": name}
    text = json.dumps(plain)
    connection.execute(
        "INSERT INTO model_specs (model_id, digest, spec, source, folder, loosened, applied_by, recorded_at, task, owner, "
        "description) SELECT ?, ?, ?, source, folder, loosened, applied_by, recorded_at, task, owner, description "
        "FROM model_specs WHERE model_id = 1 LIMIT 1",
        (model, hashlib.sha256(text.encode()).hexdigest(), text),
    )
    (job,) = connection.execute(
        "INSERT INTO jobs (kind, model_id, spec_id, status, created_by, reason, created_at, started_at, ended_at, attempt, "
        "options) VALUES ('train', ?, (SELECT id FROM model_specs WHERE model_id = ?), 'succeeded', 'sam', 'first', ?, ?, ?, "
        "1, '{}') RETURNING id",
        (model, model, at, at, at),
    ).fetchone()
    (run,) = connection.execute(
        "INSERT INTO runs (model_id, job_id, spec_id, snapshot_id, spec, parameters, seed, started_by, reason, started_at, "
        "ended_at, duration_s, peak_memory_mb, code, environment, environment_digest, recorded_at) "
        "SELECT ?, ?, (SELECT id FROM model_specs WHERE model_id = ?), "
        "(SELECT id FROM snapshots ORDER BY id LIMIT 1), spec, parameters, seed, "
        "started_by, reason, started_at, ended_at, duration_s, peak_memory_mb, code, environment, environment_digest, "
        "recorded_at FROM runs WHERE model_id = 1 LIMIT 1 RETURNING id",
        (model, job, model),
    ).fetchone()
    connection.execute(
        "INSERT INTO versions (model_id, number, run_id, status, model_digest, model_bytes, schema_digest, "
        "profile_spec_digest, reference_digest, predictions_digest, created_at) "
        "SELECT ?, 1, ?, 'candidate', model_digest, model_bytes, schema_digest, profile_spec_digest, reference_digest, "
        "predictions_digest, created_at + ? FROM versions WHERE model_id = 1 AND number = 1",
        (model, run, number),
    )


def _add_states(connection: Connection, names: list[str], places: list[str], now: datetime) -> None:
    window = Window(start=now - timedelta(days=7), end=now, rows=1_200, judged=True)
    figures = Figures(
        events=True,
        performance=PerformanceFinding(
            metric="auc", value=0.71, low=0.69, high=0.73, reference=0.72, labelled_share=1.0
        ),
        performance_window=window,
        drifted=1,
        features=12,
        drift_window=window,
        p95_ms=4.2,
        traffic_window=window,
        rows_last_window=1_200,
        last_event=now,
        verdicts=(Verdict(monitor="drift", window=window), Verdict(monitor="performance", window=window)),
        trend=tuple(TrendPoint(end=15_000.0 + i, value=0.71, rows=1_200) for i in range(8)),
        drift_trend=tuple(TrendPoint(end=15_000.0 + i, value=1.0, rows=1_200) for i in range(8)),
        p95_trend=tuple(TrendPoint(end=15_000.0 + i, value=4.2, rows=1_200) for i in range(8)),
    )
    stored = msgspec.json.encode(figures).decode()
    grounds = {
        health: msgspec.json.encode((StateGround(health, f"{health} since yesterday", now),)).decode()
        for health in Health
    }
    since = int(now.timestamp() * 1e6)
    keys = [(name, place, health_of(i, j)) for i, name in enumerate(names) for j, place in enumerate(places)]
    connection.executemany(
        "INSERT INTO deployment_states (model_id, target_id, deployment_id, version, health, severity, why, since, serving, "
        "alerts, figures, grounds) SELECT m.id, t.id, d.id, 1, ?3, ?4, ?5, ?6, 'remote', 0, ?7, ?8 FROM models m, targets t "
        "JOIN deployments d ON d.model_id = m.id AND d.target_id = t.id AND d.ended_at IS NULL "
        "WHERE m.name = ?1 AND t.name = ?2",
        [
            (
                name,
                place,
                str(health),
                health.rank,
                f"{health} since yesterday",
                since,
                stored,
                grounds[health],
            )
            for name, place, health in keys
        ],
    )
    connection.execute(
        "UPDATE deployment_states SET (live_since, live_how, live_by, live_reason) = "
        "(SELECT d.effective_at, d.kind, d.actor, d.reason FROM deployments d WHERE d.id = deployment_states.deployment_id)"
    )
    for i, name in enumerate(names):
        count = {h: sum(health_of(i, j) is h for j in range(len(places))) for h in Health}
        counts = {str(h): n for h, n in count.items() if n}
        worst = Health(next(iter(counts)))
        connection.execute(
            "INSERT INTO model_states (model_id, health, severity, why, counts, figures, alerts) "
            "SELECT id, ?, ?, ?, ?, ?, 0 FROM models WHERE name = ?",
            (
                str(worst), worst.rank, f"{worst} since yesterday", json.dumps(counts),
                json.dumps({"performance": 0.71, "reference": 0.72, "performance_at": now.isoformat(), "drifted": 1,
                            "features": 12, "p95_ms": 4.2, "history": [0.71] * 8}),
                name,
            ),
        )  # fmt: skip
