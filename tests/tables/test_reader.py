"""Files as tables: the dialect is found out, kinds are those of the form, and a fault has its line, column and value."""

import csv
import gzip
import random
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import CsvSpec
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables.reader import folder_digest, folder_files, guess_kinds, open_table, read_folder

TEXT, NUMBER, TIME = ColumnKind.TEXT, ColumnKind.NUMBER, ColumnKind.TIME


def written(folder: Path, text: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(path: Path, form: TableForm) -> dict[str, list[object]]:
    table = open_table(path, form).read()
    again = pa.Table.from_batches(list(open_table(path, form).batches()), table.schema)
    assert again.equals(table), "in batches as in one go"
    return table.to_pydict()


def form(**kinds: ColumnKind) -> TableForm:
    return TableForm(kinds)


@pytest.mark.parametrize(
    "value", ["02116", "3.10", "1e3", "true", "12345678901234567890", "2013-05-03", "1.00", " a ", "-0"]
)
def test_a_text_is_as_it_is_written_in_every_format(tmp_path: Path, value: str) -> None:
    text = written(tmp_path, f"k,x\n{value},1\n")
    packed = tmp_path / "rows.csv.gz"
    packed.write_bytes(gzip.compress(text.read_bytes()))
    lines = written(tmp_path, f'{{"k": "{value}", "x": 1}}\n', "rows.jsonl")
    pq.write_table(pa.table({"k": [value], "x": [1]}), tmp_path / "rows.parquet")
    for path in (text, packed, lines, tmp_path / "rows.parquet"):
        assert rows(path, form(k=TEXT, x=NUMBER)) == {"k": [value], "x": [1.0]}, path.name


def test_numbers_of_json_keep_all_their_digits_as_texts(tmp_path: Path) -> None:
    path = written(
        tmp_path, '{"k": 12345678901234567890}\n{"k": 7}\n{"k": 7.0}\n{"k": true}\n{}\n', "rows.jsonl"
    )
    assert rows(path, form(k=TEXT)) == {"k": ["12345678901234567890", "7", "7", "1", None]}


@pytest.mark.parametrize("word", ["", "NA", "NULL", "N/A", "nan", "None", "<NA>", "#N/A"])
def test_missing_words_are_missing_in_texts_and_numbers_of_every_format(tmp_path: Path, word: str) -> None:
    paths = [written(tmp_path, f'k,x\n"{word}",{word}\na,1\n')]
    paths.append(written(tmp_path, f'{{"k": "{word}", "x": "{word}"}}\n{{"k": "a", "x": 1}}\n', "rows.jsonl"))
    pq.write_table(pa.table({"k": [word, "a"], "x": [word, "1"]}), tmp_path / "rows.parquet")
    for path in (*paths, tmp_path / "rows.parquet"):
        assert rows(path, form(k=TEXT, x=NUMBER)) == {"k": [None, "a"], "x": [None, 1.0]}, path.name


def test_a_model_file_may_say_which_words_are_missing(tmp_path: Path) -> None:
    path = written(tmp_path, "k,x\nNA,-\n,2\n")
    assert rows(path, TableForm({"k": TEXT, "x": NUMBER}, missing=("-",))) == {
        "k": ["NA", None],
        "x": [None, 2.0],
    }


@pytest.mark.parametrize(
    ("text", "said", "expected"),
    [
        ("k;x\na;1,5\nb;2,25\n", "semicolon, decimal comma", [1.5, 2.25]),
        ("k;x\na;1.5\nb;-2\n", "semicolon", [1.5, -2.0]),
        ("k\tx\na\t1.5\nb\t2\n", "tabulator", [1.5, 2.0]),
        ("k|x\na|1.5\nb|2\n", "vertical bar", [1.5, 2.0]),
        ('k,x\na,"1,5"\nb,"2,25"\n', "decimal comma", [1.5, 2.25]),
        ('k,x\na,"1,234.5"\nb,2\n', "thousands by comma", [1234.5, 2.0]),
        ("k;x\na;1.234,5\nb;2.234.567,0\n", "semicolon, decimal comma, thousands by point", [1234.5, 2234567.0]),
        ("k;x\r\nZürich;1\r\nb;2\r\n".encode("latin-1"), "semicolon, latin-1", [1.0, 2.0]),
        ("k,x\n€,1\nb,2\n".encode("cp1252"), "windows-1252", [1.0, 2.0]),
        ("k,x\nü,1\nb,2\n".encode("utf-16"), "utf-16", [1.0, 2.0]),
        ("k,x\nü,1\nb,2\n".encode("utf-16-le"), "utf-16-le", [1.0, 2.0]),
        ("k,x\nü,1\nb,2\n".encode("utf-8-sig"), "", [1.0, 2.0]),
        ("k,x,\na,1,\nb,2,\n", "", [1.0, 2.0]),
        ("k,x\na,1,\nb,2,\n", "", [1.0, 2.0]),
        (",k,x\n0,a,1\n1,b,2\n", "", [1.0, 2.0]),
        ("k,x\na, 1 \nb,+2\n", "", [1.0, 2.0]),
        ("k,x\na,True\nb,FALSE\n", "", [1.0, 0.0]),
    ],
)  # fmt: skip
def test_the_dialect_is_found_out_and_said(
    tmp_path: Path, text: str | bytes, said: str, expected: list[float]
) -> None:
    path = written(tmp_path, text)
    kinds = form(k=TEXT, x=NUMBER)
    assert open_table(path, kinds).dialect == said
    assert rows(path, kinds)["x"] == expected
    assert set(rows(path, kinds)) == {"k", "x"}


def test_a_comma_that_may_be_either_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "k;x\na;1,234\nb;2,345\n")
    with pytest.raises(
        InvalidInputError,
        match=r"column 'x': found '1,234', whose comma may be a decimal mark.*data.csv.decimal",
    ):
        open_table(path, form(k=TEXT, x=NUMBER))
    given = TableForm({"k": TEXT, "x": NUMBER}, csv=CsvSpec(decimal=","))
    assert rows(path, given)["x"] == [1.234, 2.345]
    given = TableForm({"k": TEXT, "x": NUMBER}, csv=CsvSpec(decimal=".", thousands=","))
    assert rows(path, given)["x"] == [1234.0, 2345.0]


def test_line_breaks_in_quotes_and_rows_longer_than_a_block(tmp_path: Path) -> None:
    long = "x" * 5_000_000 + "\n" + "y" * 5_000_000
    path = written(tmp_path, f'k,x\n"a\r\nb",1\n"{long}",2\n"say ""hi""",3\n')
    assert rows(path, form(k=TEXT, x=NUMBER)) == {"k": ["a\r\nb", long, 'say "hi"'], "x": [1.0, 2.0, 3.0]}


def test_line_breaks_at_the_edge_of_a_block_are_within_their_field(tmp_path: Path) -> None:
    """Arrow's reader, untold, gives other rows without an error where a block ends within quotes."""
    draw = random.Random(7)
    texts = [
        "".join(draw.choice('ab\n\n",') for _ in range(draw.randrange(12))) + "." for _ in range(400_000)
    ]
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
            [["k", "x"], *((t, 1) for t in texts)]
        )
    assert open_table(path, form(k=TEXT, x=NUMBER)).read().column("k").to_pylist() == texts


def test_a_letter_far_beyond_the_beginning_tells_the_encoding(tmp_path: Path) -> None:
    path = written(tmp_path, b"k,x\n" + b"a,1\n" * 400_000 + "Zürich,2\n".encode("latin-1"))
    table = open_table(path, form(k=TEXT, x=NUMBER)).read()
    assert table.num_rows == 400_001
    assert table.column("k")[-1].as_py() == "Zürich"


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    path = written(tmp_path, "k,x\nZürich,1\n".encode() + b"a,1\n" * 400_000 + b"\xff\xfe,2\n")
    with pytest.raises(InvalidInputError, match="line 400003 cannot be decoded as utf-8"):
        open_table(path, form(k=TEXT, x=NUMBER)).read()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("rows.csv", 'k,x\n"a\nb",1\nc,two\n', r"line 4, column 'x': found 'two'; expected a number; do this"),
        ("rows.csv", "k,x\na,1\nb,2,3\nc,4\n", r"line 3 has 3 fields \('b,2,3'\); expected 2"),
        ("rows.csv", "k,k\na,1\n", "two columns are called 'k'; expected each name once"),
        ("rows.csv", "", "is empty; expected a first line with the names"),
        ("rows.jsonl", '{"x": 1}\n{"x": "two"}\n', "line 2, column 'x': found 'two'; expected a number"),
        ("rows.jsonl", '{"x": 1}\n{"x": \n', "line 2 is no JSON"),
        ("rows.jsonl", '{"x": 1}\n[2]\n', "line 2 is list; expected one JSON object a line"),
        ("rows.jsonl", '{"x": [1]}\n', "line 1, column 'x': found a list or an object"),
        ("rows.txt", "x\n1\n", r"expected a file that ends in \.parquet, \.csv"),
    ],
)  # fmt: skip
def test_a_fault_has_its_file_line_column_and_value(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    path = written(tmp_path, text, name)
    with pytest.raises(InvalidInputError, match=message) as raised:
        open_table(path, TableForm({"k": TEXT, "x": NUMBER}, remedy="do this")).read()
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"PAR1rest", "parquet"),
        (gzip.compress(b"k\n1\n", mtime=0), "gzip"),
    ],
)
def test_a_file_that_is_only_called_csv_is_named_as_what_it_is(
    tmp_path: Path, data: bytes, kind: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"{kind}; expected csv"):
        open_table(written(tmp_path, data), form(k=TEXT))


def test_a_file_with_names_alone_has_no_rows(tmp_path: Path) -> None:
    table = open_table(written(tmp_path, "k,x\n"), form(k=TEXT, x=NUMBER)).read()
    assert (table.num_rows, [str(kind) for kind in table.schema.types]) == (0, ["string", "double"])


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def test_times_are_read_by_one_rule_in_every_format(tmp_path: Path) -> None:
    texts = [
        "2024-03-31 02:30:00",  # skipped: as if the clock had not been moved
        "2024-10-27T02:30:00",  # comes twice: its first pass
        "2024-10-27T02:30:00+01:00",
        "2024-06-01",
        "2024-06-01T12:00Z",
        "2024-06-01 12:00:00.123456789+0200",
        "20240601T120000",
        None,
    ]
    expected = [
        utc(2024, 3, 31, 1, 30), utc(2024, 10, 27, 0, 30), utc(2024, 10, 27, 1, 30), utc(2024, 5, 31, 22),
        utc(2024, 6, 1, 12), utc(2024, 6, 1, 10, 0, 0, 123456), utc(2024, 6, 1, 10), None,
    ]  # fmt: skip
    berlin = TableForm({"t": TIME}, timezone="Europe/Berlin")
    csv = written(tmp_path, "i,t\n" + "".join(f"0,{text or ''}\n" for text in texts))
    lines = written(tmp_path, "".join(f'{{"t": "{text or ""}"}}\n' for text in texts), "rows.jsonl")
    pq.write_table(pa.table({"t": texts}), tmp_path / "rows.parquet")
    for path in (csv, lines, tmp_path / "rows.parquet"):
        assert rows(path, berlin)["t"] == expected, path.name
    naive = pa.array(["2024-03-31 02:30", "2024-10-27 02:30", None]).cast(pa.timestamp("ns"))
    pq.write_table(pa.table({"t": naive}), tmp_path / "naive.parquet")
    assert rows(tmp_path / "naive.parquet", berlin)["t"] == [*expected[:2], None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", "line 3, column 't': found 'yesterday'; expected a time as 2013-05-03"),
        ("2013-05-03", "column 't': found times without a zone; expected a zone in each, or data.timezone"),
    ],
)
def test_what_is_no_time_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        open_table(written(tmp_path, f"t,x\n2013-05-03T00:00Z,1\n{text},1\n"), form(t=TIME)).read()


def test_folders_in_folders_give_their_columns(tmp_path: Path) -> None:
    for day, shop in (("2024-01-01", "a%20b"), ("2024-01-02", "__HIVE_DEFAULT_PARTITION__")):
        folder = tmp_path / f"day={day}" / f"shop={shop}"
        folder.mkdir(parents=True)
        written(folder, "x\n1\n" if "a%" in shop else "x,note\n2,late\n")
        written(folder, "nothing", "_SUCCESS.csv")
    before = folder_digest(tmp_path)
    table, said = read_folder(tmp_path, TableForm({"x": NUMBER, "day": TIME}, timezone="UTC"))
    assert table.to_pydict() == {
        "x": [1.0, 2.0], "day": [utc(2024, 1, 1), utc(2024, 1, 2)], "shop": ["a b", None], "note": [None, "late"],
    }  # fmt: skip
    assert (said, len(folder_files(tmp_path))) == ("", 2)
    (tmp_path / "day=2024-01-02").rename(tmp_path / "day=2024-01-03")
    assert folder_digest(tmp_path) != before


def test_a_named_column_that_one_file_lacks_is_refused_and_types_that_differ_are_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1], "extra": [4]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"x": [2], "extra": ["4b"]}), tmp_path / "b.parquet")
    assert read_folder(tmp_path, form(x=NUMBER))[0].to_pydict() == {"x": [1.0, 2.0], "extra": ["4", "4b"]}
    pq.write_table(pa.table({"y": [2]}), tmp_path / "c.parquet")
    with pytest.raises(InvalidInputError, match=r"c\.parquet: has no column 'x', which other files"):
        read_folder(tmp_path, form(x=NUMBER))


def test_what_is_not_to_be_read_cannot_be_at_fault(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1], "emb": [[1.0, 2.0]], "raw": [b"a"]}), tmp_path / "rows.parquet")
    skipping = TableForm({"x": NUMBER}, skipped=frozenset({"emb", "raw"}))
    assert rows(tmp_path / "rows.parquet", skipping) == {"x": [1.0]}
    assert rows(tmp_path / "rows.parquet", TableForm({"x": NUMBER}, only=True)) == {"x": [1.0]}
    with pytest.raises(InvalidInputError, match=r"column 'emb' of type list.*list it under data\.exclude"):
        open_table(tmp_path / "rows.parquet", form(x=NUMBER))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["1", "2.5", ""], NUMBER), (["007", "12"], TEXT), (["12345678901234567890"], TEXT), (["1", "4b"], TEXT),
        (["2024-01-01", "2024-01-02T03:04Z"], TIME), (["true", "false"], TEXT), (["0.5", "0"], NUMBER), (["", ""], NUMBER),
    ],
)  # fmt: skip
def test_kinds_that_nobody_named_are_guessed_by_all_values(
    values: list[str], kind: ColumnKind, tmp_path: Path
) -> None:
    path = written(tmp_path, "i,k\n" + "".join(f"0,{value}\n" for value in values))
    table = open_table(path, TableForm()).read()
    assert guess_kinds([table], TableForm())["k"] is kind
    assert guess_kinds([table, pa.table({"k": ["4b"]})], TableForm())["k"] is TEXT


@pytest.mark.parametrize(
    ("given", "key"),
    [
        ({"delimiter": "xx"}, "delimiter"), ({"delimiter": "é"}, "delimiter"), ({"quote": "ab"}, "quote"),
        ({"delimiter": '"'}, "delimiter"), ({"decimal": "x"}, "decimal"), ({"encoding": "base64"}, "encoding"),
        ({"encoding": "rot13"}, "encoding"), ({"encoding": "nonsense"}, "encoding"),
    ],
)  # fmt: skip
def test_a_dialect_that_no_file_can_have_is_refused(tmp_path: Path, given: dict[str, str], key: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"data\.csv\.{key}: found "):
        open_table(written(tmp_path, "k,x\na,1\n"), TableForm(csv=CsvSpec(**given)))


def test_another_encoding_than_the_files_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be decoded as utf-16"):
        open_table(written(tmp_path, "k,x\na,1\n"), TableForm(csv=CsvSpec(encoding="utf-16"))).read()


def test_a_number_that_means_missing_is_missing_in_every_format(tmp_path: Path) -> None:
    paths = [written(tmp_path, "x\n1\n-999\n"), written(tmp_path, '{"x": 1}\n{"x": -999}\n', "rows.jsonl")]
    for name, values in (("whole", [1, -999]), ("real", [1.0, -999.0])):
        pq.write_table(pa.table({"x": values}), tmp_path / f"{name}.parquet")
        paths.append(tmp_path / f"{name}.parquet")
    for path in paths:
        assert rows(path, TableForm({"x": NUMBER}, missing=("-999",))) == {"x": [1.0, None]}, path.name
