"""Every task with estimators of several kinds: trained, promoted, served, asked, told the outcomes, and watched."""

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.demo.client import HubClient, ServingClient
from pilothouse.demo.traffic import Request
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.operations import catalogue
from pilothouse.operations.jobs import trainings
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import apply_models
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace

pytestmark = pytest.mark.loop

START = datetime(2025, 1, 1, tzinfo=UTC)
TRAINED = START + timedelta(days=60)
DAYS = 75

MODEL = """
name = "{name}"
task = "{task}"
owner = "tests"

[data]
source = "../../data/weather.csv"
target = "{target}"
timestamp = "at"
timezone = "UTC"
features = ["wind", "load", "port"]
categoricals = ["port"]
holdout = "14d"

[training]
{training}
threads = 1
timeout = "60s"

[monitoring]
window = "7d"
step = "7d"
performance_window = "7d"
performance_step = "7d"
minimum_rows = 50

[[targets]]
name = "ewr"
"""

CALIBRATED = """
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def fit(X, y, parameters, seed):
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    parts = [("n", numbers, ["wind", "load"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["port"])]
    chain = make_pipeline(ColumnTransformer(parts), LogisticRegression())
    return CalibratedClassifierCV(chain, cv=3).fit(X, y)
"""

KINDS = {
    "logistic": ("binary", "late", 'estimator = "sklearn.linear_model.LogisticRegression"'),
    "forest": ("binary", "late", 'estimator = "sklearn.ensemble.RandomForestClassifier"\nparameters = { n_estimators = 20 }'),
    "bayes": ("binary", "late", 'estimator = "sklearn.naive_bayes.GaussianNB"'),
    "neighbours": ("multiclass", "kind", 'estimator = "sklearn.neighbors.KNeighborsClassifier"'),
    "calibrated": ("binary", "late", 'function = "train.py:fit"'),
    "classes": ("multiclass", "kind", 'estimator = "sklearn.linear_model.LogisticRegression"'),
    "ridge": ("regression", "minutes", 'estimator = "sklearn.linear_model.Ridge"'),
}  # fmt: skip
ASKED = {"calibrated": "auc", "classes": "accuracy", "ridge": "mae"}
"""The models that are taken all the way round, and what their performance is measured by."""


def make_rows() -> list[dict[str, object]]:
    """Hourly weather with missing winds, a port, and three outcomes of different kinds."""
    chance = random.Random(11)
    rows: list[dict[str, object]] = []
    for hour in range(24 * DAYS):
        wind, load = chance.gauss(10, 3), chance.random()
        minutes = 3 * wind + 10 * load + chance.gauss(0, 2)
        kind = ("calm", "windy", "storm")[min(2, int(max(0.0, wind + chance.gauss(0, 2)) // 7))]
        rows.append(
            {
                "at": (START + timedelta(hours=hour)).isoformat(),
                "wind": None if chance.random() < 0.05 else round(wind, 3),
                "load": round(load, 4),
                "port": chance.choice(["EWR", "JFK", "LGA"]),
                "late": str(int(minutes > 36)),
                "kind": kind,
                "minutes": round(minutes, 3),
            }
        )
    return rows


@pytest.fixture
def example(tmp_path: Path):
    made = make_small_workspace(tmp_path / "w")
    rows = make_rows()
    with (made.root / "data" / "weather.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for name, (task, target, training) in KINDS.items():
        folder = made.root / "models" / name
        folder.mkdir()
        (folder / "model.toml").write_text(
            MODEL.format(name=name, task=task, target=target, training=training)
        )
        (folder / "train.py").write_text(CALIBRATED)
    apply_models.apply(made.services, made.admin)
    try:
        yield made, rows
    finally:
        control.stop(made.root)
        control.stop_serving(made.root)
        made.services.close()


def train_all(shop: SmallWorkspace) -> None:
    options = trainings.TrainingOptions(as_of=TRAINED)
    jobs = {name: trainings.start_training(shop.services, shop.scientist, name, options).id for name in KINDS}
    for name, number in jobs.items():
        job = shop.ended(number, timeout=120)
        assert job.status is JobStatus.SUCCEEDED, f"{name}: {job.error}"
        version = catalogue.get_version(shop.services, shop.scientist, f"{name}/1")
        assert [gate for gate in version.gates if gate.outcome is GateOutcome.FAILED] == []


def replay(shop: SmallWorkspace, model: str, rows: list[dict[str, object]]) -> None:
    """Ask for what followed the training day by day, and hand in the outcomes."""
    paths = shop.services.paths

    def port() -> int | None:
        server = running_servers(paths).get("ewr")
        return server.port if server else None

    target = KINDS[model][1]
    client = ServingClient("ewr", port)
    hub = HubClient(paths.hub_socket, paths.serving_folder("ewr") / "token")
    later = [row for row in rows if str(row["at"]) >= TRAINED.isoformat()]
    for first in range(0, len(later), 24):
        day = later[first : first + 24]
        ids = client.predict(model, Request(day, [row[target] for row in day]))
        hub.send_outcomes(
            [Outcome(id_, row[target]) for id_, row in zip(ids, day, strict=True)]  # type: ignore[arg-type]
        )
    client.close()


def test_every_task_goes_all_the_way_round(example) -> None:
    shop, rows = example
    control.start_in_background(shop.root)
    train_all(shop)
    for model in ASKED:
        request = promotions.request_promotion(shop.services, shop.scientist, model)
        promotions.approve(shop.services, shop.approver, request.id, request.evidence_digest)
    for model, metric in ASKED.items():
        replay(shop, model, rows)

        def measured(model: str = model) -> bool:
            """The last predictions may come after their outcomes: those wait for them."""
            view = monitor_views.monitor_view(shop.services, shop.admin, model, "ewr")
            return bool(view.performance) and view.labels_joined == 24 * (DAYS - 60)

        wait_until(measured, timeout=60)
        view = monitor_views.monitor_view(shop.services, shop.admin, model, "ewr")
        version = catalogue.get_version(shop.services, shop.scientist, f"{model}/1")
        reference = version.metric(metric)
        newest = view.performance[-1]
        assert (newest.finding.metric, view.metric) == (metric, metric)
        assert newest.window.rows > 100
        assert reference is not None
        assert newest.finding.value == pytest.approx(reference.value, rel=0.25), (model, newest)
        assert view.labels_joined == view.events == 24 * (DAYS - 60)
        assert {"wind", "load", "port", "score"} <= set(view.drift)
        assert not [one for found in view.drift.values() for one in found if one.finding.significant]
        assert not view.alerts
