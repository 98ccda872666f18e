"""Rows of a csv file, in batches: Arrow cuts the fields, kinds are known beforehand, a fault has its line and column."""

import csv
import io
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables.cells import CellError, Marks, converted
from pilothouse.tables.dialects import UNREADABLE, Utf8Stream, find_dialect, open_bytes
from pilothouse.tables.times import UTC_TIME

_BLOCK = 4 << 20
_LONGEST_BLOCK = 1 << 30
"""Bytes of a block; a row has to fit into one."""


class _WholeLineEnds:
    """A stream of which no part that is read ends between ``\\r`` and ``\\n``: Arrow drops the second where a block ends there,
    within quotes too."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)

    def close(self) -> None:
        self._stream.close()

    def read(self, size: int) -> bytes:
        part: bytes = self._stream.read(max(size - 1, 1))
        while part.endswith(b"\r") and (more := self._stream.read(1)):
            part += more
        return part


class CsvFile:
    """A csv or csv.gz file. ``names`` are its columns in order, without those that have no name (an index of pandas, or a
    trailing delimiter) and without those that are not to be read."""

    def __init__(self, path: Path, form: TableForm) -> None:
        self.path = path
        self._form = form
        self._dialect = find_dialect(path, form)
        self.types = dict.fromkeys(filter(None, self._dialect.names), "")
        self.names = [
            name
            for name in self._dialect.names
            if name and name not in form.skipped and (not form.only or name in form.kinds)
        ]

    @property
    def _columns(self) -> list[str]:
        """Names for all fields of a row, those too that have none."""
        extra = [f"\0{i}" for i in range(self._dialect.extra_fields)]
        return [name or f"\0empty{i}" for i, name in enumerate(self._dialect.names)] + extra

    @property
    def marks(self) -> Marks:
        return self._dialect.decimal, self._dialect.thousands

    @property
    def dialect(self) -> str:
        return str(self._dialect)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Rows in batches of some megabytes. Raises InvalidInputError."""
        if self._dialect.no_rows:
            return
        types = self._types()
        given, block = 0, _BLOCK
        while True:
            try:
                for batch in self._read(types, block, given):
                    given += batch.num_rows
                    yield batch
                return
            except pa.ArrowInvalid as error:
                text = str(error)
                if "conversion error" in text and types:
                    types = {}  # as texts, which says where the fault is, or that there is none
                elif "straddling" in text and block < _LONGEST_BLOCK:
                    block *= 16
                elif "UTF8" in text and self._dialect.encoding == "utf-8" and not given:
                    self._other_encoding()
                else:
                    raise self._fault(error) from None
            except UNREADABLE as error:
                raise InvalidInputError(f"{self.path} cannot be read: {one_line(str(error))}") from None

    def read(self) -> pa.Table:
        """All rows, cut and converted by as many threads as there are processors. Raises InvalidInputError."""
        if self._dialect.no_rows:
            return self._empty()
        try:
            with self._source() as source:
                table = pyarrow.csv.read_csv(source, **self._options(self._types(), _BLOCK))
            batches = [batch for batch in table.to_batches() if batch.num_rows]
            self._check_end(batches[-1:], table.num_rows)
            batches = [self._of_kinds(batch, 0) for batch in batches]
        except (pa.ArrowInvalid, InvalidInputError, *UNREADABLE):
            batches = list(self.batches())  # once more, to say where the fault is
        return pa.Table.from_batches(batches) if batches else self._empty()

    def _empty(self) -> pa.Table:
        nothing = pa.array([], pa.string())
        return pa.table({n: converted(nothing, self._form.kinds.get(n), self._form) for n in self.names})

    def _types(self) -> dict[str, pa.DataType]:
        """Types of the columns that Arrow may convert while it cuts them; the others are texts first."""
        if self._dialect.thousands:
            return {}
        types = {n: pa.float64() for n in self.names if self._form.kinds.get(n) is ColumnKind.NUMBER}
        return types | dict.fromkeys(self._dialect.zoned, UTC_TIME)

    def _read(self, types: dict[str, pa.DataType], block: int, skip: int) -> Iterator[pa.RecordBatch]:
        """Batches after the first ``skip`` rows."""
        before = 0
        last: list[pa.RecordBatch] = []
        with (
            self._source() as source,
            pyarrow.csv.open_csv(source, **self._options(types, block)) as reader,
        ):
            for batch in reader:
                first = max(0, skip - before)
                before += batch.num_rows
                last = [batch] if batch.num_rows else last
                if first < batch.num_rows:
                    yield self._of_kinds(batch.slice(first), before - batch.num_rows + first)
        self._check_end(last, before)

    def _check_end(self, last: Sequence[pa.RecordBatch], rows: int) -> None:
        """Refuse a file whose last quote is never closed: its last field holds all that follows. Raises InvalidInputError."""
        name = self._columns[-1]
        if not self._has_quotes or not last or last[0].schema.field(name).type != pa.string():
            return
        text = last[0].column(name)[-1].as_py() or ""
        if "\n" not in text and "\r" not in text:
            return
        quote = self._dialect.quote
        value = quote + text.replace(quote, 2 * quote)
        field = ((self._dialect.delimiter if len(self._columns) > 1 else "\n") + value).encode()
        closed = tuple((value + quote + end).encode() for end in ("", "\n", "\r\n", "\r"))
        end = b""
        with self._stream() as stream:
            while chunk := stream.read(_BLOCK):
                end = (end + chunk)[-len(field) - 3 :]
        if end.endswith(field) and not end.endswith(closed):
            raise InvalidInputError(
                f"{self.path}: line {self._line(rows - 1)}, column {self._dialect.names[-1]!r}: a quote is never closed; "
                f"found {text[:60]!r}; expected {quote} at the field's end"
            )

    def _stream(self) -> pa.NativeFile:
        """The file's bytes, unpacked, in UTF-8."""
        if self._dialect.encoding not in ("utf-8", "utf-8-sig"):
            return pa.PythonFile(Utf8Stream(open_bytes(self.path), self._dialect.encoding))
        packed = self.path.name.lower().endswith(".gz")
        return pa.CompressedInputStream(str(self.path), "gzip") if packed else pa.OSFile(str(self.path))

    def _source(self) -> pa.NativeFile:
        """What Arrow's readers read."""
        stream = self._stream()
        return pa.PythonFile(_WholeLineEnds(stream), mode="r") if self._has_quotes else stream

    @cached_property
    def _has_quotes(self) -> bool:
        """Whether a field may hold a line break. Arrow cuts blocks at any line break unless it is told, which costs a fifth of
        the time; one within quotes may then give other rows, without an error."""
        if self.path.name.lower().endswith(".gz") or self._dialect.encoding.startswith(("utf-16", "utf-32")):
            return True
        quote = self._dialect.quote.encode(self._dialect.encoding, "replace")
        with self.path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(quote, data.find(b"\n") + 1) >= 0  # names are often quoted where nothing else is

    def _options(self, types: dict[str, pa.DataType], block: int) -> dict[str, Any]:
        """Options of Arrow's readers."""
        dialect, form = self._dialect, self._form
        return {
            "read_options": self._read_options(block),
            "parse_options": pyarrow.csv.ParseOptions(
                delimiter=dialect.delimiter, quote_char=dialect.quote, newlines_in_values=self._has_quotes
            ),
            "convert_options": pyarrow.csv.ConvertOptions(
                column_types={
                    name: types.get(name, pa.string()) for name in (*self.names, self._columns[-1])
                },
                include_columns=list(dict.fromkeys([*self.names, self._columns[-1]])),
                null_values=["", *form.missing],
                strings_can_be_null=True,
                decimal_point=dialect.decimal,
            ),
        }

    def _read_options(self, block: int) -> pyarrow.csv.ReadOptions:
        options = pyarrow.csv.ReadOptions(block_size=block, skip_rows=self._dialect.lines_before)
        options.column_names = self._columns
        options.skip_rows_after_names = 1
        return options

    def _of_kinds(self, batch: pa.RecordBatch, before: int) -> pa.RecordBatch:
        columns = {}
        for name in self.names:
            if self._form.kinds.get(name) not in (ColumnKind.NUMBER, ColumnKind.TIME):
                columns[name] = batch.column(name)  # a text, whose missing words Arrow knew
                continue
            try:
                columns[name] = converted(
                    batch.column(name), self._form.kinds.get(name), self._form, self.marks
                )
            except CellError as fault:
                raise self._cell_fault(name, fault, before) from None
        return pa.RecordBatch.from_pydict(columns)

    def _cell_fault(self, name: str, fault: CellError, before: int) -> InvalidInputError:
        place = (
            f"column {name[:80]!r}"
            if fault.row is None
            else f"line {self._line(before + fault.row)}, column {name[:80]!r}"
        )
        return InvalidInputError(f"{self.path}: {place}: found {fault.found}; expected {fault.expected}")

    def _rows_by_line(self) -> Iterator[tuple[int, list[str]]]:
        """Each row below the names with the line that it begins on, cut by Python, slowly."""
        csv.field_size_limit(1 << 30)
        with open_bytes(self.path) as stream:
            text = io.TextIOWrapper(stream, self._dialect.encoding, errors="replace", newline="")
            above = self._dialect.lines_before
            for _ in range(above):
                next(text)
            reader = csv.reader(text, delimiter=self._dialect.delimiter, quotechar=self._dialect.quote)
            begins, seen = above + 1, False
            for row in reader:
                if row and seen:
                    yield begins, row
                seen, begins = seen or bool(row), above + reader.line_num + 1

    def _line(self, number: int) -> int:
        return next((line for i, (line, _) in enumerate(self._rows_by_line()) if i == number), 0)

    def _other_encoding(self) -> None:
        """A byte beyond the beginning is no UTF-8: another encoding, where the beginning was plain ASCII."""
        if not self._dialect.ascii_head or self._form.csv.encoding:
            line = self._line_of_bad_byte()
            raise InvalidInputError(
                f"{self.path}: line {line} cannot be decoded as utf-8, the file's beginning can; give data.csv.encoding"
            )
        self._dialect = replace(
            self._dialect, encoding=find_dialect(self.path, self._form, whole=True).encoding, ascii_head=False
        )

    def _line_of_bad_byte(self) -> int:
        with open_bytes(self.path) as stream:
            for number, line in enumerate(stream, 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        return 0

    def _fault(self, error: pa.ArrowInvalid) -> InvalidInputError:
        """The first row with too many or too few fields, else Arrow's own words."""
        if "Expected" in str(error) and "columns" in str(error):
            width = len(self._dialect.names) + self._dialect.extra_fields
            for line, row in self._rows_by_line():
                if len(row) != width:
                    start = self._dialect.delimiter.join(row)[:60]
                    return InvalidInputError(
                        f"{self.path}: line {line} has {len(row)} fields ({start!r}); expected {width}, as in the first line"
                    )
        return InvalidInputError(f"{self.path} cannot be read: {one_line(str(error))}")
