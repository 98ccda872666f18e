"""Workspaces with very many rows, written straight into the registry: for lists and for measurements."""

import json
from datetime import timedelta
from pathlib import Path

import harbour

_ENDED = ("succeeded", "failed", "cancelled", "crashed")
_PEOPLE = ("sam", "olga", "daemon")


def build(root: Path, *, jobs: int, versions: int = 0) -> None:
    """The workspace of the console's tests with ``jobs`` more jobs, of which ``versions`` left a run and a version."""
    harbour.build(root)
    with harbour.opened(root) as services, services.registry.transaction() as connection:
        (last,) = connection.execute("SELECT max(id) FROM jobs").fetchone()
        start = int((harbour.NOW + timedelta(days=1)).timestamp() * 1e6)
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
        numbers = [last + 1 + i for i in range(jobs) if i % 2 == 0][:versions]
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
