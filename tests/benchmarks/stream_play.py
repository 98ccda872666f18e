"""A stream played through the product in accelerated time: trained, deployed, served, watched and trained again by itself.

Steps run in the real launcher, jobs in a slot of the daemon's supervisor; predictions and outcomes come in by the operations
that the hub calls, and the monitor's round runs at the end of each day.
"""

import json
import resource
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stream_cases import Case

from pilothouse.composition import open_workspace
from pilothouse.confinement import probe
from pilothouse.daemon.job_supervisor import run_slot
from pilothouse.daemon.thread_loop import ThreadGroup, Wakeup
from pilothouse.domain.confinement import confines
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.formats.wire import Outcome, PredictionBatch, RequestTiming
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Alert, Job, Version
from pilothouse.execution.launcher_client import Launcher
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.operations import catalogue
from pilothouse.operations.alerts import alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.promotion import deployments
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.store.work import runs
from pilothouse.system.paths import WorkspacePaths
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import Reading, RetrainingNote
from support import wait_until

ADMIN, SCIENTIST = "olga", "ada"
TARGET = "main"
_JOB_PATIENCE_S = 900
_ROWS_A_REQUEST = 200


@dataclass
class Played:
    """What came of a stream. ``served``: every row with the version that answered it and what it said; ``live_since``: day of
    the stream on which each version began to answer."""

    case: Case
    served: pd.DataFrame
    alerts: list[Alert]
    retrainings: list[Job]
    notes: list[RetrainingNote]
    readings: dict[tuple[int, str], list[Reading]]
    versions: dict[int, "Learnt"]
    live_since: dict[int, int] = field(default_factory=dict)
    peak_before_mb: int = 0
    """Peak memory of this process before its first prediction: raw rows, pandas and scikit-learn are in it."""


@dataclass
class Learnt:
    """A version: the model as the product serves it, and the rows that judged it, scored by it."""

    version: Version
    predictor: Predictor
    holdout: pd.DataFrame


def play(case: Case, root: Path) -> Played:
    """Play a stream in ``root``, an empty folder."""
    _lay_out(case, root)
    paths = WorkspacePaths(root.resolve())
    isolation: Any = "require" if confines(probe.offered()) else "warn"
    launcher = Launcher(closed=[paths.state], opened=[paths.jobs, paths.artifacts], isolation=isolation)
    threads = ThreadGroup()
    with launcher:
        services = open_workspace(root)
        try:
            wakeup = threads.wakeup("jobs")
            threads.start("jobs", lambda: run_slot(services, launcher, "streams", wakeup))
            return _Run(case, services, wakeup).through()
        finally:
            threads.stop.set()
            threads.join(30)
            services.close()


class _Run:
    """A stream on its way."""

    def __init__(self, case: Case, services: Services, wakeup: Wakeup) -> None:
        self.case, self.services, self.wakeup = case, services, wakeup
        self.scientist = workspaces.identify(services, SCIENTIST)
        self.learnt: dict[int, Learnt] = {}
        self.sequences: dict[int, int] = {}
        self.live_since: dict[int, int] = {}
        self.peak_before_mb = 0

    def through(self) -> Played:
        """First version, then day by day to the end."""
        case = self.case
        apply_models.apply(self.services, _admin(self.services))
        options = trainings.TrainingOptions(as_of=case.live_from)
        job = trainings.start_training(
            self.services, self.scientist, case.name, options, reason="first version"
        )
        self._run_jobs()
        done = jobs.get_job(self.services, self.scientist, job.id)
        assert done.status is JobStatus.SUCCEEDED, done.error
        assert self._live() is not None, f"the first version is not live: {done.result}"
        self.version(self._live() or 1)  # scikit-learn is loaded
        self.peak_before_mb = peak_mb()
        start = pd.Timestamp(case.live_from)
        day_of = ((case.frame["at"] - start) // pd.Timedelta(days=1)).to_numpy()
        served: list[pd.DataFrame] = []
        waiting: list[Outcome] = []
        for day in range(case.days):
            live = self._live()
            assert live is not None
            self.live_since.setdefault(live, day)
            rows, outcomes = self._serve(case.frame[day_of == day], live)
            served.append(rows.assign(version=live))
            ingest.ingest_outcomes(self.services, waiting)
            waiting = outcomes
            monitoring_round.evaluate_windows(self.services)
            self._run_jobs()
        ingest.ingest_outcomes(self.services, waiting)
        monitoring_round.evaluate_windows(self.services)
        return self._played(pd.concat(served, ignore_index=True))

    def _live(self) -> int | None:
        live = deployments.list_deployments(
            self.services, self.scientist, model=self.case.name, live_only=True
        )
        return live[0].version if live else None

    def _run_jobs(self) -> None:
        """Let the supervisor run what is queued, to its end."""

        def ended() -> bool:
            self.wakeup.wake()
            return all(job.status.ended for job in jobs.list_jobs(self.services, self.scientist, limit=20))

        if not ended():
            wait_until(ended, _JOB_PATIENCE_S, 0.1)

    def _serve(self, rows: pd.DataFrame, version: int) -> tuple[pd.DataFrame, list[Outcome]]:
        """The rows of a day as the live version answers them, taken in; the outcomes come later."""
        case = self.case
        scored = score(self.version(version).predictor, case, rows)
        if rows.empty:
            return scored, []
        sequence = self.sequences[version] = self.sequences.get(version, 0) + 1
        producer = f"{TARGET}-{version}"
        count, now_us = len(rows), to_us(self.services.now())
        sizes = [min(_ROWS_A_REQUEST, count - first) for first in range(0, count, _ROWS_A_REQUEST)]
        batch = PredictionBatch(
            producer,
            sequence,
            TARGET,
            case.name,
            version,
            count,
            rows["at"].to_numpy("datetime64[us]").astype("<i8").tobytes(),
            scored["score"].to_numpy("<f8").tobytes(),
            {n: rows[n].to_numpy("<f8").tobytes() for n in case.features if n not in case.categoricals},
            {n: rows[n].tolist() for n in case.categoricals},
            [] if case.task == "regression" else scored["label"].astype(str).tolist(),
            [RequestTiming(size, 5_000, now_us) for size in sizes],
        )
        receipt = ingest.ingest_batch(self.services, batch)
        assert receipt.accepted == count, f"{count} rows were sent, {receipt.accepted} taken"
        truth = rows["truth"].tolist() if case.task == "regression" else rows["truth"].astype(str).tolist()
        return scored, [Outcome(f"{producer}.{sequence}.{i}", value) for i, value in enumerate(truth)]

    def version(self, number: int) -> Learnt:
        """A version with its model and its hold-out."""
        if number not in self.learnt:
            services, case = self.services, self.case
            version = catalogue.get_version(services, self.scientist, version_uri(case.name, number))
            schema = InputSchema.from_bytes(services.artifacts.read(version.schema_digest))
            predictor = Predictor(services.artifacts.read(version.model_digest), schema)
            with services.registry.read() as connection:
                held = runs.files_of(connection, version.run_id)["holdout"]
            rows = pd.read_parquet(services.artifacts.path(held.digest)).reset_index(drop=True)
            self.learnt[number] = Learnt(version, predictor, score(predictor, case, rows))
        return self.learnt[number]

    def _played(self, served: pd.DataFrame) -> Played:
        services, case = self.services, self.case
        every = jobs.list_jobs(services, self.scientist, limit=200)
        retrainings = sorted((j for j in every if j.created_by != SCIENTIST), key=lambda job: job.id)
        for job in retrainings:
            if job.version is not None:
                self.version(job.version)
        found: dict[tuple[int, str], list[Reading]] = {}
        with services.telemetry.read() as connection:
            for number in self.learnt:
                for monitor in (readings.DRIFT, readings.PERFORMANCE, readings.ESTIMATE):
                    found[number, monitor] = readings.history_of_target(
                        connection, case.name, TARGET, monitor, version=number
                    )
            notes = readings.retraining_notes(connection, case.name)
        drawn = sorted(alerts.list_alerts(services, self.scientist), key=lambda alert: alert.id)
        return Played(
            case, served, drawn, retrainings, notes, found, self.learnt, self.live_since, self.peak_before_mb
        )


def peak_mb() -> int:
    """Most memory that this process has had resident."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def score(predictor: Predictor, case: Case, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with ``score``, ``label`` and, of many classes, ``proba_0`` and so on."""
    answer = predictor.predict({name: rows[name].tolist() for name in case.features}, len(rows))
    more: dict[str, Any] = {"score": answer.scores}
    if case.task != "regression":
        more["label"] = np.array(answer.labels, dtype=int)
    if case.task == "multiclass":
        assert answer.probabilities is not None
        more |= {
            f"proba_{name}": answer.probabilities[:, i] for i, name in enumerate(predictor.schema.classes)
        }
    return rows.assign(**more)


def _lay_out(case: Case, root: Path) -> None:
    """A workspace with the model file, the rows, and an admin who lets what passes go live by itself."""
    root.mkdir(parents=True, exist_ok=True)
    workspaces.initialise(root, ADMIN)
    services = open_workspace(root)
    admin = _admin(services)
    workspaces.grant_role(services, admin, SCIENTIST, Role.DATA_SCIENTIST)
    workspaces.set_workspace_policy(
        services,
        admin,
        approvals=0,
        four_eyes=False,
        allow_automatic=True,
        reason="a stream that runs by itself",
    )
    services.close()
    (root / "data").mkdir()
    case.frame.to_parquet(root / "data" / "rows.parquet", index=False)
    folder = root / "models" / case.name
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(model_file(case))


def _admin(services: Services) -> Actor:
    return workspaces.identify(services, ADMIN)


def model_file(case: Case) -> str:
    """The model file of a stream: what it leaves out has the program's defaults."""
    monitoring = {
        "window": "7d", "step": "7d", "performance_window": "14d", "performance_step": "7d", **case.monitoring,
    }  # fmt: skip
    return "\n".join(
        [
            f'name = "{case.name}"\ntask = "{case.task}"\nowner = "benchmarks"',
            '[data]\nsource = "../../data/rows.parquet"\ntarget = "truth"\ntimestamp = "at"',
            f"features = {json.dumps(case.features)}\ncategoricals = {json.dumps(case.categoricals)}",
            'outcome_delay = "1d"\nholdout = "14d"',
            f'[training]\nestimator = "{case.estimator}"\nseed = 7\nthreads = 1',
            "[training.parameters]",
            *(f"{key} = {json.dumps(value)}" for key, value in case.parameters.items()),
            f"[gates.comparison]\nminimum_rows = {case.comparison_rows}",
            "[promotion]\napprovals = 0\nfour_eyes = false\nautomatic = true",
            f'[[targets]]\nname = "{TARGET}"',
            "[monitoring]",
            *(f"{key} = {json.dumps(value)}" for key, value in monitoring.items()),
            f'[automation]\nretrain_on = {json.dumps(case.retrain_on)}\ncooldown = "28d"',
            "budget_per_day = 50",
            "",
        ]
    )


def day_at(case: Case, time: datetime) -> float:
    """Days of a stream since it went live."""
    return (time - case.live_from) / timedelta(days=1)
