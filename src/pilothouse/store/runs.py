"""Runs: one training with its snapshot, its files and everything that is needed to repeat it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.canonical import canonical_digest, canonical_json
from pilothouse.domain.evaluation import ColumnSummary
from pilothouse.domain.records import Run, Snapshot
from pilothouse.domain.time_units import to_us
from pilothouse.sqlite import Connection, Row
from pilothouse.store.values import from_json, from_row

_SELECT = (
    "SELECT r.*, m.name AS model, p.digest AS spec_digest, s.content_digest, s.artifact_digest, s.source_digest, "
    "s.rows, s.training_rows, s.holdout_rows, s.first_row_at, s.last_row_at, s.trained_until, s.columns "
    "FROM runs r JOIN models m ON m.id = r.model_id JOIN model_specs p ON p.id = r.spec_id "
    "JOIN snapshots s ON s.id = r.snapshot_id "
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """Run to record. ``spec`` is the specification as it ran, with the overrides of this run."""

    model_id: int
    job_id: int
    spec_id: int
    snapshot_id: int
    as_of: datetime | None
    spec: dict[str, Any]
    parameters: dict[str, Any]
    seed: int
    started_by: str
    reason: str
    started_at: datetime
    ended_at: datetime
    duration_s: float
    peak_memory_mb: float
    code: dict[str, Any]
    environment: dict[str, Any]
    record: dict[str, Any]
    alert_id: int | None


@dataclass(frozen=True, slots=True)
class RunFile:
    """File of a run beside those of its version: ``train``, ``holdout``, ``model_folder``, ``code_diff``…"""

    name: str
    digest: str
    bytes: int


def add_snapshot(
    connection: Connection, snapshot: Snapshot, *, schema: Mapping[str, str], at: datetime
) -> int:
    """Record the rows of a run; returns its key."""
    added = connection.execute(
        "INSERT INTO snapshots (content_digest, artifact_digest, source_digest, rows, training_rows, holdout_rows, "
        "first_row_at, last_row_at, trained_until, columns, schema, recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            snapshot.content_digest,
            snapshot.artifact_digest,
            snapshot.source_digest,
            snapshot.rows,
            snapshot.training_rows,
            snapshot.holdout_rows,
            to_us(snapshot.first_row_at),
            to_us(snapshot.last_row_at),
            to_us(snapshot.trained_until),
            canonical_json([asdict(column) for column in snapshot.columns]),
            # The order of the columns is part of the schema, and canonical JSON would sort it away.
            canonical_json([[name, kind] for name, kind in schema.items()]),
            to_us(at),
        ),
    )
    assert added.lastrowid is not None
    return added.lastrowid


def add(connection: Connection, run: NewRun, files: Mapping[str, RunFile], *, at: datetime) -> int:
    """Record a run and its files; returns its key."""
    added = connection.execute(
        "INSERT INTO runs (model_id, job_id, spec_id, snapshot_id, as_of, spec, parameters, seed, started_by, reason, "
        "started_at, ended_at, duration_s, peak_memory_mb, code, environment, environment_digest, record, alert_id, "
        "recorded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            run.model_id,
            run.job_id,
            run.spec_id,
            run.snapshot_id,
            to_us(run.as_of),
            canonical_json(run.spec),
            canonical_json(run.parameters),
            run.seed,
            run.started_by,
            run.reason,
            to_us(run.started_at),
            to_us(run.ended_at),
            run.duration_s,
            run.peak_memory_mb,
            canonical_json(run.code),
            canonical_json(run.environment),
            canonical_digest(run.environment),
            canonical_json(run.record),
            run.alert_id,
            to_us(at),
        ),
    )
    key = added.lastrowid
    assert key is not None
    connection.executemany(
        "INSERT INTO run_artifacts (run_id, name, digest, bytes) VALUES (?, ?, ?, ?)",
        [(key, file.name, file.digest, file.bytes) for file in files.values()],
    )
    return key


def find(connection: Connection, run_id: int) -> Run | None:
    """Run of that number with its snapshot, or None."""
    row = connection.execute(_SELECT + "WHERE r.id = ?", (run_id,)).fetchone()
    return _run(row) if row else None


def files_of(connection: Connection, run_id: int) -> dict[str, RunFile]:
    """Files of a run by name."""
    rows = connection.execute(
        "SELECT name, digest, bytes FROM run_artifacts WHERE run_id = ? ORDER BY name", (run_id,)
    )
    return {row["name"]: RunFile(row["name"], row["digest"], row["bytes"]) for row in rows}


def spec_of(connection: Connection, run_id: int) -> dict[str, Any]:
    """Specification as the run had it, with its overrides, as plain data."""
    return dict(
        from_json(connection.execute("SELECT spec FROM runs WHERE id = ?", (run_id,)).fetchone()["spec"])
    )


def record_of(connection: Connection, run_id: int) -> dict[str, Any]:
    """Other reports of the run's steps: leakage, trials, latency and more."""
    row = connection.execute("SELECT record FROM runs WHERE id = ?", (run_id,)).fetchone()
    return dict(from_json(row["record"]))


def _run(row: Row) -> Run:
    columns = tuple(ColumnSummary(**column) for column in from_json(row["columns"]))
    snapshot = from_row(Snapshot, row, columns=columns)
    return from_row(Run, row, snapshot=snapshot, triggered_by_alert=row["alert_id"])
