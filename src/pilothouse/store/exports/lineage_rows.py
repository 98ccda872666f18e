"""Rows of the registry that an entry of the audit log is about, for lineage and traces."""

from datetime import datetime

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.records import AuditEntry
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit

STARTED = "job.started"


def attempt_started(connection: Connection, job: int, attempt: int) -> AuditEntry | None:
    """Entry of an attempt's start."""
    entries = audit.about(connection, f"job {job}", (STARTED,))
    return next((one for one in entries if one.detail.get("attempt") == attempt), None)


def run_of_job(connection: Connection, job: int) -> int | None:
    """Run that a training made."""
    row = connection.execute("SELECT id FROM runs WHERE job_id = ?", (job,)).fetchone()
    return int(row[0]) if row else None


def snapshot_schema(connection: Connection, run: int) -> str | None:
    """Schema of a run's rows as it is stored: JSON of pairs."""
    row = connection.execute(
        "SELECT s.schema FROM snapshots s WHERE s.id = (SELECT snapshot_id FROM runs WHERE id = ?)", (run,)
    ).fetchone()
    return str(row[0]) if row else None


def request_times(connection: Connection, request: int) -> tuple[datetime, list[tuple[datetime, str, str]]]:
    """When a request was made, and its decisions: time, verdict, actor."""
    (made,) = connection.execute(
        "SELECT recorded_at FROM promotion_requests WHERE id = ?", (request,)
    ).fetchone()
    rows = connection.execute(
        "SELECT recorded_at, verdict, actor FROM decisions WHERE request_id = ? ORDER BY id", (request,)
    )
    return from_us(made), [(from_us(at), verdict, actor) for at, verdict, actor in map(tuple, rows)]
