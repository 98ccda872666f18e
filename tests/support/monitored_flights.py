"""A workspace whose model ``flight-delay`` has a version with a real reference, live on two targets, and its traffic."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.composition import open_workspace
from pilothouse.domain.formats.time_units import DAY_US, from_us, to_us
from pilothouse.domain.formats.wire import LabelReceipt, Outcome
from pilothouse.domain.identity.roles import Actor, Role
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.records import Snapshot, VersionStatus
from pilothouse.operations import model_files
from pilothouse.operations.ingest import ingest
from pilothouse.operations.monitoring import baselines, window_closing
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.statistics import reference as references
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.store.deployed import deployments
from pilothouse.store.models import models, versions
from pilothouse.store.work import runs
from pilothouse.telemetry.windows import readings
from support.flight_batches import CATEGORICAL, NOW_US, NUMERIC, batches, columns_of, flights, specification
from support.templates import copy_of

APRIL = datetime(2013, 4, 1, tzinfo=UTC)
AIRPORTS = {"ewr": "EWR", "jfk": "JFK"}

MODEL = f"""
name = "flight-delay"
task = "binary"
owner = "tests"

[data]
source = "../../data/flights.parquet"
target = "late"
timestamp = "scheduled_at"
features = {[*NUMERIC, *CATEGORICAL]}
categoricals = {[*CATEGORICAL]}
outcome_delay = "1d"

[training]
estimator = "sklearn.linear_model.LogisticRegression"

[[targets]]
name = "ewr"
region = "us-east"
match = {{ origin = "EWR" }}

[[targets]]
name = "jfk"
region = "us-east"
match = {{ origin = "JFK" }}

[monitoring]
window = "7d"
step = "7d"
performance_window = "14d"
performance_step = "7d"
ignore = ["hour"]

[automation]
retrain_on = ["performance"]
cooldown = "28d"
budget_per_30d = 2
"""


def make_watched(root: Path, model: str = MODEL) -> Services:
    """A workspace with version 1 live on ``ewr`` and ``jfk`` since 1 April 2013, by event time."""

    def build(folder: Path) -> None:
        _build_watched(folder, model).close()

    copy_of(("watched", model), build, root)
    return _open_watched(root)


def _open_watched(root: Path) -> Services:
    services = open_workspace(root)
    services.now = lambda: from_us(NOW_US)
    return services


def _build_watched(root: Path, model: str) -> Services:
    workspaces.initialise(root, "ada", demo=True, clock=lambda: from_us(NOW_US))
    services = _open_watched(root)
    workspaces.grant_role(services, admin(services), "ann", Role.DATA_SCIENTIST)
    workspaces.grant_role(services, admin(services), "olga", Role.OPERATOR)
    write_model(root, model)
    source = flights("EWR")[["scheduled_at", "origin", *NUMERIC, *CATEGORICAL, "late"]].head(100)
    (root / "data").mkdir()
    pq.write_table(pa.Table.from_pandas(source), root / "data" / "flights.parquet")
    apply_models.apply(services, admin(services))
    register(services)
    deploy(services, 1, APRIL)
    return services


def write_model(root: Path, text: str) -> None:
    """Write the model file; applying it is the caller's."""
    folder = root / "models" / "flight-delay"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(text)


def admin(services: Services) -> Actor:
    """The admin of the workspace."""
    return workspaces.identify(services, "ada")


_LEARNT: dict[str, bytes] = {}
"""Calibrations and estimators that this process has kept in some workspace, by the digest of what they come from."""


def calibrate_ahead(services: Services) -> None:
    """Let version 1 be calibrated on both targets, as a daemon's quiet rounds do ahead of the first window. The same reference
    is calibrated once in a process and carried over."""
    with services.telemetry.transaction() as connection:
        for key, data in _LEARNT.items():
            readings.keep_calibration(connection, key, data)
    with services.registry.read() as connection:
        spec = model_files.spec_in_force(connection, "flight-delay")
    assert spec is not None
    for target in AIRPORTS:
        baselines.baseline_of(services, "flight-delay", 1, target, window_closing.calibration_days(spec))
        baselines.estimator_of(services, "flight-delay", 1, target)
    with services.telemetry.read() as connection:
        _LEARNT.update(connection.execute("SELECT key, data FROM calibrations").fetchall())


def _dated(rows: pd.DataFrame) -> references.DatedRows:
    numeric, categorical = columns_of(rows)
    return references.DatedRows(
        (rows["at_us"] // DAY_US).to_numpy(np.int64),
        numeric,
        {name: np.array(texts, dtype=object) for name, texts in categorical.items()},
        rows["score"].to_numpy(np.float64),
        rows["label"].to_numpy(object),
        rows["late"].astype(str).to_numpy(object),
    )


_REFERENCE: dict[str, bytes] = {}


def reference_bytes() -> bytes:
    """The reference of the rule of thumb: January to mid-March, and the weeks that it did not see."""
    if "" not in _REFERENCE:
        rows = pd.concat([flights(origin) for origin in AIRPORTS.values()], ignore_index=True)
        rows = rows[rows["at_us"] < to_us(APRIL)].sort_values("at_us", kind="stable")
        held = (rows["at_us"] >= to_us(APRIL) - 14 * DAY_US).to_numpy()
        masks = {
            target: tuple((rows[part]["origin"] == origin).to_numpy() for part in (~held, held))
            for target, origin in AIRPORTS.items()
        }
        built = references.build_reference(
            specification(), "auc", _dated(rows[~held]), _dated(rows[held]), masks
        )
        _REFERENCE[""] = references.encode(specification(), built)
    return _REFERENCE[""]


def register(services: Services, own: tuple[ProfileSpecification, bytes] | None = None) -> int:
    """Record a further version with the artifacts that monitoring reads; returns its number. ``own`` are specification and
    encoded reference, by default those of the rule of thumb."""
    now = services.now()
    profiled, data = own or (specification(), reference_bytes())
    digests = {
        "spec": services.artifacts.put_bytes(profiled.to_bytes()),
        "reference": services.artifacts.put_bytes(data),
        "rows": services.artifacts.put_bytes(b"rows"),
    }
    reference = references.decode(profiled, data)
    with services.registry.transaction() as connection:
        model = models.find(connection, "flight-delay")
        stored = models.spec_in_force(connection, "flight-delay")
        assert model is not None
        assert stored is not None
        job = connection.execute(
            "INSERT INTO jobs (kind, model_id, spec_id, status, created_by, reason, created_at, ended_at) "
            "VALUES ('train', ?, ?, ?, 'ann', 'a test', 1, 2)",
            (model.id, stored.id, str(JobStatus.SUCCEEDED)),
        ).lastrowid
        snapshot = Snapshot(
            digests["rows"], digests["rows"], digests["rows"], 100, 80, 20, APRIL, APRIL, APRIL
        )
        snapshot_id = runs.add_snapshot(connection, snapshot, schema={}, at=now)
        run = runs.NewRun(
            model.id, job, stored.id, snapshot_id, APRIL, stored.spec, {}, 0, "ann", "a test", now, now, 1.0, 1.0,
            {}, {}, {}, None,
        )  # fmt: skip
        run_id = runs.add(connection, run, {}, at=now)
        number = versions.next_number(connection, model.id)
        new = versions.NewVersion(
            model_id=model.id,
            number=number,
            run_id=run_id,
            status=VersionStatus.CANDIDATE,
            model_digest=digests["rows"],
            model_bytes=1,
            schema_digest=digests["rows"],
            profile_spec_digest=digests["spec"],
            reference_digest=digests["reference"],
            predictions_digest=digests["rows"],
            metrics=(reference.pooled.performance,) if _finite(reference.pooled.performance) else (),
        )
        versions.add(connection, new, at=now)
    return number


def _finite(value: MetricValue) -> bool:
    return bool(np.isfinite([value.value, value.low, value.high]).all())


def deploy(services: Services, version: int, effective_at: datetime, targets: tuple[str, ...] = ()) -> None:
    """Put a version live by a roll-back of nobody: the shortest way that the registry's rules allow."""
    with services.registry.transaction() as connection:
        for target in targets or tuple(AIRPORTS):
            new = deployments.NewDeployment(
                model="flight-delay",
                version=version,
                target=target,
                kind="rollback",
                actor="ada",
                reason="a test",
                request_id=None,
                effective_at=effective_at,
            )
            deployments.deploy(connection, new, at=services.now())
        states.refresh(services, connection, [("flight-delay", t) for t in targets or tuple(AIRPORTS)])


def traffic(target: str, since_day: int, days: int) -> pd.DataFrame:
    """The flights of a target, ``since_day`` days after 1 April, for some days."""
    rows = flights(AIRPORTS[target])
    first = to_us(APRIL) + since_day * DAY_US
    return rows[(rows["at_us"] >= first) & (rows["at_us"] < first + days * DAY_US)].reset_index(drop=True)


def send(
    services: Services,
    target: str,
    since_day: int,
    days: int,
    *,
    version: int = 1,
    wrong_outcomes: bool = False,
    latency_us: int = 5_000,
    change: dict[str, object] | None = None,
    outcomes: bool = True,
) -> LabelReceipt | None:
    """Ship flights in requests of about an hour and then their outcomes, turned round with ``wrong_outcomes``; without
    ``outcomes`` these stay away."""
    rows = traffic(target, since_day, days)
    if change:
        rows = rows.assign(**change)
    producer = f"{target}-v{version}-{since_day}"
    for batch in batches(rows, 100, producer=producer, target=target, version=version, latency_us=latency_us):
        ingest.ingest_batch(services, batch)
    return (
        send_outcomes(services, target, since_day, days, version=version, wrong=wrong_outcomes)
        if outcomes
        else None
    )


def send_outcomes(
    services: Services, target: str, since_day: int, days: int, *, version: int = 1, wrong: bool = False
) -> LabelReceipt:
    """The outcomes of what ``send`` shipped."""
    outcomes = [
        Outcome(f"{target}-v{version}-{since_day}.{i // 100 + 1}.{i % 100}", str(1 - late if wrong else late))
        for i, late in enumerate(traffic(target, since_day, days)["late"])
    ]
    return ingest.ingest_outcomes(services, outcomes)


def on_day(day: int) -> datetime:
    """Midnight, ``day`` days after 1 April."""
    return APRIL + timedelta(days=day)
