"""Replays: a version over recorded production traffic, queued, prepared, and their results recorded and read."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.formats.time_units import DAY_S, DAY_US, from_us, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.jobs.replays import KIND, RecordedTraffic, TrafficReplay, read_replay, replay_line
from pilothouse.domain.models.dataclass_reader import read_dataclass, to_plain
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.records import Job, Version
from pilothouse.domain.retention import kept_for
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.authorisation import changing, clean_text, reading
from pilothouse.operations.catalogue import require_in_use, require_model, require_run, require_version
from pilothouse.operations.jobs import replay_rows
from pilothouse.operations.jobs.job_inputs import (
    Prepared,
    PreparedJob,
    artifact_path,
    attempt_folder,
    model_path,
    requests_of,
    write_prepared,
)
from pilothouse.operations.jobs.jobs import (
    ClaimedJob,
    cancel_wanted,
    finish_job,
    report_progress,
    require_job,
)
from pilothouse.operations.jobs.replay_rows import Exported
from pilothouse.operations.jobs.step_records import finite
from pilothouse.operations.jobs.trainings import check_zone, queue, stored_spec
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import deployments, jobs, targets, workspace
from pilothouse.store.jobs import NewJob
from pilothouse.system.files import read_json, write_atomically
from pilothouse.telemetry import recorded_rows
from pilothouse.telemetry.streams import read_clock

USUAL = timedelta(days=28)
"""Span of a replay for which no beginning is named."""
_TRAFFIC = "traffic.json"
_MOST_SEED = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """Options of a replay: what it is compared with, and rows by event time ``since <= t < until``."""

    against: str | None = None
    """Reference of a version; None: what is live on the targets."""
    since: datetime | None = None
    """28 days before ``until`` where None."""
    until: datetime | None = None
    """The end of the newest day on the targets where None."""
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
    with changing(services, actor, Permission.TRAIN, model) as change:
        registered = require_model(change.connection, model)
        if trigger_key and (before := jobs.find_by_trigger(change.connection, model, trigger_key)):
            return before
        require_in_use(change.connection, model)
        version = require_version(change.connection, reference)
        names = _targets(change.connection, model, options.targets)
        against = _against(change.connection, version, names, options.against)
        since, until = _span(services, model, names, options)
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


def prepare(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """Prepare a replay: the stored rows as files, and both versions. Raises NotFoundError where no row is stored."""
    job, options = claim.job, claim.job.options
    span = tuple(to_us(datetime.fromisoformat(options[key])) for key in ("since", "until"))
    with services.registry.read() as connection:
        plain = stored_spec(connection, job.id).spec
        sides = {
            side: require_version(connection, version_uri(job.model, int(options[side])))
            for side in ("version", "against")
        }
        runs_of = {side: require_run(connection, version) for side, version in sides.items()}
        current = spec_in_force(connection, job.model)
        regions = {target.name: target.region for target in targets.all_targets(connection)}
        setting = workspace.setting(connection, "keep_rows_days")
    spec = spec_from_plain(plain)

    def go_on(rows: int) -> bool:
        report_progress(services, claim, KIND, 0.0, f"read {rows:,} recorded rows")
        return not cancel_wanted(services, claim)

    exported = replay_rows.export(
        services,
        folder,
        job.model,
        {name: regions.get(name, "") for name in options["targets"]},
        (span[0], span[1]),
        most=options["rows"],
        seed=int(options["seed"]),
        go_on=go_on,
    )
    private = sorted({*spec.data.private, *(current.data.private if current else ())})
    kept_s = kept_for(
        int(setting) * DAY_S if setting else None,
        (current or spec).monitoring.keep_rows,
        (current or spec).data.outcome_delay,
    )
    traffic = _traffic(claim, (span[0], span[1]), exported, kept_s, private, spec)
    if not exported.rows:
        raise NotFoundError(_nothing_stored(job.model, traffic))
    write_atomically(folder / _TRAFFIC, json.dumps(to_plain(traffic)).encode())
    write_prepared(folder, Prepared(spec=plain, started_us=to_us(services.now())))
    inputs = {f"rows_{i}": str(path) for i, path in enumerate(exported.paths)}
    for side, version in sides.items():
        inputs[f"{side}_model"] = model_path(services, version)
        inputs[f"{side}_schema"] = artifact_path(services, version.schema_digest)
        inputs[f"{side}_holdout"] = artifact_path(services, version.predictions_digest)
    step_options = {
        "version": sides["version"].number,
        "against": sides["against"].number,
        "rows": exported.rows,
        "slices": _slices(spec, private),
        "trained_until_us": [to_us(run.snapshot.trained_until) for run in runs_of.values()],
        "against_packages": dict(runs_of["against"].environment.get("packages", {})),
    }
    return requests_of(services, claim, spec, {KIND: (inputs, step_options)})


def record(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> Job:
    """End a replay with what it found. Raises StaleAttemptError, or IntegrityError (the step's record is not valid)."""
    found = outcome.steps[KIND].record.get("found") if KIND in outcome.steps else None
    traffic = read_json(attempt_folder(services, claim) / _TRAFFIC)
    if not isinstance(found, dict) or not isinstance(found.get("examples"), list):
        raise IntegrityError("replay: its record does not say what was found")
    options = claim.job.options
    plain = {
        "model": claim.job.model,
        "version": options["version"],
        "against": options["against"],
        "traffic": traffic,
        "found": {**finite(found), "examples": _named(services, found["examples"])},
    }
    problems: list[str] = []
    replay = read_dataclass(TrafficReplay, plain, KIND, problems)
    if replay is None:
        raise IntegrityError(f"replay: its record is not valid: {problems[0][:500]}")
    result = {KIND: to_plain(replay)}
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        job = finish_job(change, claim, outcome, result)
        facts = {
            "job": claim.job.id,
            "against": replay.against,
            "targets": list(replay.traffic.targets),
            "result": canonical_digest(result[KIND]),
            "found": replay_line(replay),
        }
        change.record("version.replayed", version_uri(replay.model, replay.version), facts)
    return job


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
            example.prediction: recorded_rows.inputs_of(connection, example.prediction)
            for example in replay.found.examples
        }
    return {
        name: None if values is None else {key: value for key, value in values.items() if key not in private}
        for name, values in found.items()
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
    services: Services, model: str, names: Sequence[str], options: ReplayOptions
) -> tuple[datetime, datetime]:
    until = options.until
    if until is None:
        with services.telemetry.read() as connection:
            clocks = [read_clock(connection, model, name) for name in names]
        events = [clock.event_us for clock in clocks if clock is not None]
        if not events:
            raise NotFoundError(f"{model} has no recorded traffic on {', '.join(names)} yet")
        until = from_us(max(events) - max(events) % DAY_US + DAY_US)  # the newest day is whole
    since = options.since if options.since is not None else until - USUAL
    if since >= until:
        raise InvalidInputError(f"since {since.isoformat()} is not before until {until.isoformat()}")
    return since, until


def _slices(spec: ModelSpec, private: Sequence[str]) -> list[str]:
    """Slices of the model file that telemetry holds and may be shown."""
    return [name for name in spec.data.slices if name in spec.data.features and name not in private]


def _traffic(
    claim: ClaimedJob,
    span: tuple[int, int],
    exported: Exported,
    kept_s: int | None,
    private: Sequence[str],
    spec: ModelSpec,
) -> RecordedTraffic:
    shown = _slices(spec, private)
    return RecordedTraffic(
        since_us=span[0],
        until_us=span[1],
        targets=tuple(claim.job.options["targets"]),
        days=replay_rows.days_of(*span),
        days_served=exported.days_served,
        days_stored=exported.days_stored,
        rows_served=exported.rows_served,
        rows_stored=exported.rows_stored,
        kept_s=kept_s,
        sample=exported.sample,
        seed=int(claim.job.options["seed"]),
        private=tuple(private),
        not_sliced=tuple(name for name in spec.data.slices if name not in shown),
    )


def _nothing_stored(model: str, traffic: RecordedTraffic) -> str:
    where = f"{model} on {', '.join(traffic.targets)}"
    span = (
        f"from {from_us(traffic.since_us):%Y-%m-%d %H:%M} to {from_us(traffic.until_us):%Y-%m-%d %H:%M} UTC"
    )
    if not traffic.rows_served:
        return f"{where} answered nothing {span}: there is nothing to replay; name another time with --from and --to"
    kept = "" if traffic.kept_s is None else f", they are kept for {traffic.kept_s / DAY_S:g} days"
    return (
        f"{where} answered {traffic.rows_served:,} rows {span}, and none of them is stored any more{kept}: "
        "replay a later time, or keep rows for longer (monitoring.keep_rows)"
    )


def _named(services: Services, examples: Sequence[Any]) -> list[dict[str, Any]]:
    """Examples with the prediction id in place of batch and place; those of rows that have been deleted since are left out."""
    named = []
    with services.telemetry.read() as connection:
        for example in examples:
            if not isinstance(example, dict):
                raise IntegrityError("replay: an example of its record is no table")
            rest = {key: value for key, value in example.items() if key not in ("batch", "place")}
            name = recorded_rows.prediction_id(
                connection, int(example.get("batch", -1)), int(example.get("place", -1))
            )
            if name is not None:
                named.append({**finite(rest), "prediction": name})
    return named
