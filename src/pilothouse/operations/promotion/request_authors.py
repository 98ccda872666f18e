"""Authors of a request: everybody with a part in the version that it asks for. Where four eyes holds, none of them approves."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.identity.persons import Author, folded
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.records import Job, PromotionRequest, RequestStatus, Version
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.catalogue import require_run
from pilothouse.sqlite import Connection
from pilothouse.store.governance import persons
from pilothouse.store.log import audit
from pilothouse.store.models import models, versions
from pilothouse.store.models.models import StoredSpec
from pilothouse.store.promotion import requests, rollouts
from pilothouse.store.work import jobs, schedules

_SCHEDULE_CHANGES = ("schedule.paused", "schedule.resumed")


def authors_of(
    connection: Connection, version: Version, incumbents: dict[str, int | None]
) -> tuple[Author, ...]:
    """Authors of a version beside its trainer, each part once: who applied its model file and the changes since the versions
    that it replaces, who set off its training, and who asked for it before."""
    found = [
        *_appliers(connection, version, incumbents),
        *_coders(connection, version),
        *_starters(connection, version),
        *_earlier_requesters(connection, version),
    ]
    return tuple(dict.fromkeys(author for author in found if author.name != DAEMON.name))


def _appliers(
    connection: Connection, version: Version, incumbents: dict[str, int | None]
) -> Iterator[Author]:
    """The person who applied the file of the version's run, and those who applied the ones between the version that is live
    on a target and it: the difference that goes live."""
    uri = f"{version.model}/{version.number}"
    judged_by = models.spec_of_run(connection, version.run_id)
    yield Author(judged_by.applied_by, f"applied the model file that {uri} was trained with")
    history = models.history(connection, version.model, judged_by.id)
    for number in sorted(set(incumbents.values()), key=lambda number: number or 0):
        since = 0
        if number is not None:
            live = versions.find(connection, VersionReference(version.model, number))
            assert live is not None
            since = models.spec_of_run(connection, live.run_id).id
        changed = f"since {version.model}/{number}" if number is not None else f"before {uri}"
        for spec in history:
            if since < spec.id < judged_by.id:
                yield Author(spec.applied_by, f"applied a change of the model file {changed}")


def _coders(connection: Connection, version: Version) -> Iterator[Author]:
    """Owners of the files of the version's code, and authors of its newest commits, who are known here by name."""
    code, uri = require_run(connection, version).code, f"{version.model}/{version.number}"
    known = {folded(name) for name in persons.known_names(connection)}
    for owner in code.get("owners", ()):
        if folded(owner) in known:
            yield Author(owner, f"owns files of the code of {uri}")
    for author in code.get("authors", ()):
        name, _, address = author.removesuffix(">").rpartition(" <")
        for possible in (name, address, address.partition("@")[0]):
            if folded(possible) in known:
                yield Author(folded(possible), f"wrote commits of the code of {uri}")
                break


def _starters(connection: Connection, version: Version) -> Iterator[Author]:
    """Persons who started the training, also by a retry, and those who set the schedule, trigger or alerts that did."""
    uri = f"{version.model}/{version.number}"
    run = require_run(connection, version)
    number: int | None = run.job_id
    while number is not None:
        job = jobs.find(connection, number)
        assert job is not None
        if job.created_by != run.started_by:
            yield Author(job.created_by, f"started the training of {uri} (job {job.id})")
        origin = jobs.origin_of(connection, number)
        history = models.history(connection, version.model, origin.spec_id)
        yield from _automation(connection, job, history, uri, is_alert=origin.alert_id is not None)
        number = jobs.retry_of(connection, number)


def _automation(
    connection: Connection, job: Job, history: Sequence[StoredSpec], uri: str, *, is_alert: bool
) -> Iterator[Author]:
    kind, _, rest = job.trigger_key.partition(":")
    if kind == "schedule":
        schedule = schedules.find(connection, int(rest.partition(":")[0]))
        assert schedule is not None
        words = f"the schedule {schedule.name}, which started the training of {uri}"
        for name in _changers(history, lambda spec: _named(spec, "schedule", schedule.name)):
            yield Author(name, f"made or changed {words}")
        for entry in audit.about(connection, f"{schedule.model} {schedule.name}", _SCHEDULE_CHANGES):
            if entry.recorded_at <= job.created_at:
                verb = entry.action.removeprefix("schedule.")
                yield Author(entry.actor, f"{verb} {words}")
    elif kind == "trigger":
        trigger = rest.partition(":")[0]
        words = f"the trigger {trigger}, which started the training of {uri}"
        for name in _changers(history, lambda spec: _named(spec, "trigger", trigger)):
            yield Author(name, f"made or changed {words}")
    elif is_alert and job.created_by == DAEMON.name:
        for name in _changers(history, lambda spec: spec["automation"].get("retrain_on")):
            yield Author(name, f"set the alerts that start trainings, as that of {uri}")


def _changers(history: Sequence[StoredSpec], part: Callable[[dict[str, Any]], Any]) -> Iterator[str]:
    """Names of those who applied a file in which the part is another one than in the file before, and is there."""
    before: Any = None
    for spec in history:
        after = part(spec.spec)
        if after and after != before:
            yield spec.applied_by
        before = after


def _named(spec: dict[str, Any], kind: str, name: str) -> Any:
    return next((one for one in spec["automation"].get(kind, ()) if one["name"] == name), None)


def _earlier_requesters(connection: Connection, version: Version) -> Iterator[Author]:
    """Persons whose requests for the version have come to nothing: another one who asks in their place is no second pair."""
    for request in requests.of_version(connection, version.id):
        if not _came_about(connection, request) and request.requested_by != DAEMON.name:
            uri = f"{version.model}/{version.number}"
            yield Author(request.requested_by, f"requested {uri} before (request {request.id})")


def _came_about(connection: Connection, request: PromotionRequest) -> bool:
    """True where the request put its version live on all of its targets."""
    if request.status is RequestStatus.APPROVED:
        rollout = rollouts.of_request(connection, request.id)
        return rollout is not None and rollout.state is RolloutState.COMPLETED
    return request.status is RequestStatus.DEPLOYED
