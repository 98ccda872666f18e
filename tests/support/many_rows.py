"""Workspaces with very many rows, written straight into the registry: for lists and for measurements."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

from pilothouse.domain.audit.entries import AuditEntry
from pilothouse.sqlite import Connection
from pilothouse.sqlite.connection import connect
from pilothouse.store.log import audit, row_digests, row_walk
from pilothouse.system.paths import WorkspacePaths
from support import example

_ENDED = ("succeeded", "failed", "cancelled", "crashed")
_PEOPLE = ("sam", "olga", "daemon")


def build(root: Path, *, jobs: int, versions: int = 0, alerts: int = 0, deployments: int = 0) -> None:
    """The workspace of the console's tests with ``jobs`` more jobs, of which ``versions`` left a run and a version.

    ``alerts``: each an incident of its own that is over, but for the newest nine; ``deployments``: on its three targets in
    turn, each in place of the one before.
    """
    example.build(root)
    with _writing(root) as connection:
        if alerts or deployments:
            _add_alerts(connection, alerts)
            _add_deployments(connection, deployments)
        (last,) = connection.execute("SELECT max(id) FROM jobs").fetchone()
        start = int((example.NOW + timedelta(days=1)).timestamp() * 1e6)
        connection.executemany(
            "INSERT INTO jobs (kind, model_id, spec_id, status, created_by, reason, created_at, started_at, ended_at, attempt, "
            "options, error) VALUES (?, ?, (SELECT max(id) FROM model_specs WHERE model_id = ?), ?, ?, ?, ?, ?, ?, 1, ?, ?)",
            [
                (
                    "train" if i % 5 else "backtest", 1 + i % 2, 1 + i % 2, _ENDED[0] if i % 7 else _ENDED[1 + i % 3],
                    _PEOPLE[i % 3], f"retraining {i} of the nightly schedule", start + i * 1_000_000, start + i * 1_000_000,
                    start + i * 1_000_000 + (i * 7_919 % 1_000) * 100_000,
                    json.dumps({"overrides": {"training.parameters.max_iter": i}}),
                    "step fit failed: out of memory" if i % 7 == 0 else "",
                )
                for i in range(jobs)
            ],
        )  # fmt: skip
        numbers = [last + 1 + i for i in range(0, jobs, 2 if versions <= jobs // 2 else 1)][:versions]
        connection.executemany(
            "INSERT INTO runs (model_id, job_id, spec_id, snapshot_id, spec, parameters, seed, started_by, reason, started_at, "
            "ended_at, duration_s, peak_memory_mb, code, environment, environment_digest, recorded_at) "
            "SELECT model_id, ?, spec_id, snapshot_id, spec, parameters, seed, started_by, reason, started_at, ended_at, ?, "
            "peak_memory_mb, code, environment, environment_digest, recorded_at FROM runs WHERE model_id = 1 LIMIT 1",
            [(number, number % 97) for number in numbers],
        )
        connection.executemany(
            "INSERT INTO versions (model_id, number, run_id, status, model_digest, model_bytes, schema_digest, "
            "profile_spec_digest, reference_digest, predictions_digest, created_at) "
            "SELECT v.model_id, (SELECT max(number) + 1 FROM versions WHERE model_id = v.model_id), r.id, 'candidate', "
            "v.model_digest, v.model_bytes, v.schema_digest, v.profile_spec_digest, v.reference_digest, v.predictions_digest, "
            "v.created_at + r.id FROM versions v, runs r WHERE v.model_id = 1 AND v.number = 1 AND r.job_id = ?",
            [(number,) for number in numbers],
        )


@contextmanager
def _writing(root: Path) -> Iterator[Connection]:
    """One transaction, at whose end all its rows get their digests at once, with one entry of the log: what the product does
    row by row takes ten times as long."""
    with closing(connect(WorkspacePaths(root).registry, named_rows=True)) as connection:
        connection.execute("PRAGMA cache_size = -500000")
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        changed = row_walk.unsealed(connection)
        head, at = audit.head(connection), audit.newest_recorded(connection)
        assert at is not None
        detail = {"rows": len(changed)}
        entry = AuditEntry(head.count + 1, at, "tests", "tests.wrote", "registry", detail, head.hash, "")
        audit.add(connection, entry, row_digests.digest_of(changed))
        row_digests.store(connection, entry.seq, changed)
        connection.execute("COMMIT")


_KINDS = ("data_drift", "performance", "latency", "data_quality")
_MINUTE_US = 60_000_000


def _add_alerts(connection: Connection, count: int) -> None:
    (last,) = connection.execute("SELECT max(id) FROM incidents").fetchone()
    start = int((example.NOW - timedelta(days=200)).timestamp() * 1e6)
    times = [start + i * _MINUTE_US for i in range(count)]
    connection.executemany(
        "INSERT INTO incidents (id, model_id, recorded_at, assignee) VALUES (?, ?, ?, ?)",
        [(last + 1 + i, _model(i), at, _PEOPLE[i % 3] if i % 4 == 0 else "") for i, at in enumerate(times)],
    )
    connection.executemany(
        "INSERT INTO alerts (model_id, version_id, target_id, kind, subject, severity, status, effective_at, recorded_at, "
        "summary, explanation, figures, features, incident_id, handled_by, handled_at, resolved_at) "
        "VALUES (?, (SELECT id FROM versions WHERE model_id = ? AND number = 1), (SELECT id FROM targets WHERE name = ?), "
        "?, ?, ?, ?, ?, ?, ?, 'psi', '{}', '[]', ?, 'daemon', ?, ?)",
        [
            (
                _model(i), _model(i), _TARGETS[i % 3], _KINDS[i % 4], f"column {i % 40}",
                "critical" if i % 9 == 0 else "warning",
                "resolved" if i < count - 9 else "open", at, at, f"column {i % 40} drifts, {i} in all", last + 1 + i,
                at, at if i < count - 9 else None,
            )
            for i, at in enumerate(times)
        ],
    )  # fmt: skip
    connection.executemany(
        "UPDATE incidents SET judged_at = recorded_at, cause = ?, cost_tier = ?, cost_weight = ?, cost_words = ? WHERE id = ?",
        [
            (
                f"column {i % 40} drifts",
                i % 4,
                float(i * 7_919 % 1_000),
                f"{i * 7_919 % 1_000} a week",
                last + 1 + i,
            )
            for i in range(count)
        ],
    )


def _add_deployments(connection: Connection, count: int) -> None:
    start = int((example.NOW - timedelta(days=200)).timestamp() * 1e6)
    connection.executemany(
        "INSERT INTO deployments (model_id, version_id, target_id, kind, actor, reason, recorded_at, effective_at, ended_at, "
        "ended_effective_at, request_id) VALUES (?, (SELECT id FROM versions WHERE model_id = ? AND number = 1), "
        "(SELECT id FROM targets WHERE name = ?), ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                _model(i), _model(i), _TARGETS[i % 3], "rollback" if i % 11 == 0 else "promotion", _PEOPLE[i % 3],
                f"request {i}", start + i * _MINUTE_US, start + i * _MINUTE_US,
                start + (i + 3) * _MINUTE_US, start + (i + 3) * _MINUTE_US,
                None if i % 11 == 0 else 1 if i % 3 < 2 else 2,
            )
            for i in range(count)
        ],
    )  # fmt: skip


_TARGETS = ("ewr", "jfk", "washington")


def _model(i: int) -> int:
    """flight-delay (2) on the first two targets, bike-demand on the third."""
    return 2 if i % 3 < 2 else 1
