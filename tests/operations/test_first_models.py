"""A first model from a file: what is seen of files of every form, and a model file that is applied as it is written."""

import gzip
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.models.first_model import model_text
from pilothouse.operations.models import file_facts
from pilothouse.operations.models.file_facts import parts_of, sample_file
from pilothouse.operations.workspace import apply_models, first_models, workspaces
from pilothouse.operations.workspace.first_models import Wanted, look, name_of, write

START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(count: int = 1_500) -> dict[str, list[Any]]:
    """A shop's orders: late ones have a long way, and a column tells it that is known only afterwards."""
    rng = np.random.default_rng(5)
    way = rng.gamma(2.0, 30.0, count).round(1)
    late = (way + rng.normal(0, 30, count) > 70).astype(int)
    return {
        "ordered_at": [f"{START + timedelta(minutes=40 * i):%Y-%m-%d %H:%M:%S}" for i in range(count)],
        "order_id": [f"o-{i:06d}" for i in range(count)],
        "zip": [f"0{value}" for value in rng.integers(1_000, 1_020, count)],
        "carrier": rng.choice(["blue", "red", "NA"], count).tolist(),
        "way": way.tolist(),
        "price": rng.gamma(2.0, 20.0, count).round(2).tolist(),
        "shop": ["berlin"] * count,
        "refund": (late * rng.gamma(2.0, 5.0, count)).round(2).tolist(),
        "late": ["yes" if value else "no" for value in late],
    }


def write_csv(path: Path, columns: dict[str, list[Any]], delimiter: str = ",", decimal: str = ".") -> Path:
    lines = [delimiter.join(columns)]
    for row in zip(*columns.values(), strict=True):
        texts = [str(v).replace(".", decimal) if isinstance(v, float) else str(v) for v in row]
        lines.append(delimiter.join(texts))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("form", ["csv", "csv.gz", "jsonl", "parquet", "semicolons"])
def test_the_same_is_seen_in_every_form_of_file(tmp_path: Path, form: str) -> None:
    columns = rows(300)
    path = tmp_path / f"orders.{'csv' if form == 'semicolons' else form}"
    if form == "parquet":
        pq.write_table(pa.table(columns), path)
    elif form == "jsonl":
        records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif form == "semicolons":
        write_csv(path, columns, ";", ",")
    else:
        write_csv(tmp_path / "plain", columns)
        text = (tmp_path / "plain").read_bytes()
        path.write_bytes(gzip.compress(text) if form == "csv.gz" else text)
    facts = sample_file(path).facts
    assert (facts.rows, facts.looked_at) == (300, 300)
    assert {column.name: column.kind for column in facts.columns} == {
        "ordered_at": "time",
        "order_id": "text",
        "zip": "text",
        "carrier": "text",
        "way": "number",
        "price": "number",
        "shop": "text",
        "refund": "number",
        "late": "text",
    }
    carrier = facts.column("carrier")
    assert carrier is not None
    assert carrier.distinct == 2
    assert carrier.missing == columns["carrier"].count("NA")
    way = facts.column("way")
    assert way is not None
    assert way.distinct == len(set(columns["way"]))
    assert [(time.name, time.zoned, time.first) for time in facts.times] == [("ordered_at", False, START)]
    assert facts.times[0].last == START + timedelta(minutes=40 * 299)
    assert facts.dialect == ("semicolon, decimal comma" if form == "semicolons" else "")


def test_lists_are_named_and_not_read_and_rows_that_count_up_are_found(tmp_path: Path) -> None:
    table = pa.table(
        {
            "at": pa.array([START, None, START], pa.timestamp("ms", "Europe/Berlin")),
            "tags": [["a"], [], ["b"]],
            "row": [4, 5, 6],
            "flag": [True, False, None],
            "empty": pa.nulls(3),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    facts = {column.name: column for column in sample_file(tmp_path / "a.parquet").facts.columns}
    assert facts["tags"].kind == "other"
    assert facts["row"].counts_up
    assert (facts["flag"].distinct, facts["flag"].missing) == (2, 1)
    assert (facts["empty"].distinct, facts["empty"].missing) == (0, 3)
    assert sample_file(tmp_path / "a.parquet").facts.times[0].zoned


def test_a_large_file_is_thinned_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_facts, "SAMPLE_ROWS", 1_000)
    pq.write_table(pa.table({"n": list(range(70_001))}), tmp_path / "a.parquet", row_group_size=7_777)
    sample = sample_file(tmp_path / "a.parquet")
    assert sample.facts.rows == 70_001
    numbers = sample.table.column("n").to_numpy()
    assert numbers.tolist() == list(range(0, 70_001, 128))


def test_columns_that_add_up_to_the_target_are_found(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    a, b, c = rng.integers(0, 50, (3, 200))
    columns = {"a": a.tolist(), "b": b.tolist(), "c": c.tolist(), "zero": [0] * 200, "y": (a + b).tolist()}
    sample = sample_file(write_csv(tmp_path / "a.csv", columns))
    assert list(parts_of(sample, "y")) == [("a", "b")]
    assert list(parts_of(sample, "c")) == []


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Bike share.csv.gz", "bike-share"),
        ("2024_ÄÖ__x.parquet", "2024-x"),
        ("ü.csv", "model"),
        ("a" * 90, "a" * 64),
        ("data: old/Orders.csv", "orders"),
        ("postgresql+psycopg://db.example/Air_Traffic", "air-traffic"),
        ("s3://box/2024/flights", "flights"),
        ("delta:../lake/arrivals", "arrivals"),
        ("iceberg+https://catalogue.example/v1#air.arrivals", "arrivals"),
    ],
)
def test_a_model_is_called_after_its_file_or_source(file: str, name: str) -> None:
    assert name_of(file) == name


def test_what_is_written_is_applied_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    said: list[str] = []
    wanted = Wanted(root, write_csv(tmp_path / "orders.csv", rows()), "orders", "ada")
    model = look(wanted, tell=said.append)

    assert not root.exists(), "nothing is written by looking"
    assert (model.target.value, model.task.value, model.time.value) == ("late", "binary", "ordered_at")
    assert model.roles.features == {
        "zip": "category",
        "carrier": "category",
        "way": "number",
        "price": "number",
    }
    reasons = {name: reason.split(":")[0] for name, reason in model.roles.excluded.items()}
    assert reasons == {
        "order_id": "an id",
        "shop": "constant",
        "refund": "alone tells the target (AUC 1.000)",
    }
    assert model.fit.error == ""
    reached = model.fit.metric("auc")
    assert reached is not None
    assert reached.value > 0.75
    assert said[-1].startswith("a quick fit reaches auc 0.")

    workspaces.initialise(root, "ada")
    assert [path.name for path in write(wanted, model)] == ["targets.toml", "model.toml"]
    with closing(open_workspace(root)) as services:
        changes = apply_models.apply(services, workspaces.identify(services, "ada"))
    assert [(change.model, change.action) for change in changes] == [
        ("targets.toml", "create"),
        ("orders", "create"),
    ]
    with pytest.raises(ConflictError, match="exists already"):
        look(wanted)
    with pytest.raises(ConflictError, match="exists already"):
        write(wanted, model)


def test_answers_take_the_place_of_guesses(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "targets.toml").write_text('[[target]]\nname = "hub"\n')
    asked: list[str] = []
    answers = {
        "the zone of its times": "Europe/Berlin",
        "the column to predict": "price",
        "the task": "regression",
    }

    def ask(what: str, reason: str, guess: str, choices: Any) -> str:
        asked.append(what)
        return answers[what]

    (root / "data").mkdir()
    wanted = Wanted(root, write_csv(root / "data" / "orders.csv", rows(400)), "orders", "ada")
    text = model_text(look(wanted, ask=ask))
    assert asked == list(answers)
    assert 'timezone = "Europe/Berlin"  # as you said' in text
    assert 'target = "price"  # as you said' in text
    assert 'task = "regression"  # price has' in text
    assert 'names = ["hub"]' in text
    assert 'source = "../../data/orders.csv"' in text
    assert "LogisticRegression" not in text
    assert 'estimator = "sklearn.linear_model.Ridge"  # 320 rows to train on are few' in text
    assert '[training.preprocessing]\nimpute = "median"' in text
    assert 'categories = "one-hot"' in text


def test_rows_without_a_time_are_not_tried_and_rows_of_one_time_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    columns = {name: rows(400)[name] for name in ("ordered_at", "way", "late")}
    columns["ordered_at"][7] = ""
    model = look(Wanted(tmp_path, write_csv(tmp_path / "orders.csv", columns), "orders", "ada"))
    assert model.fit.error == ""
    assert "0.2% of rows lack it" in model_text(model)
    columns["ordered_at"] = ["2026-01-01"] * 400
    with pytest.raises(InvalidInputError, match="all rows have one time"):
        look(Wanted(tmp_path, write_csv(tmp_path / "orders.csv", columns), "orders", "ada"))
    assert "Traceback" not in capfd.readouterr().err


def test_a_quick_fit_that_fails_leaves_a_file_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.operations.models.quick_fit._TIMEOUT_S", 0)
    columns = {name: rows(200)[name] for name in ("ordered_at", "way", "late")}
    model = look(Wanted(tmp_path, write_csv(tmp_path / "orders.csv", columns), "orders", "ada"))
    assert model.fit.error
    assert "# No bound on a metric: the quick fit failed: " in model_text(model)


@pytest.mark.parametrize(
    ("target", "columns", "words"),
    [
        ("lat", None, "has no column 'lat'; it has order_id"),
        ("ordered_at", None, "'ordered_at' is the column of times, .* expected one of order_id"),
        ("shop", None, "the target 'shop' cannot be predicted: it has one value only"),
        (None, ["way", "late"], "no column holds times"),
    ],
)
def test_what_cannot_be_guessed_is_refused_in_one_line(
    tmp_path: Path, target: str | None, columns: list[str] | None, words: str
) -> None:
    table = rows(100)
    kept = {name: table[name] for name in columns or table}
    with pytest.raises(InvalidInputError, match=words):
        look(Wanted(tmp_path, write_csv(tmp_path / "orders.csv", kept), "orders", "ada", target))


@pytest.mark.parametrize(
    ("form", "place"), [("csv", "line 602"), ("jsonl", "line 601"), ("parquet", "row 601")]
)
def test_one_value_that_is_no_time_is_shown_with_its_place(tmp_path: Path, form: str, place: str) -> None:
    table = rows(1_200)
    table["ordered_at"][600] = "2026-02-30 10:00"
    path = tmp_path / f"orders.{form}"
    if form == "parquet":
        pq.write_table(pa.table(table), path)
    elif form == "jsonl":
        records = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        write_csv(path, table)
    with pytest.raises(InvalidInputError) as caught:
        look(Wanted(tmp_path, path, "orders", "ada"))
    assert "'ordered_at' nearly does" in str(caught.value)
    assert "found '2026-02-30 10:00'" in str(caught.value)
    assert place in str(caught.value)


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%d.%m.%Y %H:%M", "%m/%d/%y", "%d-%b-%Y", "%b %d %Y"])
def test_times_in_another_form_than_iso_8601_are_named_with_their_column(tmp_path: Path, form: str) -> None:
    table = rows(100)
    table["ordered_at"] = [f"{START + timedelta(days=i):{form}}" for i in range(100)]
    with pytest.raises(InvalidInputError) as caught:
        look(Wanted(tmp_path, write_csv(tmp_path / "orders.csv", table), "orders", "ada"))
    assert "'ordered_at' nearly does: " in str(caught.value)
    assert f"line 2, column 'ordered_at': found '{START:{form}}'; expected a time as 2013-" in str(
        caught.value
    )


@pytest.mark.parametrize("values", ["10.0.0.1", "3 Main Street 12", "2012/01", "AB-12-34", "1.2.3-rc"])
def test_texts_that_are_no_times_are_not_taken_for_some(tmp_path: Path, values: str) -> None:
    table = rows(100)
    table["ordered_at"] = [f"{values} x{i}" for i in range(100)]
    with pytest.raises(InvalidInputError, match=r"no column holds times, which .* it has ordered_at"):
        look(Wanted(tmp_path, write_csv(tmp_path / "orders.csv", table), "orders", "ada"))


def test_rows_that_are_all_still_to_come_are_refused(tmp_path: Path) -> None:
    table = rows(100)
    table["ordered_at"] = [time.replace("2026", "9026") for time in table["ordered_at"]]
    with pytest.raises(
        InvalidInputError,
        match="no row is known yet: all times of 'ordered_at' lie in the future, 9026-01-01",
    ):
        look(Wanted(tmp_path, write_csv(tmp_path / "orders.csv", table), "orders", "ada"))


def test_a_name_that_no_model_can_have_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="Orders"):
        first_models.look(Wanted(tmp_path, tmp_path / "missing.csv", "Orders", "ada"))


def test_a_target_of_several_is_said_to_be_the_first_of_them() -> None:
    from pilothouse.operations.workspace.first_models import _first_target

    assert _first_target(["west"]).value == ("west",)
    several = _first_target(["west", "east"])
    assert several.value == ("west",)
    assert "the first of 2 in targets.toml" in several.reason
