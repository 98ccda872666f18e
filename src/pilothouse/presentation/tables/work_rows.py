"""Tables of what people and the daemon do: requests, jobs, schedules, the audit log."""

from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.jobs import JobStatus
from pilothouse.domain.records import (
    AuditEntry,
    Job,
    PromotionRequest,
    Schedule,
)
from pilothouse.presentation.cells import (
    Cell,
    cell,
    job_cell,
    progress_bar,
    request_cell,
)
from pilothouse.presentation.tables.table import Row, Table, read_columns, without_order
from pilothouse.presentation.texts import age_text, ago_text, flatten, time_text, value_text


def request_table(
    requests: Sequence[PromotionRequest], mine: frozenset[int], now: datetime, *, exact: bool = False
) -> Table:
    """The inbox: what waits for the reader first. ``exact``: times of the clock and not how long ago."""
    columns = read_columns(
        "",
        ">REQUEST",
        "VERSION ~12-24",
        "TARGETS ~7-18",
        "STATUS",
        ">SIGNED !4",
        "BY ~5 !5",
        "ASKED !2",
        "EXPIRES !3",
        "REASON ~8 !6",
    )
    ordered = sorted(requests, key=lambda r: (r.id not in mine, r.status != "open", -r.id))
    rows = [
        Row(
            str(r.id),
            (
                Cell("▶" if r.id in mine else " ", "strong"),
                cell(r.id),
                cell(f"{r.model}/{r.version}", "strong"),
                cell(" ".join(r.targets)),
                request_cell(r.status),
                cell(f"{r.approvals}/{r.approvals_needed}"),
                cell(r.requested_by),
                cell(time_text(r.recorded_at) if exact else age_text(r.recorded_at, now)),
                cell(_expiry(r, now, exact)),
                cell(r.reason),
            ),
        )
        for r in ordered
    ]
    return Table(
        columns, tuple(rows), "nothing waits for a signature: ask for a promotion from a version with r"
    )


def job_table(jobs: Sequence[Job], now: datetime, *, exact: bool = False) -> Table:
    """Jobs, newest first. ``exact``: times of the clock and not how long ago."""
    columns = read_columns(
        ">JOB",
        "KIND",
        "MODEL ~10-20",
        "STATUS",
        "PROGRESS",
        "STEP !1",
        "BY ~6 !2",
        ">TOOK !3",
        "MADE !4",
        "WHAT ~10",
    )
    rows = []
    for j in jobs:
        share = 1.0 if j.status is JobStatus.SUCCEEDED else j.progress
        rows.append(
            Row(
                str(j.id),
                (
                    cell(j.id, "strong"),
                    cell(j.kind),
                    cell(j.model),
                    job_cell(j.status),
                    Cell(
                        f"{progress_bar(share, 6)} {share:4.0%}",
                        "info" if j.status is JobStatus.RUNNING else "dim",
                    ),
                    cell(j.step),
                    cell(j.created_by),
                    cell(_took(j, now)),
                    cell(time_text(j.created_at) if exact else age_text(j.created_at, now)),
                    cell(j.error or j.message or j.reason, "bad" if j.error else ""),
                ),
            )
        )
    return Table(columns, tuple(rows), "no jobs yet: start a training with t on a model")


def schedule_table(schedules: Sequence[Schedule]) -> Table:
    """What runs by the clock, with the next five times of each."""
    columns = read_columns(
        "SCHEDULE ~8",
        "MODEL ~10",
        "DOES",
        "WHEN",
        "ZONE !2",
        "STATE",
        "NEXT (UTC)",
        "THEN ~16 !3",
        "LAST (UTC) !1",
        "OUTCOME ~8 !4",
    )
    rows = [
        Row(
            str(s.id),
            (
                cell(s.name, "strong"),
                cell(s.model),
                cell(s.action),
                cell(s.expression),
                cell(s.timezone),
                Cell("◌ paused", "warn") if s.paused else Cell("● on", "good"),
                cell(time_text(s.next_times[0]) if s.next_times else ""),
                cell(", ".join(time_text(time) for time in s.next_times[1:])),
                cell(time_text(s.last_nominal)),
                cell(s.last_outcome),
            ),
        )
        for s in schedules
    ]
    return Table(columns, tuple(rows), "no schedules: add [[automation.schedule]] to a model.toml")


def audit_table(entries: Sequence[AuditEntry]) -> Table:
    """The log, newest first."""
    columns = read_columns(
        ">SEQ",
        "RECORDED (UTC)",
        "WHO ~6",
        "DID ~18",
        "TO ~18",
        "HASH !3",
        "DETAIL ~8 !1",
    )
    columns = without_order(columns, "HASH", "DETAIL")
    rows = [
        Row(
            str(e.seq),
            (
                cell(e.seq, "strong"),
                cell(e.recorded_at.strftime("%Y-%m-%d %H:%M:%S")),
                cell(e.actor),
                cell(e.action),
                cell(e.subject),
                cell(e.hash[:8], "dim"),
                cell(" ".join(f"{key}={value_text(value)}" for key, value in flatten(e.detail))),
            ),
        )
        for e in entries
    ]
    return Table(columns, tuple(rows), "the audit log is empty")


def _expiry(request: PromotionRequest, now: datetime, exact: bool) -> str:
    if request.status != "open":
        return ""
    return time_text(request.expires_at) if exact else ago_text(request.expires_at, now)


def _took(job: Job, now: datetime) -> str:
    if job.started_at is None:
        return ""
    return f"{((job.ended_at or now) - job.started_at).total_seconds():.0f}s"
