"""The same rows mean the same at every door: trained from csv and from parquet, logs and outcomes in every format."""

import gzip
import json
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.operations import catalogue
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import trainings
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import apply_models
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace

pytestmark = pytest.mark.loop

START = datetime(2025, 1, 1, tzinfo=UTC)
FORMATS = ("csv", "csv.gz", "excel", "utf16", "jsonl", "parquet")
MODEL = """
name = "{name}"
task = "binary"
owner = "tests"

[data]
source = "../../data/{name}"
target = "class"
timestamp = "at"
features = ["load", "zip", "version", "sku", "region", "optin"]
categoricals = ["zip", "version", "sku", "region", "optin"]
exclude = ["promo", "embedding"]
holdout = "10d"

[training]
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
parameters = {{ max_iter = 12 }}
threads = 1

[gates.data]
maximum_missing = 0.6

[gates.latency]
p95_ms = 2000.0

[monitoring]
window = "7d"
step = "7d"
performance_window = "7d"
performance_step = "7d"
minimum_rows = 50

{targets}
"""


def table(first_day: int, rows: int, seed: int) -> pd.DataFrame:
    """Rows of one law, whose categories look like numbers, dates, flags and words for missing."""
    draw = np.random.default_rng(seed)
    zip_code = draw.choice(["02116", "2116", "94110", "00501"], rows)
    version = draw.choice(["3.1", "3.10", "3.2", "1e3"], rows)
    region = draw.choice(["NA", "EU", "", "APAC"], rows)
    load = draw.normal(10, 3, rows)
    odds = (zip_code == "02116") * 2.0 - (version == "3.10") * 2.0 + (region == "EU") * 1.5 + load / 10 - 1.5
    at = pd.Timestamp(START) + pd.to_timedelta(first_day * 1_440 + np.arange(rows) * 30, unit="min")
    return pd.DataFrame(
        {
            "at": at,
            "load": np.where(draw.random(rows) < 0.05, np.nan, load.round(3)),
            "zip": zip_code,
            "version": version,
            "sku": draw.choice(["2e3", "1000", "007", "12345678901234567890"], rows),
            "region": region,
            "optin": draw.choice(["true", "False", "2024-01-01"], rows),
            "promo": None,
            "class": np.where(draw.random(rows) < 1 / (1 + np.exp(-2 * odds)), "02", "01"),
        }
    )


def write_as(kind: str, frame: pd.DataFrame, folder: Path, name: str) -> Path:
    """The rows as a file of that kind."""
    path = folder / f"{name}.{ {'excel': 'csv', 'utf16': 'csv'}.get(kind, kind) }"
    texts = frame.assign(at=frame["at"].map(lambda at: at.isoformat()))
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "jsonl":
        texts.to_json(path, orient="records", lines=True)
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(texts.to_csv(index=False).encode()))
    elif kind == "excel":
        texts.to_csv(path, index=False, sep=";", decimal=",", lineterminator="\r\n", encoding="utf-8-sig")
    else:
        texts.to_csv(path, index=kind == "csv", encoding="utf-16" if kind == "utf16" else "utf-8")
    return path


@pytest.fixture
def shop(tmp_path: Path):
    made = make_small_workspace(tmp_path / "w")
    for name in ("text", "typed"):
        folder = made.root / "data" / name
        folder.mkdir()
        first, second = table(0, 1_500, seed=1), table(32, 1_300, seed=2)
        first["promo"] = "spring"  # and nothing at all in the second file
        if name == "text":
            write_as("csv", first, folder, "2025-01")
            write_as("excel", second, folder, "2025-02")
        else:
            first["embedding"] = second["embedding"] = None
            first.at[0, "embedding"] = [1.0, 2.0]
            write_as("parquet", first, folder, "2025-01")
            second[second.index >= 0].set_index("load", append=True).reset_index("load").to_parquet(
                folder / "2025-02.parquet"
            )
        (made.root / "models" / name).mkdir()
        targets = "\n".join(f'[[targets]]\nname = "{t}"' for t in map(target_of, FORMATS))
        (made.root / "models" / name / "model.toml").write_text(MODEL.format(name=name, targets=targets))
        if name == "text":
            edited = (made.root / "models" / name / "model.toml").read_text().replace(', "embedding"', "")
            (made.root / "models" / name / "model.toml").write_text(edited)
    apply_models.apply(made.services, made.admin)
    try:
        yield made
    finally:
        control.stop(made.root)
        control.stop_serving(made.root)
        made.services.close()


def target_of(kind: str) -> str:
    return kind.replace(".", "-")


def asked(shop: SmallWorkspace) -> None:
    """Ask the serving process for rows that differ in one category, and for words that mean missing."""

    def answers(rows: list[dict[str, object]], **more: object) -> dict[str, Any]:
        server = running_servers(shop.services.paths)["csv"]
        url = f"http://127.0.0.1:{server.port}/v2/models/text/predict"
        data = json.dumps({"rows": rows, **more}).encode()
        with urllib.request.urlopen(urllib.request.Request(url, data), timeout=30) as answer:
            return json.load(answer)

    def is_served() -> bool:
        try:
            return bool(answers([row]))
        except (KeyError, OSError):  # not started, or without the version yet
            return False

    row = {"load": 9, "zip": "02116", "version": "3.1", "sku": "007", "region": "EU", "optin": "true"}
    wait_until(is_served, timeout=60)
    changed = [
        row | {"zip": "2116"},
        row | {"version": "3.10"},
        row | {"region": "NA"},
        row | {"region": None},
    ]
    answer = answers([row, *changed], report=True)
    scores = [given["score"] for given in answer["rows"]]
    assert answer["positive_class"] == "02"
    assert scores[0] > max(scores[1:3]), "02116 is not 2116, and 3.1 not 3.10"
    assert scores[3] == scores[4], "NA is missing, as it was in training"
    assert [(found["column"], found["found"]) for found in answer["report"]] == [("region", "missing")] * 2


def test_every_door_reads_the_same_rows(shop: SmallWorkspace, tmp_path: Path) -> None:
    control.start_in_background(shop.root)
    options = trainings.TrainingOptions()
    numbers = [
        trainings.start_training(shop.services, shop.scientist, n, options).id for n in ("text", "typed")
    ]
    for number in numbers:
        job = shop.ended(number, timeout=120)
        assert job.status is JobStatus.SUCCEEDED, job.error
    text, typed = (catalogue.get_version(shop.services, shop.scientist, f"{n}/1") for n in ("text", "typed"))
    assert [metric.value for metric in text.metrics] == [metric.value for metric in typed.metrics]
    auc = text.metric("auc")
    assert auc is not None
    assert auc.value > 0.85, "with 02116 and 2116 as one, or 3.1 and 3.10, it is below"

    request = promotions.request_promotion(shop.services, shop.scientist, "text")
    promotions.approve(shop.services, shop.approver, request.id, request.evidence_digest)
    asked(shop)

    log = table(60, 1_000, seed=3)
    log["score"] = np.where(log["class"] == "02", 0.7, 0.3)
    drift = {}
    for place, kind in enumerate(FORMATS):
        frame = log.drop(columns=["promo", "class"]).assign(
            prediction_id=[
                f"{10_000_000_000_000_000_000 * (place + 1) + i:020d}"[-20:] for i in range(len(log))
            ]
        )
        path = write_as(kind, frame, tmp_path, f"log-{kind}")
        receipt = ingest.ingest_file(shop.services, shop.admin, path, "text", 1, target_of(kind))
        assert (receipt.accepted, receipt.rejected) == (len(log), 0), kind
        outcomes = pd.DataFrame({"prediction_id": frame["prediction_id"], "outcome": log["class"]})
        other = FORMATS[(place + 1) % len(FORMATS)]
        path = write_as(other, outcomes.assign(at=log["at"]), tmp_path, f"outcomes-{kind}")
        joined = ingest.ingest_labels_file(shop.services, shop.admin, path)
        assert (joined.joined, joined.rejected, joined.waiting) == (len(log), 0, 0), (kind, other)

    for kind in FORMATS:

        def judged(kind: str = kind) -> bool:
            view = monitor_views.monitor_view(shop.services, shop.admin, "text", target_of(kind))
            return len(view.drift) == 7 and bool(view.performance) and view.performance[-1].window.rows > 0

        wait_until(judged, timeout=60)
        view = monitor_views.monitor_view(shop.services, shop.admin, "text", target_of(kind))
        drift[kind] = {name: findings[0].finding for name, findings in view.drift.items()}
        assert {alert.kind for alert in view.alerts} <= {"score_drift"}, "the scores of the log are made up"
        for name in ("zip", "version", "sku", "region", "optin"):
            finding = drift[kind][name]
            assert (finding.significant, finding.unseen) == (False, 0), (kind, name, finding)
    assert all(findings == drift["parquet"] for findings in drift.values())
