"""Results of jobs: files are stored first, then one transaction with the fencing token commits the records."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.domain.models.evaluation import GateOutcome, GateResult, PortableForm
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_pictures import FILE as PICTURES
from pilothouse.domain.models.model_pictures import read_pictures
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.records import Job, Snapshot, Version, VersionStatus
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.authorisation import Change, changing
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.jobs.code_facts import pack_folder
from pilothouse.operations.jobs.job_inputs import Prepared, code_diff, model_copy, read_prepared
from pilothouse.operations.jobs.job_logs import read_bytes
from pilothouse.operations.jobs.jobs import ClaimedJob, check_held, finish_job
from pilothouse.operations.jobs.lost_rows import lost_of
from pilothouse.operations.jobs.replays import advance_after_replays
from pilothouse.operations.jobs.step_records import (
    change_notes_in,
    finite,
    gates_in,
    metrics_in,
    portable_in,
    snapshot_in,
    window_notes_in,
)
from pilothouse.operations.services import Services
from pilothouse.store.models import portable_models, versions
from pilothouse.store.work import jobs as job_rows
from pilothouse.store.work import runs

_LOG_LIMIT = 8 << 20
_RUN_FILES = (
    ("snapshot", "train"),
    ("snapshot", "holdout"),
    ("evaluate", PICTURES),
    ("fit", "mlflow"),
    ("fit", "mlflow_files"),
)
_VERSION_FILES = {
    "model": ("fit", "model"),
    "schema": ("fit", "schema"),
    "profile_spec": ("evaluate", "profile_spec"),
    "reference": ("evaluate", "reference"),
    "predictions": ("evaluate", "predictions"),
}
_ENVIRONMENT = ("python", "platform", "packages", "threads", "cpu")


def record_training(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> Version:
    """Register the version that a training made, with its run, snapshot, metrics and gates; end the job.

    It is a candidate only if no gate failed. An automatic promotion request follows in the same transaction. Raises
    StaleAttemptError (nothing is recorded then) or IntegrityError (a step's record is not valid).
    """
    prepared = read_prepared(services, claim)
    files = {name: _put(services, outcome, step, output) for name, (step, output) in _VERSION_FILES.items()}
    run_files = _store_run_files(services, claim, outcome)
    snapshot_file = _put(services, outcome, "snapshot", "snapshot")
    snapshot = snapshot_in(_step(outcome, "snapshot"), snapshot_file.digest)
    metrics = metrics_in("evaluate", _step(outcome, "evaluate").record.get("metrics"))
    gates = _gates(prepared, outcome)
    portable = _portable(services, outcome)
    failed = [gate.gate for gate in gates if gate.outcome is GateOutcome.FAILED]
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        check_held(change.connection, claim)
        origin = job_rows.origin_of(change.connection, claim.job.id)
        schema = _step(outcome, "snapshot").record.get("schema", {})
        snapshot_id = runs.add_snapshot(change.connection, snapshot, schema=schema, at=change.at)
        run = _new_run(claim, prepared, outcome, origin, snapshot_id, change, run_files)
        run_id = runs.add(change.connection, run, run_files, at=change.at)
        number = versions.next_number(change.connection, origin.model_id)
        new = versions.NewVersion(
            model_id=origin.model_id,
            number=number,
            run_id=run_id,
            status=VersionStatus.REFUSED if failed else VersionStatus.CANDIDATE,
            model_digest=files["model"].digest,
            model_bytes=files["model"].bytes,
            schema_digest=files["schema"].digest,
            profile_spec_digest=files["profile_spec"].digest,
            reference_digest=files["reference"].digest,
            predictions_digest=files["predictions"].digest,
            metrics=tuple(metrics),
            gates=tuple(gates),
        )
        version_id = versions.add(change.connection, new, at=change.at)
        if portable is not None:
            portable_models.add(change.connection, origin.model_id, version_id, portable, at=change.at)
        version = versions.find_by_id(change.connection, version_id)
        assert version is not None
        _record_version(change, claim, version, snapshot, run, failed)
        by_automation = claim.job.created_by == DAEMON.name
        request, replays = advance_after_replays(services, version, by_automation=by_automation)
        result: dict[str, Any] = {"version": number, "status": str(version.status), "failed_gates": failed}
        notes = [
            *change_notes_in(*(_step(outcome, step).record for step in ("snapshot", "fit"))),
            *window_notes_in(_step(outcome, "evaluate").record),
        ]
        if replays:
            notes.append(
                f"its request waits for the replay of recorded traffic, job {', '.join(map(str, replays))}"
            )
        if notes:
            result["notes"] = notes
        if request is not None:
            result |= {"request": request.id, "request_status": str(request.status)}
        finish_job(change, claim, outcome, result, version_id)
        version = versions.find_by_id(change.connection, version_id)
        assert version is not None
    return version


def record_reproduction(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> Job:
    """End a reproduction with its result: ``identical``, or ``differences``. Raises StaleAttemptError, IntegrityError."""
    record = _step(outcome, "compare").record
    identical, differences = record.get("identical"), record.get("differences")
    if not isinstance(identical, bool) or not isinstance(differences, list) or identical == bool(differences):
        raise IntegrityError(
            "compare: its record does not say what differs: expected identical and differences"
        )
    result = {
        "identical": identical,
        "differences": [one_line(str(line), 500) for line in differences[:100]],
        "environment": [one_line(str(line), 500) for line in record.get("environment", [])[:100]],
    }
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        version = require_version(
            change.connection, version_uri(claim.job.model, int(claim.job.options["version"]))
        )
        if gone := lost_of(change.connection, version).get("holdout"):
            result["not_compared"] = gone
        job = finish_job(change, claim, outcome, result)
        reference = version_uri(claim.job.model, int(claim.job.options["version"]))
        change.record("version.reproduced", reference, {"job": claim.job.id, **result})
    return job


def record_backtest(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> Job:
    """End a backtest with each version's metrics on the same rows. Raises StaleAttemptError, IntegrityError."""
    record = _step(outcome, "backtest").record
    plain = record.get("metrics")
    if not isinstance(plain, dict):
        raise IntegrityError("backtest: its record holds no metrics by version")
    for number, values in plain.items():
        metrics_in(f"backtest of version {number}", values)
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        return finish_job(change, claim, outcome, finite(record))


def record_trial(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> Job:
    """End a trial with its score on each fold. Raises StaleAttemptError, IntegrityError."""
    plain = _step(outcome, "trial").record.get("scores")
    folds = [str(fold) for fold in claim.job.options["folds"]]
    if not isinstance(plain, dict) or sorted(plain) != sorted(folds):
        raise IntegrityError(f"trial: its record holds no scores of the folds {', '.join(folds)}")
    for fold, score in plain.items():
        if score is not None and (isinstance(score, bool) or not isinstance(score, int | float)):
            raise IntegrityError(f"trial: the score on fold {fold} is no number")
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        return finish_job(change, claim, outcome, {"scores": finite(plain)})


def _store_run_files(services: Services, claim: ClaimedJob, outcome: JobOutcome) -> dict[str, runs.RunFile]:
    files = {
        output: _put(services, outcome, step, output)
        for step, output in _RUN_FILES
        if output in _step(outcome, step).outputs
    }
    if PICTURES in files:
        read_pictures(services.artifacts.read(files[PICTURES].digest))
    folder = services.paths.job_folder(claim.job.id)
    data = {
        "model_folder": pack_folder(model_copy(services, claim)),
        "log": read_bytes(folder, offset=0, limit=_LOG_LIMIT),
    }
    if (diff := code_diff(services, claim)) is not None:
        data["code_diff"] = diff.read_bytes()
    if trials := _searched(outcome).get("trials"):
        data["trials"] = json.dumps(trials, indent=1).encode()
    for name, content in data.items():
        files[name] = runs.RunFile(name, services.artifacts.put_bytes(content), len(content))
    return files


def _put(services: Services, outcome: JobOutcome, step: str, output: str) -> runs.RunFile:
    path = _step(outcome, step).outputs.get(output)
    if path is None:
        raise IntegrityError(f"{step}: made no {output}; see its log")
    digest = services.artifacts.put_file(Path(path))
    return runs.RunFile(output, digest, services.artifacts.size(digest))


def _portable(services: Services, outcome: JobOutcome) -> PortableForm | None:
    evaluated = _step(outcome, "evaluate")
    file = _put(services, outcome, "evaluate", "portable") if "portable" in evaluated.outputs else None
    record = evaluated.record
    return portable_in("evaluate", record.get("portable"), record.get("packages"), file)


def _step(outcome: JobOutcome, step: str) -> StepResult:
    if step not in outcome.steps:
        raise IntegrityError(f"{step}: left no result; see its log")
    return outcome.steps[step]


def _gates(prepared: Prepared, outcome: JobOutcome) -> list[GateResult]:
    """Gates of the version. The user's function adds one gate and cannot change the others."""
    gates = gates_in("evaluate", _step(outcome, "evaluate").record.get("gates"))
    function = spec_from_plain(prepared.spec).gates.function
    if function is not None:
        function_gates = gates_in("gate", _step(outcome, "gate").record.get("gates"))
        if len(function_gates) != 1:
            raise IntegrityError(f"gate: {function} gave {len(function_gates)} results; expected one")
        gates.append(replace(function_gates[0], gate="function"))
    return gates


def _new_run(
    claim: ClaimedJob,
    prepared: Prepared,
    outcome: JobOutcome,
    origin: job_rows.Origin,
    snapshot_id: int,
    change: Change,
    files: dict[str, runs.RunFile],
) -> runs.NewRun:
    spec = spec_from_plain(prepared.spec)
    diff = files.get("code_diff")
    # Of the step that runs the user's code nothing is believed: parameters come from the request, rows and environment from
    # steps that run none.
    evaluated, rows = (_step(outcome, step).record for step in ("evaluate", "snapshot"))
    return runs.NewRun(
        model_id=origin.model_id,
        job_id=claim.job.id,
        spec_id=origin.spec_id,
        snapshot_id=snapshot_id,
        as_of=from_us(prepared.as_of_us),
        spec=prepared.spec,
        parameters=_adopted(claim)
        or finite({**spec.training.parameters, **_searched(outcome).get("parameters", {})}),
        seed=spec.training.seed,
        started_by=claim.job.created_by,
        reason=claim.job.reason,
        started_at=from_us(prepared.started_us),
        ended_at=change.at,
        duration_s=outcome.seconds,
        peak_memory_mb=outcome.peak_memory_mb,
        code={**prepared.code, "diff_digest": diff.digest if diff else None},
        environment=finite({key: evaluated[key] for key in _ENVIRONMENT if key in evaluated}),
        record=finite(
            {
                "incumbents": prepared.incumbents,
                "overrides": claim.job.options.get("overrides", {}),
                "reused": outcome.reused,
                **({"source": outcome.steps["read"].record} if "read" in outcome.steps else {}),
                "snapshot": {k: v for k, v in rows.items() if k not in ("columns", "schema", "gates")},
                "train_digest": rows.get("train_digest"),
                "holdout_digest": rows.get("holdout_digest"),
                "fit": _fit_facts(spec, outcome),
                "evaluate": {
                    k: v for k, v in evaluated.items() if k not in (*_ENVIRONMENT, "metrics", "gates")
                },
            }
        ),
        alert_id=origin.alert_id,
    )


def _searched(outcome: JobOutcome) -> dict[str, Any]:
    """What the search of a training chose, ``parameters``, and its ``trials``; empty where there was none."""
    return outcome.steps["search"].record if "search" in outcome.steps else {}


def _fit_facts(spec: ModelSpec, outcome: JobOutcome) -> dict[str, Any]:
    """Facts of a fit for the record. Those of the estimator are the step's own where no code of the user has run."""
    facts: dict[str, Any] = {
        "estimator": spec.training.estimator or spec.training.function,
        "seed": spec.training.seed,
        "training_rows": _step(outcome, "snapshot").record.get("training_rows"),
        "trials": _searched(outcome).get("trials", []),
        "estimator_parameters": {},
    }
    if spec.training.estimator:
        own = _step(outcome, "fit").record
        facts["estimator_parameters"] = own.get("estimator_parameters", {})
        facts |= {key: own[key] for key in ("older_rows", "older_rows_choice") if own.get(key)}
    return facts


def _record_version(
    change: Change,
    claim: ClaimedJob,
    version: Version,
    snapshot: Snapshot,
    run: runs.NewRun,
    failed: list[str],
) -> None:
    change.record(
        "version.registered",
        version_uri(version.model, version.number),
        {
            "status": str(version.status),
            "failed_gates": failed,
            "job": claim.job.id,
            "started_by": run.started_by,
            "reason": run.reason,
            "model_digest": version.model_digest,
            **({"portable_digest": version.portable.digest} if version.portable else {}),
            "content_digest": snapshot.content_digest,
            "commit": run.code.get("commit"),
            "dirty": run.code.get("dirty"),
            "folder_digest": run.code.get("folder_digest"),
        },
    )


def _adopted(claim: ClaimedJob) -> dict[str, Any]:
    """What an adopted version has in place of parameters; empty for one that was trained here."""
    adopted = claim.job.options.get("adopted") or {}
    return {
        f"adopted_{name}": adopted[name]
        for name in ("model", "origin", "name", "number", "run")
        if name in adopted
    }
