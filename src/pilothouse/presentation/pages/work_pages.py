"""One job, one audit entry, one feature list as texts to read."""

from datetime import datetime

from pilothouse.domain.monitoring import MonitorView
from pilothouse.domain.records import AuditEntry, Job
from pilothouse.domain.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import Cell, cell, job_cell, progress_bar, sparkline
from pilothouse.presentation.documents import Line, pairs, section, text_line
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import (
    ABSENT,
    figure,
    flatten,
    result_lines,
    span_text,
    time_text,
    value_text,
)


def job_facts(job: Job, now: datetime) -> list[Line]:
    """What a job is and how far: a few lines above its log."""
    took = ((job.ended_at or now) - job.started_at).total_seconds() if job.started_at else None
    share = 1.0 if job.status.value == "succeeded" else job.progress
    head = Line(
        (
            job_cell(job.status),
            Cell(f"  {progress_bar(share, 20)} {share:.0%}  ", "info"),
            Cell(safe(f"{job.step} {job.message}".strip(), LINE_LIMIT)),
        )
    )
    timing = f"{span_text(took)}" if took is not None else "waiting for the daemon"
    by = f"{job.created_by} {time_text(job.created_at)}: {job.reason or 'no reason given'}"
    options = " ".join(
        f"{key}={value_text(value)}" for key, value in flatten(job.options) if value not in ("", None, {})
    )
    lines = [
        head,
        *pairs(
            [
                ("by", by),
                ("took", f"{timing}, attempt {job.attempt}"),
                *_order(job),
                ("options", options or ABSENT),
            ]
        ),
    ]
    if job.error:
        lines.append(text_line(f"✖ {job.error}", "bad", hang=2))
    lines += [text_line(line, "good" if i == 0 else "", hang=2) for i, line in enumerate(result_lines(job))]
    return lines


def _order(job: Job) -> list[tuple[str, str]]:
    """What decides when it may run; nothing where nothing was asked for."""
    facts = [
        f"priority {job.priority}" if job.priority else "",
        f"until {time_text(job.deadline)}" if job.deadline else "",
        f"after job {', '.join(map(str, job.after))}" if job.after else "",
        f"not before {time_text(job.not_before)}" if job.not_before else "",
        f"{job.failures} of {job.max_attempts} attempts failed" if job.failures else "",
        f"a trial of job {job.parent}" if job.parent else "",
    ]
    words = ", ".join(filter(None, facts))
    return [("order", words)] if words else []


def audit_page(entry: AuditEntry) -> list[Line]:
    """One row of the log with everything that is hashed."""
    facts = [
        ("recorded", entry.recorded_at.isoformat()),
        ("who", entry.actor),
        ("did", entry.action),
        ("to", entry.subject),
        ("hash", entry.hash),
        ("previous", entry.previous),
    ]
    detail = pairs((key, value_text(value)) for key, value in flatten(entry.detail))
    return [*section(f"Entry {entry.seq}", pairs(facts)), *section("Detail", detail)]


def feature_table(view: MonitorView) -> Table:
    """Every feature with its newest drift, most drifted first."""
    columns = read_columns(
        "FEATURE ~10",
        "VERDICT",
        "STATISTIC",
        ">VALUE",
        ">THRESHOLD",
        "TREND !1",
        ">MISSING !2",
        ">UNSEEN !3",
        ">ROWS !4",
        ">PSI !5",
        ">JS !6",
        ">KS !7",
    )
    rows = []
    for feature, found in view.drift.items():
        if not found:
            continue
        last = found[-1].finding
        rows.append(
            Row(
                feature,
                (
                    cell(feature, "strong"),
                    Cell("▲ drifts", "warn") if last.significant else Cell("● quiet", "good"),
                    cell(last.statistic),
                    cell(figure(last.value)),
                    cell(figure(last.threshold), "dim"),
                    # windows may be judged by statistics of different units
                    Cell(sparkline([one.finding.times_threshold for one in found], 12), "info"),
                    cell(f"{last.missing:.1%}", "warn" if last.missing else "dim"),
                    cell(f"{last.unseen:.1%}", "warn" if last.unseen else "dim"),
                    cell(f"{found[-1].window.rows:,}"),
                    *(cell(figure(last.statistics.get(name))) for name in ("psi", "js", "ks")),
                ),
            )
        )
    return Table(columns, tuple(rows), "no drift figures yet: they are made once a whole window has passed")
