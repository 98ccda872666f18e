"""Jobs: the queue, leases with a fencing token, and how each process of each attempt ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pilothouse.domain.canonical import canonical_json
from pilothouse.domain.jobs import JobKind, JobStatus, StepExit, StepResult
from pilothouse.domain.records import Job
from pilothouse.sqlite import Connection, Row

from .listing import marks
from .values import from_json, from_us, to_us

_SELECT = (
    "SELECT j.*, m.name AS model, v.number AS version, (SELECT json_group_array(d.after_id) FROM job_dependencies d "
    "WHERE d.job_id = j.id AND d.need = 'succeeded') AS after FROM jobs j JOIN models m ON m.id = j.model_id "
    "LEFT JOIN versions v ON v.id = j.version_id "
)
DEFAULT_CONCURRENCY = 4
"""Of models whose file was applied before the key ``training.concurrency`` was there."""


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
    trials: bool = True,
) -> list[Job]:
    """Jobs, newest first; ``before`` pages backwards by number. ``trials``: those of searches too."""
    rows = connection.execute(
        _SELECT
        + "WHERE (? IS NULL OR j.status = ?) AND (? IS NULL OR m.name = ?) AND (? IS NULL OR j.id < ?) "
        "AND (? OR j.parent_id IS NULL) ORDER BY j.id DESC LIMIT ?",
        (status and str(status), status and str(status), model, model, before, before, trials, limit),
    )
    return [_job(row) for row in rows]


def something_waits(connection: Connection) -> bool:
    """True if any job is queued, whether it may start or not."""
    return connection.execute("SELECT 1 FROM jobs WHERE status = 'queued' LIMIT 1").fetchone() is not None


def children(connection: Connection, parent: int) -> list[Job]:
    """The trials of a training, oldest first."""
    return [
        _job(row) for row in connection.execute(_SELECT + "WHERE j.parent_id = ? ORDER BY j.id", (parent,))
    ]


def newest_with_trials(connection: Connection) -> int | None:
    """The newest training that has trials, or None."""
    (number,) = connection.execute("SELECT max(parent_id) FROM jobs WHERE parent_id IS NOT NULL").fetchone()
    return None if number is None else int(number)


def queued_by(connection: Connection, person: str, *, model: str | None, limit: int) -> list[Job]:
    """What somebody has queued, newest first, without the trials of searches."""
    rows = connection.execute(
        _SELECT
        + "WHERE j.created_by = ? AND j.parent_id IS NULL AND (? IS NULL OR m.name = ?) ORDER BY j.id DESC LIMIT ?",
        (person, model, model, limit),
    )
    return [_job(row) for row in rows]


def started_by_since(
    connection: Connection, model: str, kind: JobKind, created_by: str, since: datetime
) -> int:
    """How many jobs of a kind somebody has queued for a model since then."""
    (count,) = connection.execute(
        "SELECT count(*) FROM jobs j JOIN models m ON m.id = j.model_id "
        "WHERE m.name = ? AND j.kind = ? AND j.created_by = ? AND j.created_at > ?",
        (model, kind, created_by, to_us(since)),
    ).fetchone()
    return int(count)


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
    priority: int = 0,
    deadline: datetime | None = None,
    max_attempts: int = 3,
    parent: int | None = None,
    after: Sequence[int] = (),
) -> int:
    """Queue a job; returns its number."""
    added = connection.execute(
        "INSERT INTO jobs (kind, model_id, spec_id, created_by, reason, created_at, options, trigger_key, alert_id, retry_of, "
        "version_id, priority, deadline_at, max_attempts, parent_id, message) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting for the daemon')",
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
            priority,
            to_us(deadline),
            max_attempts,
            parent,
        ),
    )
    assert added.lastrowid is not None
    wait_for(connection, added.lastrowid, after, "succeeded")
    return added.lastrowid


def wait_for(
    connection: Connection, job_id: int, others: Sequence[int], need: Literal["succeeded", "ended"]
) -> None:
    """Let a job start only when the others have succeeded, or ended."""
    connection.executemany(
        "INSERT OR IGNORE INTO job_dependencies (job_id, after_id, need) VALUES (?, ?, ?)",
        [(job_id, other, need) for other in dict.fromkeys(others)],
    )


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
    """Give the first waiting job that may start to ``owner`` as a new attempt; None where there is none.

    First comes the highest priority, then the oldest. One may start when its back-off is over, what it waits for has come
    to pass, and its model runs fewer jobs than its file allows.
    """
    row = connection.execute(
        _CLAIM,
        {"owner": owner, "until": to_us(lease_until), "now": to_us(at), "concurrency": DEFAULT_CONCURRENCY},
    ).fetchone()
    return find(connection, row["id"]) if row else None


def next_start(connection: Connection, after: datetime) -> datetime | None:
    """When the first back-off that is not over ends; None where none is."""
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
    rows = connection.execute(
        _SELECT + "WHERE j.status IN ('queued', 'running') AND j.deadline_at <= ? ORDER BY j.id", (to_us(at),)
    )
    return [_job(row) for row in rows]


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


def put_back(
    connection: Connection,
    job_id: int,
    attempt: int,
    message: str,
    *,
    failed: bool = True,
    not_before: datetime | None = None,
    error: str = "",
) -> bool:
    """Let an attempt's job wait for another one, counted as a failure or not; False where it has moved on."""
    changed = connection.execute(
        "UPDATE jobs SET status = 'queued', lease_owner = NULL, lease_until = NULL, step = '', message = ?, "
        "failures = failures + ?, not_before = ?, error = ?, progress = CASE WHEN ? THEN 0 ELSE progress END "
        "WHERE id = ? AND attempt = ? AND status = 'running'",
        (message, int(failed), to_us(not_before), error, int(failed), job_id, attempt),
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
                int(step in results and results[step].ok and exit_.reason in ("exited", "reused")),
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
        priority=row["priority"],
        not_before=from_us(row["not_before"]),
        deadline=from_us(row["deadline_at"]),
        failures=row["failures"],
        max_attempts=row["max_attempts"],
        parent=row["parent_id"],
        after=tuple(from_json(row["after"])),
    )
