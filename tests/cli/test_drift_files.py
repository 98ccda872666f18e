"""``pilothouse drift`` on files as people have them: the same rows say the same, however they were written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.errors import InvalidInputError
from pilothouse.operations.ingest.table_files import compare_files

ROWS = 1_500
Drift = Callable[..., dict[str, Any]]


@pytest.fixture
def drift(capsys: pytest.CaptureFixture[str]) -> Drift:
    """Runs the command with --json: the report, with the columns by their names."""

    def run(*arguments: object) -> dict[str, Any]:
        capsys.readouterr()
        assert failures.run(lambda: main.run(["drift", *map(str, arguments), "--json"])) == 0
        report: dict[str, Any] = json.loads(capsys.readouterr().out)
        report["columns"] = {column["column"]: column for column in report["columns"]}
        return report

    return run


def frame(seed: int) -> pd.DataFrame:
    """Texts that look like numbers, words for missing and booleans, beside numbers."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "zip": rng.choice(["02116", "00501", "10001"], ROWS),
            "version": rng.choice(["3.1", "3.10", "3.2"], ROWS),
            "code": rng.choice(["007", "7", "12"], ROWS),
            "sku": rng.choice(["1e3", "1000", "2e3"], ROWS),
            "opt_in": rng.choice(["True", "False"], ROWS),
            "region": rng.choice(["NA", "EU", "APAC"], ROWS),
            "city": rng.choice(["Malmö", "Zürich", "Bern"], ROWS),
            "amount": rng.normal(50, 10, ROWS).round(2),
        }
    )


def write(data: pd.DataFrame, path: Path) -> Path:
    if path.name.endswith((".csv", ".csv.gz")):
        data.to_csv(path, index=False)
    elif path.suffix == ".parquet":
        data.to_parquet(path)
    else:
        data.to_json(path, orient="records", lines=True)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".jsonl", ".ndjson"])
def test_the_same_rows_do_not_drift_from_one_format_to_another(drift, tmp_path: Path, suffix) -> None:
    data = frame(0)
    report = drift(write(data, tmp_path / "a.csv"), write(data, tmp_path / f"b{suffix}"))
    assert report["found"] == {"drift": [], "quality": [], "fault": []}
    for column in report["columns"].values():
        assert (column["value"], column["unseen"]) == (0, 0)
        assert column["missing"] == column["reference_missing"]
    assert [name for name, c in report["columns"].items() if c["kind"] == "text"] == [
        "zip", "code", "region", "city"
    ]  # fmt: skip
    assert report["columns"]["opt_in"]["kind"] == "boolean"


def test_leading_zeros_are_the_same_codes_in_csv_and_parquet(drift, tmp_path: Path) -> None:
    zips = drift(write(frame(1), tmp_path / "claims.csv"), write(frame(2), tmp_path / "july.parquet"))[
        "columns"
    ]["zip"]
    assert (zips["kind"], zips["unseen"], zips["drifts"]) == ("text", 0, False)


def test_a_word_for_missing_is_missing_in_both_or_in_none(drift, tmp_path: Path) -> None:
    paths = write(frame(1), tmp_path / "a.csv"), write(frame(2), tmp_path / "b.parquet")
    usual = drift(*paths)["columns"]["region"]
    assert usual["missing"] == pytest.approx(1 / 3, abs=0.05)
    named = drift(*paths, "--missing", "")["columns"]["region"]
    assert (named["missing"], named["unseen"], usual["unseen"]) == (0, 0, 0)


@pytest.mark.parametrize("word", ["NULL", "N/A", "#N/A", "nan", "None", ""])
def test_a_word_for_missing_does_not_make_numbers_texts(drift, tmp_path: Path, word) -> None:
    rng = np.random.default_rng(0)
    values = [
        word if hole else f"{x:.3f}"
        for x, hole in zip(rng.normal(0, 1, ROWS), rng.random(ROWS) < 0.1, strict=True)
    ]
    path = tmp_path / "a.csv"
    path.write_text("x,k\n" + "".join(f"{value},k\n" for value in values))
    x = drift(path, path)["columns"]["x"]
    assert (x["kind"], x["missing"]) == ("number", pytest.approx(0.1, abs=0.03))


@pytest.mark.parametrize(
    ("encoding", "end"), [("utf-16", b""), ("utf-16", b"\n"), ("utf-16-le", b""), ("utf-8-sig", b""), ("latin-1", b"")]
)  # fmt: skip
def test_an_encoding_is_found_out_and_said(drift, tmp_path: Path, capsys, encoding, end) -> None:
    data = frame(3)
    paths = write(data, tmp_path / "plain.csv"), tmp_path / "other.csv"
    paths[1].write_bytes(paths[0].read_text().encode(encoding) + end)
    report = drift(*paths)
    assert report["found"] == {"drift": [], "quality": [], "fault": []}
    assert report["columns"]["city"]["rows"] == ROWS
    said = "" if encoding == "utf-8-sig" else encoding
    assert report["dialects"] == {str(paths[0]): "", str(paths[1]): said}
    failures.run(lambda: main.run(["drift", *map(str, paths)]))
    assert (f"other.csv: {encoding}" in capsys.readouterr().err) == bool(said)


def test_a_dialect_of_the_continent_is_found_out_and_said(drift, tmp_path: Path) -> None:
    paths = tmp_path / "us.csv", tmp_path / "de.csv"
    frame(4).to_csv(paths[0], index=False)
    frame(4).to_csv(paths[1], index=False, sep=";", decimal=",", encoding="latin-1")
    report = drift(*paths)
    assert report["dialects"][str(paths[1])] == "semicolon, decimal comma, latin-1"
    amount = report["columns"]["amount"]
    assert (amount["kind"], amount["value"]) == ("number", 0)
    given = drift(*paths, "--csv", "decimal=,", "--column", "city")["columns"]["city"]
    assert given["value"] == 0


def test_a_remedy_is_an_option_of_the_command(tmp_path: Path, capsys, drift) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x;k\n" + "1,234;a\n5,678;b\n" * 10)
    assert failures.run(lambda: main.run(["drift", str(path), str(path)])) == 2
    assert 'give --csv decimal="," or "."' in capsys.readouterr().err
    for mark in (",", "."):
        thousands = () if mark == "," else ("--csv", "thousands=,")
        assert drift(path, path, "--csv", f"decimal={mark}", *thousands)["columns"]["x"]["kind"] == "number"


def test_a_part_of_a_dialect_that_does_not_exist_is_refused(tmp_path: Path, capsys) -> None:
    path = str(write(frame(0), tmp_path / "a.csv"))
    assert failures.run(lambda: main.run(["drift", path, path, "--csv", "comma=;"])) == 2
    assert "--csv comma=;: expected KEY=VALUE with one of delimiter, decimal" in capsys.readouterr().err


@pytest.mark.parametrize("odd", ["4b", "n.a."])
def test_numbers_in_one_file_and_some_texts_in_the_other_are_texts(drift, tmp_path: Path, odd) -> None:
    rng = np.random.default_rng(0)
    floors = rng.integers(1, 5, ROWS)
    pq.write_table(pa.table({"floor": floors}), tmp_path / "a.parquet")
    texts = [odd if i < 3 else str(floor) for i, floor in enumerate(floors)]
    pa.csv.write_csv(pa.table({"floor": texts}), tmp_path / "b.csv")
    for paths in (("a.parquet", "b.csv"), ("b.csv", "a.parquet")):
        floor = drift(*(tmp_path / name for name in paths))["columns"]["floor"]
        assert (floor["kind"], floor["fault"], floor["drifts"]) == ("text", None, False)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        (["red", "green", "blue"], "it was number, now it is text"),
        (["2024-01-01"] * 3, "it was number, now it is of another type"),
    ],
)
def test_numbers_in_one_file_and_none_in_the_other_have_changed_their_type(
    drift, tmp_path: Path, values, fault
) -> None:
    for name, texts in (("a", ["1", "2", "3"]), ("b", values)):
        pa.csv.write_csv(pa.table({"x": texts * 500, "y": ["1", "2", "3"] * 500}), tmp_path / f"{name}.csv")
    assert (
        drift(tmp_path / "a.csv", tmp_path / "b.csv")["columns"]["x"]["fault"] == f"changed its type: {fault}"
    )


def test_a_flag_is_the_same_however_it_is_spelled(drift, tmp_path: Path) -> None:
    flags = np.random.default_rng(0).random(ROWS) < 0.3
    pq.write_table(pa.table({"flag": flags}), tmp_path / "a.parquet")
    pa.csv.write_csv(pa.table({"flag": flags}), tmp_path / "b.csv")
    pd.DataFrame({"flag": flags}).to_csv(tmp_path / "c.csv", index=False)
    pd.DataFrame({"flag": flags}).to_json(tmp_path / "d.jsonl", orient="records", lines=True)
    for name in ("a.parquet", "b.csv", "c.csv"):
        flag = drift(tmp_path / "a.parquet", tmp_path / name)["columns"]["flag"]
        assert (flag["kind"], flag["value"], flag["unseen"]) == ("boolean", 0, 0)


def test_two_columns_of_one_name_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("when,x,x\n2025-01-01,1,1\n")
    with pytest.raises(InvalidInputError, match=r"log\.csv: two columns are called 'x'"):
        compare_files(path, path)


def test_an_index_of_pandas_is_left_out(drift, tmp_path: Path) -> None:
    data = frame(5)
    write(data, tmp_path / "a.parquet")
    write(data[data.amount > 0].drop(index=[3, 7]), tmp_path / "b.parquet")
    report = drift(tmp_path / "a.parquet", tmp_path / "b.parquet")
    assert list(report["columns"]) == list(data)
    data.to_csv(tmp_path / "c.csv")
    assert list(drift(tmp_path / "a.parquet", tmp_path / "c.csv")["columns"]) == list(data)


def test_columns_of_lists_and_bytes_are_said_and_spoil_nothing(drift, tmp_path: Path) -> None:
    nested = {
        "emb": [[1.0, 2.0]] * ROWS,
        "bag": [{"a": 1}] * ROWS,
        "raw": [b"\xff"] * ROWS,
        "x": np.arange(ROWS),
    }
    pq.write_table(pa.table(nested), tmp_path / "a.parquet")
    report = drift(tmp_path / "a.parquet", tmp_path / "a.parquet")
    assert list(report["columns"]) == ["emb", "bag", "raw", "x"]
    assert report["columns"]["emb"]["fault"] == "is neither number nor text: not compared"
    assert report["columns"]["x"]["value"] == 0
    assert report["found"]["fault"] == []


def test_integers_are_categories_for_evidently_in_csv_and_parquet(drift, tmp_path: Path) -> None:
    data = pd.DataFrame({"floor": np.random.default_rng(0).integers(1, 5, ROWS)})
    for name in ("a.csv", "a.parquet"):
        path = write(data, tmp_path / name)
        floor = drift(path, path, "--like", "evidently")["columns"]["floor"]
        assert (floor["kind"], floor["statistic"]) == ("category", "jensenshannon")
