"""Runs: one training with its snapshot, its files and everything that is needed to repeat it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.erasure import erased_text
from pilothouse.domain.formats.canonical import canonical_digest, canonical_json
from pilothouse.domain.models.evaluation import ColumnSummary
from pilothouse.domain.records import Run, Snapshot
from pilothouse.sqlite import Connection, Row
from pilothouse.store import erasures
from pilothouse.store.values import columns_of, from_json, from_row, insert

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
    # The order of the columns is part of the schema, and canonical JSON would sort a table's keys.
    columns = {**columns_of(snapshot), "schema": list(schema.items()), "recorded_at": at}
    return insert(connection, "snapshots", columns)


def add(connection: Connection, run: NewRun, files: Mapping[str, RunFile], *, at: datetime) -> int:
    """Record a run and its files; returns its key."""
    columns = columns_of(run)
    columns |= {"environment_digest": canonical_digest(run.environment), "recorded_at": at}
    key = insert(connection, "runs", columns)
    connection.executemany(
        "INSERT INTO run_artifacts (run_id, name, digest, bytes) VALUES (?, ?, ?, ?)",
        [(key, file.name, file.digest, file.bytes) for file in files.values()],
    )
    return key


def find(connection: Connection, run_id: int) -> Run | None:
    """Run of that number with its snapshot, or None."""
    row = connection.execute(_SELECT + "WHERE r.id = ?", (run_id,)).fetchone()
    return _run(connection, row) if row else None


def files_of(connection: Connection, run_id: int) -> dict[str, RunFile]:
    rows = connection.execute(
        "SELECT name, digest, bytes FROM run_artifacts WHERE run_id = ? ORDER BY name", (run_id,)
    )
    return {row["name"]: from_row(RunFile, row) for row in rows}


def spec_of(connection: Connection, run_id: int) -> dict[str, Any]:
    """Specification as the run had it, with its overrides, as plain data."""
    return dict(
        from_json(connection.execute("SELECT spec FROM runs WHERE id = ?", (run_id,)).fetchone()["spec"])
    )


@dataclass(frozen=True, slots=True)
class ReadRows:
    """How the rows of a run were read: private columns, those that were left out, and the zone of times without one."""

    private: tuple[str, ...]
    excluded: tuple[str, ...]
    timezone: str


def rows_read(connection: Connection, run_ids: Iterable[int]) -> dict[int, ReadRows]:
    """How the rows of each of these runs were read; specifications are not read into memory."""
    rows = connection.execute(
        "SELECT r.id, json_extract(r.spec, '$.data.private') AS private, json_extract(r.spec, '$.data.exclude') AS excluded, "
        "json_extract(r.spec, '$.data.timezone') AS timezone FROM json_each(?) k CROSS JOIN runs r ON r.id = k.value",
        (canonical_json(list(run_ids)),),
    )
    return {
        row["id"]: ReadRows(
            tuple(from_json(row["private"])), tuple(from_json(row["excluded"] or "[]")), row["timezone"] or ""
        )
        for row in rows
    }


def record_of(connection: Connection, run_id: int) -> dict[str, Any]:
    """Other reports of the run's steps: leakage, trials, latency and more."""
    row = connection.execute("SELECT record FROM runs WHERE id = ?", (run_id,)).fetchone()
    return dict(from_json(row["record"]))


def newest_record(connection: Connection, model: str) -> dict[str, Any]:
    """Reports of the steps of a model's newest run; empty before the first one."""
    row = connection.execute(
        "SELECT record FROM runs WHERE model_id = (SELECT id FROM models WHERE name = ?) ORDER BY id DESC LIMIT 1",
        (model,),
    ).fetchone()
    return dict(from_json(row["record"])) if row else {}


def _run(connection: Connection, row: Row) -> Run:
    columns = tuple(ColumnSummary(**column) for column in from_json(row["columns"]))
    snapshot = from_row(Snapshot, row, columns=columns)
    evaluated = from_json(row["record"]).get("evaluate", {})
    return from_row(
        Run,
        row,
        snapshot=snapshot,
        triggered_by_alert=row["alert_id"],
        window_notes=tuple(evaluated.get("window_notes", ())),
        fitted=tuple(evaluated.get("fitted", ())),
        erased=tuple(
            erased_text(number, rows, of_rows, at)
            for _, number, rows, of_rows, at in erasures.losses(connection, (row["artifact_digest"],))
        ),
    )
