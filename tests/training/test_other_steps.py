"""The user's gate, replaying versions on labelled rows, and training again from the record."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from steps_support import Bench, rows, spec

from pilothouse.domain.jobs.jobs import StepResult

GATED = spec(gates__function="gate.py:check")


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StepResult]:
    """One training, whose version the gates look at."""
    return Bench(tmp_path_factory.mktemp("gated")).evaluated(GATED)


def asked(bench: Bench, steps: dict[str, StepResult], code: str) -> StepResult:
    (bench.folder / "gate.py").write_text(code)
    metrics = bench.folder / "metrics.json"
    metrics.write_text(json.dumps(steps["evaluate"].record["metrics"]))
    inputs = {
        "holdout": steps["snapshot"].outputs["holdout"],
        "predictions": steps["evaluate"].outputs["predictions"],
        "metrics": metrics,
        "model_folder": bench.folder,
    }
    return bench.run("gate", GATED, inputs)


JUDGE = """
def check(holdout, predictions, metrics):
    assert len(holdout) == len(predictions)
    south = metrics["port=S"]["auc"]["value"]
    alarms = predictions["score"][holdout["wind"] > 15].mean()
    return bool(alarms > metrics["auc"]["value"] - 1) and south > {bound}, f"south has {{south:.2f}}"
"""


@pytest.mark.parametrize(("bound", "outcome"), [(0.5, "passed"), (1.0, "failed")])
def test_the_users_gate_sees_hold_out_predictions_and_metrics(
    bench: Bench, steps: dict[str, StepResult], bound: float, outcome: str
) -> None:
    result = asked(bench, steps, JUDGE.format(bound=bound))
    assert result.ok, result.error
    (found,) = result.record["gates"]
    assert (found["gate"], found["outcome"]) == ("function", outcome)
    assert found["reason"].startswith("gate.py:check: south has 0.")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def check(holdout, predictions, metrics):\n    return True\n",
            "returned True; expected (passed, reason)",
        ),
        (
            "def check(holdout, predictions, metrics):\n    return float('nan'), 'no figure'\n",
            "returned (nan, 'no figure'); expected (passed, reason), True or False",
        ),
        (
            "def check(holdout, predictions, metrics):\n    return holdout.tide\n",
            "gate.py line 2 in check: Attribute",
        ),
    ],
)
def test_a_gate_function_that_fails_says_where(
    bench: Bench, steps: dict[str, StepResult], code: str, said: str
) -> None:
    result = asked(bench, steps, code)
    assert not result.ok
    assert said in result.error


def test_a_backtest_scores_versions_on_the_same_rows(bench: Bench, usual: dict[str, StepResult]) -> None:
    lazy = spec(training__parameters={"max_iter": 1, "max_leaf_nodes": 2, "early_stopping": False})
    poor = bench.trained(lazy, name="poor")
    frame = rows(days=20, seed=9).rename(columns={"late": "truth", "at": "event_time"})
    path = bench.folder / "labelled.parquet"
    frame.drop(columns=["delay", "passenger"]).to_parquet(path)
    inputs = {"rows": path}
    for number, steps in ((1, poor), (2, usual)):
        inputs |= {f"version_{number}_{key}": steps["fit"].outputs[key] for key in ("model", "schema")}
    result = bench.run("backtest", spec(), inputs, {"slice_by": "port"})
    assert result.ok, result.error
    metrics = {
        n: {(m["metric"], m["slice"]): m["value"] for m in of} for n, of in result.record["metrics"].items()
    }
    assert metrics["2"]["auc", ""] > metrics["1"]["auc", ""] + 0.05
    assert ("auc", "port=N") in metrics["1"]
    (compared,) = result.record["comparisons"]
    assert (compared["version"], compared["against"], compared["rows"]) == (2, 1, len(frame))
    assert 0 < compared["low"] < compared["difference"] < compared["high"]


def test_a_backtest_needs_rows_and_versions(bench: Bench) -> None:
    path = bench.folder / "labelled.parquet"
    rows(days=1).rename(columns={"late": "truth", "at": "event_time"}).to_parquet(path)
    assert "0 versions; expected some of both" in bench.run("backtest", spec(), {"rows": path}).error


def again(
    bench: Bench,
    recorded: dict[str, StepResult],
    retrained: StepResult,
    holdout: Path | None = None,
    **facts: object,
) -> dict:
    snapshot = recorded["snapshot"]
    inputs = {
        "train": snapshot.outputs["train"],
        "holdout": holdout or snapshot.outputs["holdout"],
        "recorded_predictions": recorded["evaluate"].outputs["predictions"],
        **{key: retrained.outputs[key] for key in ("model", "schema")},
        **{f"recorded_{key}": recorded["fit"].outputs[key] for key in ("model", "schema")},
    }
    record = {
        **recorded["fit"].record,
        **{k: snapshot.record[k] for k in ("train_digest", "holdout_digest")},
        **facts,
    }
    result = bench.run("compare", spec(), inputs, {"recorded": record, "retrained": retrained.record})
    assert result.ok, result.error
    return result.record


def test_training_again_from_the_record_is_identical(bench: Bench, usual: dict[str, StepResult]) -> None:
    inputs = {"train": usual["snapshot"].outputs["train"], "model_folder": bench.folder}
    retrained = bench.run("fit", spec(), inputs, name="again")
    assert Path(retrained.outputs["model"]).read_bytes() != Path(usual["fit"].outputs["model"]).read_bytes()
    assert again(bench, usual, retrained) == {"identical": True, "differences": [], "environment": []}
    packages = {**usual["fit"].record["packages"], "numpy": "1.0"}
    elsewhere = again(bench, usual, retrained, packages=packages)
    assert elsewhere["identical"]
    assert elsewhere["environment"] == [f"environment numpy: 1.0 recorded, {np.__version__} now"]


def test_a_feature_of_the_processor_that_differs_is_named_and_makes_no_model_another(
    bench: Bench, usual: dict[str, StepResult]
) -> None:
    recorded = usual["fit"].record["cpu"]
    found = again(bench, usual, usual["fit"], cpu=[*recorded, "avx9"])
    assert found["environment"] == ["environment processor avx9: present recorded, absent now"]
    assert found["identical"]
    one = recorded[0] if recorded else "fma"
    found = again(bench, usual, usual["fit"], cpu=[name for name in recorded if name != one])
    assert found["environment"] == (
        [f"environment processor {one}: absent recorded, present now"] if recorded else []
    )
    older = {name: value for name, value in usual["fit"].record.items() if name != "cpu"}
    of_before = replace(usual["fit"], record=older)
    assert again(bench, {**usual, "fit": of_before}, usual["fit"])["environment"] == []


def test_what_differs_is_named_exactly(bench: Bench, usual: dict[str, StepResult]) -> None:
    inputs = {"train": usual["snapshot"].outputs["train"], "model_folder": bench.folder}
    parameters = {"max_iter": 21, "early_stopping": False}
    retrained = bench.run("fit", spec(training__parameters=parameters), inputs, name="again")
    other = pd.read_parquet(usual["snapshot"].outputs["holdout"])
    other["rain"] += 1
    changed = bench.folder / "changed.parquet"
    other.to_parquet(changed, index=False)
    found = again(bench, usual, retrained, holdout=changed)
    assert not found["identical"]
    text = "\n".join(found["differences"])
    assert "the holdout rows differ: sha256" in text
    assert "parameter max_iter: 20 recorded, 21 now" in text
    held = pq.read_table(changed).num_rows
    assert f"stored predictions on the holdout rows: {held} of {held} differ, by" in text
