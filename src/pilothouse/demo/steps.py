"""The acts of the story, each through the operations, in the name of the identity whose part it is."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pilothouse.demo.progress import Progress
from pilothouse.demo.workspace import APPROVER, SCIENTIST, os_user
from pilothouse.domain.errors import NotAllowedError, PilothouseError, UnavailableError
from pilothouse.domain.identifiers import parse_reference, version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.jobs.replays import check_text, read_replay, replay_line
from pilothouse.domain.records import Job, PromotionRequest
from pilothouse.operations.fleet import health
from pilothouse.operations.jobs import jobs, replays, trainings
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces

_POLL_S = 0.1


@dataclass(frozen=True)
class Demo:
    """Workspace of the demo and its actors."""

    services: Services
    scientist: Actor
    approver: Actor
    progress: Progress


def open_demo(services: Services, progress: Progress) -> Demo:
    """The identities of the demo with the roles that the workspace gives them."""
    return Demo(
        services,
        workspaces.identify(services, os_user(), SCIENTIST),
        workspaces.identify(services, os_user(), APPROVER),
        progress,
    )


def apply(demo: Demo) -> None:
    """The scientist applies the plan and both model files."""
    for change in apply_models.apply(demo.services, demo.scientist):
        file = change.model if change.model.endswith(".toml") else f"models/{change.model}/model.toml"
        demo.progress.say(f"{SCIENTIST} applies {file}: {change.action}")


def train(
    demo: Demo, model: str, as_of: datetime, why: str, overrides: dict[str, str | int | float | bool]
) -> Job:
    """Start a training and wait for its end. Raises UnavailableError where no version came of it."""
    options = trainings.TrainingOptions(as_of=as_of, overrides=overrides)
    job = trainings.start_training(demo.services, demo.scientist, model, options, reason=why)
    return wait_for_job(demo, job)


def wait_for_job(demo: Demo, job: Job) -> Job:
    """Wait for a job's end, telling its steps. Raises UnavailableError where it did not succeed."""
    while not job.status.ended:
        demo.progress.update(
            f"job {job.id} {job.kind} {job.model}: {job.step} {job.progress:.0%} {job.message}"
        )
        time.sleep(_POLL_S)
        job = jobs.get_job(demo.services, demo.scientist, job.id)
    if job.status is not JobStatus.SUCCEEDED:
        raise UnavailableError(f"job {job.id} ({job.kind} {job.model}) {job.status}: {job.error}")
    return job


def replay(demo: Demo, reference: str) -> str:
    """Have a version answer the recorded traffic of 28 days again, beside the champion; what it found, in one line."""
    model = parse_reference(reference).model
    options = replays.ReplayOptions(against=f"{model}@champion")
    job = wait_for_job(demo, replays.start_replay(demo.services, demo.scientist, reference, options))
    return replay_text(job)


def replay_text(job: Job) -> str:
    """What a replay that has ended found, in one line."""
    found = read_replay(job.result)
    if found is None:
        raise UnavailableError(f"job {job.id} (replay {job.model}) has left no result")
    return f"{replay_line(found)}; {check_text(found)}"


def expect_refusal(demo: Demo, reference: str) -> str:
    """The scientist asks for a version that failed a gate; returns the message of the refusal."""
    try:
        promotions.request_promotion(demo.services, demo.scientist, reference, reason="worth a try")
    except PilothouseError as refusal:
        return str(refusal)
    raise UnavailableError(f"{reference} failed a gate and its promotion could be requested all the same")


def request(
    demo: Demo, reference: str, reason: str = "passed every gate on the newest data"
) -> PromotionRequest:
    """The scientist asks for a version's promotion, and cannot grant it to herself."""
    request = promotions.request_promotion(demo.services, demo.scientist, reference, reason=reason)
    try:
        promotions.approve(demo.services, demo.scientist, request.id, evidence_digest=request.evidence_digest)
    except NotAllowedError as refusal:
        demo.progress.say(f"{SCIENTIST} tries to approve her own request: {refusal}")
    else:
        raise UnavailableError(f"request {request.id}: its requester could approve it")
    return request


def approval_reason(evidence: Mapping[str, Any]) -> str:
    """What the approver says: that a version is not worse only where the evidence compares it with what is live."""
    compared = [gate for gate in evidence.get("gates", ()) if str(gate["gate"]).startswith("comparison.")]
    if any(gate["outcome"] == "passed" for gate in compared):
        return "gates passed, not worse than what is live"
    why = "not comparable with what is live" if compared else "nothing was live to compare it with"
    return f"gates passed, {why}"


def approve(demo: Demo, number: int, reason: str = "") -> PromotionRequest:
    """The approver reads the evidence and signs what was shown."""
    shown = promotions.get_request(demo.services, demo.approver, number)
    done = promotions.approve(
        demo.services,
        demo.approver,
        number,
        evidence_digest=shown.evidence_digest,
        reason=reason or approval_reason(shown.evidence),
    )
    demo.progress.say(
        f"{APPROVER} approves request {number}, {version_uri(done.model, done.version)} for "
        f"{' '.join(done.targets)}, on evidence {done.evidence_digest[:12]}"
    )
    return done


def wait_until_serving(demo: Demo) -> None:
    """Wait until every deployed version answers on its target."""

    def answering() -> bool:
        states = health.target_states(demo.services, demo.approver)
        return all(s.deployment is None or s.serving_version == s.deployment.version for s in states)

    wait(demo, answering, "waiting for the serving processes", "the serving processes do not answer")


def wait(
    demo: Demo,
    done: Callable[[], bool],
    meanwhile: str,
    failure: str,
    *,
    progress: Callable[[], object] = lambda: None,
    patience: float = 120,
) -> None:
    """Poll until ``done()``. Raises UnavailableError with ``failure`` once ``progress()`` has been the same for ``patience``
    seconds: a slow machine may take its time, a process that hangs may not.
    """
    seen, moved_at = progress(), time.monotonic()
    while not done():
        if (now_seen := progress()) != seen:
            seen, moved_at = now_seen, time.monotonic()
        if time.monotonic() - moved_at > patience:
            raise UnavailableError(f"{failure}: nothing has moved for {patience:.0f} s")
        demo.progress.update(meanwhile)
        time.sleep(_POLL_S)


def running_jobs(demo: Demo) -> list[Job]:
    return [job for job in jobs.list_jobs(demo.services, demo.approver, limit=50) if not job.status.ended]


def live_versions(demo: Demo, model: str) -> dict[str, int]:
    """Target to the version live on it."""
    live = deployments.list_deployments(demo.services, demo.approver, model=model, live_only=True)
    return {deployment.target: deployment.version for deployment in live}


def day(year: int, month: int, number: int) -> datetime:
    """Midnight UTC of a day."""
    return datetime(year, month, number, tzinfo=UTC)
