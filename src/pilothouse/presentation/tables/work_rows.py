"""Tables of what people and the daemon do: requests, jobs, schedules, the audit log."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.promotion.request_rules import is_left_to_deploy, outdated_text, state_of
from pilothouse.domain.promotion.request_standing import ends_text
from pilothouse.domain.records import AuditEntry, Job, PromotionRequest, Schedule
from pilothouse.presentation.cells import Cell, cell, job_cell, progress_bar, request_cell
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import age_text, ago_text, flatten, span_text, time_text, value_text


def request_table(
    requests: Sequence[PromotionRequest], mine: frozenset[int], now: datetime, *, exact: bool = False
) -> Table:
    """Requests in the order given; ``mine`` wait for the reader. ``exact``: times of the clock and not how long ago."""
    return table_of(
        requests,
        {
            "": lambda r: Cell("▶" if r.id in mine else " ", "strong"),
            "MODEL ~10-20": lambda r: cell(r.model, "strong"),
            ">VERSION": lambda r: cell(f"v{r.version}", "strong"),
            ">REQUEST": lambda r: cell(r.id),
            "TARGETS ~7-18": lambda r: cell(" ".join(r.targets)),
            "STATUS": lambda r: request_cell(state_of(r, now)),
            ">APPROVED !4": lambda r: cell(f"{r.approvals}/{r.approvals_needed}"),
            "ASKED BY ~8 !5": lambda r: cell(r.requested_by),
            "ASKED !2": lambda r: _age(r.recorded_at, now, exact),
            "EXPIRES !3": lambda r: cell(_expiry(r, now, exact)),
            "REASON ~8 !6": _request_reason,
        },
        key=lambda r: r.id,
        empty="nothing waits for an approval: ask for a promotion from a version with r",
        unordered=("TARGETS",),
    )


def job_table(
    jobs: Sequence[Job], now: datetime, *, exact: bool = False, hosts: Mapping[int, str] | None = None
) -> Table:
    """Jobs in the order given. ``exact``: times of the clock and not how long ago. ``hosts``: of jobs that run or ran on a
    cluster; without any there is no column for them."""
    on: dict[str, Callable[[Job], Cell]] = {}
    if hosts:
        on = {"ON ~6-16": lambda j: cell(hosts.get(j.id, ""))}
    return table_of(
        jobs,
        {
            "MODEL ~10-20": lambda j: cell(j.model),
            "KIND": lambda j: cell(j.kind),
            ">JOB": lambda j: cell(j.id, "strong"),
            "STATUS ~12-32": job_cell,
            "PROGRESS": _progress,
            "STEP !1": lambda j: cell(j.step),
            **on,
            "BY ~6 !2": lambda j: cell(j.created_by),
            ">TOOK !3": lambda j: cell(_took(j, now)),
            "MADE !4": lambda j: _age(j.created_at, now, exact),
            "WHAT ~10": lambda j: cell(j.error or j.message or j.reason, "bad" if j.error else ""),
        },
        key=lambda j: j.id,
        empty="no jobs yet: start a training with t on a model",
    )


def schedule_table(schedules: Sequence[Schedule]) -> Table:
    """Schedules with the next three times of each. What is looked for comes first: it stands side by side in 80 columns."""
    return table_of(
        schedules,
        {
            "MODEL ~10": lambda s: cell(s.model, "strong"),
            "SCHEDULE ~8": lambda s: cell(s.name, "strong"),
            "DOES": lambda s: cell(s.action),
            "STATE": lambda s: Cell("◌ paused", "warn") if s.paused else Cell("● on", "good"),
            "NEXT (UTC)": lambda s: cell(time_text(s.next_times[0]) if s.next_times else ""),
            "WHEN": lambda s: cell(s.expression),
            "ZONE !2": lambda s: cell(s.timezone),
            "THEN ~16 !3": lambda s: cell(", ".join(map(time_text, s.next_times[1:3]))),
            "LAST (UTC) !1": lambda s: cell(time_text(s.last_nominal)),
            "RESULT ~8 !4": lambda s: cell(s.last_outcome),
        },
        key=lambda s: s.id,
        empty="no schedules: add [[automation.schedule]] to a model.toml",
    )


def audit_table(entries: Sequence[AuditEntry]) -> Table:
    """Entries of the audit log in the order given."""
    return table_of(
        entries,
        {
            ">SEQ": lambda e: cell(e.seq, "strong"),
            "RECORDED (UTC)": lambda e: cell(e.recorded_at.strftime("%Y-%m-%d %H:%M:%S")),
            "WHO ~6": lambda e: cell(e.actor),
            "DID ~18": lambda e: cell(e.action),
            "TO ~18": lambda e: cell(e.subject),
            "HASH !3": lambda e: cell(e.hash[:8], "dim"),
            "DETAIL ~8 !1": lambda e: cell(" ".join(f"{k}={value_text(v)}" for k, v in flatten(e.detail))),
        },
        key=lambda e: e.seq,
        empty="the audit log is empty",
        unordered=("HASH", "DETAIL"),
    )


def _age(time: datetime, now: datetime, exact: bool) -> Cell:
    return cell(time_text(time) if exact else age_text(time, now))


def _progress(job: Job) -> Cell:
    share = 1.0 if job.status is JobStatus.SUCCEEDED else job.progress
    return Cell(
        f"{progress_bar(share, 6)} {share:4.0%}", "info" if job.status is JobStatus.RUNNING else "dim"
    )


def _expiry(request: PromotionRequest, now: datetime, exact: bool) -> str:
    if request.status != "open":
        return ""
    return time_text(request.expires_by) if exact else ago_text(request.expires_by, now)


def _request_reason(request: PromotionRequest) -> Cell:
    if request.outdated_by or (request.in_force is not None and request.in_force.other_plan):
        return cell(outdated_text(request), "warn")
    if is_left_to_deploy(request):
        return cell("all approvals are there: deploys at the next, or once more by who approved", "warn")
    if request.ended_by:
        return cell(ends_text(request.ended_by), "dim")
    return cell(request.reason)


def _took(job: Job, now: datetime) -> str:
    if job.started_at is None:
        return ""
    return span_text(((job.ended_at or now) - job.started_at).total_seconds())
