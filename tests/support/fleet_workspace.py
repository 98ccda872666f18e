"""Workspaces of very many deployments (every model on every target), written by SQL: for measurements.

``python -m support.fleet_workspace ROOT MODELS TARGETS [VERSIONS [AUDIT]]`` makes one, also with the program of an earlier
release on the path: only columns are named that it has.
"""

import hashlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.composition import open_workspace
from pilothouse.domain.formats.canonical import canonical_digest, canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Actor, Grant, Role
from pilothouse.domain.models.model_file import spec_from_plain, spec_to_plain
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import workspaces
from pilothouse.sqlite import Connection
from pilothouse.store.governance import access
from pilothouse.store.log.audit import FIRST_PREVIOUS

ADMIN, SCIENTIST, APPROVER = "ada", "sam", "pat"
NOW = datetime.now(UTC).replace(microsecond=0)
_HOUR_US, _DAY_US = 3_600_000_000, 86_400_000_000
_FEATURES = ("wind", "hour", "carrier")
_REGIONS, _PRODUCTS = ("us-east", "us-west", "eu", "asia"), ("departures", "arrivals", "bikes")


def model_name(number: int) -> str:
    return f"model-{number:04d}"


def target_name(number: int) -> str:
    return f"target-{number:03d}"


def build(root: Path, models: int, targets: int, *, versions: int = 3, audit: int = 1_000) -> None:
    """Make a workspace in ``root`` with each model live on each target: nine of ten as they should be, others drifted, too thin
    to be judged, or without a prediction. ``versions``: of each model; ``audit``: rows of the log, in a chain of their own."""
    workspaces.initialise(root, ADMIN, clock=lambda: NOW - timedelta(days=60))
    services = open_workspace(root)
    try:
        with services.registry.transaction() as connection:
            for name, role in ((SCIENTIST, Role.DATA_SCIENTIST), (APPROVER, Role.APPROVER)):
                access.add_grant(connection, name, Grant(role), by=Actor(ADMIN), at=NOW)
            _fill_registry(services, connection, models, targets, versions)
            _fill_audit(connection, audit)
        _fill_telemetry(services, models, targets, versions)
        write_states(services)
    finally:
        services.close()


def write_states(services: Services) -> None:
    """Write the states as the program does; an earlier release has none."""
    try:
        from pilothouse.operations.states import states
    except ImportError:
        return
    with services.registry.transaction() as connection:
        states.rebuild(services, connection)


def spec_of(model: str, targets: int) -> dict[str, Any]:
    """The model file as it is stored."""
    plain = {
        "name": model, "task": "binary", "owner": "benchmarks",
        "data": {
            "source": "rows.csv", "target": "late", "timestamp": "at", "timezone": "UTC",
            "features": list(_FEATURES), "categoricals": ["carrier"],
        },
        "training": {"estimator": "sklearn.ensemble.HistGradientBoostingClassifier"},
        "promotion": {"approvals": 1, "four_eyes": True},
        "targets": [
            {
                "name": target_name(n), "region": _REGIONS[n % 4], "product": _PRODUCTS[n % 3], "business_unit": "ops"
            }
            for n in range(1, targets + 1)
        ],
    }  # fmt: skip
    return dict(spec_to_plain(spec_from_plain(plain)))


def _fill_registry(
    services: Services, connection: Connection, models: int, targets: int, versions: int
) -> None:
    then, digest = to_us(NOW - timedelta(days=60)), hashlib.sha256(b"a file").hexdigest()
    profile, reference = _reference(services)
    _insert(connection, "models", ({"id": m, "name": model_name(m), "created_at": then, "created_by": SCIENTIST}
                                   for m in range(1, models + 1)))  # fmt: skip
    _insert(connection, "targets", (
        {"id": t, "name": target_name(t), "region": _REGIONS[t % 4], "product": _PRODUCTS[t % 3],
         "business_unit": "ops", "created_at": then}
        for t in range(1, targets + 1)
    ))  # fmt: skip
    _insert(connection, "model_targets", (
        {"model_id": m, "target_id": t, "position": t - 1} for m in range(1, models + 1) for t in range(1, targets + 1)
    ))  # fmt: skip
    _insert(connection, "model_specs", (
        {"id": m, "model_id": m, "digest": hashlib.sha256(f"spec {m}".encode()).hexdigest(),
         "spec": canonical_json(spec_of(model_name(m), targets)), "source": "", "folder": f"models/{model_name(m)}",
         "task": "binary", "owner": "benchmarks", "description": "", "applied_by": SCIENTIST, "recorded_at": then}
        for m in range(1, models + 1)
    ))  # fmt: skip
    _insert(connection, "snapshots", [
        {"id": 1, "content_digest": digest, "artifact_digest": digest, "source_digest": digest, "rows": 5_000,
         "training_rows": 4_000, "holdout_rows": 1_000, "first_row_at": then, "last_row_at": then, "trained_until": then,
         "columns": "[]", "schema": "{}", "recorded_at": then}
    ])  # fmt: skip
    numbered = [(m, v, (m - 1) * versions + v) for m in range(1, models + 1) for v in range(1, versions + 1)]
    _insert(connection, "jobs", (
        {"id": n, "kind": "train", "model_id": m, "spec_id": m, "status": "succeeded", "created_by": SCIENTIST,
         "reason": "nightly", "created_at": then + v, "started_at": then + v, "ended_at": then + v, "attempt": 1}
        for m, v, n in numbered
    ))  # fmt: skip
    _insert(connection, "runs", (
        {"id": n, "model_id": m, "job_id": n, "spec_id": m, "snapshot_id": 1,
         "spec": '{"data":{"private":[]}}', "parameters": "{}", "seed": 0,
         "started_by": SCIENTIST, "reason": "nightly", "started_at": then + v, "ended_at": then + v, "duration_s": 9.0,
         "peak_memory_mb": 200.0, "code": '{"commit":"c","dirty":false}', "environment": "{}",
         "environment_digest": digest, "recorded_at": then + v}
        for m, v, n in numbered
    ))  # fmt: skip
    _insert(connection, "versions", (
        {"id": n, "model_id": m, "number": v, "run_id": n, "status": "candidate", "model_digest": digest,
         "model_bytes": 1_000, "schema_digest": digest, "profile_spec_digest": profile, "reference_digest": reference,
         "predictions_digest": digest, "created_at": then + v}
        for m, v, n in numbered
    ))  # fmt: skip
    _insert(connection, "version_metrics", (
        {"version_id": n, "position": 0, "metric": "auc", "value": 0.71, "low": 0.69, "high": 0.73, "rows": 4_000}
        for _, _, n in numbered
    ))  # fmt: skip
    _insert(connection, "deployments", (
        {"model_id": m, "version_id": (m - 1) * versions + max(1, versions - 1), "target_id": t, "kind": "rollback",
         "actor": SCIENTIST, "reason": "as before", "recorded_at": then, "effective_at": then}
        for m in range(1, models + 1) for t in range(1, targets + 1)
    ))  # fmt: skip


def _reference(services: Services) -> tuple[str, str]:
    from support.example_telemetry import keep_reference

    return keep_reference(services, "binary", "auc")


def _fill_audit(connection: Connection, count: int) -> None:
    (seq, previous) = connection.execute(
        "SELECT coalesce(max(seq), 0), coalesce((SELECT hash FROM audit ORDER BY seq DESC LIMIT 1), ?) FROM audit",
        (FIRST_PREVIOUS,),
    ).fetchone()
    at = to_us(NOW - timedelta(days=60))

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal seq, previous
        for number in range(count):
            seq += 1
            row = {
                "seq": seq, "recorded_at": at + number, "actor": SCIENTIST, "action": "job.succeeded",
                "subject": f"job {number}", "detail": {"model": model_name(number % 1_000), "attempt": 1},
                "previous": previous,
            }  # fmt: skip
            previous = canonical_digest(row)
            yield {**row, "detail": canonical_json(row["detail"]), "hash": previous}

    _insert(connection, "audit", rows())


def _fill_telemetry(services: Services, models: int, targets: int, versions: int) -> None:
    """Streams and clocks of nine in ten deployments, with the window of each monitor that the clock is past closed."""
    now_us, version = to_us(NOW), max(1, versions - 1)
    # the last events lie two days back: no live traffic, so that nothing falls silent while it is measured
    last_us = (now_us - 2 * _DAY_US) // _DAY_US * _DAY_US
    places = [
        (n, model_name(m), target_name(t))
        for n, (m, t) in enumerate(
            ((m, t) for m in range(1, models + 1) for t in range(1, targets + 1)), start=1
        )
        if n % 10
    ]
    with services.telemetry.transaction() as connection:
        digest, _ = _reference(services)
        specification = services.artifacts.read(digest)
        connection.execute(
            "INSERT INTO specifications (id, digest, data) VALUES (1, ?, ?)", (digest, specification)
        )
        _insert(connection, "streams", (
            {"id": n, "model": model, "version": version, "target": target, "specification_id": 1,
             "first_event": last_us - 7 * _DAY_US, "last_event": last_us - 1, "last_arrival": now_us, "rows": 900}
            for n, model, target in places
        ))  # fmt: skip
        _insert(connection, "clocks", (
            {"model": model, "target": target, "event": last_us - 1, "arrived": now_us} for _, model, target in places
        ))  # fmt: skip
        columns = {row[1] for row in connection.execute("PRAGMA table_info(readings)")}
        significant = "significant" if "significant" in columns else "speaks"
        _insert(connection, "readings", (
            {"stream_id": n, "monitor": monitor, "window_start": last_us - 7 * _DAY_US, "window_end": last_us,
             "rows": 900 if n % 17 else 90, "judged": int(n % 17 > 0), significant: int(n % 23 == 0 and monitor == "drift"),
             "applied": 1, "recorded": now_us, "data": _findings(monitor, n % 23 == 0)}
            for n, _, _ in places for monitor in ("drift", "performance", "traffic", "estimate")
        ))  # fmt: skip
        if "moved" in {row[1] for row in connection.execute("PRAGMA table_info(clocks)")}:
            connection.execute("UPDATE clocks SET moved = 0, look_at = 1 << 61")


def _findings(monitor: str, is_drifted: bool) -> str:
    key = monitor, is_drifted
    if key not in _TEXTS:
        finding: Any = {
            "metric": "auc", "value": 0.705, "low": 0.68, "high": 0.73, "reference": 0.71, "reference_low": 0.69,
            "reference_high": 0.73, "labelled_share": 1.0, "significant": False,
        }  # fmt: skip
        if monitor == "traffic":
            finding = {
                "requests": 300, "errors": 0, "p50_ms": 4.0, "p95_ms": 6.0, "p99_ms": 8.0, "baseline_p95_ms": 5.8,
                "latency_significant": False, "errors_significant": False,
            }  # fmt: skip
        elif monitor == "drift":
            finding = [
                {"feature": name, "statistic": "psi", "value": 0.3 if is_drifted else 0.03, "threshold": 0.12,
                 "p_value": 0.4, "significant": is_drifted and name == "wind"}
                for name in _FEATURES
            ]  # fmt: skip
        _TEXTS[key] = json.dumps(finding)
    return _TEXTS[key]


_TEXTS: dict[tuple[str, bool], str] = {}


def _insert(connection: Connection, table: str, rows: Any) -> None:
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return
    names = ", ".join(first)
    marks = ", ".join("?" * len(first))
    statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"
    connection.execute(statement, tuple(first.values()))
    connection.executemany(statement, (tuple(row.values()) for row in rows))


if __name__ == "__main__":
    count_models, count_targets, *more = map(int, sys.argv[2:])
    build(
        Path(sys.argv[1]), count_models, count_targets, **dict(zip(("versions", "audit"), more, strict=False))
    )
