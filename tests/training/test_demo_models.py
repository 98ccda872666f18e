"""The demo's model files on the real data: what its story rests on.

The suite trains on the spring's flights and on the bikes; on a quarter of a million flights the long form does (``make soak``).
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from steps_support import Bench

from pilothouse.demo import __file__ as demo
from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.domain.models.model_file import load_spec, spec_from_plain, spec_to_plain
from pilothouse.training.data.rows import Rows, outcomes_of
from pilothouse.training.data.times import micros
from pilothouse.training.models.scoring import load_predictor, score
from support.soak_plan import LONG

MODELS = Path(demo).parent / "models"
FILES = {"flight-delay": "flights.parquet", "bike-demand": "bikeshare.parquet"}
TARGETS = {"flight-delay": ["ewr", "jfk", "lga"], "bike-demand": ["dc"]}

Steps = dict[str, StepResult]
on_many_flights = pytest.mark.skipif(not LONG, reason="trains on a quarter of a million flights: make soak")


class Story:
    """Trains the demo's models on what was known at a moment."""

    def __init__(self, folder: Path, sample_data: Path) -> None:
        self.folder, self.sample_data = folder, sample_data
        self._snapshots: dict[tuple[str, str, int | None], StepResult] = {}

    def train(
        self,
        model: str,
        as_of: str,
        live: Steps | None = None,
        lookback: int | None = None,
        **parameters: Any,
    ) -> Steps:
        """Snapshot, fit and evaluate."""
        plain = spec_to_plain(load_spec((MODELS / model / "model.toml").read_text(), "model.toml"))
        plain["data"]["lookback"] = lookback
        plain["training"]["parameters"] |= parameters
        name = f"{model}-{as_of}-{lookback}-{len(parameters)}"
        bench = Bench(self.folder / name)
        bench.folder.mkdir()
        key = model, as_of, lookback  # a snapshot does not depend on the training's parameters
        if key not in self._snapshots:
            source = shutil.copy(self.sample_data / FILES[model], bench.folder)
            options = {"as_of_us": int(pd.Timestamp(as_of, tz="UTC").timestamp() * 1e6)}
            self._snapshots[key] = bench.run("snapshot", plain, {"source": source}, options)
        snapshot = self._snapshots[key]
        assert snapshot.ok, snapshot.error
        fit = bench.run(
            "fit", plain, {"train": snapshot.outputs["train"], "model_folder": MODELS / model}, seed=7
        )
        assert fit.ok, fit.error
        inputs = {key: snapshot.outputs[key] for key in ("train", "holdout")}
        inputs |= {key: fit.outputs[key] for key in ("model", "schema")}
        incumbents = []
        if live is not None:
            inputs |= {f"incumbent_1_{key}": live["fit"].outputs[key] for key in ("model", "schema")}
            until = live["snapshot"].record["trained_until_us"]
            incumbents = [{"number": 1, "targets": TARGETS[model], "trained_until_us": until}]
        given = {"incumbents": incumbents, "data_gates": snapshot.record["gates"]}
        evaluate = bench.run("evaluate", plain, inputs, given, seed=7)
        assert evaluate.ok, evaluate.error
        return {"snapshot": snapshot, "fit": fit, "evaluate": evaluate}

    def answers(self, model: str, steps: Steps, months: list[int]) -> pd.DataFrame:
        """The model's scores on all rows of the months (local time), with their outcomes."""
        plain = spec_to_plain(load_spec((MODELS / model / "model.toml").read_text(), "model.toml"))
        spec = spec_from_plain(plain)
        table = pq.read_table(self.sample_data / FILES[model])
        local = table.column(spec.data.timestamp).to_pandas()
        local = local.dt.tz_convert("America/New_York") if local.dt.tz is not None else local
        table = table.filter(np.isin(local.dt.month, months))
        rows = Rows(
            table, micros(table, spec.data.timestamp), outcomes_of(table.column(spec.data.target), spec)
        )
        predictor = load_predictor(Path(steps["fit"].outputs["model"]), Path(steps["fit"].outputs["schema"]))
        frame = table.to_pandas()
        frame["score"] = score(predictor, rows).scores
        frame["month"] = local[np.isin(local.dt.month, months)].dt.month.to_numpy()
        return frame


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, sample_data: Path) -> Story:
    return Story(tmp_path_factory.mktemp("story"), sample_data)


@pytest.fixture(scope="module")
def spring_flights(story: Story) -> Steps:
    return story.train("flight-delay", "2013-04-02")


def refused(steps: Steps) -> list[str]:
    return [found["gate"] for found in steps["evaluate"].record["gates"] if found["outcome"] == "failed"]


def figures(steps: Steps, gate: str) -> dict[str, float]:
    return next(found["figures"] for found in steps["evaluate"].record["gates"] if found["gate"] == gate)


def auc(frame: pd.DataFrame) -> float:
    return float(roc_auc_score(frame["late"], frame["score"]))


def test_the_model_of_spring_passes_and_decays_with_the_seasons(story: Story, spring_flights: Steps) -> None:
    assert refused(spring_flights) == []
    assert figures(spring_flights, "metric.auc")["value"] == pytest.approx(0.70, abs=0.01)
    frame = story.answers("flight-delay", spring_flights, [4, 6, 8, 10])
    months = {month: auc(rows) for month, rows in frame.groupby("month")}
    assert months == pytest.approx({4: 0.66, 6: 0.71, 8: 0.68, 10: 0.655}, abs=0.015)
    assert auc(frame[(frame["month"] == 10) & (frame["origin"] == "JFK")]) == pytest.approx(0.60, abs=0.015)


@on_many_flights
def test_retraining_on_all_that_is_known_helps(story: Story, spring_flights: Steps) -> None:
    july = story.train("flight-delay", "2013-08-01", live=spring_flights)
    assert refused(july) == []
    assert figures(july, "comparison.v1")["low"] > 0
    later = {
        name: story.answers("flight-delay", steps, [8])
        for name, steps in (("old", spring_flights), ("new", july))
    }
    assert auc(later["new"]) > auc(later["old"]) + 0.02


@on_many_flights
def test_ninety_days_alone_are_worse_in_november_and_not_in_october(
    story: Story, spring_flights: Steps
) -> None:
    quarter = 90 * 86_400
    november = story.train("flight-delay", "2013-11-01", live=spring_flights, lookback=quarter)
    assert refused(november) == ["comparison.v1"]
    assert figures(november, "comparison.v1")["difference"] < 0 < figures(november, "comparison.v1")["high"]
    october = story.train("flight-delay", "2013-10-01", live=spring_flights, lookback=quarter)
    assert refused(october) == []


def test_an_underfitted_flight_model_is_refused_even_where_nothing_is_live(story: Story) -> None:
    assert "metric.auc.origin" in refused(
        story.train("flight-delay", "2013-04-02", max_iter=1, max_leaf_nodes=2)
    )


def test_an_underfitted_flight_model_is_worse_than_what_is_live(story: Story, spring_flights: Steps) -> None:
    assert refused(story.train("flight-delay", "2013-04-02", live=spring_flights, max_iter=1)) == [
        "comparison.v1"
    ]


def test_the_winter_model_of_bikes_fails_in_may_and_retraining_helps(story: Story) -> None:
    winter = story.train("bike-demand", "2011-03-01")
    assert refused(winter) == []
    spring = story.train("bike-demand", "2011-05-15", live=winter)
    assert refused(spring) == []
    old = story.answers("bike-demand", winter, [5])
    assert (old["bikers"] - old["score"]).abs().mean() == pytest.approx(94, abs=4)
    new = story.answers("bike-demand", spring, [6])
    assert 30 < (new["bikers"] - new["score"]).abs().mean() < 46
    assert refused(story.train("bike-demand", "2011-03-01", max_iter=1)) == ["metric.r2"]


@pytest.mark.parametrize("model", list(FILES))
def test_what_the_answer_is_made_of_would_be_found_out(story: Story, model: str) -> None:
    plain = spec_to_plain(load_spec((MODELS / model / "model.toml").read_text(), "model.toml"))
    leak = {"flight-delay": "arr_delay", "bike-demand": "registered"}[model]
    assert leak in plain["data"]["exclude"]
    plain["data"]["exclude"] = []
    plain["data"]["features"].append(leak)
    bench = Bench(story.folder / f"{model}-leak")
    bench.folder.mkdir()
    record = bench.run("snapshot", plain, {"source": story.sample_data / FILES[model]}).record
    leaks = next(found for found in record["gates"] if found["gate"] == "data.leakage")
    assert leaks["outcome"] == "failed"
    assert leaks["reason"].startswith(f"{leak} (")
    assert "alone tells the target" in leaks["reason"]
