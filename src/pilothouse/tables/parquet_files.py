"""Rows of a parquet file, in batches, each column as the kind that it is known to be."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.tables.table_form import TableForm
from pilothouse.tables.cells import USUAL_MARKS, CellError, converted, is_nested

_PANDAS_INDEX = "__index_level_"
"""The prefix of the columns in which pandas stores an index."""
_ROWS = 65_536
_UNREADABLE = (pa.ArrowException, OSError, UnicodeError)
"""Faults of a file's bytes; a name of a column may be no text."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows that a program hands over, as the bytes of a parquet file that is on no disk."""

    data: bytes
    name: Path = Path("DataFrame")
    """What errors and the audit log call it."""


class _Skipped:
    """Row groups of which some are not read: which row of the file one of those read is."""

    def __init__(self, metadata: Any, groups: Sequence[int]) -> None:
        self._rows: list[int] = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._groups = groups

    def in_file(self, row: int) -> int:
        """Number of a row in the file, by its number among those that are read, both from 0."""
        for group in self._groups:
            if row < self._rows[group]:
                return sum(self._rows[:group]) + row
            row -= self._rows[group]
        return row


class ParquetFile:
    """A parquet file. ``names`` are its columns in order, without pandas' index and those that are not to be read."""

    dialect = ""
    marks = USUAL_MARKS

    def __init__(self, source: Path | Frame, form: TableForm) -> None:
        self.path = path = source.name if isinstance(source, Frame) else source
        self._source = source
        self._form = form
        try:
            with pq.ParquetFile(self._opened()) as file:
                schema = file.schema_arrow
        except _UNREADABLE as error:
            raise InvalidInputError(f"{path} cannot be read: {one_line(str(error))}") from None
        self.types = {
            field.name: str(
                getattr(field.type, "value_type", field.type)
                if pa.types.is_dictionary(field.type)
                else field.type
            )
            for field in schema
            if not field.name.startswith(_PANDAS_INDEX)
        }
        self.names = [
            name
            for name in schema.names
            if not name.startswith(_PANDAS_INDEX)
            and name not in form.skipped
            and (not form.only or name in form.kinds)
        ]
        repeated = next((name for i, name in enumerate(self.names) if name in self.names[:i]), None)
        if repeated is not None:
            raise InvalidInputError(
                f"{path}: two columns are called {repeated[:80]!r}; expected each name once"
            )
        for name in self.names:
            kind = schema.field(name).type
            if is_nested(kind):
                raise InvalidInputError(
                    f"{path}: column {name[:80]!r} of type {kind} cannot be read; expected numbers, texts or times: "
                    "list it under data.exclude"
                )
        self._schema = schema

    def _opened(self) -> Any:
        return pa.BufferReader(self._source.data) if isinstance(self._source, Frame) else self._source

    def batches(self, share: int = 0, shares: int = 1) -> Iterator[pa.RecordBatch]:
        """Rows in batches; of every ``shares``-th row group alone, from the one numbered ``share`` on. Raises
        InvalidInputError."""
        row = 0
        try:
            with pq.ParquetFile(self._opened(), pre_buffer=False) as file:  # a quarter less memory
                groups = range(share, file.num_row_groups, shares)
                skipped = _Skipped(file.metadata, groups)
                for batch in file.iter_batches(_ROWS, groups, columns=self.names, use_threads=True):
                    yield self._of_kinds(batch, row, skipped)
                    row += batch.num_rows
        except _UNREADABLE as error:
            raise InvalidInputError(f"{self.path} cannot be read: {one_line(str(error))}") from None

    def read(self) -> pa.Table:
        """All rows. Raises InvalidInputError."""
        try:
            table = pq.ParquetFile(self._opened()).read(columns=self.names, use_threads=True)
        except _UNREADABLE as error:
            raise InvalidInputError(f"{self.path} cannot be read: {one_line(str(error))}") from None
        batches, row = [], 0
        for batch in table.to_batches():
            batches.append(self._of_kinds(batch, row))
            row += batch.num_rows
        if batches:
            return pa.Table.from_batches(batches)
        empty = pa.RecordBatch.from_pylist(
            [], schema=pa.schema([self._schema.field(name) for name in self.names])
        )
        return pa.Table.from_batches([self._of_kinds(empty, 0)])

    def _of_kinds(
        self, batch: pa.RecordBatch, before: int, skipped: "_Skipped | None" = None
    ) -> pa.RecordBatch:
        columns = {}
        for name in self.names:
            try:
                columns[name] = converted(batch.column(name), self._form.kinds.get(name), self._form)
            except CellError as fault:
                row = None if fault.row is None else before + fault.row
                if row is not None and skipped is not None:
                    row = skipped.in_file(row)
                place = "" if row is None else f"row {row + 1}, "
                raise InvalidInputError(
                    f"{self.path}: {place}column {name[:80]!r}: found {fault.found}; expected {fault.expected}"
                ) from None
            except pa.ArrowException as error:
                raise InvalidInputError(
                    f"{self.path}: column {name[:80]!r} of type {batch.column(name).type} cannot be read: "
                    f"{one_line(str(error))}"
                ) from None
        return pa.RecordBatch.from_pydict(columns)
