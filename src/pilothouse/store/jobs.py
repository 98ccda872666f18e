"""Jobs: the queue, leases with a fencing token, and how each process of each attempt ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.canonical import canonical_json
from pilothouse.domain.jobs import JobKind, JobStatus, StepExit, StepResult
from pilothouse.domain.records import Job
from pilothouse.sqlite import Connection, Row

from .listing import marks
from .values import from_json, from_us, to_us

_SELECT = (
    "SELECT j.*, m.name AS model, v.number AS version FROM jobs j JOIN models m ON m.id = j.model_id "
    "LEFT JOIN versions v ON v.id = j.version_id "
)


def find(connection: Connection, job_id: int) -> Job | None:
    """One job, or None."""
    row = connection.execute(_SELECT + "WHERE j.id = ?", (job_id,)).fetchone()
    return _job(row) if row else None


def count_unfinished(connection: Connection, model: str) -> int:
    """How many jobs of a model are queued or running."""
    (count,) = connection.execute(
        "SELECT count(*) FROM jobs j JOIN models m ON m.id = j.model_id "
        "WHERE m.name = ? AND j.status IN ('queued', 'running')",
        (model,),
    ).fetchone()
    return int(count)


def listed(
    connection: Connection,
    *,
    status: JobStatus | None = None,
    model: str | None = None,
    before: int | None = None,
    limit: int = 500,
) -> list[Job]:
    """Jobs, newest first; ``before`` pages backwards by number."""
    rows = connection.execute(
        _SELECT
        + "WHERE (? IS NULL OR j.status = ?) AND (? IS NULL OR m.name = ?) AND (? IS NULL OR j.id < ?) "
        "ORDER BY j.id DESC LIMIT ?",
        (status and str(status), status and str(status), model, model, before, before, limit),
    )
    return [_job(row) for row in rows]


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, Job]:
    """Jobs by their numbers."""
    rows = connection.execute(_SELECT + "WHERE j.id IN " + marks(numbers), numbers)
    return {row["id"]: _job(row) for row in rows}


def find_by_trigger(connection: Connection, model: str, trigger_key: str) -> Job | None:
    """The job of a model that was started with this key, or None."""
    row = connection.execute(
        _SELECT + "WHERE m.name = ? AND j.trigger_key = ? AND j.trigger_key <> ''", (model, trigger_key)
    ).fetchone()
    return _job(row) if row else None


def of_alert(connection: Connection, alert_id: int) -> list[Job]:
    """The jobs that an alert started, oldest first."""
    return [
        _job(row) for row in connection.execute(_SELECT + "WHERE j.alert_id = ? ORDER BY j.id", (alert_id,))
    ]


def about_version(connection: Connection, version_id: int) -> list[Job]:
    """The reproductions of a version, oldest first."""
    rows = connection.execute(
        _SELECT + "WHERE j.version_id = ? AND j.kind = 'reproduce' ORDER BY j.id", (version_id,)
    )
    return [_job(row) for row in rows]


def add(
    connection: Connection,
    *,
    kind: JobKind,
    model_id: int,
    spec_id: int,
    created_by: str,
    reason: str,
    at: datetime,
    options: dict[str, Any],
    trigger_key: str = "",
    alert_id: int | None = None,
    retry_of: int | None = None,
    version_id: int | None = None,
) -> int:
    """Queue a job; returns its number."""
    added = connection.execute(
        "INSERT INTO jobs (kind, model_id, spec_id, created_by, reason, created_at, options, trigger_key, alert_id, retry_of, "
        "version_id, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting for the daemon')",
        (
            kind,
            model_id,
            spec_id,
            created_by,
            reason,
            to_us(at),
            canonical_json(options),
            trigger_key,
            alert_id,
            retry_of,
            version_id,
        ),
    )
    assert added.lastrowid is not None
    return added.lastrowid


@dataclass(frozen=True, slots=True)
class Origin:
    """What a job was queued for: keys of its model, its specification, its alert and the version that it is about."""

    model_id: int
    spec_id: int
    alert_id: int | None
    version_id: int | None


def origin_of(connection: Connection, job_id: int) -> Origin:
    """The keys behind a job."""
    row = connection.execute(
        "SELECT model_id, spec_id, alert_id, version_id FROM jobs WHERE id = ?", (job_id,)
    ).fetchone()
    return Origin(row["model_id"], row["spec_id"], row["alert_id"], row["version_id"])


def claim_next(connection: Connection, *, owner: str, at: datetime, lease_until: datetime) -> Job | None:
    """Give the oldest waiting job to ``owner`` as a new attempt; None where none waits."""
    row = connection.execute(
        "UPDATE jobs SET status = 'running', attempt = attempt + 1, lease_owner = ?, lease_until = ?, progress = 0, "
        "step = '', message = 'starting', error = '', started_at = coalesce(started_at, ?) "
        "WHERE id = (SELECT id FROM jobs WHERE status = 'queued' ORDER BY id LIMIT 1) RETURNING id",
        (owner, to_us(lease_until), to_us(at)),
    ).fetchone()
    return find(connection, row["id"]) if row else None


def is_held(connection: Connection, job_id: int, attempt: int, owner: str) -> bool:
    """True while this attempt holds the job."""
    row = connection.execute(
        "SELECT 1 FROM jobs WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (job_id, attempt, owner),
    ).fetchone()
    return row is not None


def extend_lease(connection: Connection, job_id: int, attempt: int, owner: str, until: datetime) -> bool:
    """Prolong the lease; False where the attempt holds the job no more."""
    changed = connection.execute(
        "UPDATE jobs SET lease_until = ? WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (to_us(until), job_id, attempt, owner),
    )
    return changed.rowcount == 1


def set_progress(
    connection: Connection, job_id: int, attempt: int, owner: str, step: str, progress: float, message: str
) -> bool:
    """Say how far the attempt is; False where it holds the job no more."""
    changed = connection.execute(
        "UPDATE jobs SET step = ?, progress = ?, message = ? "
        "WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (step, progress, message, job_id, attempt, owner),
    )
    return changed.rowcount == 1


def cancel_requested(connection: Connection, job_id: int) -> bool:
    """True once somebody has asked for the end of a running job."""
    row = connection.execute("SELECT cancel_requested_at FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return row is not None and row["cancel_requested_at"] is not None


def request_cancel(connection: Connection, job_id: int, *, by: str, at: datetime) -> None:
    """Ask for the end of a running job; the first who asks stays on record."""
    connection.execute(
        "UPDATE jobs SET cancel_requested_at = ?, cancel_requested_by = ? "
        "WHERE id = ? AND status = 'running' AND cancel_requested_at IS NULL",
        (to_us(at), by, job_id),
    )


def end_waiting(connection: Connection, job_id: int, status: JobStatus, error: str, *, at: datetime) -> bool:
    """End a job that nobody runs; False where somebody has claimed it meanwhile."""
    changed = connection.execute(
        "UPDATE jobs SET status = ?, error = ?, message = '', ended_at = ? WHERE id = ? AND status = 'queued'",
        (str(status), error, to_us(at), job_id),
    )
    return changed.rowcount == 1


def finish(
    connection: Connection,
    job_id: int,
    attempt: int,
    owner: str,
    *,
    status: JobStatus,
    error: str,
    result: dict[str, Any],
    version_id: int | None,
    at: datetime,
) -> bool:
    """End a running job; False where this attempt holds it no more, and then nothing is changed."""
    changed = connection.execute(
        "UPDATE jobs SET status = ?, error = ?, result = ?, version_id = coalesce(?, version_id), ended_at = ?, message = '', "
        "progress = CASE WHEN ? = 'succeeded' THEN 1 ELSE progress END, lease_owner = NULL, lease_until = NULL "
        "WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (
            str(status),
            error,
            canonical_json(result),
            version_id,
            to_us(at),
            str(status),
            job_id,
            attempt,
            owner,
        ),
    )
    return changed.rowcount == 1


def expired(connection: Connection, at: datetime) -> list[Job]:
    """Running jobs whose lease has run out."""
    rows = connection.execute(
        _SELECT + "WHERE j.status = 'running' AND j.lease_until <= ? ORDER BY j.id", (to_us(at),)
    )
    return [_job(row) for row in rows]


def running_of_others(connection: Connection, owner: str) -> list[Job]:
    """Running jobs that somebody other than ``owner`` claimed."""
    rows = connection.execute(
        _SELECT + "WHERE j.status = 'running' AND j.lease_owner <> ? ORDER BY j.id", (owner,)
    )
    return [_job(row) for row in rows]


def attempts_left(connection: Connection, job_id: int) -> int:
    """How many attempts a job may still have."""
    row = connection.execute(
        "SELECT max_attempts - attempt AS n FROM jobs WHERE id = ?", (job_id,)
    ).fetchone()
    return max(0, int(row["n"]))


def put_back(connection: Connection, job_id: int, attempt: int, message: str) -> bool:
    """Let a lost attempt's job wait for another one; False where it has moved on."""
    changed = connection.execute(
        "UPDATE jobs SET status = 'queued', lease_owner = NULL, lease_until = NULL, step = '', progress = 0, message = ? "
        "WHERE id = ? AND attempt = ? AND status = 'running'",
        (message, job_id, attempt),
    )
    return changed.rowcount == 1


def end_lost(
    connection: Connection, job_id: int, attempt: int, status: JobStatus, error: str, *, at: datetime
) -> bool:
    """End the job of an attempt that nobody answers for; False where it has moved on."""
    changed = connection.execute(
        "UPDATE jobs SET status = ?, error = ?, message = '', ended_at = ?, lease_owner = NULL, lease_until = NULL "
        "WHERE id = ? AND attempt = ? AND status = 'running'",
        (str(status), error, to_us(at), job_id, attempt),
    )
    return changed.rowcount == 1


def add_steps(
    connection: Connection,
    job_id: int,
    attempt: int,
    exits: Mapping[str, StepExit],
    results: Mapping[str, StepResult],
) -> None:
    """Record how each process of an attempt ended."""
    connection.executemany(
        "INSERT INTO job_steps (job_id, attempt, position, step, ok, reason, exit_code, signal, seconds, peak_memory_mb, "
        "error) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                job_id,
                attempt,
                position,
                step,
                int(step in results and results[step].ok and exit_.reason == "exited"),
                exit_.reason,
                exit_.exit_code,
                exit_.signal,
                exit_.seconds,
                exit_.peak_memory_mb,
                results[step].error if step in results else "",
            )
            for position, (step, exit_) in enumerate(exits.items())
        ],
    )


def steps_of(connection: Connection, job_id: int) -> list[tuple[int, str, StepExit]]:
    """(attempt, step, how it ended) of every process of a job, in order."""
    rows = connection.execute(
        "SELECT * FROM job_steps WHERE job_id = ? ORDER BY attempt, position", (job_id,)
    )
    return [
        (
            row["attempt"],
            row["step"],
            StepExit(row["exit_code"], row["signal"], row["peak_memory_mb"], row["seconds"], row["reason"]),
        )
        for row in rows
    ]


def _job(row: Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        model=row["model"],
        status=JobStatus(row["status"]),
        step=row["step"],
        progress=row["progress"],
        message=row["message"],
        created_by=row["created_by"],
        reason=row["reason"],
        created_at=from_us(row["created_at"]),
        started_at=from_us(row["started_at"]),
        ended_at=from_us(row["ended_at"]),
        attempt=row["attempt"],
        options=from_json(row["options"]),
        error=row["error"],
        version=row["version"],
        result=from_json(row["result"]),
        trigger_key=row["trigger_key"],
    )
