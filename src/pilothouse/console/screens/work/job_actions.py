"""Cancelling and retrying jobs: shared by the list of jobs and the job itself."""

from collections.abc import Sequence
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.base import View
from pilothouse.console.screens.loading import Started
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import Job


def refusal(name: str, job: Job | None) -> str:
    """The reason why a job cannot be cancelled or retried now; empty if it can."""
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
    if name == "result" and job.kind != "replay":
        return f"a {job.kind} replays nothing: its result is on its own page"
    return ""


def cancel(view: View[Any], chosen: Sequence[Job]) -> None:
    """Ask once, then cancel one job after the other."""
    if not chosen:
        return

    def operation(services: Any, actor: Actor, reason: str) -> str:
        from pilothouse.operations.jobs import jobs

        cancelled = [jobs.cancel_job(services, actor, job.id, reason=reason) for job in chosen]
        return ", ".join(
            f"job {job.id} {'is cancelled' if job.status.ended else 'is being ended'}" for job in cancelled
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
    view.confirm(question, operation)


def retry(view: View[Any], chosen: Sequence[Job]) -> None:
    """Ask once, then queue each job again."""
    if not chosen:
        return

    def operation(services: Any, actor: Actor, _: str) -> str | Started:
        from pilothouse.operations.jobs import jobs

        numbers = [jobs.retry_job(services, actor, job.id).id for job in chosen]
        if len(numbers) == 1:
            return Started(numbers[0], f"job {numbers[0]} does job {chosen[0].id} again")
        return f"jobs {', '.join(map(str, numbers))} queued"

    question = Ask(
        f"Run {_named(chosen)} again?",
        [*_each(chosen), "A new job does each with the same inputs; it can be cancelled."],
        confirm="queue it" if len(chosen) == 1 else f"queue {len(chosen)} jobs",
    )
    view.confirm(question, operation)


def _named(chosen: Sequence[Job]) -> str:
    return (
        f"job {chosen[0].id}, {chosen[0].kind} of {chosen[0].model}"
        if len(chosen) == 1
        else f"{len(chosen)} jobs"
    )


def _each(chosen: Sequence[Job]) -> list[str]:
    """The jobs by name, where there are several."""
    return (
        [f"job {job.id}: {job.kind} of {job.model}, {job.status}" for job in chosen]
        if len(chosen) > 1
        else []
    )
