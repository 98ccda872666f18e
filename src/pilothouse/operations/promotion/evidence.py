"""Evidence of a promotion request: everything that an approver decides on, as one frozen, hashed value."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pilothouse.domain.errors import ConflictError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.jobs.replays import KIND, TrafficReplay, is_worse, read_replay
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.models.evaluation import GateResult
from pilothouse.domain.records import PromotionRequest, Run, Version
from pilothouse.operations.catalogue import require_run
from pilothouse.operations.plans.plans_in_force import check_plan, plan_evidence
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.models.version_stages import last_roll_back
from pilothouse.store.work import jobs, runs


def gather_evidence(
    connection: Connection, version: Version, targets: Sequence[str], again: Sequence[GateResult] = ()
) -> dict[str, Any]:
    """Evidence for a version on these targets, as JSON data; its ``canonical_digest`` identifies it. ``again``: comparisons
    with what went live since its training, which take the place of the remark that nothing was live then."""
    run = require_run(connection, version)
    gates = [gate for gate in version.gates if not again or gate.gate != "comparison"]
    compared = compared_versions(connection, run)
    replays = worst_replays(connection, version, targets)
    return {
        "model": version.model,
        "version": version.number,
        "targets": list(targets),
        "metrics": to_plain(version.metrics),
        "gates": [{**to_plain(gate), "outcome": str(gate.outcome)} for gate in (*gates, *again)],
        "incumbents": incumbents(connection, version.model, targets),
        "compared_with": compared
        if compared is None
        else sorted({*compared, *(int(gate.gate.rpartition(".v")[2]) for gate in again)}),
        **plan_evidence(connection, version.model, targets),
        "data": {**_data(run), **_change(connection, run)},
        "training": _training(run),
        "fitted": list(run.fitted),
        "code": dict(run.code),
        "environment": {**run.environment, "digest": canonical_digest(run.environment)},
        "artifacts": {
            "model": version.model_digest,
            "model_bytes": version.model_bytes,
            "schema": version.schema_digest,
            "profile_specification": version.profile_spec_digest,
            "reference": version.reference_digest,
            "predictions": version.predictions_digest,
            **_portable(version),
        },
        **_rolled_back(connection, version),
        **(
            {"replays": [{"job": job, KIND: to_plain(_nameless(replay))} for job, replay in replays]}
            if replays
            else {}
        ),
    }


def _rolled_back(connection: Connection, version: Version) -> dict[str, Any]:
    """That the version went back when it was out before: nobody sends it out again without having read why."""
    act = last_roll_back(connection, version.id)
    if act is None or act.since is None:
        return {}
    return {
        "rolled_back": {
            "at": act.since.isoformat(),
            "by": act.by,
            "request": act.request,
            "reason": act.reason,
        }
    }


def _nameless(replay: TrafficReplay) -> TrafficReplay:
    """A replay without its examples, which name rows of production: evidence never changes, and such rows can be erased. The
    job has them."""
    return replace(replay, found=replace(replay.found, examples=()))


def worst_replays(
    connection: Connection, version: Version, targets: Sequence[str]
) -> list[tuple[int, TrafficReplay]]:
    """Job and result of a replay of a version against each version that is live on these targets; only of replays of traffic
    of targets on which that one is live. The newest that shows it to be worse, where one does: whoever replays until it fits
    shows both; else the newest."""
    live_on: dict[int, set[str]] = {}
    for target, number in incumbents(connection, version.model, targets).items():
        if number is not None and number != version.number:
            live_on.setdefault(number, set()).add(target)
    found: dict[int, tuple[int, TrafficReplay]] = {}
    for job in jobs.replays_of(connection, version.model, version.id) if live_on else ():
        against, replay = int(job.options["against"]), read_replay(job.result)
        if replay is not None and live_on.get(against, set()) & {*replay.traffic.targets}:
            known = found.get(against)
            if known is None or (is_worse(replay) and not is_worse(known[1])):
                found[against] = job.id, replay
    return [found[number] for number in sorted(found)]


def _portable(version: Version) -> dict[str, Any]:
    """Portable form of the version's model or what it is tied to; nothing where nothing is on record."""
    form = version.portable
    if form is None:
        return {}
    return {"portable": form.digest or form.tied, **({"portable_rows": form.rows} if form.digest else {})}


def incumbents(connection: Connection, model: str, targets: Sequence[str]) -> dict[str, int | None]:
    """Number of the live version on each of these targets; None where there is none."""
    live = {deployment.target: deployment.version for deployment in deployments.live(connection, model=model)}
    return {target: live.get(target) for target in targets}


def check_current(connection: Connection, request: PromotionRequest) -> None:
    """Raise ConflictError where the evidence compares with something else than is live, or shows another plan than the one in
    force."""
    live = incumbents(connection, request.model, request.targets)
    frozen = request.evidence.get("incumbents")
    if live != frozen:
        raise ConflictError(
            f"request {request.id}: its evidence does not compare with what is live on {', '.join(request.targets)}: "
            f"ask anew with pilothouse request --again {request.id}"
        )
    check_plan(connection, request.id, request.model, request.evidence.get("plan"))


def compared_versions(connection: Connection, run: Run) -> list[int] | None:
    """Versions that the comparison gate of a run compared with; None where the record does not name them."""
    listed = runs.record_of(connection, run.id).get("incumbents")
    if not isinstance(listed, list):
        return None
    return sorted({int(item["number"]) if isinstance(item, dict) else int(item) for item in listed})


def _data(run: Run) -> dict[str, Any]:
    snapshot = run.snapshot
    return {
        "content_digest": snapshot.content_digest,
        "snapshot_digest": snapshot.artifact_digest,
        "source_digest": snapshot.source_digest,
        "rows": snapshot.rows,
        "training_rows": snapshot.training_rows,
        "holdout_rows": snapshot.holdout_rows,
        "first_row_at": snapshot.first_row_at.isoformat(),
        "last_row_at": snapshot.last_row_at.isoformat(),
        "trained_until": snapshot.trained_until.isoformat(),
        "as_of": run.as_of.isoformat() if run.as_of else None,
    }


def _change(connection: Connection, run: Run) -> dict[str, Any]:
    """What the training did about a change, where it was about one."""
    record = runs.record_of(connection, run.id)
    parts = {
        "split": record.get("snapshot", {}).get("split"),
        "older_rows": record.get("fit", {}).get("older_rows"),
    }
    return {name: str(text) for name, text in parts.items() if text}


def _training(run: Run) -> dict[str, Any]:
    return {
        "run": run.id,
        "job": run.job_id,
        "started_by": run.started_by,
        "reason": run.reason,
        "alert": run.triggered_by_alert,
        "specification": run.spec_digest,
        "parameters": dict(run.parameters),
        "seed": run.seed,
        "started_at": run.started_at.isoformat(),
        "duration_s": run.duration_s,
        "peak_memory_mb": run.peak_memory_mb,
    }
