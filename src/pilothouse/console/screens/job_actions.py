"""Cancelling and retrying a job: shared by the list of jobs and the job itself."""

from collections.abc import Sequence
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.domain.records import Job
from pilothouse.domain.roles import Actor


def refusal(name: str, job: Job | None) -> str:
    """Why a job cannot be cancelled or retried now; empty if it can."""
    if job is None:
        return "there is no job yet"
    if name == "cancel" and job.status.ended:
        return f"job {job.id} has ended: {job.status}"
    if name == "retry" and not job.status.ended:
        return f"job {job.id} is {job.status}: cancel it first"
    if name == "version" and job.version is None:
        return "the job has made no version"
    if name == "trials" and job.kind not in ("train", "trial"):
        return f"a {job.kind} searches nothing: a training does"
    return ""


def cancel(view: View[Any], job: Job) -> None:
    """Ask, then cancel."""
    cancel_all(view, [job])


def retry(view: View[Any], job: Job) -> None:
    """Ask, then queue it again."""
    retry_all(view, [job])


def cancel_all(view: View[Any], chosen: Sequence[Job]) -> None:
    """Ask once for all of them, then cancel one after the other; what was refused is said."""
    if not chosen:
        return

    def operation(services: Any, actor: Actor, reason: str) -> str:
        from pilothouse.operations.jobs import jobs

        found = [jobs.cancel_job(services, actor, job.id, reason=reason) for job in chosen]
        return ", ".join(
            f"job {job.id} {'is cancelled' if job.status.ended else 'is being ended'}" for job in found
        )

    question = Ask(
        f"Cancel {_named(chosen)}?",
        [
            *_each(chosen),
            "Their processes are ended and nothing of them is kept but the log. What is live stays as it is; r queues a "
            "cancelled job again with the same inputs.",
        ],
        field="reason",
        confirm="cancel the job" if len(chosen) == 1 else f"cancel {len(chosen)} jobs",
        tone="warn",
    )
    view.ask(
        question, lambda reason: view.perform("", lambda services, actor: operation(services, actor, reason))
    )


def retry_all(view: View[Any], chosen: Sequence[Job]) -> None:
    """Ask once for all of them, then queue each again."""
    if not chosen:
        return

    def operation(services: Any, actor: Actor) -> str:
        from pilothouse.operations.jobs import jobs

        found = [jobs.retry_job(services, actor, job.id).id for job in chosen]
        return f"{'job' if len(found) == 1 else 'jobs'} {', '.join(map(str, found))} queued"

    question = Ask(
        f"Run {_named(chosen)} again?",
        [*_each(chosen), "A new job does each with the same inputs; it can be cancelled."],
        confirm="queue it" if len(chosen) == 1 else f"queue {len(chosen)} jobs",
    )
    view.ask(question, lambda _: view.perform("", operation))


def _named(chosen: Sequence[Job]) -> str:
    return (
        f"job {chosen[0].id}, {chosen[0].kind} of {chosen[0].model}"
        if len(chosen) == 1
        else f"{len(chosen)} jobs"
    )


def _each(chosen: Sequence[Job]) -> list[str]:
    """Every target of the act, by name."""
    return (
        [f"job {job.id}: {job.kind} of {job.model}, {job.status}" for job in chosen]
        if len(chosen) > 1
        else []
    )
