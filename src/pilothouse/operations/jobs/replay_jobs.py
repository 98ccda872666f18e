"""The daemon's half of a replay: its inputs laid out, its result recorded."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import (
    IntegrityError,
    NotFoundError,
)
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.formats.time_units import DAY_S, from_us, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.jobs.replays import KIND, RecordedTraffic, TrafficReplay, replay_line
from pilothouse.domain.models.dataclass_reader import read_dataclass, to_plain
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.records import Job
from pilothouse.domain.retention import kept_for
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.authorisation import changing
from pilothouse.operations.catalogue import (
    require_run,
    require_version,
)
from pilothouse.operations.jobs import replay_rows
from pilothouse.operations.jobs.job_inputs import (
    Prepared,
    PreparedJob,
    artifact_path,
    attempt_folder,
    model_path,
    requests_of,
    rows_path,
    write_prepared,
)
from pilothouse.operations.jobs.jobs import (
    ClaimedJob,
    cancel_wanted,
    finish_job,
    report_progress,
)
from pilothouse.operations.jobs.replay_rows import Exported
from pilothouse.operations.jobs.replays import BEFORE_REQUEST, advance_after_replays
from pilothouse.operations.jobs.step_records import finite
from pilothouse.operations.jobs.trainings import stored_spec
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.store import workspace
from pilothouse.store.models import targets
from pilothouse.system.files import read_json, write_atomically
from pilothouse.telemetry.rows import recorded_rows

_TRAFFIC = "traffic.json"


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
        inputs[f"{side}_holdout"] = rows_path(services, version.predictions_digest)
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
        if claim.job.trigger_key.startswith(BEFORE_REQUEST):
            version = require_version(change.connection, version_uri(replay.model, replay.version))
            by_automation = require_run(change.connection, version).started_by == DAEMON.name
            advance_after_replays(services, version, by_automation=by_automation)
    return job


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
