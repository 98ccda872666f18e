"""The snapshot: exactly the rows that were known, split in time, checked, and on record."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from steps_support import Bench, rows, spec

from pilothouse.domain.formats.time_units import DAY_US


def gate(record: dict, name: str) -> dict:
    return next(found for found in record["gates"] if found["gate"] == name)


def test_a_snapshot_splits_in_time_and_drops_what_must_not_be_kept(bench: Bench) -> None:
    frame = rows()
    result = bench.run("snapshot", spec(), {"source": bench.source(frame.sample(frac=1, random_state=1))})
    assert result.ok, result.error
    tables = {name: pq.read_table(path) for name, path in result.outputs.items()}
    assert tables["snapshot"].column_names == ["at", "wind", "rain", "port", "late"]
    train, holdout = tables["train"].column("at").to_pylist(), tables["holdout"].column("at").to_pylist()
    assert train + holdout == sorted(frame["at"])
    assert (holdout[-1] - train[-1]).days >= 10
    assert (holdout[-1] - holdout[0]).days <= 10
    record = result.record
    assert record["rows"] == record["training_rows"] + record["holdout_rows"] == len(frame)
    assert record["trained_until_us"] == int(train[-1].timestamp() * 1e6)
    assert {column["name"]: column["kind"] for column in record["columns"]} == {
        "at": "time",
        "wind": "number",
        "rain": "number",
        "port": "category",
        "late": "number",
    }
    assert all(found["outcome"] == "passed" for found in record["gates"])


def test_the_same_rows_have_the_same_digest_at_any_time(bench: Bench) -> None:
    frame = rows()
    early = bench.run(
        "snapshot", spec(), {"source": bench.source(frame)}, {"as_of_us": 40 * DAY_US + 19_723 * DAY_US}
    )
    later = frame[frame["at"] <= pd.Timestamp("2024-02-09", tz="UTC")]
    again = bench.run("snapshot", spec(), {"source": bench.source(later, "later.parquet")}, name="again")
    assert early.record["content_digest"] == again.record["content_digest"]
    assert early.record["source_digest"] != again.record["source_digest"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__features": ["wind", "gusts"], "data__categoricals": []}, "the source has no column 'gusts'"),
        (
            {"data__categoricals": []},
            "column 'port': found 'S'; expected a number; list the column under data.categoricals too",
        ),
        ({"data__holdout": 90 * 86_400}, "lie in the newest 90d; expected older rows to train on"),
        ({"data__target": "wind", "data__features": ["rain"], "data__categoricals": []}, "over 1000 values"),
        (
            {"task": "regression", "data__target": "passenger", "data__private": [], "gates__metric": []},
            "column 'passenger': found 'P0'; expected a number",
        ),
        (
            {"data__timestamp": "rain", "data__features": ["wind"], "data__categoricals": []},
            "found double; expected dates with times",
        ),
    ],
)
def test_a_source_that_does_not_fit_the_model_file_gives_one_line(
    bench: Bench, changes: dict[str, object], said: str
) -> None:
    result = bench.run("snapshot", spec(**changes), {"source": bench.source()})
    assert not result.ok
    assert said in result.error


def test_no_known_rows_is_an_error(bench: Bench) -> None:
    result = bench.run("snapshot", spec(), {"source": bench.source()}, {"as_of_us": 0})
    assert result.error.startswith("data: no row of the source has an outcome that is known by then")


@pytest.mark.parametrize("leak", ["delay", "status", "gap"])
def test_a_feature_that_gives_the_answer_away_fails_a_gate(bench: Bench, leak: str) -> None:
    frame = rows()
    frame["status"] = frame["late"].map({0: "landed", 1: "waiting"})
    frame["gap"] = frame["wind"].fillna(0).where(frame["late"] == 1)
    categoricals = ["port", "status"] if leak == "status" else ["port"]
    plain = spec(data__features=["wind", "port", leak], data__exclude=[], data__categoricals=categoricals)
    record = bench.run("snapshot", plain, {"source": bench.source(frame)}).record
    found = gate(record, "data.leakage")
    assert found["outcome"] == "failed"
    assert found["reason"].startswith(f"{leak} (AUC ")
    assert "alone tells the target (chance 0.5)" in found["reason"]
    assert record["single_feature_leakage"][leak] > 0.98


def test_of_many_classes_a_feature_that_tells_some_of_them_is_no_leak(bench: Bench) -> None:
    """Classes that are stretches of a number but for noise: each against the rest has an AUC near 1 at the ends."""
    frame = rows()
    draw = np.random.default_rng(7)
    frame["wind"] = draw.uniform(0, 15, len(frame))
    frame["kind"] = [f"k{int(x)}" for x in np.clip(frame["wind"] + draw.normal(0, 0.8, len(frame)), 0, 14.9)]
    plain = spec(task="multiclass", data__target="kind", gates__metric=[])
    record = bench.run("snapshot", plain, {"source": bench.source(frame)}).record
    leaks = gate(record, "data.leakage")
    right = record["single_feature_leakage"]["wind"]
    assert leaks["outcome"] == "passed"
    assert 0.4 < right < 0.7, "as often as the nearest stretch is the right one"
    assert f"balanced accuracy {right:.3f}, chance 0.067" in leaks["reason"]


@pytest.mark.parametrize("categorical", [False, True])
def test_of_many_classes_a_code_of_the_class_is_a_leak(bench: Bench, categorical: bool) -> None:
    frame = rows()
    codes = np.random.default_rng(7).integers(0, 5, len(frame))
    frame["kind"] = [f"k{code}" for code in codes]
    frame["code"] = [f"c{code}" for code in codes] if categorical else (codes * 3 + 1) % 5
    plain = spec(
        task="multiclass",
        data__target="kind",
        data__features=["wind", "code"],
        data__categoricals=["code"] if categorical else [],
        gates__metric=[],
    )
    record = bench.run("snapshot", plain, {"source": bench.source(frame)}).record
    assert record["single_feature_leakage"]["code"] == 1.0
    assert record["single_feature_leakage"]["wind"] == pytest.approx(0.2, abs=0.05)
    assert gate(record, "data.leakage")["reason"].startswith("code (balanced accuracy 1.000) alone tells")


def test_a_column_of_ids_is_not_taken_for_a_leak(bench: Bench) -> None:
    plain = spec(
        data__features=["wind", "passenger"],
        data__categoricals=["passenger"],
        data__private=[],
        data__slices=["port"],
    )
    record = bench.run("snapshot", plain, {"source": bench.source()}).record
    assert record["single_feature_leakage"]["passenger"] == pytest.approx(0.5, abs=0.05)


def test_repeated_and_missing_rows_fail_their_gates(bench: Bench) -> None:
    frame = rows()
    frame = pd.concat([frame, frame.head(100)])
    frame["wind"] = frame["wind"].where(frame.index % 3 == 0)
    frame.loc[:, "passenger"] = "somebody else"
    record = bench.run("snapshot", spec(), {"source": bench.source(frame)}).record
    assert record["duplicates"] == 100
    assert gate(record, "data.duplicates")["outcome"] == "failed"
    assert gate(record, "data.missing")["outcome"] == "failed"
    assert "wind is missing most often" in gate(record, "data.missing")["reason"]


def test_a_source_that_changes_meanwhile_fails_the_training(bench: Bench) -> None:
    source = bench.source()
    digest = bench.run("snapshot", spec(), {"source": source}).record["source_digest"]
    assert bench.run("verify", spec(), {"source": source}, {"source_digest": digest}).ok
    bench.source(rows(seed=1))
    changed = bench.run("verify", spec(), {"source": source}, {"source_digest": digest})
    assert not changed.ok
    assert "changed during the training" in changed.error


def test_values_of_columns_that_are_carried_along_are_not_on_record(bench: Bench) -> None:
    frame = rows()
    frame["patient"] = [f"id-{i % 50}" for i in range(len(frame))]
    frame["number"] = 4_711 + np.arange(len(frame)) % 50
    frame["born"] = pd.Timestamp("1970-05-01", tz="UTC")
    record = bench.run("snapshot", spec(), {"source": bench.source(frame)}, {}).record
    columns = {column["name"]: column for column in record["columns"]}
    for name, distinct in (("patient", 50), ("number", 50), ("born", 1)):
        named = ("minimum", "maximum", "mean", "deviation", "frequent")
        assert [value for key in named if (value := columns[name][key])] == []
        assert columns[name]["distinct"] == distinct
    assert columns["wind"]["mean"] is not None
    assert set(columns["port"]["frequent"]) == {"N", "S"}
