"""A workspace that is the same on every day: two models, versions, requests, jobs, alerts, schedules, at fixed times.

Everything is written through the operations, or through the store where only the daemon would write it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.identity.roles import DAEMON, Actor, Grant, Permission, Role
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import ColumnSummary, GateOutcome, GateResult, MetricValue
from pilothouse.domain.models.model_pictures import FILE
from pilothouse.domain.records import Snapshot, Version, VersionStatus
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.alerts import alerts
from pilothouse.operations.authorisation import OPEN_READING, changing
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
from pilothouse.store.deployed import deployments, processes
from pilothouse.store.deployed.alerts import NewAlert
from pilothouse.store.governance import access
from pilothouse.store.log import audit
from pilothouse.store.models import models, versions
from pilothouse.store.work import runs
from pilothouse.system.paths import WorkspacePaths
from support.daemons import stand_for_daemon
from support.example_telemetry import keep_reference, observe
from support.pictures import file_of, made

NOW = datetime(2013, 9, 2, 6, 30, tzinfo=UTC)
PEOPLE = {"sam": Role.DATA_SCIENTIST, "pat": Role.APPROVER, "olga": Role.OPERATOR, "vic": Role.VIEWER}

FLIGHTS = """
name = "flight-delay"
description = "Late arrivals of departures from New York"
task = "binary"
owner = "flights team"

[data]
source = "rows.csv"
target = "late"
timestamp = "at"
timezone = "UTC"
features = ["wind", "hour", "carrier"]
categoricals = ["carrier"]
outcome_delay = "1d"
holdout = "14d"

[training]
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
parameters = { max_iter = 120, learning_rate = 0.1, early_stopping = false }

[gates.latency]
p95_ms = 50.0

[promotion]
approvals = 1
four_eyes = true

[[targets]]
name = "ewr"
region = "us-east"
product = "departures"
business_unit = "ops"

[[targets]]
name = "jfk"
region = "us-east"
product = "departures"
business_unit = "ops"

[[automation.schedule]]
name = "monthly"
cron = "0 4 1 * *"
"""

BIKES = """
name = "bike-demand"
description = "Rentals per hour in Washington"
task = "regression"
owner = "mobility team"

[data]
source = "rows.csv"
target = "late"
timestamp = "at"
timezone = "UTC"
features = ["wind", "hour"]

[training]
estimator = "sklearn.ensemble.HistGradientBoostingRegressor"

[[targets]]
name = "washington"
region = "us-east"
product = "bikes"
"""


def build(root: Path, *, demo: bool = True) -> None:
    """Make the workspace in ``root``."""
    paths = WorkspacePaths(root)
    paths.make_folders()
    registry = Registry.create(paths.registry)
    with registry.transaction() as connection:
        workspace.set_setting(connection, "created_by", "ada")
        workspace.set_setting(connection, "demo", "yes" if demo else "no")
        workspace.set_setting(connection, OPEN_READING, "yes")
        access.add_grant(connection, "ada", Grant(Role.ADMIN), by=Actor("ada"), at=NOW - timedelta(days=90))
        detail = {"admin": "ada", "demo": demo}
        audit.append(
            connection,
            at=NOW - timedelta(days=90),
            actor="ada",
            action="workspace.created",
            subject="workspace",
            detail=detail,
        )
    registry.close()
    for name, text in (("flight-delay", FLIGHTS), ("bike-demand", BIKES)):
        folder = paths.models / name
        folder.mkdir(parents=True)
        (folder / "model.toml").write_text(text)
        (folder / "rows.csv").write_text("at,wind,hour,carrier,late\n2013-01-01 00:00:00,3.5,0,UA,0\n")
    with opened(root) as services:
        _populate(services)


@contextmanager
def opened(root: Path, now: datetime = NOW) -> Iterator[Services]:
    """The workspace with its clock stopped at ``now``."""
    services = open_workspace(root)
    services.now = lambda: now
    try:
        yield services
    finally:
        services.close()


def start_daemon(root: Path) -> None:
    """Let this process stand for the daemon: it lives as long as the test."""
    with opened(root) as services:
        stand_for_daemon(services)


def stop_daemon(root: Path) -> None:
    """The daemon has ended."""
    with opened(root) as services, services.registry.transaction() as connection:
        processes.set_stopped(connection, "daemon", at=NOW)
        services.paths.daemon_lock.unlink()


def person(services: Services, name: str) -> Actor:
    """Somebody with their grants."""
    return workspaces.identify(services, "ada", name)


def _populate(services: Services) -> None:
    day = timedelta(days=1)
    at(services, NOW - 89 * day)
    ada = workspaces.identify(services, "ada")
    for name, role in PEOPLE.items():
        workspaces.grant_role(services, ada, name, role)
    apply_models.apply(services, ada)
    at(services, NOW - 60 * day)
    first = add_version(services, "flight-delay", auc=0.713, seed=1)
    promote(services, first, "late arrivals, first version")
    at(services, NOW - 30 * day)
    add_version(services, "flight-delay", auc=0.575, seed=2, failed="comparison")
    bikes = add_version(services, "bike-demand", auc=38.2, seed=3, metric="mae")
    promote(services, bikes, "winter model")
    at(services, NOW)
    observe(services, "flight-delay", 1, "ewr", NOW, metric="auc", level=0.713, decay=-0.002)
    observe(services, "flight-delay", 1, "jfk", NOW, metric="auc", level=0.713, decay=-0.013)
    observe(services, "bike-demand", 1, "washington", NOW, metric="mae", level=38.2, decay=0.1)
    for target, port, loaded in (
        ("ewr", 41001, "flight-delay"),
        ("jfk", 41002, "flight-delay"),
        ("washington", 41003, "bike-demand"),
    ):
        with services.registry.transaction() as connection:
            processes.put_report(
                connection, ServingReport(target, port, 4_242, {loaded: 1}, {}, 0, {loaded: 5_800}), at=NOW
            )
    at(services, NOW - 3 * day)
    alerts.open_alert(services, NewAlert(
        model="flight-delay", version=1, target="jfk", kind="performance", subject="auc", severity="critical",
        effective_at=NOW - 4 * day, summary="auc 0.604 on jfk, reference 0.713",
        explanation="In 2 of the last 3 windows auc was below its reference by more than random variation.\n"
        "The newest window: 0.604 [0.571, 0.637] on 3,120 flights; the hold-out of version 1 had 0.713 [0.702, 0.724].",
        figures={"value": 0.604, "low": 0.571, "high": 0.637, "reference": 0.713, "rows": 3120.0},
    ))  # fmt: skip
    alerts.open_alert(services, NewAlert(
        model="flight-delay", version=1, target="ewr", kind="data_drift", subject="wind", severity="warning",
        effective_at=NOW - 5 * day, summary="wind drifts on ewr: psi 0.31 of 0.12", explanation="psi 0.31, threshold 0.12.",
        figures={"psi": 0.31, "threshold": 0.12}, features=("wind",),
    ))  # fmt: skip
    alerts.open_alert(services, NewAlert(
        model="flight-delay", version=1, target="jfk", kind="data_drift", subject="features", severity="warning",
        effective_at=NOW - 5 * day, summary="2 of 3 features drift on jfk: wind, hour",
        explanation="psi 0.29, threshold 0.12. It was significant in 2 of the last 3 windows.",
        figures={"wind psi": 0.29, "wind threshold": 0.12}, features=("wind", "hour"),
    ))  # fmt: skip
    alerts.open_alert(services, NewAlert(
        model="bike-demand", version=1, target="washington", kind="latency", subject="p95", severity="warning",
        effective_at=NOW - 2 * day, summary="p95 31 ms on washington, 5.3 times its baseline",
        explanation="95 % of 640 requests took up to 31 ms.",
        figures={"p95_ms": 31.0, "baseline_p95_ms": 5.8, "factor": 5.3, "requests": 640.0},
    ))  # fmt: skip
    at(services, NOW - 2 * day)
    third = add_version(services, "flight-delay", auc=0.745, seed=4, reason="retraining on alert 1")
    promotions.request_promotion(
        services,
        person(services, "sam"),
        f"models:/flight-delay/{third.number}",
        reason="auc back above its reference",
    )
    at(services, NOW - timedelta(minutes=4))
    trainings.start_training(
        services, person(services, "sam"), "flight-delay", reason="try a slower learning rate"
    )
    claim = jobs.claim_job(services, "daemon-1", 60)
    assert claim is not None
    jobs.report_progress(
        services, claim, "fit", 0.45, "fitting HistGradientBoostingClassifier on 241,003 rows"
    )
    log = services.paths.step_folder(claim.job.id, claim.job.attempt, 1, "fit")
    log.mkdir(parents=True)
    (log / "log.txt").write_text("reading 241,003 rows\niteration 10 of 120\niteration 20 of 120\n")
    trainings.start_training(services, person(services, "sam"), "bike-demand", reason="summer rows")


def at(services: Services, time: datetime) -> None:
    """Set the workspace's clock."""
    services.now = lambda: time


def promote(services: Services, version: Version, reason: str) -> None:
    """Request by the data scientist, approval by the approver."""
    request = promotions.request_promotion(
        services, person(services, "sam"), f"models:/{version.model}/{version.number}", reason=reason
    )
    promotions.approve(
        services,
        person(services, "pat"),
        request.id,
        request.evidence_digest,
        "figures and slices look right",
    )


def digest(text: str) -> str:
    """A digest to stand for bytes that no screen reads."""
    return hashlib.sha256(text.encode()).hexdigest()


def add_version(
    services: Services,
    model: str,
    *,
    auc: float,
    seed: int,
    metric: str = "auc",
    failed: str = "",
    reason: str = "first training",
) -> Version:
    """What a training that has ended leaves behind."""
    sam = person(services, "sam")
    job = trainings.start_training(services, sam, model, reason=reason)
    claim = jobs.claim_job(services, "daemon-1", 60)
    assert claim is not None
    assert claim.job.id == job.id
    now = services.now()
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        connection = change.connection
        found, stored = models.find(connection, model), models.spec_in_force(connection, model)
        assert found is not None
        assert stored is not None
        live = sorted({d.version for d in deployments.live(connection, model=model)})
        snapshot_id = runs.add_snapshot(
            connection, _snapshot(seed), schema={"wind": "double", "hour": "int64"}, at=now
        )
        run = runs.NewRun(
            model_id=found.id, job_id=job.id, spec_id=found.spec_id, snapshot_id=snapshot_id, as_of=now, spec=stored.spec,
            parameters={"max_iter": 120, "learning_rate": 0.1}, seed=0, started_by="sam", reason=reason,
            started_at=now - timedelta(seconds=40), ended_at=now, duration_s=38.4, peak_memory_mb=412.0,
            code={
                "commit": digest(f"commit {seed}")[:40], "branch": "main", "dirty": seed == 2,
                "folder_digest": digest(f"folder {seed}"),
            },
            environment={"python": "3.11.9", "platform": "Linux x86_64", "packages": {"scikit-learn": "1.7.2"}},
            record={"incumbents": live}, alert_id=None,
        )  # fmt: skip
        pictured = file_of(made("regression" if metric == "mae" else "binary", seed))
        files = {FILE: runs.RunFile(FILE, services.artifacts.put_bytes(pictured), len(pictured))}
        run_id = runs.add(connection, run, files, at=now)
        number = versions.next_number(connection, found.id)
        spread = abs(auc) * 0.015
        metrics = [MetricValue(metric, auc, auc - spread, auc + spread, 11_204)]
        for origin, shift in (("EWR", 0.01), ("JFK", -0.02), ("LGA", 0.004)):
            value = auc * (1 + shift)
            metrics.append(
                MetricValue(metric, value, value - 2 * spread, value + 2 * spread, 3_700, f"origin={origin}")
            )
        gates = [
            GateResult("data", GateOutcome.PASSED, "0.2 % missing, no duplicates, no leak", {"missing": 0.002}),
            GateResult(
                "comparison", GateOutcome.FAILED if failed == "comparison" else GateOutcome.PASSED,
                f"{metric} against version 1 on 11,204 rows that neither saw: −0.031 [−0.041, −0.020], margin 0.005"
                if failed else f"{metric} +0.032 [+0.021, +0.043], margin 0.005",
                {"difference": -0.031 if failed else 0.032}, "−0.005",
            ),
            GateResult("latency", GateOutcome.PASSED, "p95 6.1 ms of one row, budget 50 ms", {"p95_ms": 6.1}, "50 ms"),
        ]  # fmt: skip
        task = "regression" if metric == "mae" else "binary"
        profile, reference = keep_reference(services, task, metric)
        new = versions.NewVersion(
            model_id=found.id, number=number, run_id=run_id,
            status=VersionStatus.REFUSED if failed else VersionStatus.CANDIDATE, model_digest=digest(f"model {seed}"),
            model_bytes=418_211, schema_digest=digest("schema"), profile_spec_digest=profile,
            reference_digest=reference, predictions_digest=digest(f"predictions {seed}"), metrics=tuple(metrics),
            gates=tuple(gates),
        )  # fmt: skip
        version_id = versions.add(connection, new, at=now)
        outcome = JobOutcome(JobStatus.SUCCEEDED, "", seconds=38.4, peak_memory_mb=412.0)
        change.record("version.registered", f"models:/{model}/{number}", {"job": job.id})
        jobs.finish_job(change, claim, outcome, version_id=version_id)
        version = versions.find(connection, VersionReference(model, number))
        assert version is not None
        return version


def _snapshot(seed: int) -> Snapshot:
    end = NOW - timedelta(days=10 * seed)
    return Snapshot(
        content_digest=digest(f"rows {seed}"), artifact_digest=digest(f"snapshot {seed}"), source_digest=digest("source"),
        rows=78_100, training_rows=66_896, holdout_rows=11_204, first_row_at=end - timedelta(days=90), last_row_at=end,
        trained_until=end - timedelta(days=14),
        columns=(
            ColumnSummary("wind", "number", 121, 402, 0.0, 42.6, 11.2, 5.4),
            ColumnSummary("hour", "number", 0, 20, 5.0, 23.0, 13.1, 4.7),
            ColumnSummary("carrier", "category", 0, 16, frequent={"UA": 12_003, "B6": 11_870, "EV": 11_204}),
        ),
    )  # fmt: skip


def roll_back_silently(services: Services, model: str, target: str, version: int) -> None:
    """A version is live again on one target, and no audit row says so."""
    with services.registry.transaction() as connection:
        new = deployments.NewDeployment(
            model=model, version=version, target=target, kind="rollback", actor="olga", reason="as before",
            request_id=None, effective_at=NOW,
        )  # fmt: skip
        deployments.deploy(connection, new, at=NOW)


def apply_files(services: Services) -> None:
    """Put the workspace's files in force, as its admin."""
    apply_models.apply(services, workspaces.identify(services, "ada"))
