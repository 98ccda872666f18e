"""Job records: queued, found, cancelled, and the exits of an attempt's processes. Claims are ``job_queue``'s."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.jobs.jobs import JobStatus, StepExit, StepResult
from pilothouse.domain.records import Job
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import marks, where
from pilothouse.store.values import columns_of, from_row, insert

_AFTER = "SELECT json_group_array(d.after_id) FROM job_dependencies d WHERE d.job_id = j.id AND d.need = 'succeeded'"
_REFUSED_BY = (
    "SELECT json_group_array(g.gate) FROM version_gates g WHERE j.kind = 'train' AND g.version_id = j.version_id "
    "AND g.outcome = 'failed'"
)
_SELECT = (
    f"SELECT j.*, m.name AS model, v.number AS version, ({_AFTER}) AS after, ({_REFUSED_BY}) AS refused_by "  # noqa: S608 - our own
    "FROM jobs j JOIN models m ON m.id = j.model_id LEFT JOIN versions v ON v.id = j.version_id "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """Job to queue. ``version_id``: the version that it is about; ``parent``: the training whose trial it is."""

    kind: str
    model_id: int
    spec_id: int
    created_by: str
    reason: str
    options: dict[str, Any]
    trigger_key: str = ""
    """Key of which there is one job at most; empty: none."""
    alert_id: int | None = None
    retry_of: int | None = None
    version_id: int | None = None
    priority: int = 0
    deadline: datetime | None = None
    max_attempts: int = 3
    parent: int | None = None
    after: tuple[int, ...] = ()
    """Jobs that must succeed first."""


def selected(connection: Connection, rest: str, values: Sequence[object] = ()) -> list[Job]:
    """Jobs that a clause selects, in which ``j`` is the job and ``m`` its model."""
    return [_job(row) for row in connection.execute(_SELECT + rest, values)]


def find(connection: Connection, job_id: int) -> Job | None:
    return next(iter(selected(connection, "WHERE j.id = ?", (job_id,))), None)


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
    conditions, values = where(
        {"j.status = ?": status and str(status), "m.name = ?": model, "j.id < ?": before},
        *([] if trials else ["j.parent_id IS NULL"]),
    )
    return selected(connection, f"{conditions} ORDER BY j.id DESC LIMIT ?", (*values, limit))


def children(connection: Connection, parent: int) -> list[Job]:
    """Trials of a training, oldest first."""
    return selected(connection, "WHERE j.parent_id = ? ORDER BY j.id", (parent,))


def newest_with_trials(connection: Connection) -> int | None:
    """Number of the newest training that has trials, or None."""
    (number,) = connection.execute("SELECT max(parent_id) FROM jobs WHERE parent_id IS NOT NULL").fetchone()
    return None if number is None else int(number)


def newest_unfinished(connection: Connection, model: str, kind: str) -> int | None:
    """The newest job of a model and kind that has not ended, or None."""
    (number,) = connection.execute(
        "SELECT max(j.id) FROM jobs j JOIN models m ON m.id = j.model_id "
        "WHERE m.name = ? AND j.kind = ? AND j.status IN ('queued', 'running')",
        (model, kind),
    ).fetchone()
    return None if number is None else int(number)


def queued_by(connection: Connection, person: str, *, model: str | None, limit: int) -> list[Job]:
    """Jobs that a person has queued, newest first, without the trials of searches."""
    conditions, values = where({"j.created_by = ?": person, "m.name = ?": model}, "j.parent_id IS NULL")
    rows = connection.execute(f"{_SELECT}{conditions} ORDER BY j.id DESC LIMIT ?", (*values, limit))
    return [_job(row) for row in rows]


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, Job]:
    return {job.id: job for job in selected(connection, "WHERE j.id IN " + marks(numbers), numbers)}


def find_by_trigger(connection: Connection, model: str, trigger_key: str) -> Job | None:
    """Job of a model that was started with this key, or None."""
    matching = selected(
        connection, "WHERE m.name = ? AND j.trigger_key = ? AND j.trigger_key <> ''", (model, trigger_key)
    )
    return matching[0] if matching else None


def of_alert(connection: Connection, alert_id: int) -> list[Job]:
    """Jobs that an alert started, oldest first."""
    return selected(connection, "WHERE j.alert_id = ? ORDER BY j.id", (alert_id,))


def about_version(connection: Connection, version_id: int) -> list[Job]:
    """Reproductions of a version, oldest first."""
    return selected(
        connection, "WHERE j.version_id = ? AND j.kind = 'reproduce' ORDER BY j.id", (version_id,)
    )


def replays_of(connection: Connection, model: str, version_id: int) -> list[Job]:
    """Replays of a version that came to their end, newest first."""
    return selected(
        connection,
        "WHERE m.name = ? AND j.version_id = ? AND j.kind = 'replay' AND j.status = 'succeeded' ORDER BY j.id DESC",
        (model, version_id),
    )


def add(connection: Connection, job: NewJob, *, at: datetime) -> int:
    """Queue a job; returns its number."""
    columns = columns_of(job, "deadline", "parent", "after")
    columns |= {"deadline_at": job.deadline, "parent_id": job.parent, "created_at": at}
    key = insert(connection, "jobs", {**columns, "message": "waiting for the daemon"})
    wait_for(connection, key, job.after, "succeeded")
    return key


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
    """Keys behind a job: of its model, its specification, its alert and the version that it is about."""

    model_id: int
    spec_id: int
    alert_id: int | None
    version_id: int | None


def retry_of(connection: Connection, job_id: int) -> int | None:
    """Number of the job that a job runs again, or None."""
    row = connection.execute("SELECT retry_of FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else row["retry_of"]


def origin_of(connection: Connection, job_id: int) -> Origin:
    """Keys behind a job."""
    row = connection.execute(
        "SELECT model_id, spec_id, alert_id, version_id FROM jobs WHERE id = ?", (job_id,)
    ).fetchone()
    return from_row(Origin, row)


def cancel_requested(connection: Connection, job_id: int) -> bool:
    """True once the end of a running job has been requested."""
    row = connection.execute("SELECT cancel_requested_at FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return row is not None and row["cancel_requested_at"] is not None


def request_cancel(connection: Connection, job_id: int, *, by: str, at: datetime) -> None:
    """Request the end of a running job; the first request stays on record."""
    connection.execute(
        "UPDATE jobs SET cancel_requested_at = ?, cancel_requested_by = ? "
        "WHERE id = ? AND status = 'running' AND cancel_requested_at IS NULL",
        (to_us(at), by, job_id),
    )


def end_waiting(connection: Connection, job_id: int, status: JobStatus, error: str, *, at: datetime) -> bool:
    """End a queued job; False where it has been claimed meanwhile."""
    changed = connection.execute(
        "UPDATE jobs SET status = ?, error = ?, message = '', ended_at = ? WHERE id = ? AND status = 'queued'",
        (str(status), error, to_us(at), job_id),
    )
    return changed.rowcount == 1


def add_steps(
    connection: Connection,
    job_id: int,
    attempt: int,
    exits: Mapping[str, StepExit],
    results: Mapping[str, StepResult],
) -> None:
    """Record the exit of each process of an attempt."""
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
    connection.executemany(
        "INSERT INTO job_places (job_id, attempt, position, step, host, worker) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (job_id, attempt, position, step, one_line(exit_.host, 255), one_line(exit_.worker, 255))
            for position, (step, exit_) in enumerate(exits.items())
            if exit_.host
        ],
    )


def places_of(connection: Connection, job_id: int) -> list[tuple[int, str, str, str]]:
    """(attempt, step, host, worker) of each step that ran on a cluster, in order."""
    rows = connection.execute(
        "SELECT attempt, step, host, worker FROM job_places WHERE job_id = ? ORDER BY attempt, position",
        (job_id,),
    )
    return [(row["attempt"], row["step"], row["host"], row["worker"]) for row in rows]


def last_hosts(connection: Connection, numbers: tuple[int, ...]) -> dict[int, str]:
    """Host of the last step of each job that ran on a cluster."""
    rows = connection.execute(
        f"SELECT job_id, host FROM job_places WHERE job_id IN {marks(numbers)} "  # noqa: S608 - marks alone
        "ORDER BY job_id, attempt, position",
        numbers,
    )
    return {row["job_id"]: row["host"] for row in rows}


def steps_of(connection: Connection, job_id: int) -> list[tuple[int, str, StepExit]]:
    """(attempt, step, exit) of every process of a job, in order."""
    rows = connection.execute(
        "SELECT * FROM job_steps WHERE job_id = ? ORDER BY attempt, position", (job_id,)
    )
    return [
        (
            row["attempt"],
            row["step"],
            from_row(StepExit, row, message="", seal="", host="", worker="", environment=""),
        )
        for row in rows
    ]


def _job(row: Row) -> Job:
    return from_row(Job, row, parent=row["parent_id"], deadline=from_us(row["deadline_at"]))
