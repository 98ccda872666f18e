"""Cancelling and retrying a job: shared by the list of jobs and the job itself."""

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
    return ""


def cancel(view: View[Any], job: Job) -> None:
    """Ask, then cancel."""

    def operation(services: Any, actor: Actor, reason: str) -> str:
        from pilothouse.operations import jobs

        found = jobs.cancel_job(services, actor, job.id, reason=reason)
        return f"job {job.id} {'is cancelled' if found.status.ended else 'is being ended'}"

    question = Ask(
        f"Cancel job {job.id}, {job.kind} of {job.model}?",
        ["Its processes are ended and nothing of it is kept but the log. What is live stays as it is."],
        field="reason",
        confirm="cancel the job",
        tone="warn",
    )
    view.ask(
        question, lambda reason: view.perform("", lambda services, actor: operation(services, actor, reason))
    )


def retry(view: View[Any], job: Job) -> None:
    """Ask, then queue it again."""

    def operation(services: Any, actor: Actor) -> str:
        from pilothouse.operations import jobs

        return f"job {jobs.retry_job(services, actor, job.id).id} is queued"

    question = Ask(
        f"Run job {job.id} again?",
        [f"A new job does {job.kind} of {job.model} with the same inputs."],
        confirm="queue it",
    )
    view.ask(question, lambda _: view.perform("", operation))
