"""Dialect of a csv file: encoding, delimiter, quote and decimal mark, found out from its beginning where they are not given."""

import codecs
import csv
import gzip
import io
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.model_spec import CsvSpec
from pilothouse.domain.tables.csv_dialect import csv_faults
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables.times import HAS_OFFSET

_HEAD_BYTES = 1 << 20
_LINES = 200
"""Lines of the beginning by which the delimiter is found."""
_LINES_OF_NUMBERS = 2_000
"""Lines of the beginning by which the decimal mark is found: whole numbers may come first."""
_DELIMITERS = (",", ";", "\t", "|")
_NAMES = {",": "comma", ";": "semicolon", "\t": "tabulator", "|": "vertical bar", " ": "blank"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHERS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"PAR1", "parquet"),
    (b"\x1f\x8b", "packed by gzip"),
    (b"SQLite format 3\0", "a SQLite database"),
)
"""Beginnings of files that are often called csv."""
_SEPARATOR = re.compile(r"\"?sep=([\t -~])\"?", re.IGNORECASE)
_WITH_COMMA = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+|[+-]?\d*,\d+([eE][+-]?\d+)?")
_WITH_POINT = re.compile(r"[+-]?\d{1,3}(,\d{3})+\.\d+|[+-]?\d*\.\d+([eE][+-]?\d+)?")
_GROUPS_BY_COMMA = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_GROUPS_BY_POINT = re.compile(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?")


UNREADABLE = (OSError, EOFError, UnicodeError, zlib.error)
"""Faults of a file's bytes, packed or not."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """Dialect of one file. ``names`` are those of its first line, once each but for empty ones."""

    encoding: str
    delimiter: str
    quote: str
    decimal: str
    thousands: str
    names: tuple[str, ...]
    lines_before: int = 0
    """Lines above the names: blank ones, and Excel's ``sep=;``."""
    no_rows: bool = False
    """True where the file holds names alone."""
    extra_fields: int = 0
    """Number of empty fields with which each row ends beyond the names: a trailing delimiter."""
    zoned: tuple[str, ...] = ()
    """Columns of times of which each at the beginning has an offset."""
    ascii_head: bool = True
    """True where nothing of the beginning told the encoding."""

    def __str__(self) -> str:
        """``semicolon, decimal comma, latin-1``; empty for what everybody expects."""
        parts = [] if self.delimiter == "," else [_NAMES.get(self.delimiter, repr(self.delimiter))]
        if self.decimal == ",":
            parts.append("decimal comma")
        if self.thousands:
            parts.append(
                f"thousands by {_NAMES.get(self.thousands, 'point' if self.thousands == '.' else repr(self.thousands))}"
            )
        if self.quote != '"':
            parts.append(f"quoted by {self.quote!r}")
        if self.encoding not in ("utf-8", "utf-8-sig"):
            parts.append(self.encoding)
        return ", ".join(parts)


def open_bytes(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked where it ends in ``.gz``."""
    return gzip.open(path, "rb") if path.name.lower().endswith(".gz") else path.open("rb")  # type: ignore[return-value]


class Utf8Stream(io.RawIOBase):
    """Bytes of a file in another encoding, as UTF-8. Half a character at the end, as some tools leave it, is dropped."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer. Raises UnicodeDecodeError."""
        while not self._rest and (chunk := self._stream.read(1 << 20)):
            self._rest = self._decoder.decode(chunk).encode()
        part = self._rest[: len(buffer)]
        buffer[: len(part)] = part
        self._rest = self._rest[len(part) :]
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()


def find_dialect(path: Path, form: TableForm, *, whole: bool = False) -> Dialect:
    """Dialect of the file at ``path``. ``whole``: its encoding is told by all of it, not by the first MiB alone.

    Raises InvalidInputError for an empty file, one that cannot be decoded, a name that two columns have, and for a decimal mark
    that could be either.
    """
    try:
        with open_bytes(path) as stream:
            head = stream.read(-1 if whole else _HEAD_BYTES)
    except UNREADABLE as error:
        raise InvalidInputError(f"{path} cannot be read: {one_line(str(error))}") from None
    other = next((name for magic, name in _OTHERS if head.startswith(magic)), None)
    if other is not None:
        raise InvalidInputError(
            f"{path} is {other}; expected csv: export it as csv, or name it as what it is"
        )
    complete = whole or len(head) < _HEAD_BYTES
    fault = next(csv_faults(form.csv), None)
    if fault is not None:
        raise InvalidInputError(fault)
    encoding = form.csv.encoding or _encoding(head, complete=complete)
    text = _decoded(path, head, encoding, complete=complete)
    quote = form.csv.quote or '"'
    lines, lines_before, separator = _from_names(_beginning(text, _LINES_OF_NUMBERS))
    if not lines.strip():
        raise InvalidInputError(f"{path} is empty; expected a first line with the names of the columns")
    delimiter = form.csv.delimiter or separator or _delimiter(_beginning(lines, _LINES), quote)
    rows = _rows(lines, delimiter, quote)
    names = tuple(name.strip() for name in rows[0])
    repeated = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if repeated is not None and repeated not in form.skipped:
        raise InvalidInputError(f"{path}: two columns are called {repeated!r}; expected each name once")
    decimal, thousands = _marks(path, form, names, rows[1:], delimiter)
    return Dialect(
        encoding=encoding,
        delimiter=delimiter,
        quote=quote,
        decimal=decimal,
        thousands=thousands,
        names=names,
        lines_before=lines_before,
        no_rows=complete and len(rows) == 1,
        extra_fields=_extra_fields(names, rows[1:]),
        zoned=_zoned(form, names, rows[1:]),
        ascii_head=head.isascii(),
    )


def _encoding(head: bytes, *, complete: bool) -> str:
    for bom, encoding in _BOMS:
        if head.startswith(bom):
            return encoding
    if head[:200].count(0) > len(head[:200]) // 4:  # letters of the West in UTF-16 without a mark
        return "utf-16-le" if head[1:2] == b"\0" else "utf-16-be"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head, final=complete)
    except UnicodeDecodeError:
        return "windows-1252" if any(0x80 <= byte < 0xA0 for byte in head) else "latin-1"
    return "utf-8"


def _decoded(path: Path, head: bytes, encoding: str, *, complete: bool) -> str:
    if encoding.startswith("utf-16") and len(head) % 2 and head[-1:] in b"\n\r\0":
        head = head[:-1]  # half of a line's end, as tools leave that append to the bytes
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head, final=complete)
    except UnicodeError as error:
        line = head[: getattr(error, "start", 0)].count(b"\n") + 1
        raise InvalidInputError(
            f"{path}: line {line} cannot be decoded as {encoding}; give data.csv.encoding"
        ) from None


def _beginning(text: str, most: int) -> str:
    """The first lines, ``most`` of them."""
    return "".join(text.splitlines(keepends=True)[:most])


def _from_names(beginning: str) -> tuple[str, int, str]:
    """The lines from the names on, how many are above them, and the delimiter that Excel's ``sep=;`` names."""
    lines = beginning.splitlines(keepends=True)
    above, separator = 0, ""
    for line in lines:
        marked = _SEPARATOR.fullmatch(line.strip())
        if line.strip() and not (marked and not separator):
            break
        above += 1
        separator = separator or (marked[1] if marked else "")
    return "".join(lines[above:]), above, separator


def _rows(lines: str, delimiter: str, quote: str) -> list[list[str]]:
    csv.field_size_limit(1 << 30)
    try:
        rows = [
            row
            for row in csv.reader(io.StringIO(lines, newline=""), delimiter=delimiter, quotechar=quote)
            if row
        ]
    except csv.Error:
        rows = []
    return rows or [[lines.splitlines()[0]]]


def _delimiter(lines: str, quote: str) -> str:
    """The character that cuts every line into the most fields, the same number in each."""
    best, most = ",", 1
    for delimiter in _DELIMITERS:
        rows = _rows(lines, delimiter, quote)
        whole = rows[:-1] if len(rows) > 2 else rows  # the last one may have been cut
        widths = {len(row) - (row[-1] == "" and len(row) > len(rows[0])) for row in whole}
        if len(widths) == 1 and len(rows[0]) > most:
            best, most = delimiter, len(rows[0])
    if most > 1:
        return best
    header = lines.splitlines()[0]
    return max(_DELIMITERS, key=header.count) if any(d in header for d in _DELIMITERS) else ","


def _extra_fields(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    whole = rows[:-1] if len(rows) > 1 else rows
    surplus = {len(row) - len(names) for row in whole}
    if (
        len(surplus) == 1
        and (extra := surplus.pop()) > 0
        and not any("".join(row[len(names) :]) for row in whole)
    ):
        return extra
    return 0


def _marks(
    path: Path, form: TableForm, names: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str
) -> tuple[str, str]:
    """Decimal mark and thousands' mark of the columns of numbers; of all columns where none is known to be one."""
    given: CsvSpec = form.csv
    if given.decimal:
        return given.decimal, given.thousands
    numbers = [name for name, kind in form.kinds.items() if kind is ColumnKind.NUMBER]
    columns = [names.index(name) for name in numbers if name in names] if form.kinds else range(len(names))
    comma = point = False
    either: tuple[str, str] | None = None
    thousands = given.thousands
    for column in columns:
        texts = dict.fromkeys(row[column].strip() for row in rows if column < len(row))
        values = [text for text in texts if text and text not in form.missing]
        if not values or not any("," in value for value in values):
            point = point or any(_WITH_POINT.fullmatch(value) for value in values)
            if (
                values
                and all(_GROUPS_BY_POINT.fullmatch(v) for v in values)
                and any(v.count(".") > 1 for v in values)
            ):
                comma, thousands = True, "."
            continue
        grouped, decimal = (
            all(_GROUPS_BY_COMMA.fullmatch(v) or ("," not in v and _number(v)) for v in values),
            all(_WITH_COMMA.fullmatch(v) or ("," not in v and "." not in v and _number(v)) for v in values),
        )
        if grouped and decimal:
            either = either or (names[column], next(value for value in values if "," in value))
        elif grouped:
            point, thousands = True, ","
        elif decimal:
            comma = True
            thousands = "." if any("." in value for value in values) else thousands
    if either and not (comma or point):
        raise InvalidInputError(
            f"{path}: column {either[0]!r}: found {either[1]!r}, whose comma may be a decimal mark or part thousands; "
            'give data.csv.decimal = "," or "."'
        )
    if either and point:
        thousands = ","
    return ("," if comma else "."), thousands


def _zoned(form: TableForm, names: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[str, ...]:
    times = [name for name, kind in form.kinds.items() if kind is ColumnKind.TIME and name in names]
    return tuple(
        name
        for name in times
        if all(re.search(HAS_OFFSET, _field(row, names.index(name))) for row in rows[:-1] or rows)
    )


def _field(row: Sequence[str], column: int) -> str:
    return row[column] if column < len(row) else ""


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
