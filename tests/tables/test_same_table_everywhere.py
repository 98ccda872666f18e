"""One random table as csv, csv.gz, jsonl and parquet, by pandas, Arrow and Polars: every cell is read the same from each.

The seed is in the message of a failure; ``TABLE_SEED=… pytest tests/tables/test_same_table_everywhere.py`` draws that table
again.
"""

import gzip
import importlib.util
import json
import math
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from pilothouse.domain.models.model_spec import CsvSpec
from pilothouse.domain.tables.table_form import MISSING_WORDS, ColumnKind, TableForm
from pilothouse.tables.reader import open_table

TABLES = 12
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")
LOOK_ALIKES = (
    "1", "1.0", "1e3", "1000", "007", "02116", "3.10", "3.1", "-0", "+5", ".5", "5.", "1,5", "1.234,5", "1,234", "1_000",
    "0x1F", "12345678901234567890", "99999999999999999999", "inf", "-inf", "Infinity", "1E400", "٣",
    "2024-01-01", "2024-02-30", "01/02/2024", "2024-03-31T02:30:00+02:00", "12:30", "true", "True", "FALSE", "yes", "T", "0",
    "#", "# x", "=1+1", "\\N", "nil", "none", "NAN", "Na", " NA", "NA ", "-", "?", "(null)", "a", "b", "Z",
)  # fmt: skip
UNICODE = (
    "Malmö", "Zürich", "e\u0301", "é", "日本語", "עברית", "👩‍🚀", "\u200b", "\u00a0", "ß", "İ", "\ufeffx", "x\u2028y",
    "\U0001f600" * 3, "ﬁ",
)  # fmt: skip
AWKWARD = (
    'a"b', '"', '""', "it's", "'", "a,b", "a;b", "a\tb", "a|b", "line\nbreak", "line\r\nbreak", "\n", "a\n\nb", 'say "a,\nb"',
    " blank before", "blank after ", "  ", "\\", "\\n", "a\\", "x" * 500, "{}", "[1, 2]", '{"a": 1}', "<NA >",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column as it is written, and as it is to be read."""

    written: pa.Array
    kind: ColumnKind
    expected: list[Any]


def instant(moment: datetime) -> int:
    """Microseconds since 1970, counted exactly."""
    gap = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (gap.days * 86_400 + gap.seconds) * 1_000_000 + gap.microseconds


def on_the_wall(moment: datetime, zone: str) -> int:
    """Instant of a time without an offset: of an hour that comes twice the first, and as if the clock had not been moved in an
    hour that is skipped (PEP 495, fold 0)."""
    return instant(moment.replace(tzinfo=ZoneInfo(zone)))


@dataclass(frozen=True)
class Setting:
    """What a model file says of its data."""

    zone: str
    missing: tuple[str, ...]


def texts(rng: random.Random, rows: int, setting: Setting) -> Column:
    pool = rng.choice(
        [LOOK_ALIKES, LOOK_ALIKES + MISSING_WORDS, UNICODE, AWKWARD, LOOK_ALIKES + UNICODE + AWKWARD + MISSING_WORDS]
    )  # fmt: skip
    pool = tuple(rng.sample(pool, rng.randint(1, len(pool))))
    holes = rng.choice([0, 0, 0.2, 0.95])
    values = [None if rng.random() < holes else rng.choice(pool) for _ in range(rows)]
    missing = {"", *setting.missing}
    written = pa.array(values, pa.string())
    if rng.random() < 0.3:
        written = written.dictionary_encode()
    return Column(written, ColumnKind.TEXT, [None if v in missing else v for v in values])


def codes(rng: random.Random, rows: int, setting: Setting) -> Column:
    """Identifiers of digits, as many as twenty, with leading zeros."""
    width = rng.choice([2, 5, 16, 20, 40])
    values = [str(rng.randrange(10**width)).zfill(width) for _ in range(rows)]
    return Column(pa.array(values, pa.string()), ColumnKind.TEXT, list(values))


def whole_ids(rng: random.Random, rows: int, setting: Setting) -> Column:
    """Identifiers that the file has as integers."""
    values = [None if rng.random() < 0.1 else rng.randrange(-(2**63), 2**63) for _ in range(rows)]
    return Column(
        pa.array(values, pa.int64()), ColumnKind.TEXT, [None if v is None else str(v) for v in values]
    )


def numbers(rng: random.Random, rows: int, setting: Setting) -> Column:
    digits = rng.choice([0, 2, 6, 15])
    scale = 10.0 ** rng.choice([rng.randint(-8, 12), rng.randint(-300, 300)])
    holes = rng.choice([0, 0.1, 1])
    values = [
        None if rng.random() < holes else float(f"{rng.gauss(0, 1) * scale:.{digits}e}") for _ in range(rows)
    ]
    kind = pa.float64()
    if rng.random() < 0.3:  # few digits: a short float is written by its own shortest text
        values = [None if value is None else rng.randrange(-4_000, 4_000) / 4 for value in values]
        kind = pa.float32()
    return Column(pa.array(values, kind), ColumnKind.NUMBER, values)


def counts(rng: random.Random, rows: int, setting: Setting) -> Column:
    values = [None if rng.random() < 0.1 else rng.randint(-5, 1_000) for _ in range(rows)]
    kind = rng.choice([pa.int64(), pa.int16(), pa.int32()])
    return Column(
        pa.array(values, kind), ColumnKind.NUMBER, [None if v is None else float(v) for v in values]
    )


def flags(rng: random.Random, rows: int, setting: Setting) -> Column:
    values = [None if rng.random() < 0.1 else rng.random() < 0.5 for _ in range(rows)]
    return Column(
        pa.array(values, pa.bool_()), ColumnKind.NUMBER, [None if v is None else float(v) for v in values]
    )


def moments(rng: random.Random, rows: int, *, near_changes: bool) -> list[datetime]:
    """Times by the clock on the wall, many of them about the nights on which clocks are moved."""
    begins = datetime(1971, 1, 1)  # noqa: DTZ001 - a time by the clock on the wall
    nights = [datetime(2024, m, d, 0) for m, d in ((3, 10), (3, 31), (4, 7), (10, 6), (10, 27), (11, 3))]  # noqa: DTZ001
    unit = rng.choice([1, 1_000, 1_000_000, 60_000_000])
    values = []
    for _ in range(rows):
        if near_changes and rng.random() < 0.5:
            moment = rng.choice(nights) + timedelta(microseconds=rng.randrange(5 * 3_600_000_000))
        else:
            moment = begins + timedelta(
                seconds=rng.randrange(2_000_000_000), microseconds=rng.randrange(10**6)
            )
        past = (moment - begins) // timedelta(microseconds=1)
        values.append(begins + timedelta(microseconds=past // unit * unit))
    return values


def zoned_times(rng: random.Random, rows: int, setting: Setting) -> Column:
    """Instants as a type of the file."""
    values = [
        None if rng.random() < 0.05 else m.replace(tzinfo=UTC) for m in moments(rng, rows, near_changes=False)
    ]
    kind = pa.timestamp(rng.choice(["us", "us", "ns"]), rng.choice(["UTC", "Europe/Berlin", "Asia/Kolkata"]))
    return Column(
        pa.array(values, kind), ColumnKind.TIME, [None if v is None else instant(v) for v in values]
    )


def naive_times(rng: random.Random, rows: int, setting: Setting) -> Column:
    """Times by the clock on the wall as a type of the file."""
    values = [None if rng.random() < 0.05 else m for m in moments(rng, rows, near_changes=True)]
    kind = pa.timestamp(rng.choice(["us", "us", "ns"]))
    expected = [None if v is None else on_the_wall(v, setting.zone) for v in values]
    return Column(pa.array(values, kind), ColumnKind.TIME, expected)


def dates(rng: random.Random, rows: int, setting: Setting) -> Column:
    values: list[date | None] = [
        None if rng.random() < 0.05 else m.date() for m in moments(rng, rows, near_changes=True)
    ]
    expected = [
        None if v is None else on_the_wall(datetime(v.year, v.month, v.day), setting.zone)  # noqa: DTZ001
        for v in values
    ]
    return Column(pa.array(values, pa.date32()), ColumnKind.TIME, expected)


def written_times(rng: random.Random, rows: int, setting: Setting) -> Column:
    """Times as texts: with an offset, with others, without, dates, in one column."""
    forms = rng.sample(["naive", "utc", "offset", "other", "date"], rng.randint(1, 5))
    written: list[str | None] = []
    expected: list[int | None] = []
    for moment in moments(rng, rows, near_changes=True):
        form, between = rng.choice(forms), rng.choice("T ")
        if rng.random() < 0.05:
            written.append(rng.choice([None, "", *setting.missing]))
            expected.append(None)
        elif form == "date":
            written.append(moment.date().isoformat())
            expected.append(on_the_wall(datetime(moment.year, moment.month, moment.day), setting.zone))  # noqa: DTZ001
        elif form == "naive":
            written.append(moment.isoformat(between))
            expected.append(on_the_wall(moment, setting.zone))
        else:
            minutes = {"utc": 0, "offset": 120}.get(form, rng.randrange(-47, 57) * 15)
            zoned = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
            text = zoned.isoformat(between)
            written.append(text.removesuffix("+00:00") + "Z" if form == "utc" else text)
            expected.append(instant(zoned))
    return Column(pa.array(written, pa.string()), ColumnKind.TIME, expected)


KINDS: tuple[Callable[[random.Random, int, Setting], Column], ...] = (
    texts, texts, texts, codes, whole_ids, numbers, counts, flags, zoned_times, naive_times, dates, written_times,
)  # fmt: skip
NAMES = (
    "x",
    "Größe",
    "a b",
    "a,b",
    'say "x"',
    "1",
    "true",
    "NA",
    "когда",
    "x.y",
    "semi;colon",
    "__x",
    "id",
    "zip",
    "NaN",
)


def drawn(rng: random.Random, setting: Setting) -> dict[str, Column]:
    rows = min(5_000, int(math.exp(rng.uniform(0, math.log(5_001)))))
    names = rng.sample(NAMES, rng.randint(2, 8))
    return {name: rng.choice(KINDS)(rng, max(rows, 1), setting) for name in names}


def by_pandas(table: pa.Table, folder: Path) -> Iterator[Path]:
    frame = table.to_pandas(types_mapper=_pandas_type)
    for name in ("pandas.csv", "pandas.csv.gz"):
        frame.to_csv(folder / name, index=False)
        yield folder / name
    frame.to_csv(folder / "quoted.csv", index=False, quoting=1, lineterminator="\r\n")
    yield folder / "quoted.csv"
    frame.to_parquet(folder / "pandas.parquet")
    yield folder / "pandas.parquet"
    frame.to_json(
        folder / "pandas.jsonl", orient="records", lines=True, date_format="iso", date_unit="us", double_precision=15
    )  # fmt: skip
    yield folder / "pandas.jsonl"


def _pandas_type(kind: pa.DataType) -> Any:
    """Types of pandas that keep whole numbers and booleans beside missing values."""
    of_kind: dict[pa.DataType, Any] = {
        pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.int16(): pd.Int16Dtype(), pa.bool_(): pd.BooleanDtype(),
    }  # fmt: skip
    return of_kind.get(kind)


def by_arrow(table: pa.Table, folder: Path) -> Iterator[Path]:
    plain = pa.table(
        {
            name: column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for name, column in zip(table.column_names, table.columns, strict=True)
        }
    )
    pa.csv.write_csv(plain, folder / "arrow.csv")
    yield folder / "arrow.csv"
    with pa.OSFile(str(folder / "arrow.csv.gz"), "wb") as raw, pa.CompressedOutputStream(raw, "gzip") as out:
        pa.csv.write_csv(plain, out)
    yield folder / "arrow.csv.gz"
    pq.write_table(table, folder / "arrow.parquet", row_group_size=1_000)
    yield folder / "arrow.parquet"
    # Arrow writes no JSON: Python does
    with (folder / "arrow.jsonl").open("w", encoding="utf-8") as lines:
        for record in plain.to_pylist():
            # null, or absent but in the first record
            kept = {k: v for k, v in record.items() if v is not None or len(k) % 2 or not lines.tell()}
            lines.write(json.dumps(kept, default=lambda v: v.isoformat(), ensure_ascii=False) + "\n")
    yield folder / "arrow.jsonl"


POLARS = """\
import polars, pyarrow.ipc
frame = polars.from_arrow(pyarrow.ipc.open_file("table.arrow").read_all())
frame.write_csv("polars.csv")
frame.write_parquet("polars.parquet")
frame.write_ndjson("polars.ndjson")
"""


def by_polars(table: pa.Table, folder: Path) -> Iterator[Path]:
    """In a process of its own: Polars keeps threads and descriptors for as long as a process lives."""
    if importlib.util.find_spec("polars") is None:
        pytest.skip("polars is not installed")
    with pa.ipc.new_file(folder / "table.arrow", table.schema) as out:
        out.write_table(table)
    subprocess.run([sys.executable, "-c", POLARS], cwd=folder, check=True)
    (folder / "polars.csv.gz").write_bytes(gzip.compress((folder / "polars.csv").read_bytes()))
    yield from (folder / f"polars.{suffix}" for suffix in ("csv", "csv.gz", "parquet", "ndjson"))


def check(path: Path, form: TableForm, columns: dict[str, Column], seed: int) -> None:
    where = f"TABLE_SEED={seed} {path.name}"
    try:
        file = open_table(path, form)
        whole, batches = file.read(), pa.Table.from_batches(list(file.batches()))
    except Exception as error:
        raise AssertionError(f"{where}: {error}") from error
    assert sorted(file.names) == sorted(columns), where
    types = {
        ColumnKind.TEXT: pa.string(),
        ColumnKind.NUMBER: pa.float64(),
        ColumnKind.TIME: pa.timestamp("us", "UTC"),
    }
    for name, column in columns.items():
        for table in (whole, batches):
            assert table.schema.field(name).type == types[column.kind], f"{where}, {name!r}: the type"
            same_cells(table.column(name), column, f"{where}, {name!r}", rounded=path.name == "pandas.jsonl")


def same_cells(read: pa.ChunkedArray, column: Column, where: str, *, rounded: bool) -> None:
    values = read.cast(pa.int64()).to_pylist() if column.kind is ColumnKind.TIME else read.to_pylist()
    assert len(values) == len(column.expected), f"{where}: the number of rows"
    for row, (value, expected) in enumerate(zip(values, column.expected, strict=True)):
        if value == expected or (isinstance(value, float) and math.isnan(value) and expected is None):
            continue
        if rounded and isinstance(value, float) and value == pytest.approx(expected, rel=1e-9, abs=1e-14):
            continue  # pandas writes fifteen decimals
        raise AssertionError(
            f"{where}: row {row}: {value!r}, expected {expected!r} of {column.written[row].as_py()!r}"
        )


@pytest.mark.parametrize("write", [by_pandas, by_arrow, by_polars])
@pytest.mark.parametrize("number", range(TABLES))
def test_every_cell_is_read_the_same_from_every_file(
    tmp_path: Path, number: int, write: Callable[[pa.Table, Path], Iterator[Path]]
) -> None:
    seed = int(os.environ.get("TABLE_SEED", time.time_ns() % 2**32))
    rng = random.Random(seed)
    setting = Setting(rng.choice(ZONES), rng.choice([MISSING_WORDS, (), ("-", "?", "NA")]))
    columns = drawn(rng, setting)
    kinds = {name: column.kind for name, column in columns.items()}
    form = TableForm(kinds, missing=setting.missing, timezone=setting.zone)
    table = pa.table({name: column.written for name, column in columns.items()})
    for path in write(table, tmp_path):
        check(path, form, columns, seed)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize(
    ("delimiter", "decimal"), [(";", ","), (";", "."), ("\t", ","), ("|", "."), (",", ".")]
)
@pytest.mark.parametrize("said", [True, False])
def test_every_cell_is_read_the_same_in_every_dialect(
    tmp_path: Path, encoding: str, delimiter: str, decimal: str, said: bool
) -> None:
    """Whether the model file gives the dialect or it is found out."""
    seed = int(os.environ.get("TABLE_SEED", time.time_ns() % 2**32))
    rng = random.Random(seed)
    columns = drawn(rng, Setting("Europe/Berlin", MISSING_WORDS))
    frame = pa.table({name: column.written for name, column in columns.items()}).to_pandas(
        types_mapper=_pandas_type
    )
    path = tmp_path / "dialect.csv"
    try:
        frame.to_csv(path, index=False, sep=delimiter, decimal=decimal, encoding=encoding)
    except UnicodeEncodeError:
        return  # no text of that encoding
    given = CsvSpec(delimiter=delimiter, decimal=decimal, encoding=encoding) if said else CsvSpec()
    kinds = {name: column.kind for name, column in columns.items()}
    try:
        check(path, TableForm(kinds, csv=given, timezone="Europe/Berlin"), columns, seed)
    except AssertionError as error:
        if said or "may be a decimal mark or part thousands" not in str(error):
            raise
