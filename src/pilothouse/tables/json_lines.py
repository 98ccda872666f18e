"""Rows of a file of JSON records, one a line (jsonl, ndjson), in batches. A key that a record lacks is missing there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables.cells import USUAL_MARKS, CellError, converted, text_of_json
from pilothouse.tables.dialects import UNREADABLE, open_bytes
from pilothouse.tables.together import aligned, common_type

_ROWS = 20_000


class JsonLines:
    """A file of JSON records. ``names`` are the keys of its first thousand records, in order; later ones are read too."""

    dialect = ""
    marks = USUAL_MARKS

    def __init__(self, path: Path, form: TableForm) -> None:
        self.path = path
        self._form = form
        self.types: dict[str, str] = {}
        for number, (_, record) in enumerate(self._records()):
            self.types |= dict.fromkeys(record, "")
            if number >= 1_000:
                break
        self.names = [name for name in self.types if self._is_read(name)]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Rows in batches. Raises InvalidInputError."""
        lines: list[int] = []
        records: list[dict[str, Any]] = []
        for line, record in self._records():
            lines.append(line)
            records.append(record)
            if len(records) == _ROWS:
                yield self._batch(records, lines)
                records, lines = [], []
        if records:
            yield self._batch(records, lines)

    def read(self) -> pa.Table:
        """All rows. Raises InvalidInputError."""
        tables = [pa.Table.from_batches([batch]) for batch in self.batches()]
        if not tables:
            raise InvalidInputError(f"{self.path} is empty; expected one JSON object a line")
        names = list(dict.fromkeys(name for table in tables for name in table.column_names))
        types = {
            n: common_type([t.schema.field(n).type for t in tables if n in t.column_names]) for n in names
        }
        return pa.concat_tables([aligned(table, types, self._form) for table in tables])

    def _is_read(self, name: str) -> bool:
        return name not in self._form.skipped and (not self._form.only or name in self._form.kinds)

    def _records(self) -> Iterator[tuple[int, dict[str, Any]]]:
        try:
            with open_bytes(self.path) as stream:
                for number, line in enumerate(stream, 1):
                    if not line.strip():
                        continue
                    try:
                        record = parse_json(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                    except JsonError as error:
                        raise InvalidInputError(
                            f"{self.path}: line {number} is no JSON ({error}); expected one object a line"
                        ) from None
                    if not isinstance(record, dict):
                        raise InvalidInputError(
                            f"{self.path}: line {number} is {type(record).__name__}; expected one JSON object a line"
                        )
                    yield number, record
        except UNREADABLE as error:
            raise InvalidInputError(f"{self.path} cannot be read: {one_line(str(error))}") from None

    def _batch(self, records: list[dict[str, Any]], lines: list[int]) -> pa.RecordBatch:
        names = list(self.names)
        known = set(names)
        for record in records:
            if not known.issuperset(record):
                names += [key for key in record if key not in known and self._is_read(key)]
                known = set(names) | set(record)
        columns = {}
        for name in names:
            values = [record.get(name) for record in records]
            kind = self._form.kinds.get(name)
            nested = next((i for i, value in enumerate(values) if isinstance(value, list | dict)), None)
            if nested is not None:
                raise self._fault(name, lines[nested], "a list or an object", "a number, a text or null")
            if kind is ColumnKind.TEXT or kind is ColumnKind.TIME:
                values = [
                    value if value is None or type(value) is str else text_of_json(value) for value in values
                ]
            try:
                columns[name] = converted(_array(values), kind, self._form)
            except CellError as fault:
                line = lines[fault.row or 0]
                raise self._fault(name, line, fault.found, fault.expected) from None
        return pa.RecordBatch.from_pydict(columns)

    def _fault(self, name: str, line: int, found: str, expected: str) -> InvalidInputError:
        return InvalidInputError(
            f"{self.path}: line {line}, column {name[:80]!r}: found {found}; expected {expected}"
        )


def _array(values: list[Any]) -> pa.Array:
    """Arrow array of values of one column, of the type that parquet would have; texts where they are of several."""
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        return pa.array(values, pa.bool_())
    if kinds == {int} and all(value is None or abs(value) < 1 << 63 for value in values):
        return pa.array(values, pa.int64())
    if kinds and kinds <= {int, float, bool}:
        return pa.array(
            [None if value is None else _float(row, value) for row, value in enumerate(values)], pa.float64()
        )
    texts = [value if value is None or type(value) is str else text_of_json(value) for value in values]
    try:
        return pa.array(texts, pa.string())
    except UnicodeEncodeError:
        row = next(i for i, text in enumerate(texts) if text is not None and _is_cut(text))
        raise CellError(row, ascii(str(texts[row])[:60]), "text without halves of surrogate pairs") from None


def _float(row: int, value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise CellError(
            row, f"an integer of {len(str(abs(value)))} digits", "a number up to 1.8e308"
        ) from None


def _is_cut(text: str) -> bool:
    """True where a text holds half of a surrogate pair, which is no character."""
    return any("\ud800" <= letter <= "\udfff" for letter in text)
