"""Multivariate drift as a job: queueing it for a window, on request or by schedule, and storing its result as a reading."""

import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
    PilothouseError,
)
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.monitoring.findings import ClosedWindow, GiveAway, MultivariateFinding, Window
from pilothouse.domain.monitoring.judging import why_not_judged
from pilothouse.domain.records import Deployment, Job
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.authorisation import authorise, changing, clean_text, reading
from pilothouse.operations.catalogue import require_model, require_version
from pilothouse.operations.jobs.exports import window_rows
from pilothouse.operations.jobs.job_inputs import (
    Prepared,
    PreparedJob,
    artifact_path,
    requests_of,
    rows_path,
    write_prepared,
)
from pilothouse.operations.jobs.jobs import ClaimedJob, check_held, finish_job
from pilothouse.operations.jobs.step_records import finite
from pilothouse.operations.jobs.trainings import queue
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.services import Services
from pilothouse.store.deployed import deployments
from pilothouse.store.models import models
from pilothouse.store.work import jobs, runs
from pilothouse.system.files import write_atomically
from pilothouse.telemetry import Stream
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import DRIFT, MULTIVARIATE

KIND = "domain_classifier"
STEP = "domain_classifier"
_FEATURES_KEPT = 20
_MOST_WINDOW_ROWS = 20_000
"""Rows of a window that are passed to a domain classifier: it uses a random sample of them."""


def start(
    services: Services,
    actor: Actor,
    model: str,
    target: str,
    *,
    window: tuple[datetime, datetime] | None = None,
    reason: str = "",
    trigger_key: str = "",
) -> Job:
    """Queue the comparison of a window with the training rows of the version that is live on the target.

    ``window`` is its start and end in event time; None: the newest that the drift monitor has closed. One job a trigger key.
    Raises NotFoundError (nothing is live, or no window is closed), NotAllowedError, InvalidInputError or ConflictError (the
    window has its figure).
    """
    reason = clean_text(reason, "the reason")
    authorise(services, actor, Permission.TRAIN, model, [target])
    with reading(services, actor) as connection:
        live = next((d for d in deployments.live(connection, model=model) if d.target == target), None)
        require_model(connection, model)
        if trigger_key and (before := jobs.find_by_trigger(connection, model, trigger_key)):
            return before
    if live is None:
        raise NotFoundError(f"nothing of {model} is live on {target!r}: see pilothouse deployments")
    start_at, end = window or _newest_window(services, live)
    _check_window(services, live, start_at, end)
    with changing(services, actor, Permission.TRAIN, model, [target]) as change:
        registered = require_model(change.connection, model)
        if trigger_key and (before := jobs.find_by_trigger(change.connection, model, trigger_key)):
            return before
        options = {
            "target": target,
            "version": live.version,
            "start": start_at.isoformat(),
            "end": end.isoformat(),
        }
        return queue(
            change,
            jobs.NewJob(
                kind=KIND,
                model_id=registered.id,
                spec_id=registered.spec_id,
                created_by=actor.name,
                reason=reason or f"multivariate drift on {target}",
                options=options,
                trigger_key=trigger_key,
            ),
        )


def start_scheduled(services: Services, model: str, key: str) -> str:
    """Queue the job for every target on which a version is live, once however often it is called; returns an account of it."""
    with services.registry.read() as connection:
        targets = [d.target for d in deployments.live(connection, model=model)]
    account = []
    for target in targets:
        try:
            job = start(services, DAEMON, model, target, reason="schedule", trigger_key=f"{key}:{target}")
            account.append(f"job {job.id} on {target}")
        except PilothouseError as error:  # the other targets have windows
            account.append(f"{target}: {error}")
    return "; ".join(account) or f"nothing of {model} is live"


def prepare(services: Services, claim: ClaimedJob, folder: Path) -> PreparedJob:
    """Prepare the job: a sample of the window's stored rows, and the training rows of the version's record."""
    options = claim.job.options
    with services.registry.read() as connection:
        stored = models.spec_by_id(connection, jobs.origin_of(connection, claim.job.id).spec_id)
        assert stored is not None
        spec = spec_from_plain(stored.spec)
        reference = version_uri(claim.job.model, int(options["version"]))
        version = require_version(connection, reference)
        files = runs.files_of(connection, version.run_id)
    if "train" not in files:
        raise NotFoundError(f"{reference}: its record holds no training rows to compare with")
    start_us, end_us = _window_us(claim)
    stream = _stream(services, claim.job.model, version.number, options["target"])
    rows = window_rows(services, stream, start_us, end_us, _MOST_WINDOW_ROWS)
    write_atomically(folder / "rows.parquet", rows)
    write_prepared(folder, Prepared(spec=stored.spec, started_us=to_us(services.now())))
    inputs = {
        "window": str(folder / "rows.parquet"),
        "train": rows_path(services, files["train"].digest),
        "schema": artifact_path(services, version.schema_digest),
    }
    match = next((target.match for target in spec.targets if target.name == options["target"]), {})
    parameters = {
        "match": match,
        "ignore": list(spec.monitoring.ignore),
        "start_us": start_us,
        "end_us": end_us,
    }
    return requests_of(services, claim, spec, {STEP: (inputs, parameters)})


def record(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> Job:
    """End the job and store its result as a reading of the window, from which the monitor draws alerts.

    Raises StaleAttemptError, IntegrityError (the step's record is not valid) or NotFoundError.
    """
    options = claim.job.options
    measured = _finding(outcome.steps[STEP].record if STEP in outcome.steps else {})
    start_us, end_us = _window_us(claim)
    stream = _stream(services, claim.job.model, int(options["version"]), options["target"])
    with services.registry.read() as connection:
        check_held(connection, claim)
        spec = spec_in_force(connection, claim.job.model)
    rows = _rows_of(services, stream, start_us, end_us, measured.window_rows)
    judged = measured.threshold is not None and spec is not None and rows >= spec.monitoring.minimum_rows
    finding = replace(measured, significant=measured.significant and judged)
    window = Window(start=from_us(start_us), end=from_us(end_us), rows=rows, judged=judged)
    closed = ClosedWindow(window=window, findings=(finding,))
    lack = ""
    if finding.threshold is not None and spec is not None:
        lack = why_not_judged(window, spec.monitoring.minimum_rows)
    # first the reading: it is keyed, so that writing it a second time changes nothing
    with services.telemetry.transaction() as telemetry:
        readings.write(telemetry, stream.id, MULTIVARIATE, closed, to_us(services.now()))
    result = finite(
        {
            "auc": finding.auc,
            "low": finding.low,
            "high": finding.high,
            "threshold": finding.threshold,
            "significant": finding.significant,
            "features": [f.feature for f in finding.features[:5]],
            **({"lack": lack} if lack else {}),
        }
    )
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        return finish_job(change, claim, outcome, result)


def _window_us(claim: ClaimedJob) -> tuple[int, int]:
    start, end = (to_us(datetime.fromisoformat(claim.job.options[key])) for key in ("start", "end"))
    return start, end


def _newest_window(services: Services, live: Deployment) -> tuple[datetime, datetime]:
    stream = _stream(services, live.model, live.version, live.target)
    with services.telemetry.read() as telemetry:
        closed = readings.history(telemetry, stream.id, DRIFT, limit=1)
    if not closed:
        raise NotFoundError(
            f"no window of {version_uri(live.model, live.version)} on {live.target} has been closed yet: name one with --window"
        )
    return from_us(closed[0].start_us), from_us(closed[0].end_us)


def _check_window(services: Services, live: Deployment, start_at: datetime, end: datetime) -> None:
    for name, time in (("start", start_at), ("end", end)):
        if time.tzinfo is None:
            raise InvalidInputError(
                f"window {name}: {time.isoformat()} has no time zone; add one, e.g. Z for UTC"
            )
    if start_at >= end:
        raise InvalidInputError(f"window: {start_at.isoformat()} is not before {end.isoformat()}")
    stream = _stream(services, live.model, live.version, live.target)
    with services.telemetry.read() as telemetry:
        history = readings.history(telemetry, stream.id, MULTIVARIATE)
    if any(reading.end_us == to_us(end) for reading in history):
        raise ConflictError(
            f"the window of {live.target} until {end:%Y-%m-%d %H:%M} has its figure already: "
            f"see pilothouse monitor {live.model} {live.target}"
        )


def _stream(services: Services, model: str, version: int, target: str) -> Stream:
    with services.telemetry.read() as telemetry:
        stream = find_stream(telemetry, model, version, target)
    if stream is None:
        raise NotFoundError(f"{version_uri(model, version)} has sent nothing on {target} yet")
    return stream


def _rows_of(services: Services, stream: Stream, start_us: int, end_us: int, sampled: int) -> int:
    """All rows of the window where the drift monitor has counted them, else those of the sample."""
    with services.telemetry.read() as telemetry:
        for reading in readings.history(telemetry, stream.id, DRIFT):
            if (reading.start_us, reading.end_us) == (start_us, end_us):
                return reading.rows
    return sampled


def _finding(step_record: dict[str, Any]) -> MultivariateFinding:
    """The finding in the step's record. Raises IntegrityError (not valid)."""
    plain = step_record.get("separation")
    if not isinstance(plain, dict):
        raise IntegrityError(f"{STEP}: its record holds no separation")
    try:
        features = tuple(
            GiveAway(feature=str(f["feature"])[:200], drop=_number(f["drop"]), alone=_number(f["alone"]))
            for f in plain["features"][:_FEATURES_KEPT]
        )
        return MultivariateFinding(
            auc=_number(plain["auc"]),
            low=_number(plain["low"]),
            high=_number(plain["high"]),
            usual=_number_or_none(plain["usual"]),
            threshold=_number_or_none(plain["threshold"]),
            p_value=_number_or_none(plain["p_value"]),
            features=features,
            window_rows=int(plain["window_rows"]),
            reference_rows=int(plain["reference_rows"]),
            null_windows=int(plain["null_windows"]),
            reference=str(step_record.get("reference"))[:20],
            # a step that began under an earlier release wrote another name
            significant=plain.get("significant", plain.get("speaks")) is True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{STEP}: its record holds no valid separation ({error!r})") from None


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not finite")
    return number


def _number_or_none(value: Any) -> float | None:
    return None if value is None else _number(value)
