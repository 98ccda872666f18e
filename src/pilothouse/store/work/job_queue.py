"""Queue of jobs: which may start, leases with a fencing token, and the end of attempts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.sqlite import Connection
from pilothouse.store.work.jobs import find, selected

DEFAULT_CONCURRENCY = 4
"""Concurrent jobs of a model whose file was applied before the key ``training.concurrency`` existed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEnd:
    """End of a job. ``version_id``: the version that it made; None leaves the one that it is about."""

    status: JobStatus
    error: str
    result: dict[str, Any]
    version_id: int | None


def something_waits(connection: Connection) -> bool:
    """True if any job is queued, whether it may start or not."""
    return connection.execute("SELECT 1 FROM jobs WHERE status = 'queued' LIMIT 1").fetchone() is not None


_CLAIM = (
    "UPDATE jobs SET status = 'running', attempt = attempt + 1, lease_owner = :owner, lease_until = :until, "
    "progress = 0, step = '', message = 'starting', error = '', not_before = NULL, "
    "started_at = coalesce(started_at, :now) WHERE id = ("
    "SELECT j.id FROM jobs j JOIN model_specs s ON s.id = j.spec_id WHERE j.status = 'queued' "
    "AND (j.not_before IS NULL OR j.not_before <= :now) "
    "AND NOT EXISTS (SELECT 1 FROM job_dependencies d JOIN jobs b ON b.id = d.after_id WHERE d.job_id = j.id "
    "AND CASE d.need WHEN 'succeeded' THEN b.status <> 'succeeded' ELSE b.ended_at IS NULL END) "
    "AND (SELECT count(*) FROM jobs r WHERE r.model_id = j.model_id AND r.status = 'running') "
    "< coalesce(json_extract(s.spec, '$.training.concurrency'), :concurrency) "
    "ORDER BY j.priority DESC, j.id LIMIT 1) RETURNING id"
)


def claim_next(connection: Connection, *, owner: str, at: datetime, lease_until: datetime) -> Job | None:
    """First waiting job that may start, given to ``owner`` as a new attempt; None where there is none.

    First comes the highest priority, then the oldest. A job may start when its back-off is over, the jobs that it waits
    for have ended as it needs, and its model runs fewer jobs than its file allows.
    """
    row = connection.execute(
        _CLAIM,
        {"owner": owner, "until": to_us(lease_until), "now": to_us(at), "concurrency": DEFAULT_CONCURRENCY},
    ).fetchone()
    return find(connection, row["id"]) if row else None


def next_start(connection: Connection, after: datetime) -> datetime | None:
    """End of the first back-off that is not over; None where there is none."""
    row = connection.execute(
        "SELECT min(not_before) AS at FROM jobs WHERE status = 'queued' AND not_before > ?", (to_us(after),)
    ).fetchone()
    at: datetime | None = from_us(row["at"])
    return at


def hopeless(connection: Connection) -> list[tuple[Job, Job]]:
    """Waiting jobs that need the success of one that has ended otherwise, each with that one."""
    rows = connection.execute(
        "SELECT j.id AS waiting, min(b.id) AS ended FROM jobs j JOIN job_dependencies d ON d.job_id = j.id "
        "JOIN jobs b ON b.id = d.after_id WHERE j.status = 'queued' AND d.need = 'succeeded' "
        "AND b.ended_at IS NOT NULL AND b.status <> 'succeeded' GROUP BY j.id"
    ).fetchall()
    pairs = [(find(connection, row["waiting"]), find(connection, row["ended"])) for row in rows]
    return [(waiting, ended) for waiting, ended in pairs if waiting is not None and ended is not None]


def overdue(connection: Connection, at: datetime) -> list[Job]:
    """Jobs that have not ended by their deadline."""
    return selected(
        connection,
        "WHERE j.status IN ('queued', 'running') AND j.deadline_at <= ? ORDER BY j.id",
        (to_us(at),),
    )


def is_held(connection: Connection, job_id: int, attempt: int, owner: str) -> bool:
    """True while this attempt holds the job."""
    row = connection.execute(
        "SELECT 1 FROM jobs WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (job_id, attempt, owner),
    ).fetchone()
    return row is not None


def extend_lease(connection: Connection, job_id: int, attempt: int, owner: str, until: datetime) -> bool:
    """Extend the lease; False where the attempt holds the job no more."""
    changed = connection.execute(
        "UPDATE jobs SET lease_until = ? WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (to_us(until), job_id, attempt, owner),
    )
    return changed.rowcount == 1


def set_progress(
    connection: Connection, job_id: int, attempt: int, owner: str, step: str, progress: float, message: str
) -> bool:
    """Record the progress of an attempt; False where it holds the job no more."""
    changed = connection.execute(
        "UPDATE jobs SET step = ?, progress = ?, message = ? "
        "WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (step, progress, message, job_id, attempt, owner),
    )
    return changed.rowcount == 1


def finish(
    connection: Connection, job_id: int, attempt: int, owner: str, end: JobEnd, *, at: datetime
) -> bool:
    """End a running job; False where this attempt holds it no more, and then nothing is changed."""
    changed = connection.execute(
        "UPDATE jobs SET status = ?, error = ?, result = ?, version_id = coalesce(?, version_id), ended_at = ?, message = '', "
        "progress = CASE WHEN ? = 'succeeded' THEN 1 ELSE progress END, lease_owner = NULL, lease_until = NULL "
        "WHERE id = ? AND attempt = ? AND lease_owner = ? AND status = 'running'",
        (
            str(end.status),
            end.error,
            canonical_json(end.result),
            end.version_id,
            to_us(at),
            str(end.status),
            job_id,
            attempt,
            owner,
        ),
    )
    return changed.rowcount == 1


def expired(connection: Connection, at: datetime) -> list[Job]:
    """Running jobs whose lease has expired."""
    return selected(
        connection, "WHERE j.status = 'running' AND j.lease_until <= ? ORDER BY j.id", (to_us(at),)
    )


def running_of_others(connection: Connection, owner: str) -> list[Job]:
    """Running jobs that another than ``owner`` claimed."""
    return selected(connection, "WHERE j.status = 'running' AND j.lease_owner <> ? ORDER BY j.id", (owner,))


def put_back(
    connection: Connection,
    job_id: int,
    attempt: int,
    message: str,
    *,
    failed: bool = True,
    not_before: datetime | None = None,
) -> bool:
    """Queue an attempt's job again, counted as a failure or not; False where it has moved on."""
    changed = connection.execute(
        "UPDATE jobs SET status = 'queued', lease_owner = NULL, lease_until = NULL, step = '', message = ?, "
        "failures = failures + ?, not_before = ?, error = '', progress = CASE WHEN ? THEN 0 ELSE progress END "
        "WHERE id = ? AND attempt = ? AND status = 'running'",
        (message, int(failed), to_us(not_before), int(failed), job_id, attempt),
    )
    return changed.rowcount == 1


def end_lost(
    connection: Connection, job_id: int, attempt: int, status: JobStatus, error: str, *, at: datetime
) -> bool:
    """End the job of an attempt without an owner; False where it has moved on."""
    changed = connection.execute(
        "UPDATE jobs SET status = ?, error = ?, message = '', ended_at = ?, lease_owner = NULL, lease_until = NULL "
        "WHERE id = ? AND attempt = ? AND status = 'running'",
        (str(status), error, to_us(at), job_id, attempt),
    )
    return changed.rowcount == 1
