"""Replays: a version over recorded production traffic, asked for, queued before a request, and read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pilothouse.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    PilothouseError,
)
from pilothouse.domain.formats.time_units import DAY_US, from_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.jobs.replays import KIND, TrafficReplay, read_replay
from pilothouse.domain.records import Job, PromotionRequest, Version
from pilothouse.operations.authorisation import changing, clean_text, reading
from pilothouse.operations.catalogue import (
    require_in_use,
    require_model,
    require_version,
)
from pilothouse.operations.jobs.jobs import (
    require_job,
)
from pilothouse.operations.jobs.trainings import check_zone, queue
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.promotion.attached.required_replay import missing_replays, replay_asked
from pilothouse.operations.promotion.request_filing import advance_automatically, asks_itself
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.models import targets
from pilothouse.store.work import jobs
from pilothouse.store.work.jobs import NewJob
from pilothouse.telemetry.intake.streams import read_clock
from pilothouse.telemetry.rows import found_rows

USUAL = timedelta(days=28)
"""Span of a replay for which no beginning is named, where the model file asks for none before a request."""
BEFORE_REQUEST = "before the request of"
"""Beginning of the trigger key of a replay after which its version is requested without a person."""
_MOST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Options of a replay: what it is compared with, and rows by event time ``since <= t < until``."""

    against: str | None = None
    """Reference of a version; None: what is live on the targets."""
    since: datetime | None = None
    """As long before ``until`` as ``promotion.replay`` says where None, else 28 days."""
    until: datetime | None = None
    """The end of the newest day on the targets where None, and at the latest."""
    targets: Sequence[str] = ()
    """Only rows served there; every target of the model where empty."""
    rows: int | None = None
    """Rows of a stratified sample; every stored row, two million at most, where None."""
    seed: int = 0
    """Seed of the sample."""


def start_replay(
    services: Services,
    actor: Actor,
    reference: str,
    options: ReplayOptions = ReplayOptions(),
    *,
    reason: str = "",
    trigger_key: str = "",
) -> Job:
    """Queue a replay of a version. Raises NotFoundError (no such version or target, nothing live, no traffic), NotAllowedError,
    InvalidInputError or ConflictError (several versions are live: which one is meant)."""
    reason = clean_text(reason, "the reason")
    check_zone("since", options.since)
    check_zone("until", options.until)
    if options.rows is not None and options.rows < 1:
        raise InvalidInputError(f"rows: found {options.rows}; expected 1 or more")
    if not 0 <= options.seed <= _MOST_SEED:
        raise InvalidInputError(f"seed: found {options.seed}; expected 0 to {_MOST_SEED}")
    with reading(services, actor) as connection:
        model = require_version(connection, reference).model
        names = _targets(connection, model, options.targets)
    with changing(services, actor, Permission.TRAIN, model, names) as change:
        registered = require_model(change.connection, model)
        if trigger_key and (before := jobs.find_by_trigger(change.connection, model, trigger_key)):
            return before
        require_in_use(change.connection, model)
        version = require_version(change.connection, reference)
        against = _against(change.connection, version, names, options.against)
        length = replay_asked(change.connection, model)
        usual = USUAL if length is None else timedelta(seconds=length)
        since, until = _span(services, model, names, options, usual)
        job_options = {
            "version": version.number,
            "against": against.number,
            "since": since.isoformat(),
            "until": until.isoformat(),
            "targets": names,
            "rows": options.rows,
            "seed": options.seed,
        }
        new = NewJob(
            kind=KIND,
            model_id=registered.id,
            spec_id=registered.spec_id,
            created_by=change.actor.name,
            reason=reason or f"replay {version_uri(model, version.number)} against {against.number}",
            options=job_options,
            version_id=version.id,
            trigger_key=trigger_key,
        )
        return queue(change, new)


def advance_after_replays(
    services: Services, version: Version, *, by_automation: bool
) -> tuple[PromotionRequest | None, list[int]]:
    """Request a version without a person, as ``advance_automatically``; where the model file asks for replays first, start
    those that are missing, each once. Called in a transaction. Returns the request, and the jobs for which it waits."""
    if not asks_itself(services, version, by_automation=by_automation):
        return None, []
    with services.registry.read() as connection:
        names = [
            name for name in targets.targets_of(connection, version.model) if name not in version.live_on
        ]
        missing = missing_replays(services, connection, version, names)
    waits = []
    for number, live_on in missing.items():
        uri = version_uri(version.model, version.number)
        options = ReplayOptions(against=version_uri(version.model, number), targets=live_on)
        key = f"{BEFORE_REQUEST} {version.number} against {number}"
        try:
            job = start_replay(
                services, DAEMON, uri, options, reason="it is asked for before a request", trigger_key=key
            )
        except PilothouseError:
            continue  # the request says what is missing
        if not job.status.ended:
            waits.append(job.id)
    return (
        (None, waits)
        if waits
        else (advance_automatically(services, version, by_automation=by_automation), [])
    )


def get_replay(services: Services, actor: Actor, number: int) -> tuple[Job, TrafficReplay | None]:
    """A job and the result of its replay; None where it has none yet. Raises NotFoundError (no such job, or no replay)."""
    with reading(services, actor) as connection:
        job = require_job(connection, number)
    if job.kind != KIND:
        raise NotFoundError(f"job {number} is no replay: start one with pilothouse replay VERSION")
    return job, read_replay(job.result)


def inputs_of_examples(
    services: Services, actor: Actor, replay: TrafficReplay
) -> dict[str, dict[str, float | str | None] | None]:
    """Stored features of the examples by prediction id, without columns that are private now; None where retention has deleted
    the row. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        spec = spec_in_force(connection, replay.model)
    private = {*replay.traffic.private, *(spec.data.private if spec else ())}
    with services.telemetry.read() as connection:
        found = {
            example.prediction: found_rows.by_id(connection, example.prediction)
            for example in replay.found.examples
        }
    return {
        name: None
        if row is None
        else {key: value for key, value in row.features.items() if key not in private}
        for name, row in found.items()
    }


def _targets(connection: Connection, model: str, named: Sequence[str]) -> list[str]:
    existing = targets.targets_of(connection, model)
    for name in named:
        if name not in existing:
            raise NotFoundError(
                f"{model} has no target {name!r}: its model file names {', '.join(existing) or 'none'}"
            )
    if not existing:
        raise NotFoundError(f"{model} has no targets, and so no traffic: name some in its model file")
    return list(dict.fromkeys(named or existing))


def _against(
    connection: Connection, version: Version, names: Sequence[str], reference: str | None
) -> Version:
    """Version that is compared with: the one named, else the one that is live on the targets."""
    if reference is not None:
        against = require_version(connection, reference)
        if against.model != version.model:
            raise InvalidInputError(
                f"{reference} is a version of {against.model}: expected one of {version.model}"
            )
    else:
        live = {d.version for d in deployments.live(connection, model=version.model) if d.target in names}
        if not live:
            raise NotFoundError(
                f"nothing of {version.model} is live on {', '.join(names)}: name a version with --against"
            )
        if len(live) > 1:
            numbers = ", ".join(str(number) for number in sorted(live))
            raise ConflictError(
                f"versions {numbers} of {version.model} are live on {', '.join(names)}: name one with --against, "
                "or targets with --on"
            )
        against = require_version(connection, version_uri(version.model, live.pop()))
    if against.number == version.number:
        raise InvalidInputError(
            f"{version_uri(version.model, version.number)} would be compared with itself: name another with --against"
        )
    return against


def _span(
    services: Services, model: str, names: Sequence[str], options: ReplayOptions, usual: timedelta
) -> tuple[datetime, datetime]:
    with services.telemetry.read() as connection:
        clocks = [read_clock(connection, model, name) for name in names]
    events = [clock.event_us for clock in clocks if clock is not None]
    until = options.until
    if events:
        end = from_us(max(events) - max(events) % DAY_US + DAY_US)  # the newest day is whole
        until = end if until is None else min(until, end)  # time to come is no traffic that was replayed
    if until is None:
        raise NotFoundError(f"{model} has no recorded traffic on {', '.join(names)} yet")
    since = options.since if options.since is not None else until - usual
    if since >= until:
        raise InvalidInputError(f"since {since.isoformat()} is not before until {until.isoformat()}")
    return since, until
