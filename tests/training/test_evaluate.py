"""Judging a version: metrics, gates, comparison with what is live, and the reference that it is watched against."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score
from steps_support import Bench, rows, spec

from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.statistics.profiles.specification import ProfileSpecification
from pilothouse.statistics.reference import decode


def gate(steps: dict[str, StepResult], name: str) -> dict:
    return next(found for found in steps["evaluate"].record["gates"] if found["gate"] == name)


@pytest.fixture(scope="module")
def steps(usual: dict[str, StepResult]) -> dict[str, StepResult]:
    """One training, for the tests that look at what it left."""
    return usual


def test_metrics_are_those_of_the_hold_out_overall_and_by_slice(steps: dict[str, StepResult]) -> None:
    metrics = {(m["metric"], m["slice"]): m for m in steps["evaluate"].record["metrics"]}
    kept = pq.read_table(steps["evaluate"].outputs["predictions"]).to_pandas()
    held = pq.read_table(steps["snapshot"].outputs["holdout"]).to_pandas()
    assert metrics["auc", ""]["value"] == pytest.approx(roc_auc_score(held["late"], kept["score"]))
    assert metrics["auc", ""]["low"] < metrics["auc", ""]["value"] < metrics["auc", ""]["high"]
    south = (held["port"] == "S").to_numpy()
    assert metrics["auc", "port=S"]["value"] == pytest.approx(
        roc_auc_score(held["late"][south], kept["score"][south])
    )
    assert metrics["auc", "port=S"]["rows"] == south.sum()


def test_predictions_are_kept_exactly(steps: dict[str, StepResult]) -> None:
    kept = pq.read_table(steps["evaluate"].outputs["predictions"]).to_pandas()
    assert list(kept) == ["event_time", "truth", "score", "label", "probability_0", "probability_1"]
    assert kept["score"].dtype == np.float64
    np.testing.assert_array_equal(kept["score"], kept["probability_1"])
    assert set(kept["truth"]) == set(kept["label"]) == {"0", "1"}
    assert kept["event_time"].dt.tz is not None


def test_every_gate_gives_figures_and_a_reason(steps: dict[str, StepResult]) -> None:
    gates = steps["evaluate"].record["gates"]
    assert [found["gate"] for found in gates] == [
        "data.schema",
        "data.rows",
        "data.missing",
        "data.duplicates",
        "data.leakage",
        "metric.auc",
        "latency",
        "comparison",
    ]
    assert all(found["reason"] for found in gates)
    assert gate(steps, "comparison")["outcome"] == "not comparable"
    assert {found["outcome"] for found in gates[:-1]} == {"passed"}


def test_bounds_on_metrics_slices_size_and_latency_refuse(bench: Bench) -> None:
    bounds = [
        {"metric": "auc", "minimum": 0.999, "maximum": None, "slice": None, "minimum_rows": 200},
        {"metric": "log_loss", "minimum": None, "maximum": 0.01, "slice": "port", "minimum_rows": 200},
        {"metric": "auc", "minimum": 0.999, "maximum": None, "slice": "port", "minimum_rows": 5_000},
    ]
    plain = spec(gates__metric=bounds, gates__model_size_mb=0.001, gates__latency__p95_ms=0.0001)
    steps = bench.evaluated(plain)
    assert {
        name: gate(steps, name)["outcome"]
        for name in ("metric.auc", "metric.log_loss.port", "metric.auc.port")
    } == {
        "metric.auc": "failed",
        "metric.log_loss.port": "failed",
        "metric.auc.port": "not comparable",
    }
    assert gate(steps, "metric.auc")["bound"] == "≥ 0.999"
    assert "port=N has log_loss" in gate(steps, "metric.log_loss.port")["reason"]
    assert gate(steps, "model_size")["outcome"] == "failed"
    assert gate(steps, "latency")["outcome"] == "failed"


def test_a_portable_form_is_made_and_demanded_where_the_model_file_says_so(bench: Bench) -> None:
    asked = {"gates__portable": True, "training__parameters": {}}
    steps = bench.evaluated(
        spec(training__estimator="sklearn.linear_model.LogisticRegression", **asked), name="linear"
    )
    evaluated = steps["evaluate"]
    assert gate(steps, "portable")["outcome"] == "passed"
    assert evaluated.record["portable"]["reason"] == ""
    assert gate(steps, "latency")["reason"].endswith(", timed in the portable form")
    assert evaluated.record["portable"]["rows"] > 10_000
    schema = InputSchema.from_bytes(Path(steps["fit"].outputs["schema"]).read_bytes())
    assert Predictor(Path(evaluated.outputs["portable"]).read_bytes(), schema).portable
    other = bench.evaluated(
        spec(training__estimator="sklearn.neighbors.KNeighborsClassifier", **asked), name="neighbours"
    )
    assert "portable" not in other["evaluate"].outputs
    assert gate(other, "portable")["outcome"] == "failed"
    assert gate(other, "latency")["reason"].endswith(", timed in scikit-learn")
    assert "KNeighborsClassifier has no portable form" in gate(other, "portable")["reason"]


def test_a_worse_candidate_is_refused_by_comparison_and_a_like_one_is_not(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    like = bench.evaluated(name="like", incumbents={7: (usual, ["north", "south"])})
    assert gate(like, "comparison.v7")["outcome"] == "passed"
    assert gate(like, "comparison.v7")["figures"]["difference"] == 0
    assert gate(like, "comparison.v7")["reason"].startswith("every answer is that of v7: ")
    served = {**usual["fit"].outputs, "model": usual["evaluate"].outputs["portable"]}
    live = {**usual, "fit": replace(usual["fit"], outputs=served)}
    again = bench.evaluated(name="again", incumbents={7: (live, ["north", "south"])})
    same = "the model file is identical to that of v7; every answer is that of v7: "
    assert gate(again, "comparison.v7")["reason"].startswith(same)
    lazy = spec(training__parameters={"max_iter": 1, "max_leaf_nodes": 2, "early_stopping": False})
    worse = bench.evaluated(lazy, name="lazy", incumbents={7: (usual, ["north", "south"])})
    found = gate(worse, "comparison.v7")
    assert found["outcome"] == "failed"
    assert found["figures"]["low"] < found["figures"]["high"] < -0.005
    assert found["reason"].startswith("worse by ")
    assert "identical" not in found["reason"]
    assert "10 whole days drawn again" in found["reason"] or "11 whole days drawn again" in found["reason"]


def test_a_live_version_is_compared_on_its_own_targets_rows_alone(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    steps = bench.evaluated(name="new", incumbents={2: (usual, ["south"]), 3: (usual, ["north", "south"])})
    held = pq.read_table(steps["snapshot"].outputs["holdout"]).to_pandas()
    found = gate(steps, "comparison.v2")
    assert found["outcome"] in ("passed", "not comparable")
    assert found["figures"]["rows"] == (held["port"] == "S").sum()
    assert gate(steps, "comparison.v3")["figures"]["rows"] == len(held)


def test_rows_that_the_live_version_was_trained_on_do_not_count(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    day_us, end = 86_400_000_000, int(pd.Timestamp("2024-02-29", tz="UTC").timestamp() * 1e6)
    steps = bench.evaluated(
        name="older", incumbents={4: (usual, ["north", "south"])}, as_of_us=end - 7 * day_us
    )
    held = pq.read_table(steps["snapshot"].outputs["holdout"]).to_pandas()
    fresh = (
        held["at"] > pd.Timestamp(usual["snapshot"].record["trained_until_us"], unit="us", tz="UTC")
    ).sum()
    found = gate(steps, "comparison.v4")
    assert found["outcome"] == "not comparable"
    assert found["figures"]["rows"] == fresh < len(held)


def test_a_live_version_that_needs_a_column_that_is_gone_is_not_comparable(bench: Bench) -> None:
    live = bench.trained(
        spec(data__features=["wind", "rain", "gust", "port"]), rows().assign(gust=1.0), "live"
    )
    found = gate(bench.evaluated(name="new", incumbents={5: (live, ["north"])}), "comparison.v5")
    assert found["outcome"] == "not comparable"
    assert "the input 'gust' is missing" in found["reason"]


def test_the_reference_knows_each_target_and_all_pooled(steps: dict[str, StepResult]) -> None:
    outputs = steps["evaluate"].outputs
    specification = ProfileSpecification.from_bytes(Path(outputs["profile_spec"]).read_bytes())
    reference = decode(specification, Path(outputs["reference"]).read_bytes())
    train = pq.read_table(steps["snapshot"].outputs["train"]).to_pandas()
    assert reference.pooled.rows == len(train)
    assert {name: own.rows for name, own in reference.targets.items()} == {
        "north": int((train["port"] == "N").sum()),
        "south": int((train["port"] == "S").sum()),
    }
    auc = next(m for m in steps["evaluate"].record["metrics"] if m["metric"] == "auc" and not m["slice"])
    assert reference.pooled.performance.value == pytest.approx(auc["value"], abs=0.001)
    assert specification.classes == ("0", "1")


def test_a_regression_is_judged_by_its_error(bench: Bench) -> None:
    frame = rows()
    frame["delay"] = frame["wind"].fillna(0) * 3 + np.random.default_rng(0).normal(0, 2, len(frame))
    changes = {
        "task": "regression",
        "data__target": "delay",
        "data__exclude": ["late"],
        "training__estimator": "sklearn.linear_model.LinearRegression",
        "training__parameters": {},
        "gates__metric": [
            {"metric": "mae", "minimum": None, "maximum": 3.0, "slice": None, "minimum_rows": 1}
        ],
    }
    live = bench.trained(spec(**changes), frame, "live")
    steps = bench.evaluated(spec(**changes), frame, "new", incumbents={1: (live, ["north", "south"])})
    metrics = {m["metric"]: m["value"] for m in steps["evaluate"].record["metrics"] if not m["slice"]}
    assert metrics["mae"] == pytest.approx(2.6, abs=0.6)
    assert gate(steps, "metric.mae")["outcome"] == gate(steps, "comparison.v1")["outcome"] == "passed"
    kept = pq.read_table(steps["evaluate"].outputs["predictions"]).to_pandas()
    assert list(kept) == ["event_time", "truth", "score", "label"]


def test_three_classes_and_one_that_only_the_hold_out_has(bench: Bench) -> None:
    frame = rows()
    late = pd.cut(frame["rain"], [-1, 1, 3, 99], labels=["dry", "damp", "wet"]).astype(str)
    frame["late"] = late.where(frame.index != len(frame) - 1, "flood")
    bound = {"metric": "accuracy", "minimum": 0.9, "maximum": None, "slice": None, "minimum_rows": 1}
    changes = {
        "task": "multiclass",
        "gates__metric": [bound],
        "data__slices": [],
        "gates__data__leakage_auc": 1.1,
    }
    live = bench.trained(spec(**changes), frame, "live")
    steps = bench.evaluated(spec(**changes), frame, "new", incumbents={1: (live, ["north", "south"])})
    assert gate(steps, "metric.accuracy")["outcome"] == "passed"
    assert gate(steps, "comparison.v1")["outcome"] == "passed"


def test_a_model_file_with_foreign_types_is_not_scored(bench: Bench, steps: dict[str, StepResult]) -> None:
    hostile = bench.folder / "hostile.skops"
    hostile.write_bytes(b"PK not a model")
    inputs = {name: steps["snapshot"].outputs[name] for name in ("train", "holdout")}
    result = bench.run(
        "evaluate", spec(), {**inputs, "model": hostile, "schema": steps["fit"].outputs["schema"]}
    )
    assert not result.ok
    assert "not a skops file" in result.error


def test_what_each_feature_carries_is_measured_on_the_hold_out(
    steps: dict[str, StepResult], bench: Bench
) -> None:
    importance = steps["evaluate"].record["importance"]
    assert set(importance) == {"wind", "rain", "port"}
    assert min(importance["wind"], importance["rain"]) > 0.02
    assert importance["port"] < importance["wind"]
    again = bench.evaluated(name="again")
    assert again["evaluate"].record["importance"] == importance


def test_targets_whose_windows_will_hold_few_rows_are_named(steps: dict[str, StepResult]) -> None:
    record = steps["evaluate"].record
    assert set(record["rows_a_day"]) == {"north", "south"}
    assert all(25 < rate < 35 for rate in record["rows_a_day"].values())
    assert [note.split(" will ")[0] for note in record["window_notes"]] == [
        "on north a window of 7 d",
        "on south a window of 7 d",
    ]
    assert all(
        note.endswith("of the 300 that a verdict needs: 2 are judged together")
        for note in record["window_notes"]
    )


def test_the_one_target_of_a_model_has_all_of_its_rows(bench: Bench) -> None:
    plain = spec(targets=[{**spec()["targets"][0], "name": "all", "match": {}}])
    record = bench.evaluated(plain)["evaluate"].record
    assert list(record["rows_a_day"]) == ["all"]
    assert 55 < record["rows_a_day"]["all"] < 65
    assert record["window_notes"] == []
