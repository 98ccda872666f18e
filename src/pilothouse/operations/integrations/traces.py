"""Spans for entries of the audit log: a job's attempt with its steps, a promotion from its request to each deployment."""

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta

from pilothouse import __version__
from pilothouse.domain.integrations.otlp import Span, Value
from pilothouse.domain.integrations.run_ids import span_id, trace_id
from pilothouse.domain.jobs.jobs import StepExit
from pilothouse.domain.records import AuditEntry, Job
from pilothouse.operations.integrations.lineage import DEPLOYMENT_ACTIONS, JOB_ACTIONS
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.exports import lineage_rows
from pilothouse.store.work import jobs


def job_trace(job: Job, attempt: int) -> str:
    """Trace of a job's attempt: the log of the daemon names it too. The job's time is in it, so that jobs of two workspaces
    that send to one collector are no one trace."""
    return trace_id("job", job.model, job.id, attempt, job.created_at.isoformat())


def resource(services: Services) -> dict[str, Value]:
    """Attributes of what makes the spans."""
    return {
        "service.name": "pilothouse",
        "service.version": __version__,
        "host.name": socket.gethostname(),
        "pilothouse.workspace": str(services.paths.root),
    }


def of_entry(connection: Connection, entry: AuditEntry) -> Iterator[Span]:
    """Spans of what ended with an entry; none for most."""
    if entry.action in JOB_ACTIONS and entry.action != lineage_rows.STARTED:
        yield from _of_job(connection, entry)
    elif entry.action in DEPLOYMENT_ACTIONS:
        yield from _of_deployment(connection, entry)


def _of_job(connection: Connection, entry: AuditEntry) -> Iterator[Span]:
    number, attempt = int(entry.subject.removeprefix("job ")), entry.detail.get("attempt")
    job = jobs.find(connection, number)
    if job is None or not isinstance(attempt, int):
        return
    started = lineage_rows.attempt_started(connection, number, attempt)
    if started is None:
        return
    trace, status = job_trace(job, attempt), str(entry.detail.get("status", ""))
    root = span_id(trace, "job")
    known: dict[str, Value] = {
        "pilothouse.job": number,
        "pilothouse.attempt": attempt,
        "pilothouse.kind": job.kind,
        "pilothouse.model": job.model,
        "pilothouse.status": status or entry.action.removeprefix("job."),
    }
    if job.version is not None:
        known["pilothouse.version"] = job.version
    failed = "" if status in ("", "succeeded") else str(entry.detail.get("error") or status)
    yield Span(
        trace,
        root,
        f"{job.kind} {job.model}",
        started.recorded_at,
        entry.recorded_at,
        attributes=known,
        error=failed,
    )
    begin = started.recorded_at
    for position, (of_attempt, step, exit_) in enumerate(jobs.steps_of(connection, number)):
        if of_attempt != attempt:
            continue
        # steps run one after the other; between them the daemon itself works for milliseconds
        end = min(begin + timedelta(seconds=exit_.seconds), entry.recorded_at)
        yield Span(
            trace,
            span_id(trace, "step", position),
            step,
            begin,
            end,
            parent=root,
            attributes={"pilothouse.step": step, "pilothouse.peak_memory_mb": exit_.peak_memory_mb},
            error=_failure(exit_),
        )
        begin = end


def _failure(exit_: StepExit) -> str:
    """How a step's process failed; empty where it did not."""
    if exit_.reason == "reused" or (exit_.reason == "exited" and exit_.exit_code == 0):
        return ""
    return exit_.reason if exit_.reason != "exited" else f"exit code {exit_.exit_code}"


def _of_deployment(connection: Connection, entry: AuditEntry) -> Iterator[Span]:
    request, uri = entry.detail.get("request"), entry.subject.partition(" on ")[0]
    start = entry.recorded_at
    decisions: list[tuple[datetime, str, str]] = []
    trace = trace_id("deployment", entry.seq, entry.recorded_at.isoformat())
    if isinstance(request, int):
        start, decisions = lineage_rows.request_times(connection, request)
        trace = trace_id("request", uri, request, start.isoformat())
    yield Span(
        trace,
        span_id(trace, entry.subject, entry.seq),
        f"promote {entry.subject}",
        start,
        entry.recorded_at,
        attributes={
            "pilothouse.version": uri,
            "pilothouse.target": str(entry.detail.get("target", "")),
            "pilothouse.kind": str(entry.detail.get("kind", "")),
            **({"pilothouse.request": request} if isinstance(request, int) else {}),
        },
        events=[(at, f"{verdict} by {actor}") for at, verdict, actor in decisions],
    )
