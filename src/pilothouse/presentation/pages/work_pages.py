"""Pages of a job and of an audit entry, and the table of a monitor's features."""

from collections.abc import Callable, Sequence
from datetime import datetime

from pilothouse.domain.audit.log_anchors import Coverage
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.domain.records import AuditEntry, Job
from pilothouse.presentation.cells import Cell, Tone, cell, job_cell, progress_bar, sparkline
from pilothouse.presentation.documents import Line, pairs, section, text_line
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import (
    ABSENT,
    figure,
    flatten,
    parameter_text,
    result_lines,
    span_text,
    time_text,
    value_text,
)
from pilothouse.presentation.verdicts import drift_verdict, power_text


def job_facts(
    job: Job,
    now: datetime,
    attempts: Sequence[str] = (),
    *,
    figures: str = "v",
    places: Sequence[tuple[int, str, str, str]] = (),
) -> list[Line]:
    """Status, progress, inputs and result of a job: the lines above its log. ``attempts``: why those before did not end it;
    ``figures``: the key or command that shows the figures of its version; ``places``: attempt, step, host and worker of each
    step that ran on a cluster."""
    took = ((job.ended_at or now) - job.started_at).total_seconds() if job.started_at else None
    share = 1.0 if job.status.value == "succeeded" else job.progress
    head = Line(
        (
            job_cell(job),
            Cell(f"  {progress_bar(share, 20)} {share:.0%}  ", "info"),
            Cell(safe(f"{job.step} {job.message}".strip(), LINE_LIMIT)),
        )
    )
    timing = f"{span_text(took)}" if took is not None else "waiting for the daemon"
    by = f"{job.created_by} {time_text(job.created_at)}: {job.reason or 'no reason given'}"
    options = " ".join(
        f"{key}={parameter_text(value)}" for key, value in flatten(job.options) if value not in ("", None, {})
    )
    lines = [
        head,
        *pairs(
            [
                ("by", by),
                ("took", f"{timing}, attempt {job.attempt}"),
                *_places(job, places),
                *(("before", text) for text in attempts),
                *_order(job),
                ("options", options or ABSENT),
            ]
        ),
    ]
    if job.error:
        lines.append(text_line(f"✖ {job.error}", "bad", hang=2))
    first: Tone = "warn" if job.refused_by else "good"
    lines += [text_line(line, first if i == 0 else "", hang=2) for i, line in enumerate(result_lines(job))]
    if job.refused_by:
        gates = safe(", ".join(job.refused_by), LINE_LIMIT)
        lines.append(
            text_line(
                f"▲ refused by a gate: {gates}; {figures} shows the figures against its bounds",
                "warn",
                hang=2,
            )
        )
    return lines


def _places(job: Job, places: Sequence[tuple[int, str, str, str]]) -> list[tuple[str, str]]:
    """``fit, evaluate on w1 (tls://10.0.0.5:40001)``, a line a worker; of an earlier attempt with its number."""
    steps: dict[tuple[int, str, str], list[str]] = {}
    for attempt, step, host, worker in places:
        steps.setdefault((attempt, host, worker), []).append(step)
    return [
        (
            "where",
            f"{', '.join(names)} on {host} ({worker}){f', attempt {attempt}' if attempt != job.attempt else ''}",
        )
        for (attempt, host, worker), names in steps.items()
    ]


def _order(job: Job) -> list[tuple[str, str]]:
    """The conditions on when the job may run; empty without any."""
    facts = [
        f"priority {job.priority}" if job.priority else "",
        f"until {time_text(job.deadline)}" if job.deadline else "",
        f"after job {', '.join(map(str, job.after))}" if job.after else "",
        f"not before {time_text(job.not_before)}" if job.not_before else "",
        f"{job.failures} of {job.max_attempts} attempts failed" if job.failures else "",
        f"a trial of job {job.parent}" if job.parent else "",
    ]
    text = ", ".join(filter(None, facts))
    return [("order", text)] if text else []


def audit_page(entry: AuditEntry, coverage: Coverage) -> list[Line]:
    """An entry of the audit log with everything that is hashed, and its place in the transparency log."""
    facts = [
        ("recorded", entry.recorded_at.isoformat()),
        ("who", entry.actor),
        ("did", entry.action),
        ("to", entry.subject),
        ("hash", entry.hash),
        ("previous", entry.previous),
    ]
    detail = pairs((key, value_text(value)) for key, value in flatten(entry.detail))
    return [
        *section(f"Entry {entry.seq}", pairs(facts)),
        *section("Detail", detail),
        *section("Transparency log", coverage_lines(coverage)),
    ]


def coverage_lines(coverage: Coverage) -> list[Line]:
    """Leaf of an entry, the signed head that proves it, and who holds a head that has it."""
    held = ", ".join(coverage.holders)
    head_time = f", signed {time_text(coverage.head_at)}" if coverage.head_at else ""
    enough = "" if coverage.is_enough else "; fewer than the quorum asks for"
    proven = [
        ("head", f"of {coverage.head_size:,} rows{head_time}, root {coverage.head_root}"),
        ("proof", coverage.fault or f"holds: {coverage.hashes} hashes from the entry to that root"),
        ("cosigned", f"{', '.join(coverage.cosigners) or 'by no witness'}{enough}"),
    ]
    uncovered = [("head", "none that is signed has it yet: the daemon signs one soon after a decision")]
    facts = [
        ("leaf", f"{coverage.leaf:,}"),
        *(proven if coverage.head_size else uncovered),
        (
            "anchored",
            f"yes: {held} took a head that has it"
            if held
            else "no: nothing outside holds a head that has it",
        ),
    ]
    tones: dict[str, Tone] = {"anchored": "good" if held else "warn"}
    tones |= {"proof": "bad"} if coverage.fault else {}
    tones |= {} if coverage.head_size else {"head": "warn"}
    return pairs(facts, tones)


def feature_table(view: MonitorView) -> Table:
    """Every feature with its newest drift, in the order of the view: most drifted first. A column names the version where one
    of them is not of the version that is live."""
    windows = {f: window for f, of_all in view.drift.items() if (window := view.newest(of_all)) is not None}
    newest = {feature: window.finding for feature, window in windows.items()}

    def verdict(feature: str) -> Cell:
        return drift_verdict(windows[feature].window, newest[feature])

    def trend(feature: str) -> Cell:
        # multiples of the threshold: windows may be judged by statistics of different units
        return Cell(sparkline([w.finding.times_threshold for w in view.drift[feature]], 12), "info")

    def share(value: float | None) -> Cell:
        return cell("–" if value is None else f"{value:.1%}", "warn" if value else "dim")

    merged: dict[str, Callable[[str], Cell]] = {}
    if any(window.window.together > 1 for window in windows.values()):
        merged = {">WINDOWS !4": lambda f: cell(f"{windows[f].window.together}")}
    contract: dict[str, Callable[[str], Cell]] = {}
    if any(finding.contract is not None for finding in newest.values()):
        contract = {">CONTRACT !2": lambda f: share(newest[f].contract)}
    versions: dict[str, Callable[[str], Cell]] = {}
    if any(window.version not in (None, view.version) for window in windows.values()):
        versions = {"VERSION": lambda f: cell(f"v{windows[f].version}")}
    return table_of(
        newest,
        {
            "FEATURE ~10": lambda f: cell(f, "strong"),
            **versions,
            "VERDICT": verdict,
            "STATISTIC": lambda f: cell(newest[f].statistic),
            ">VALUE": lambda f: cell(figure(newest[f].value)),
            ">THRESHOLD": lambda f: cell(figure(newest[f].threshold), "dim"),
            "TREND !1": trend,
            ">MISSING !2": lambda f: share(newest[f].missing),
            ">UNSEEN !3": lambda f: share(newest[f].unseen),
            **contract,
            ">FINDS !2": lambda f: cell(power_text(newest[f].power), "warn" if newest[f].blind else "dim"),
            ">ROWS !4": lambda f: cell(f"{windows[f].window.judged_rows:,}"),
            **merged,
            ">PSI !5": lambda f: cell(figure(newest[f].statistics.get("psi"))),
            ">JS !6": lambda f: cell(figure(newest[f].statistics.get("js"))),
            ">KS !7": lambda f: cell(figure(newest[f].statistics.get("ks"))),
        },
        key=lambda f: f,
        empty="no drift figures yet: they are made once a whole window has passed",
    )
