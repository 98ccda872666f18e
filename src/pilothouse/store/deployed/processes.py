"""Records of the daemon and the serving processes, as they last reported themselves."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.sqlite import Connection, Row
from pilothouse.store.values import from_json, from_row

UNHEARD = "r.received_at < (SELECT started_at FROM processes WHERE name = 'daemon')"
"""True of a serving report ``r`` that the daemon which runs, or ran last, has not received itself."""


DOWN, ANSWERS = "target.down", "target.answers"
"""Actions in the audit log: a target on which something is live answers nothing, and answers again."""
MEASURED = "latency.measured"
"""Action in the audit log: the first baseline of a version on a target."""
TOLD_BY_PROCESSES = (DOWN, ANSWERS, MEASURED)
"""Actions that follow from what serving processes report, or no longer do: nobody has decided anything."""
_OUTAGES = f"+a.action IN ('{DOWN}', '{ANSWERS}') ORDER BY a.seq DESC LIMIT 1"
CAUSE, END = (
    f"(SELECT a.detail ->> '$.{key}' FROM audit a WHERE a.subject = t.name AND {_OUTAGES})"  # noqa: S608 - ours
    for key in ("cause", "end")
)
"""Reason why the process of the target ``t`` does not start, and how the one that ran has ended, while it is down; NULL where
none is known."""


_OURS = "id NOT IN (SELECT target_id FROM target_places WHERE place = 'elsewhere')"
"""Of targets: not served by something else, where the last word of a process that is ended there counts no more."""


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """Process as it last reported itself. ``name`` is ``daemon`` or ``serving:TARGET``."""

    name: str
    process: ProcessName
    started_at: datetime
    heartbeat_at: datetime
    stopped_at: datetime | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServingRecord:
    """Last report of a target's serving process, and when it came."""

    report: ServingReport
    received_at: datetime


def put_process(
    connection: Connection,
    name: str,
    process: ProcessName,
    *,
    started_at: datetime,
    at: datetime,
    detail: dict[str, Any],
) -> None:
    """Record a process that has started, in place of the one before it."""
    connection.execute(
        "INSERT INTO processes (name, boot_id, pid, started_ticks, started_at, heartbeat_at, detail) "
        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET boot_id = excluded.boot_id, pid = excluded.pid, "
        "started_ticks = excluded.started_ticks, started_at = excluded.started_at, heartbeat_at = excluded.heartbeat_at, "
        "stopped_at = NULL, detail = excluded.detail",
        (
            name,
            process.boot_id,
            process.pid,
            process.started,
            to_us(started_at),
            to_us(at),
            canonical_json(detail),
        ),
    )


def beat(connection: Connection, name: str, process: ProcessName, *, at: datetime) -> bool:
    """Record that a process is alive; False where another has replaced it."""
    changed = connection.execute(
        "UPDATE processes SET heartbeat_at = ? WHERE name = ? AND boot_id = ? AND pid = ? AND started_ticks = ?",
        (to_us(at), name, process.boot_id, process.pid, process.started),
    )
    return changed.rowcount == 1


def set_stopped(connection: Connection, name: str, *, at: datetime) -> None:
    """Record that a process has ended properly."""
    connection.execute("UPDATE processes SET stopped_at = ? WHERE name = ?", (to_us(at), name))


def find_process(connection: Connection, name: str) -> ProcessRecord | None:
    row = connection.execute("SELECT * FROM processes WHERE name = ?", (name,)).fetchone()
    return _process(row) if row else None


def put_report(connection: Connection, report: ServingReport, *, at: datetime) -> dict[str, int]:
    """Store the last report of a target, and the first latency baseline of each version that is live there; returns the
    baselines that are new, in microseconds by model."""
    connection.execute(
        "INSERT INTO serving_reports (target_id, received_at, port, pid, loaded, failed, failed_since, spooled_batches) "  # noqa: S608 - ours
        f"SELECT id, ?, ?, ?, ?, ?, ?, ? FROM targets WHERE name = ? AND {_OURS} "
        "ON CONFLICT (target_id) DO UPDATE SET received_at = excluded.received_at, port = excluded.port, "
        "failed_since = excluded.failed_since, pid = excluded.pid, loaded = excluded.loaded, "
        "failed = excluded.failed, spooled_batches = excluded.spooled_batches, silent = 0",
        (
            to_us(at),
            report.port,
            report.pid,
            canonical_json(report.loaded),
            canonical_json(report.failed),
            canonical_json(_failed_since(connection, report, to_us(at)) if report.failed else {}),
            report.spooled_batches,
            report.target,
        ),
    )
    measured: dict[str, int] = {}
    for model, p95 in report.baseline_latency_us.items():
        added = connection.execute(
            "INSERT INTO latency_baselines (version_id, target_id, p95_us, recorded_at) "
            "SELECT v.id, t.id, ?, ? FROM models m JOIN versions v ON v.model_id = m.id, targets t "
            "WHERE m.name = ? AND v.number = ? AND t.name = ? ON CONFLICT (version_id, target_id) DO NOTHING",
            (p95, to_us(at), model, report.loaded.get(model), report.target),
        )
        if added.rowcount == 1:
            measured[model] = p95
    return measured


def _failed_since(connection: Connection, report: ServingReport, now_us: int) -> dict[str, int]:
    """Time at which each failure to load was reported first."""
    row = connection.execute(
        "SELECT failed, failed_since FROM serving_reports WHERE target_id = (SELECT id FROM targets WHERE name = ?)",
        (report.target,),
    ).fetchone()
    before, since = (from_json(row["failed"]), from_json(row["failed_since"])) if row else ({}, {})
    return {
        model: since.get(model, now_us) if before.get(model) == fault else now_us
        for model, fault in report.failed.items()
    }


@dataclass(frozen=True, slots=True)
class LastReport:
    """What a target's last report said of its models; ``is_silent``: it is too old, or the process has ended; ``is_unheard``:
    it came before the daemon started."""

    loaded: dict[str, int]
    failed: dict[str, str]
    is_silent: bool
    is_unheard: bool


def report_of(connection: Connection, target: str) -> LastReport | None:
    """Last report of a target; None where none has come."""
    row = connection.execute(
        f"SELECT loaded, failed, silent, {UNHEARD} AS unheard FROM serving_reports r "  # noqa: S608 - ours
        "WHERE target_id = (SELECT id FROM targets WHERE name = ?)",
        (target,),
    ).fetchone()
    if row is None:
        return None
    loaded, failed = from_json(row["loaded"]), from_json(row["failed"])
    return LastReport(loaded, failed, bool(row["silent"]), bool(row["unheard"]))


def unheard(connection: Connection) -> list[str]:
    """Targets of which no process has been heard of since the daemon started, though it is not known to have ended."""
    rows = connection.execute(
        "SELECT t.name FROM serving_reports r JOIN targets t ON t.id = r.target_id "  # noqa: S608 - ours
        f"WHERE r.silent = 0 AND {UNHEARD} ORDER BY t.name"
    )
    return [row[0] for row in rows]


def silent_among(connection: Connection, targets: Iterable[str]) -> list[str]:
    """Those of these targets whose last report is silent, or came before the daemon started."""
    rows = connection.execute(
        "SELECT t.name FROM serving_reports r JOIN targets t ON t.id = r.target_id "  # noqa: S608 - ours
        f"WHERE (r.silent = 1 OR {UNHEARD}) AND t.name IN (SELECT value FROM json_each(?)) ORDER BY t.name",
        (canonical_json(list(targets)),),
    )
    return [row[0] for row in rows]


def touch_reports(connection: Connection, again: Mapping[str, tuple[datetime, int]]) -> None:
    """Record that these targets have said the same again: when, and how many batches wait in their spool."""
    connection.executemany(
        "UPDATE serving_reports SET received_at = ?, spooled_batches = ? "
        "WHERE target_id = (SELECT id FROM targets WHERE name = ?) AND silent = 0",
        [(to_us(at), spooled, target) for target, (at, spooled) in again.items()],
    )


def mark_overdue(connection: Connection, before: datetime) -> list[str]:
    """Mark the reports that came before a time as silent; returns the targets of those that were not."""
    rows = connection.execute(
        "UPDATE serving_reports SET silent = 1 WHERE silent = 0 AND received_at < ? "
        "RETURNING (SELECT name FROM targets WHERE id = target_id)",
        (to_us(before),),
    ).fetchall()
    return sorted(row[0] for row in rows)


def mark_silent(connection: Connection, target: str, *, at: datetime) -> bool:
    """Mark a target's report as silent, an empty one where none has come; False where it was."""
    changed = connection.execute(
        "INSERT INTO serving_reports (target_id, received_at, port, pid, loaded, failed, spooled_batches, silent) "  # noqa: S608 - ours
        f"SELECT id, ?, 0, 0, '{{}}', '{{}}', 0, 1 FROM targets WHERE name = ? AND {_OURS} "
        "ON CONFLICT (target_id) DO UPDATE SET silent = 1 WHERE silent = 0",
        (to_us(at), target),
    )
    return changed.rowcount == 1


def outage(connection: Connection, target: str) -> str | None:
    """Cause of the outage of a target that goes on by the audit log, empty where none is known; None where it is none."""
    row = connection.execute(
        f"SELECT a.action, coalesce(a.detail ->> '$.cause', '') FROM audit a WHERE a.subject = ? AND {_OUTAGES}",  # noqa: S608 - ours
        (target,),
    ).fetchone()
    return row[1] if row is not None and row[0] == DOWN else None


def reports(connection: Connection) -> dict[str, ServingRecord]:
    """Last report of each target that has ever reported."""
    rows = connection.execute(
        "SELECT r.*, t.name AS target FROM serving_reports r JOIN targets t ON t.id = r.target_id"
    )
    return {
        row["target"]: ServingRecord(
            from_row(ServingReport, row, baseline_latency_us={}, trials=[], clock=None),
            from_us(row["received_at"]),
        )
        for row in rows
    }


def baseline_p95_us(connection: Connection, model: str, version: int, target: str) -> int | None:
    """95th percentile of one row in microseconds, measured on the machine that serves; None before it was."""
    row = connection.execute(
        "SELECT b.p95_us FROM latency_baselines b JOIN versions v ON v.id = b.version_id JOIN models m ON m.id = v.model_id "
        "JOIN targets t ON t.id = b.target_id WHERE m.name = ? AND v.number = ? AND t.name = ?",
        (model, version, target),
    ).fetchone()
    return row["p95_us"] if row else None


def _process(row: Row) -> ProcessRecord:
    process = ProcessName(row["boot_id"], row["pid"], row["started_ticks"])
    return from_row(ProcessRecord, row, process=process)
