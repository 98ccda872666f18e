"""A workspace with a model in it, and jobs whose steps left files and records as real ones do."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.composition import open_workspace
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission, Role
from pilothouse.domain.jobs.jobs import JobStatus, StepExit, StepResult
from pilothouse.domain.records import Job, Version
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.authorisation import changing
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.jobs import job_inputs, jobs, results, trainings
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from support import until_the_test_ends
from support.templates import copy_of

ADMIN, SCIENTIST, APPROVER = "eve", "ann", "bob"

MODEL = """
name = "demo"
task = "binary"
owner = "team"

[data]
source = "../../data/rows.parquet"
target = "late"
timestamp = "at"
features = ["distance", "carrier"]
categoricals = ["carrier"]
outcome_delay = "1d"
holdout = "14d"

[training]
estimator = "sklearn.linear_model.LogisticRegression"
seed = 7

[training.parameters]
C = 1.0

[gates.data]
minimum_rows = 100

[[gates.metric]]
metric = "auc"
minimum = 0.6

[[targets]]
name = "ewr"
region = "us-east"

[[targets]]
name = "jfk"
"""

_FIRST_US = 1_356_998_400_000_000


def make_workspace(root: Path) -> Services:
    """A workspace with an admin, a data scientist and an approver, the model ``demo`` on disk, not applied."""
    copy_of("jobs", _build, root)
    return until_the_test_ends(open_workspace(root))


def _build(root: Path) -> None:
    workspaces.initialise(root, ADMIN, demo=True)
    services = open_workspace(root)
    admin = actor(services, ADMIN)
    workspaces.grant_role(services, admin, SCIENTIST, Role.DATA_SCIENTIST)
    workspaces.grant_role(services, admin, APPROVER, Role.APPROVER)
    write_source(root)
    write_model(root, MODEL)
    services.close()


def actor(services: Services, name: str) -> Actor:
    """Somebody by name, with what they hold."""
    return workspaces.identify(services, name)


def write_source(root: Path, rows: int = 100) -> Path:
    """The rows that the model file names."""
    path = root / "data" / "rows.parquet"
    path.parent.mkdir(exist_ok=True)
    times = [datetime.fromtimestamp((_FIRST_US + i * DAY_US) / 1e6, UTC) for i in range(rows)]
    table = pa.table(
        {
            "at": pa.array(times, pa.timestamp("us", "UTC")),
            "distance": [float(i) for i in range(rows)],
            "carrier": ["AA" if i % 2 else "UA" for i in range(rows)],
            "late": [i % 2 for i in range(rows)],
        }
    )
    pq.write_table(table, path)
    return path


def write_model(root: Path, text: str, name: str = "demo") -> Path:
    """``models/NAME/model.toml``."""
    path = root / "models" / name / "model.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def applied(root: Path) -> Services:
    """``make_workspace`` with the model applied."""

    def build(folder: Path) -> None:
        services = make_workspace(folder)
        apply_models.apply(services, actor(services, SCIENTIST))
        services.close()

    copy_of("jobs, applied", build, root)
    return until_the_test_ends(open_workspace(root))


def queue(services: Services, reason: str = "", **options: Any) -> Job:
    """A training of ``demo`` by the scientist."""
    asked = trainings.TrainingOptions(**options)
    return trainings.start_training(services, actor(services, SCIENTIST), "demo", asked, reason=reason)


def claim(services: Services, owner: str = "daemon-1", lease_s: float = 30.0) -> ClaimedJob:
    """The oldest waiting job, claimed."""
    found = jobs.claim_job(services, owner, lease_s)
    assert found is not None
    return found


def outcome_of(services: Services, held: ClaimedJob, **changes: Any) -> JobOutcome:
    """Lay the job out and leave in its folders what the steps of a good training leave. ``changes``: step to record parts."""
    prepared = job_handlers.prepare(services, held)
    return outcome_for(prepared, **changes)


def outcome_for(prepared: job_inputs.PreparedJob, **changes: Any) -> JobOutcome:
    """``outcome_of`` for a job that is laid out already."""
    steps: dict[str, StepResult] = {}
    exits: dict[str, StepExit] = {}
    for request in prepared.requests:
        folder = Path(request.folder)
        folder.mkdir(parents=True)
        (folder / "log.txt").write_text(f"{request.step} says hello\n")
        outputs = {}
        for name in _OUTPUTS.get(request.step, ()):
            path = folder / f"{name}.bin"
            path.write_bytes(f"{name} of job {request.job} attempt {request.attempt}".encode())
            outputs[name] = str(path)
        record = {**_records(request.seed).get(request.step, {}), **changes.get(request.step, {})}
        steps[request.step] = StepResult(ok=True, outputs=outputs, record=record)
        exits[request.step] = StepExit(0, None, 120.0, 0.5)
    return JobOutcome(JobStatus.SUCCEEDED, "", steps, exits, 2.5, 120.0)


def trained(services: Services, *, by_daemon: bool = False, **changes: Any) -> Version:
    """Queue, claim, run and record one training."""
    if by_daemon:
        trainings.start_training(services, DAEMON, "demo", reason="drift")
    else:
        queue(services, reason="first try")
    held = claim(services)
    return results.record_training(services, held, outcome_of(services, held, **changes))


def failed(outcome: JobOutcome, status: JobStatus, error: str) -> JobOutcome:
    """The same outcome, ended badly."""
    return replace(outcome, status=status, error=error)


def finish(
    services: Services, held: ClaimedJob, outcome: JobOutcome, result: dict[str, Any] | None = None
) -> Job:
    """End an attempt in a transaction of its own, whatever its status."""
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        return jobs.finish_job(change, held, outcome, result)


def digest(text: str) -> str:
    """sha256 in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def gate(name: str, outcome: str = "passed", reason: str = "fine") -> dict[str, Any]:
    """A gate's result as JSON has it."""
    return {"gate": name, "outcome": outcome, "reason": reason, "figures": {"auc": 0.71}, "bound": "≥ 0.6"}


_OUTPUTS = {
    "snapshot": ("snapshot", "train", "holdout"),
    "fit": ("model", "schema"),
    "evaluate": ("profile_spec", "reference", "predictions"),
    "compare": ("predictions",),
}


def _records(seed: int) -> dict[str, dict[str, Any]]:
    environment = {
        "python": "3.11.4",
        "platform": "Linux",
        "packages": {"numpy": "2.0.0"},
        "threads": {"openmp": 2},
    }
    return {
        "snapshot": {
            "content_digest": digest("rows"),
            "source_digest": digest("source"),
            "train_digest": digest("train"),
            "holdout_digest": digest("holdout"),
            "rows": 100,
            "training_rows": 86,
            "holdout_rows": 14,
            "first_row_us": _FIRST_US,
            "last_row_us": _FIRST_US + 99 * DAY_US,
            "trained_until_us": _FIRST_US + 85 * DAY_US,
            "schema": {
                "at": "timestamp[us, tz=UTC]",
                "distance": "double",
                "carrier": "string",
                "late": "int64",
            },
            "columns": [
                {
                    "name": "distance",
                    "kind": "number",
                    "missing": 0,
                    "distinct": 100,
                    "minimum": 0.0,
                    "maximum": 99.0,
                    "mean": 49.5,
                    "deviation": 28.9,
                    "frequent": {},
                }
            ],
            "duplicates": 0,
            "single_feature_leakage": {"distance": 0.5},
            "gates": [gate("data.rows")],
        },
        "fit": {"parameters": {"C": 1.0}, "trials": [], "seed": seed},
        "evaluate": {
            "metrics": [
                {"metric": "auc", "value": 0.71, "low": 0.65, "high": 0.77, "rows": 14, "slice": ""},
                {"metric": "auc", "value": 0.7, "low": 0.6, "high": 0.8, "rows": 7, "slice": "carrier=AA"},
            ],
            "gates": [gate("data.rows"), gate("metric.auc")],
            "latency_us": {"p50": 900.0, "p95": float("nan")},
            **environment,
        },
        "gate": {"gates": [gate("function")]},
        "compare": {"identical": True, "differences": [], "environment": []},
        "verify": {"source_digest": digest("source")},
    }
