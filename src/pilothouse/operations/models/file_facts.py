"""Facts about a file's columns, counted on a bounded sample of its rows; no training library is needed for it."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.tables.column_facts import ColumnFacts, FactKind, FileFacts, TimeFacts
from pilothouse.domain.tables.table_form import MISSING_WORDS, ColumnKind, TableForm
from pilothouse.tables.cells import converted, is_nested
from pilothouse.tables.reader import guess_kinds, open_table
from pilothouse.tables.times import HAS_OFFSET, UTC_TIME

SAMPLE_ROWS = 400_000
"""Rows that are kept at most; a larger file is thinned evenly."""
_COMMON = 10
_MOST_SPELLINGS = 50
_LIKE_TIME = (
    r"^\s*(\d{4}-\d\d-\d\d|\d{4}[/.]\d\d?[/.]\d\d?\b|\d\d?([/.-])\d\d?([/.-])(\d{4}|\d\d)\b"
    r"|\d\d?[ -]?[A-Z][A-Za-z]{2,8}[ -]?\d{2,4}\b|[A-Z][a-z]{2,8}\.? \d\d?,? \d{4}\b)"
)
"""Beginning of a time, in ISO 8601 or as others write it: 2012/01/31, 31.1.2012, 31-Jan-12, Jan 31 2012."""
_MOSTLY = 0.9
_SUM_ROWS = 2_000
_FEWEST_SUMS = 30
_MOST_SUMMED = 60
_TYPES = {ColumnKind.TEXT: pa.string(), ColumnKind.NUMBER: pa.float64(), ColumnKind.TIME: UTC_TIME}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FileSample:
    """Rows of a file, all or evenly thinned, with what is known of it."""

    table: pa.Table
    facts: FileFacts
    texts: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    """Columns of numbers with few values that the file has as texts, as they are written."""

    def with_classes(self, target: str) -> pa.Table:
        """The rows with the target's classes as they are written."""
        if target not in self.texts:
            return self.table
        return self.table.set_column(self.table.column_names.index(target), target, self.texts[target])


def sample_file(path: Path) -> FileSample:
    """Rows and facts of a file, each column as the kind that its values are. Raises InvalidInputError."""
    skipped = _nested(path)
    form = TableForm(skipped=frozenset(skipped), timezone="UTC")
    file = open_table(path, form)
    thinned = _Thinned()
    for batch in file.batches():
        thinned.add(batch)
    tables = thinned.tables(path)
    kinds = guess_kinds(tables, form, [file.marks] * len(tables))
    columns, texts, zoned = {}, {}, set()
    for name in kinds:
        chunks = [chunk for table in tables for chunk in _chunks(table, name)]
        kind = kinds[name]
        columns[name] = pa.chunked_array(
            [converted(chunk, kind, form, file.marks) for chunk in chunks], type=_TYPES[kind]
        )
        if kind is ColumnKind.NUMBER and (written := _few_texts(chunks)) is not None:
            texts[name] = written
        if kind is ColumnKind.TIME and all(map(_is_zoned, chunks)):
            zoned.add(name)
    table = pa.table(columns)
    facts = [
        replace(_column(name, table.column(name)), spellings=_spellings(texts.get(name)))
        for name in table.column_names
    ]
    facts += [ColumnFacts(name, "other", thinned.rows, 0, 0) for name in skipped]
    times = tuple(
        _times(column.name, table.column(column.name), zoned=column.name in zoned)
        for column in facts
        if column.kind == "time" and column.present
    )
    known = FileFacts(path.name, thinned.rows, table.num_rows, tuple(facts), times, file.dialect)
    return FileSample(table, known, texts)


def missing_word(path: Path, column: str) -> str:
    """The most frequent word of a column that means missing; empty where there is none. Raises InvalidInputError."""
    form = TableForm({column: ColumnKind.TEXT}, missing=(), only=True)
    counts: Counter[str] = Counter()
    for batch in open_table(path, form).batches():
        for count in pc.value_counts(batch.column(column).drop_null()).to_pylist():
            counts[count["values"]] += count["counts"]
    words = [word for word, _ in counts.most_common() if word in MISSING_WORDS]
    return words[0] if words else ""


def nearly_times(path: Path, sample: FileSample) -> tuple[str, str] | None:
    """Column of texts most of which begin as a time does, and the first value that is none, with its place."""
    for name in sample.table.column_names:
        column = sample.table.column(name)
        if not pa.types.is_string(column.type):
            continue
        like = pc.mean(pc.match_substring_regex(column.drop_null(), _LIKE_TIME).cast(pa.int8())).as_py()
        if like is None or like < _MOSTLY:
            continue
        try:
            for _ in open_table(
                path, TableForm({name: ColumnKind.TIME}, timezone="UTC", only=True)
            ).batches():
                pass
        except InvalidInputError as error:
            return name, str(error)
    return None


def parts_of(sample: FileSample, target: str) -> Iterator[tuple[str, str]]:
    """Pairs of numeric columns that add up to the target in every row looked at."""
    names = [
        column.name for column in sample.facts.columns if column.kind == "number" and column.distinct > 1
    ]
    if target not in names:
        return
    rows = sample.table.slice(0, _SUM_ROWS)
    values = {name: _floats(rows.column(name)) for name in names[:_MOST_SUMMED]}
    wanted = _floats(rows.column(target))
    for first, second in combinations([name for name in values if name != target], 2):
        total = values[first] + values[second]
        known = np.isfinite(total) & np.isfinite(wanted)
        used = np.any(values[first][known]) and np.any(values[second][known])
        if used and known.sum() >= _FEWEST_SUMS and np.allclose(total[known], wanted[known], rtol=1e-9):
            yield first, second


class _Thinned:
    """Every n-th row of what is added, where n doubles whenever too many rows are kept."""

    def __init__(self) -> None:
        self.rows = 0
        self._stride = 1
        self._kept: list[tuple[int, pa.Table]] = []
        """Tables with the number of their first row in the file; they hold the rows that the stride divides."""

    def add(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._kept.append((self.rows, self._thinner(pa.Table.from_batches([batch]), self.rows, 1)))
        self.rows += batch.num_rows
        while sum(table.num_rows for _, table in self._kept) > SAMPLE_ROWS:
            before, self._stride = self._stride, 2 * self._stride
            self._kept = [(start, self._thinner(table, start, before)) for start, table in self._kept]

    def _thinner(self, table: pa.Table, start: int, stride: int) -> pa.Table:
        """Rows that the present stride divides, of a table that holds those from ``start`` on that ``stride`` divides."""
        first = -(-start // stride) * stride
        numbers = first + stride * np.arange(table.num_rows)
        return table.take(pa.array(np.flatnonzero(numbers % self._stride == 0)))

    def tables(self, path: Path) -> list[pa.Table]:
        """The rows that were kept. Raises InvalidInputError where there are none."""
        if not self.rows:
            raise InvalidInputError(f"{path}: holds no rows; expected some to train on")
        return [table for _, table in self._kept]


def _nested(path: Path) -> list[str]:
    """Columns of lists, structures and bytes of a parquet file, which no model takes."""
    if not path.name.lower().endswith(".parquet") or not path.is_file():
        return []
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError):
        return []  # said when it is opened
    return [field.name for field in schema if is_nested(field.type)]


def _chunks(table: pa.Table, name: str) -> list[pa.Array]:
    """A column's values; nothing but nulls where these rows lack it."""
    if name not in table.column_names:
        return [pa.nulls(table.num_rows)]
    chunks: list[pa.Array] = table.column(name).chunks
    return chunks


def _few_texts(chunks: list[pa.Array]) -> pa.ChunkedArray | None:
    """Column of texts, where all of it is and its values are few."""
    if not all(pa.types.is_string(chunk.type) or chunk.null_count == len(chunk) for chunk in chunks):
        return None
    column = pa.chunked_array([chunk.cast(pa.string()) for chunk in chunks], type=pa.string())
    return column if 0 < pc.count_distinct(column).as_py() <= _MOST_SPELLINGS else None


def _spellings(column: pa.ChunkedArray | None) -> tuple[tuple[str, int], ...]:
    counts = Counter() if column is None else Counter(column.drop_null().to_pylist())
    return tuple(counts.most_common())


def _is_zoned(chunk: pa.Array) -> bool:
    """True where every time has its zone or offset."""
    if chunk.null_count == len(chunk):
        return True
    if pa.types.is_timestamp(chunk.type):
        return chunk.type.tz is not None
    if not pa.types.is_string(chunk.type):
        return False
    return bool(pc.all(pc.match_substring_regex(chunk, HAS_OFFSET)).as_py())


def _column(name: str, column: pa.ChunkedArray) -> ColumnFacts:
    kind: FactKind = (
        "text"
        if pa.types.is_string(column.type)
        else "number"
        if pa.types.is_floating(column.type)
        else "time"
    )
    rows = len(column)
    if kind == "number":
        column = pc.if_else(pc.is_finite(column), column, None)
    counted = pc.value_counts(column.drop_null())
    counts = counted.field("counts").to_numpy()
    most = np.argsort(-counts, kind="stable")[:_COMMON]
    values = counted.field("values").take(pa.array(most)).to_pylist()
    common = tuple(
        (category_text(value) or "", int(counts[i])) for i, value in zip(most, values, strict=True)
    )
    whole, counts_up = _whole_numbers(column) if kind == "number" else (False, False)
    return ColumnFacts(name, kind, rows, column.null_count, len(counts), common, whole, counts_up)


def _whole_numbers(column: pa.ChunkedArray) -> tuple[bool, bool]:
    """Whether all numbers are whole, and whether each is one more than that of the row before."""
    numbers = _floats(column)
    known = numbers[np.isfinite(numbers)]
    whole = bool(len(known)) and bool(np.all(known == np.floor(known)))
    return whole, whole and len(known) == len(numbers) > 1 and bool(np.all(np.diff(numbers) == 1))


def _floats(column: pa.ChunkedArray) -> Any:
    return column.cast(pa.float64(), safe=False).to_numpy()


def _times(name: str, column: pa.ChunkedArray, *, zoned: bool) -> TimeFacts:
    micros = np.sort(column.drop_null().cast(pa.int64()).to_numpy())
    at = np.round(np.linspace(0, len(micros) - 1, 101)).astype(int)
    return TimeFacts(name, zoned, tuple(_EPOCH + timedelta(microseconds=int(value)) for value in micros[at]))
