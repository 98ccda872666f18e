"""A workspace whose model has two trained versions, the first live and asked for weeks: for replays.

Steps run in this process, with the modules, requests and records that a daemon has them run with.
"""

import importlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pilothouse.composition import open_workspace
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.formats.wire import Outcome, PredictionBatch, RequestTiming
from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.domain.jobs.jobs import ProgressLine, StepExit, StepRequest, StepResult
from pilothouse.domain.records import Job
from pilothouse.execution.pipeline import JobOutcome, run_pipeline
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import job_inputs, jobs, trainings
from pilothouse.operations.jobs.job_inputs import PreparedJob
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from support import until_the_test_ends
from support.templates import copy_of

MODEL, NORTH, SOUTH = "late", "north", "south"
START = datetime(2026, 1, 1, tzinfo=UTC)
TRAINED_DAYS = 40
"""Days of history; traffic comes after them."""
TRAFFIC = START + timedelta(days=TRAINED_DAYS)
NOW = START + timedelta(days=120)

_TARGETS = {"binary": "late", "multiclass": "level", "regression": "delay"}
_ESTIMATORS = {
    "binary": "sklearn.ensemble.HistGradientBoostingClassifier",
    "multiclass": "sklearn.ensemble.HistGradientBoostingClassifier",
    "regression": "sklearn.ensemble.HistGradientBoostingRegressor",
}


def model_text(task: str = "binary", extra: str = "", training: str = "") -> str:
    return f"""
name = "{MODEL}"
task = "{task}"
owner = "somebody"

[data]
source = "../../data/rows.parquet"
target = "{_TARGETS[task]}"
timestamp = "at"
features = ["wind", "rain", "port"]
categoricals = ["port"]
slices = ["port", "pier"]
exclude = {[name for name in _TARGETS.values() if name != _TARGETS[task]]}
private = ["passenger"]
outcome_delay = "1d"
holdout = "10d"

[training]
estimator = "{_ESTIMATORS[task]}"
seed = 3
{training}

[training.parameters]
max_iter = 20
early_stopping = false

[gates.data]
minimum_rows = 100

[[targets]]
name = "{NORTH}"
region = "eu"
match = {{ port = "N" }}

[[targets]]
name = "{SOUTH}"
region = "us"
match = {{ port = "S" }}
{extra}
"""


def arrivals(first: datetime, days: int, per_day: int = 60, seed: int = 0) -> pd.DataFrame:
    """Arrivals at two ports, late when wind and rain are strong, the more so in the south."""
    draw = np.random.default_rng(seed)
    n = days * per_day
    at = pd.Timestamp(first) + pd.to_timedelta(np.arange(n) * 86_400 // per_day, unit="s")
    wind, rain = draw.gamma(2, 3, n), draw.exponential(2, n)
    port = np.where(draw.random(n) < 0.5, "N", "S")
    push = wind / 3 + rain / 2 + (port == "S") - 4
    late = (draw.random(n) < 1 / (1 + np.exp(-push))).astype(int)
    return pd.DataFrame(
        {
            "at": at,
            "wind": np.where(draw.random(n) < 0.05, np.nan, wind),
            "rain": rain,
            "port": port,
            "late": late,
            "delay": 10 * push + draw.normal(0, 5, n),
            "level": np.where(push > 0.5, "much", np.where(push > -1.5, "some", "none")),
            "pier": [f"pier {i % 3}" for i in range(n)],
            "passenger": [f"P{i}" for i in range(n)],
        }
    )


def make_replayed(root: Path, task: str = "binary", extra: str = "", training: str = "") -> Services:
    """Version 1 (a stump) live on both targets, version 2 a candidate; nothing has been asked yet."""

    def build(folder: Path) -> None:
        _build(folder, model_text(task, extra, training)).close()

    copy_of(("replayed", task, extra, training), build, root)
    return until_the_test_ends(opened(root))


def opened(root: Path) -> Services:
    services = open_workspace(root)
    services.now = lambda: NOW
    return services


def _build(root: Path, text: str) -> Services:
    workspaces.initialise(root, "eve", demo=True, clock=lambda: NOW)
    services = opened(root)
    for name, role in (("ann", Role.DATA_SCIENTIST), ("bob", Role.APPROVER), ("olga", Role.OPERATOR)):
        workspaces.grant_role(services, actor(services, "eve"), name, role)
    (root / "data").mkdir()
    arrivals(START, TRAINED_DAYS).to_parquet(root / "data" / "rows.parquet", index=False)
    folder = root / "models" / MODEL
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(text)
    apply_models.apply(services, actor(services, "eve"))
    train(services, {"training.parameters.max_iter": 6})
    deploy(services, 1)
    train(services, {})
    return services


def actor(services: Services, name: str) -> Actor:
    return workspaces.identify(services, name)


def train(services: Services, overrides: dict[str, Any], *, until: datetime = TRAFFIC) -> Job:
    """Train a version on what was known by then; it must come out of it."""
    options = trainings.TrainingOptions(as_of=until, overrides=overrides)
    trainings.start_training(services, actor(services, "ann"), MODEL, options)
    job = run_next(services)
    assert job.version, job.error
    return job


def deploy(services: Services, version: int, targets: tuple[str, ...] = (NORTH, SOUTH)) -> None:
    """Have a version requested by one person and approved by another."""
    request = promotions.request_promotion(services, actor(services, "ann"), f"{MODEL}/{version}", targets)
    promotions.approve(services, actor(services, "bob"), request.id, request.evidence_digest)


class HereRunner:
    """Runner of steps in this process, by the modules of the training."""

    def __init__(self, before: Callable[[StepRequest], None] = lambda _: None) -> None:
        self._before = before

    def run_step(
        self, request: StepRequest, cancel: threading.Event, on_progress: Callable[[ProgressLine], None]
    ) -> tuple[StepExit, StepResult | None]:
        Path(request.folder).mkdir(parents=True, exist_ok=True)
        self._before(request)
        module = importlib.import_module(f"pilothouse.training.steps.{request.step}")
        result: StepResult = module.run(
            request, lambda fraction, message, _: on_progress(ProgressLine(0.0, fraction, message))
        )
        return StepExit(0, None, 1.0, 0.1), result


def run_next(services: Services, runner: HereRunner | None = None) -> Job:
    """Claim the next job, run it and record it."""
    claim = jobs.claim_job(services, "here", 600)
    assert claim is not None
    outcome = outcome_of(job_handlers.prepare(services, claim), runner or HereRunner())
    assert outcome.status == "succeeded", outcome.error
    job_handlers.record(services, claim, outcome)
    jobs.discard_files_of(services, claim.job.id)
    return jobs.get_job(services, actor(services, "eve"), claim.job.id)


def outcome_of(prepared: PreparedJob, runner: HereRunner) -> JobOutcome:
    """End of the steps of a job."""
    return run_pipeline(
        runner, prepared.kind, prepared.requests, cancel=threading.Event(), on_progress=lambda *_: None
    )


def predictor_of(services: Services, number: int) -> Predictor:
    """What a serving process of the version answers with."""
    with services.registry.read() as connection:
        version = require_version(connection, f"{MODEL}/{number}")
    schema = InputSchema.from_bytes(services.artifacts.read(version.schema_digest))
    return Predictor(Path(job_inputs.model_path(services, version)).read_bytes(), schema)


def serve(
    services: Services,
    first_day: int,
    days: int,
    *,
    version: int = 1,
    outcomes: float = 1.0,
    frame: pd.DataFrame | None = None,
    size: int = 25,
    change: Callable[[np.ndarray], np.ndarray] = lambda scores: scores,
) -> pd.DataFrame:
    """Have a version answer arrivals from a day after the traffic's beginning on; a share of the rows get their outcomes.

    ``change`` falsifies the scores. Returns the rows with the target on which each was asked.
    """
    rows = (
        arrivals(TRAFFIC + timedelta(days=first_day), days, seed=100 + first_day) if frame is None else frame
    )
    predictor = predictor_of(services, version)
    target_column = _TARGETS[predictor.schema.task]
    rows = rows.assign(target=np.where(rows["port"] == "N", NORTH, SOUTH))
    known = np.random.default_rng(first_day).random(len(rows)) < outcomes
    sent: list[Outcome] = []
    for target, of_target in rows.assign(known=known).groupby("target"):
        for number, start in enumerate(range(0, len(of_target), size), start=1):
            part = of_target.iloc[start : start + size]
            producer = f"{target}-v{version}-{first_day}"
            ingest.ingest_batch(
                services, _batch(predictor, part, producer, number, str(target), version, change)
            )
            sent += [
                Outcome(
                    f"{producer}.{number}.{i}", value if predictor.schema.task == "regression" else str(value)
                )
                for i, (value, is_known) in enumerate(zip(part[target_column], part["known"], strict=True))
                if is_known
            ]
    ingest.ingest_outcomes(services, sent)
    return rows


def _batch(
    predictor: Predictor,
    rows: pd.DataFrame,
    producer: str,
    sequence: int,
    target: str,
    version: int,
    change: Callable[[np.ndarray], np.ndarray],
) -> PredictionBatch:
    columns = {
        "wind": rows["wind"].to_numpy(),
        "rain": rows["rain"].to_numpy(),
        "port": rows["port"].tolist(),
    }
    answer = predictor.predict(columns, len(rows))
    return PredictionBatch(
        producer,
        sequence,
        target,
        MODEL,
        version,
        len(rows),
        np.array([to_us(at) for at in rows["at"]], "<i8").tobytes(),
        change(answer.scores).astype("<f8").tobytes(),
        {name: rows[name].to_numpy("<f8").tobytes() for name in ("wind", "rain")},
        {"port": rows["port"].tolist()},
        answer.labels,
        [RequestTiming(len(rows), 900, to_us(NOW), 500, 500)],
    )
