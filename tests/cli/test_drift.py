"""``pilothouse drift``: two files, no workspace, one line a column, JSON for programs."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.errors import InvalidInputError
from pilothouse.operations.ingest.table_files import compare_files

Run = Callable[..., tuple[int, str, str]]
HOSTILE = "\x1b]52;c;aGk=\x07[/red]"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(0)
    n = 1_200
    before = {
        "moved": rng.normal(0, 1, n),
        "same": rng.normal(0, 1, n),
        "letters": rng.choice(["a", "b"], n),
        "whole": rng.integers(0, 4, n),
        "flag": rng.random(n) < 0.5,
        "emptied": rng.random(n),
        "retyped": rng.random(n),
        "gone": rng.random(n),
        HOSTILE: np.full(n, HOSTILE),
        "when": np.arange(n).astype("datetime64[s]"),
    }
    after = {
        "moved": rng.normal(1, 1, n),
        "same": rng.normal(0, 1, n),
        "letters": rng.choice(["a", "c"], n),
        "whole": rng.integers(0, 4, n),
        "flag": rng.random(n) < 0.5,
        "emptied": np.full(n, np.nan),
        "retyped": rng.choice(["x"], n),
        HOSTILE: np.full(n, HOSTILE),
        "when": np.arange(n).astype("datetime64[s]"),
        "new": rng.random(n),
    }
    paths = tmp_path / "before.parquet", tmp_path / "after.parquet"
    for path, columns in zip(paths, (before, after), strict=True):
        pq.write_table(pa.table(columns), path)
    return paths


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command as the program does, in this process."""

    def run(*arguments: object) -> tuple[int, str, str]:
        code = failures.run(lambda: main.run(["drift", *map(str, arguments)]))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize("like", [(), ("--like", "evidently"), ("--like", "nannyml")])
def test_every_column_gets_its_line(run, files, like) -> None:
    code, out, err = run(*files, *like)
    assert code == 0
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert ("drifts" if like else "drifts higher") in lines["moved"]
    assert "drifts" not in lines["same"]
    assert "drifts" in lines["letters"]
    assert "is empty in current" in lines["emptied"]
    assert "changed its type: it was number, now it is text" in lines["retyped"]
    assert "is missing in current" in lines["gone"]
    assert "is not in the reference" in lines["new"]
    assert "not compared" in lines["when"]
    assert "\x1b" not in out
    assert "columns drift" in err


def test_the_verdict_on_the_table_is_evidentlys_alone(run, files) -> None:
    assert "the table does not drift" in run(*files, "--like", "evidently")[2]
    assert "the table" not in run(*files)[2]


def test_json_holds_every_figure(run, files) -> None:
    code, out, _ = run(*files, "--json", "--column", "moved", "--column", "emptied")
    report = json.loads(out)
    assert code == 0
    assert [column["column"] for column in report["columns"]] == ["moved", "emptied"]
    moved, emptied = report["columns"]
    assert moved["statistics"]["ks"] == pytest.approx(0.38, abs=0.06)
    assert moved["drifts"] is True
    assert emptied["value"] is None
    assert emptied["fault"] == "is empty in current"


def test_csv_and_parquet_say_the_same(files, tmp_path: Path) -> None:
    text = tmp_path / "after.csv"
    pa.csv.write_csv(pq.read_table(files[1]).select(["moved", "letters", "whole"]), text)
    names = ("moved", "letters", "whole")
    of_csv, of_parquet = (compare_files(files[0], path, columns=names) for path in (text, files[1]))
    for a, b in zip(of_csv.columns, of_parquet.columns, strict=True):
        assert a.statistics == pytest.approx(b.statistics)


def test_rows_that_went_missing_and_new_categories_are_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    paths = tmp_path / "a.parquet", tmp_path / "b.parquet"
    values = rng.normal(0, 1, 1_000)
    pq.write_table(pa.table({"x": values, "k": ["a"] * 1_000}), paths[0])
    holed = np.where(rng.random(1_000) < 0.2, np.nan, values)
    pq.write_table(pa.table({"x": holed, "k": ["a"] * 900 + ["z"] * 100}), paths[1])
    x, k = compare_files(*paths).columns
    assert (x.worse, x.drifts) == (("missing",), False)
    assert k.worse == ("unseen",)


def test_many_categories_of_one_law_are_not_more_unseen(run, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    paths = tmp_path / "a.csv", tmp_path / "b.csv"
    for path in paths:
        pa.csv.write_csv(pa.table({"k": [f"k{i}" for i in rng.integers(0, 800, 3_000)]}), path)
    code, out, err = run(*paths)
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("k "))
    assert "more unseen" not in line
    assert "drifts" not in line
    assert "% (usually 2." in line
    assert "0 of 1 columns drift" in err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"x\n1\n", "expected a file that ends in .parquet, .csv, .csv.gz"),
        ("a.parquet", b"PAR1 no", "cannot be read"),
        ("a.csv", b"x,x\n1,2\n", "two columns are called 'x'"),
    ],
)
def test_a_file_that_cannot_be_read_says_so_in_a_line(tmp_path: Path, name, content, message) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInputError, match=message) as raised:
        compare_files(path, path)
    assert "\n" not in str(raised.value)


def test_a_column_that_is_in_neither_file_is_refused(files) -> None:
    with pytest.raises(InvalidInputError, match="'nope' is in neither file"):
        compare_files(*files, columns=("nope",))


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("like", [(), ("--like", "evidently"), ("--like", "nannyml")])
@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("a,b\n1,2\n", "c,d\n1,2\n", "no column is in .*before.csv too; found c, d; expected a, b"),
        ("a,b\n1,2\n", "a,b\n", "after.csv: there are no rows; expected some to compare"),
        ("a,b\n", "a,b\n1,2\n", "before.csv: there are no rows; expected some to compare"),
        ("a\n2024-01-01\n", "a\n2024-01-02\n", "nothing can be compared .*column 'a' is neither number nor text"),
        ("a,b\n1,\n", "a,b\nx,\n", "column 'a' changed its type: it was number, now it is text; column 'b' is"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_at_all_is_an_error(
    run, tmp_path: Path, like, before, after, message
) -> None:
    paths = write(tmp_path / "before.csv", before), write(tmp_path / "after.csv", after)
    code, out, err = run(*paths, *like, "--json")
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert re.search(message, err)


@pytest.mark.parametrize(
    ("column", "fail_on", "code", "words"),
    [
        ("moved", (), 0, ""),
        ("moved", ("drift",), 1, "--fail-on: 1 column drifts: moved"),
        ("moved", ("quality", "fault"), 0, ""),
        ("moved", ("any",), 1, "1 column drifts"),
        ("same", ("any",), 0, ""),
        ("letters", ("quality",), 1, "1 column got worse: letters"),
        ("emptied", ("fault",), 1, "1 column cannot be compared: emptied"),
        ("gone", ("fault",), 1, "1 column cannot be compared: gone"),
        ("new", ("drift", "fault"), 1, "1 column cannot be compared: new"),
        ("retyped", ("fault",), 1, "1 column cannot be compared: retyped"),
        ("when", ("any",), 0, ""),
    ],
)
@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_check_fails_on_what_it_names(run, files, column, fail_on, code, words, as_json) -> None:
    options = [part for name in fail_on for part in ("--fail-on", name)]
    given, _, err = run(*files, "--column", column, "--column", "whole", *options, *as_json)
    assert given == code
    assert words in err
    assert ("--fail-on" in err) == bool(code)


def test_with_evidentlys_rules_a_check_fails_on_the_table(run, files) -> None:
    few = [part for name in ("moved", "same", "whole", "flag") for part in ("--column", name)]
    half = [part for name in ("moved", "same") for part in ("--column", name)]
    like = ("--like", "evidently", "--fail-on", "drift")
    assert run(*files, *few, *like)[0] == 0
    assert run(*files, *half, *like)[0] == 1


def test_what_was_found_is_in_the_json(run, files) -> None:
    found = json.loads(run(*files, "--json")[1])["found"]
    assert found == {
        "drift": ["moved", "letters"],
        "quality": ["letters", "emptied"],
        "fault": ["emptied", "retyped", "gone", "new"],
    }
