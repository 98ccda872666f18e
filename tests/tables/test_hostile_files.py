"""Files that break off or are odd at their edges: read right, or refused in a line."""

import gzip
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables import csv_files
from pilothouse.tables.reader import open_table

KINDS = {"x": ColumnKind.NUMBER, "k": ColumnKind.TEXT, "t": ColumnKind.TIME}


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path: Path, **form: Any) -> list[dict[str, Any]]:
    """Rows by ``read``, which must be those of ``batches``."""
    file = open_table(path, TableForm(KINDS, timezone="UTC", **form))
    whole = file.read().to_pylist()
    assert whole == [row for batch in file.batches() for row in batch.to_pylist()]
    return whole


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
@pytest.mark.parametrize("lines", [1, 3, 100_000])
def test_a_quote_that_is_never_closed_is_refused_with_its_line(tmp_path: Path, name, break_, lines) -> None:
    text = f"x,k{break_}1,a{break_}" + f'2,"say ""b""{break_}' + f"3,c{break_}" * lines
    path = write(tmp_path, name, gzip.compress(text.encode()) if name.endswith("gz") else text)
    for read in (lambda file: file.read(), lambda file: list(file.batches())):
        for form in (TableForm(KINDS), TableForm({"x": ColumnKind.NUMBER}, skipped=frozenset({"k"}))):
            with pytest.raises(InvalidInputError, match=r"line 3, column 'k': a quote is never closed"):
                read(open_table(path, form))


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
@pytest.mark.parametrize("value", ["a\nb", "a\n", "\n", 'a\n"b"', "\r\n"])
def test_a_line_break_in_the_last_field_is_no_open_quote(tmp_path: Path, value: str, end: str) -> None:
    quoted = '"' + value.replace('"', '""') + '"'
    assert rows(write(tmp_path, "a.csv", f"x,k\n1,a\n2,{quoted}{end}"))[-1] == {"x": 2, "k": value}


@pytest.mark.parametrize("breaks", ["\r\n", "\r", "\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_line_break_in_quotes_is_kept_where_a_block_ends(
    tmp_path: Path, monkeypatch, breaks, packed
) -> None:
    monkeypatch.setattr(csv_files, "_BLOCK", 200)
    rng = random.Random(0)
    values = [f"{'a' * rng.randrange(30)}line{breaks}break" for _ in range(600)]
    text = "x,k\r\n" + "".join(f'1,"{value}"\r\n' for value in values)
    path = write(
        tmp_path, "a.csv.gz" if packed else "a.csv", gzip.compress(text.encode()) if packed else text
    )
    assert [row["k"] for row in rows(path)] == values


@pytest.mark.parametrize("text", ["x,k", "x,k\n", "x,k\r\n\r\n", "\nx,k", "sep=,\nx,k\n"])
def test_names_alone_are_no_rows_with_a_line_end_and_without(tmp_path: Path, text: str) -> None:
    table = open_table(write(tmp_path, "a.csv", text), TableForm(KINDS)).read()
    assert table.schema == pa.schema([("x", pa.float64()), ("k", pa.string())])
    assert table.num_rows == 0


@pytest.mark.parametrize(
    "above", ["\n", "\r\n\r\n", "sep=;\n", '"sep=;"\r\n', "\nSEP=;\n\n", "\ufeffsep=;\n", ""]
)
def test_lines_above_the_names_are_passed_over(tmp_path: Path, above: str) -> None:
    path = write(tmp_path, "a.csv", above + "x;k\n1;a\n2;b\n")
    assert rows(path) == [{"x": 1, "k": "a"}, {"x": 2, "k": "b"}]
    path = write(tmp_path, "b.csv", above + "x;k\n1;a\noops;b\n")
    line = 3 + above.count("\n")
    with pytest.raises(InvalidInputError, match=f"line {line}, column 'x': found 'oops'"):
        rows(path)


def test_a_separator_that_excel_names_is_taken_though_another_cuts_too(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "sep=|\nx|k\n1|a,b\n")
    assert rows(path) == [{"x": 1, "k": "a,b"}]
