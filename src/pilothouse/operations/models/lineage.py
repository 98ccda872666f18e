"""Lineage of a version: back to its rows, code and cause, on to requests, deployments, alerts and their trainings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pilothouse.domain.audit.lineage import LineageNode
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import VersionReference, version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.integrations.git_state import git_text
from pilothouse.domain.records import Alert, Deployment, Job, PromotionRequest, Run, Version
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import alerts, deployments
from pilothouse.store.models import models, versions
from pilothouse.store.promotion import requests
from pilothouse.store.work import jobs, runs

_SHOWN_PARAMETERS = 12


def lineage(services: Services, actor: Actor, reference: str) -> LineageNode:
    """Tree of the version that ``reference`` names. Raises InvalidInputError, NotFoundError or NotAllowedError."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        run = _run(connection, require_run(connection, version))
        return _version(connection, version, {version.id}, [run])


def _version(
    connection: Connection, version: Version, seen: set[int], before: Sequence[LineageNode] = ()
) -> LineageNode:
    """A version with ``before``, then its requests, deployments, alerts and reproductions."""
    live = f", live on {', '.join(version.live_on)}" if version.live_on else ""
    detail = f"{version.standing.stage}, registered {_time(version.created_at)}{live}, model sha256 {version.model_digest[:12]}"
    history = deployments.of_version(connection, version.id)
    own_alerts = alerts.of_version(connection, version.id)
    deployment_ids = {alert.id: _deployment_of(alert, history) for alert in own_alerts}

    def deployed(deployment: Deployment) -> LineageNode:
        during = [alert for alert in own_alerts if deployment_ids[alert.id] == deployment.id]
        return _deployment(deployment, [_alert(connection, alert, seen) for alert in during])

    children = list(before)
    for request in requests.of_version(connection, version.id):
        children.append(_request(request, [deployed(d) for d in history if d.request_id == request.id]))
    children += [deployed(d) for d in history if d.request_id is None]
    children += [_alert(connection, alert, seen) for alert in own_alerts if deployment_ids[alert.id] is None]
    children += [_reproduction(job) for job in jobs.about_version(connection, version.id)]
    return LineageNode(
        "version", version_uri(version.model, version.number), detail, children=tuple(children)
    )


def _run(connection: Connection, run: Run) -> LineageNode:
    as_of = f", on what was known at {_time(run.as_of)}" if run.as_of else ""
    detail = (
        f"{_time(run.started_at)} by {run.started_by}: {run.reason or 'no reason given'}{as_of}; "
        f"{run.duration_s:.1f} s, {run.peak_memory_mb:.0f} MB"
    )
    job = jobs.find(connection, run.job_id)
    children = [_snapshot(connection, run), _code(run), _parameters(run), _environment(run)]
    stored = models.spec_by_id(connection, jobs.origin_of(connection, run.job_id).spec_id)
    if stored is not None:
        applied = f"applied {_time(stored.recorded_at)} by {stored.applied_by}"
        if from_git := git_text(stored.git or {}):
            applied += f" from {from_git}"
        children.append(LineageNode("model file", stored.digest[:12], applied))
    if job is not None and job.options.get("overrides"):
        text = ", ".join(f"{key} = {value}" for key, value in job.options["overrides"].items())
        children.append(LineageNode("note", "overrides", text))
    if run.triggered_by_alert is not None:
        children.append(_cause(connection, run.triggered_by_alert))
    return LineageNode("run", f"{run.id} (job {run.job_id})", detail, children=tuple(children))


def _snapshot(connection: Connection, run: Run) -> LineageNode:
    data = run.snapshot
    detail = (
        f"{data.rows:,} rows, {_time(data.first_row_at)} to {_time(data.last_row_at)}; "
        f"{data.training_rows:,} to train on, {data.holdout_rows:,} held out"
    )
    detail = "; ".join([detail, *run.erased])
    spec = runs.spec_of(connection, run.id)
    read = read_version(runs.record_of(connection, run.id).get("source"))
    said = f"sha256 {data.source_digest[:12]}" + (f", {read}" if read else "")
    source = LineageNode("source", spec["data"]["source"], said, data.source_digest)
    others = [
        LineageNode("version", version_uri(other.model, other.number), "trained on the same rows")
        for other in versions.of_snapshot(connection, data.content_digest)
        if other.run_id != run.id
    ]
    return LineageNode("snapshot", data.content_digest[:12], detail, data.content_digest, (source, *others))


def read_version(facts: Any) -> str:
    """What was read of a source by URL, in words; empty for a source on this machine, and of what is no such record."""
    if not isinstance(facts, dict):
        return ""
    for key, words in (("version", "version {}"), ("snapshot", "snapshot {}")):
        if facts.get(key) is not None:
            return one_line(words.format(facts[key]), 80)
    objects = facts.get("objects")
    if isinstance(objects, list) and objects and isinstance(objects[0], dict):
        first = objects[0]
        pinned = next((f"{word} {first[key]}" for key, word in _PINS.items() if first.get(key)), "not pinned")
        more = f" and {len(objects) - 1:,} more objects" if len(objects) > 1 else ""
        return one_line(f"{first.get('object')} {pinned}{more}", 160)
    return "not pinned: the kept rows are what reproduces" if facts.get("reproduced_by") else ""


_PINS = {"version_id": "version id", "etag": "ETag"}


def _code(run: Run) -> LineageNode:
    code = run.code
    folder = f"folder sha256 {str(code.get('folder_digest') or '')[:12]}"
    if not code.get("commit"):
        return LineageNode(
            "code", folder, str(code.get("note") or "no git"), str(code.get("folder_digest") or "")
        )
    branch = f"on {code['branch']}, " if code.get("branch") else ""
    diff = str(code.get("diff_digest") or "")[:12]
    state = f"with uncommitted changes (diff sha256 {diff})" if code.get("dirty") else "clean"
    return LineageNode(
        "code", f"commit {code['commit'][:12]}", f"{branch}{state}, {folder}", str(code["commit"])
    )


def _parameters(run: Run) -> LineageNode:
    settings = [f"{name} = {value}" for name, value in list(run.parameters.items())[:_SHOWN_PARAMETERS]]
    more = len(run.parameters) - len(settings)
    text = ", ".join(settings) + (f" and {more} more" if more > 0 else "")
    return LineageNode("parameters", f"seed {run.seed}", text)


def _environment(run: Run) -> LineageNode:
    facts = run.environment
    packages = facts.get("packages") or {}
    detail = f"{facts.get('platform', '')}, {len(packages)} package{'' if len(packages) == 1 else 's'}"
    return LineageNode("environment", f"Python {facts.get('python', '?')}", detail)


def _cause(connection: Connection, number: int) -> LineageNode:
    alert = alerts.find(connection, number)
    if alert is None:
        return LineageNode("alert", str(number))
    about = LineageNode("version", version_uri(alert.model, alert.version), f"on {alert.target}")
    return LineageNode("alert", str(alert.id), _alert_text(alert), children=(about,))


def _request(request: PromotionRequest, deployed: Sequence[LineageNode]) -> LineageNode:
    detail = (
        f"{request.status}, for {', '.join(request.targets)}, made {_time(request.recorded_at)} by {request.requested_by}"
        f"{': ' + request.reason if request.reason else ''}; evidence sha256 {request.evidence_digest[:12]}"
    )
    decisions = [
        LineageNode(
            "decision",
            f"{decision.verdict} by {decision.actor}",
            f"{_time(decision.recorded_at)}{': ' + decision.reason if decision.reason else ''}, "
            f"on evidence sha256 {decision.evidence_digest[:12]}",
        )
        for decision in request.decisions
    ]
    return LineageNode("request", str(request.id), detail, children=(*decisions, *deployed))


def _deployment(deployment: Deployment, raised: Sequence[LineageNode]) -> LineageNode:
    until = f"until {_time(deployment.ended_effective_at)}" if deployment.ended_effective_at else "until now"
    detail = (
        f"{deployment.kind} by {deployment.actor}, from {_time(deployment.effective_at)} {until} by its event clock"
        f"{': ' + deployment.reason if deployment.reason else ''}"
    )
    return LineageNode("deployment", deployment.target, detail, children=tuple(raised))


def _deployment_of(alert: Alert, history: Sequence[Deployment]) -> int | None:
    """Deployment that an alert is about: the last on its target that had begun by then."""
    on_target = [d for d in history if d.target == alert.target]
    begun = [d for d in on_target if d.effective_at <= alert.effective_at]
    return (begun or on_target)[-1].id if on_target else None


def _alert(connection: Connection, alert: Alert, seen: set[int]) -> LineageNode:
    started = {job.id: job for job in jobs.of_alert(connection, alert.id)}
    if alert.retrain_job is not None and (joined := jobs.find(connection, alert.retrain_job)) is not None:
        started[joined.id] = joined
    nodes = [_job(connection, job, seen) for _, job in sorted(started.items())]
    return LineageNode("alert", str(alert.id), _alert_text(alert), children=tuple(nodes))


def _job(connection: Connection, job: Job, seen: set[int]) -> LineageNode:
    """A job with the version that it made; the tree of a version follows where it comes first."""
    detail = f"{job.kind} {job.status}{': ' + job.error if job.error else ''}"
    reference = VersionReference(job.model, job.version)
    version = versions.find(connection, reference) if job.version is not None else None
    if version is None:
        return LineageNode("job", str(job.id), detail)
    if version.id in seen:
        made = LineageNode("version", version_uri(version.model, version.number), "see above")
    else:
        seen.add(version.id)
        made = _version(connection, version, seen)
    return LineageNode("job", str(job.id), detail, children=(made,))


def _alert_text(alert: Alert) -> str:
    return f"{alert.kind} of {alert.subject} on {alert.target}, {_time(alert.effective_at)}, {alert.status}: {alert.summary}"


def _reproduction(job: Job) -> LineageNode:
    if "identical" not in job.result:
        return LineageNode("reproduction", f"job {job.id}", str(job.status))
    text = "identical" if job.result["identical"] else f"differs: {'; '.join(job.result['differences'])}"
    text = "; not compared: ".join([text, *job.result.get("not_compared", ())])
    return LineageNode("reproduction", f"job {job.id}", f"{_time(job.ended_at)} by {job.created_by}: {text}")


def _time(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else "–"
