"""One file, or a folder of them, as a table: which reader a file needs, and what folders say of its rows."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.system.files import sha256_file
from pilothouse.tables.cells import USUAL_MARKS, CellError, Marks, converted
from pilothouse.tables.csv_files import CsvFile
from pilothouse.tables.json_lines import JsonLines
from pilothouse.tables.parquet_files import Frame, ParquetFile
from pilothouse.tables.together import aligned, common_type

SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".ndjson")
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"


class TableFile(Protocol):
    """A file that can be read as a table."""

    path: Path
    names: list[str]
    """Columns that are read, in the file's order."""
    types: dict[str, str]
    """All columns of the file with their types as parquet names them; an empty one where the file has no types."""

    @property
    def marks(self) -> Marks:
        """Decimal and thousands' mark of numbers that are written as texts."""

    @property
    def dialect(self) -> str:
        """``semicolon, decimal comma, latin-1``: what was found out from the file; empty for the usual."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Rows in batches of some megabytes. Raises InvalidInputError, which names file, line, column and value."""

    def read(self) -> pa.Table:
        """All rows. Raises InvalidInputError as ``batches`` does."""


def open_table(path: Path | Frame, form: TableForm) -> TableFile:
    """The file at ``path``, or the rows of a program, to be read in ``form``. Raises InvalidInputError where it cannot be."""
    if isinstance(path, Frame):
        return ParquetFile(path, form)
    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file: expected one that ends in {_listed(SUFFIXES)}")
    name = path.name.lower()
    if name.endswith(".parquet"):
        return ParquetFile(path, form)
    if name.endswith((".csv", ".csv.gz")):
        return CsvFile(path, form)
    if name.endswith((".jsonl", ".ndjson")):
        return JsonLines(path, form)
    raise InvalidInputError(f"{path}: expected a file that ends in {_listed(SUFFIXES)}")


def folder_files(path: Path) -> list[Path]:
    """Files that a source consists of, by their place below it: the file itself, or all tables of a folder and of those in it,
    but for hidden ones and those that begin with ``_``. Raises NotFoundError where there are none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise NotFoundError(f"data.source: {path} does not exist; expected a file or a folder of dated files")
    files = sorted(
        file
        for file in path.rglob("*")
        if file.name.lower().endswith(SUFFIXES)
        and file.is_file()
        and not any(part.startswith((".", "_")) for part in file.relative_to(path).parts)
    )
    if not files:
        raise NotFoundError(f"data.source: {path} holds no {', '.join(SUFFIXES)} file")
    return files


def log_files(root: Path, pattern: str | None) -> list[Path]:
    """Files of a log: those of ``folder_files``, or below ``root`` those that fit a pattern. Raises NotFoundError."""
    if pattern is None:
        return folder_files(root)
    files = sorted(f for f in root.glob(pattern) if f.is_file() and f.name.lower().endswith(SUFFIXES))
    if not files:
        raise NotFoundError(f"{root}/{pattern}: fits no {', '.join(SUFFIXES)} file")
    return files


def source_digest(source: Path | Frame) -> str:
    """sha256 of the bytes of a file, or of a program's rows, in hex."""
    return hashlib.sha256(source.data).hexdigest() if isinstance(source, Frame) else sha256_file(source)


def folder_columns(path: Path, form: TableForm) -> tuple[Path, dict[str, str]]:
    """The newest file of a source and its columns with their types, without reading rows. Raises as ``open_table``."""
    file = folder_files(path)[-1]
    return file, dict.fromkeys(partitions(path, file), "string") | open_table(file, form).types


def folder_digest(path: Path) -> str:
    """sha256 of the file's bytes, in hex; of a folder, of its files' places below it and digests."""
    files = folder_files(path)
    if files == [path]:
        return sha256_file(path)
    total = hashlib.sha256()
    for file in files:
        total.update(f"{sha256_file(file)}  {file.relative_to(path).as_posix()}\n".encode())
    return total.hexdigest()


def read_folder(path: Path, form: TableForm) -> tuple[pa.Table, str]:
    """All rows of a file or of a folder's files, in the order of their places, and the dialects that were found out.

    Folders named ``column=value`` give their rows that column. A column that a file lacks is missing in its rows where
    ``form.kinds`` does not name it; one whose type differs from file to file is text. Raises InvalidInputError, NotFoundError.
    """
    files = [open_table(file, form) for file in folder_files(path)]
    _check_named(path, files, form)
    tables = [(file.path, with_partitions(file.read(), path, file.path, form)) for file in files]
    names = list(dict.fromkeys(name for _, table in tables for name in table.column_names))
    types = {
        name: common_type([t.schema.field(name).type for _, t in tables if name in t.column_names])
        for name in names
    }
    whole = pa.concat_tables([aligned(table, types, form) for _, table in tables])
    return whole, "; ".join(dict.fromkeys(file.dialect for file in files if file.dialect))


def guess_kinds(
    tables: Sequence[pa.Table], form: TableForm, marks: Sequence[Marks] = ()
) -> dict[str, ColumnKind]:
    """Kinds of columns that nobody has named, by all values of the tables in which they are: numbers where each value is one
    and none is written as no number would be (``007``, twenty digits), times where each is one, else text. ``marks`` are those
    of each table's file."""
    of_tables = marks or [USUAL_MARKS] * len(tables)
    kinds = {}
    for name in dict.fromkeys(name for table in tables for name in table.column_names):
        columns = [
            (table.column(name), its)
            for table, its in zip(tables, of_tables, strict=True)
            if name in table.column_names
        ]
        kinds[name] = _guess(columns, form)
    return kinds


def _guess(columns: Sequence[tuple[pa.ChunkedArray, Marks]], form: TableForm) -> ColumnKind:
    present = [(column, marks) for column, marks in columns if column.null_count < len(column)]
    kinds = {_kind_of_type(column.type) for column, _ in present} or {ColumnKind.NUMBER}
    typed = kinds - {None}
    if len(typed) > 1 or ColumnKind.TEXT in typed:
        return ColumnKind.TEXT
    texts = [(column, marks) for column, marks in present if _kind_of_type(column.type) is None]
    for kind in typed or (ColumnKind.NUMBER, ColumnKind.TIME):
        assert kind is not None
        if all(_is_all(kind, column, marks, form) for column, marks in texts):
            return kind
    return ColumnKind.TEXT


def _kind_of_type(kind: pa.DataType) -> ColumnKind | None:
    """Kind of a column by its type; None where it is text, which may hold any."""
    if pa.types.is_string(kind):
        return None
    if pa.types.is_boolean(kind):
        return ColumnKind.TEXT
    return ColumnKind.TIME if pa.types.is_timestamp(kind) or pa.types.is_date(kind) else ColumnKind.NUMBER


def _is_all(kind: ColumnKind, texts: pa.ChunkedArray, marks: Marks, form: TableForm) -> bool:
    """True where every text is of that kind, and written as such."""
    if kind is ColumnKind.NUMBER and pc.any(pc.match_substring_regex(texts, _LIKE_TEXT)).as_py():
        return False
    try:
        for chunk in texts.chunks:
            converted(chunk, kind, replace(form, timezone=form.timezone or "UTC"), marks)
    except CellError:
        return False
    return True


_LIKE_TEXT = r"^\s*[+-]?0\d|^\s*[+-]?\d{16,}\s*$|^\s*(?i:true|false)\s*$"
"""Spellings of identifiers and flags: a number has no leading zeros and at most the fifteen digits that a double holds."""


def with_partitions(table: pa.Table, root: Path, file: Path, form: TableForm) -> pa.Table:
    """The rows of a file with the columns that the names of its folders below ``root`` give. Raises InvalidInputError."""
    for name, text in partitions(root, file).items():
        if name in form.skipped or (form.only and name not in form.kinds):
            continue
        if name in table.column_names:
            raise InvalidInputError(
                f"{file}: the column {name!r} is in the file and in its folder's name; expected one of them"
            )
        value = None if text == _NO_PARTITION else unquote(text)
        try:
            column = converted(pa.array([value] * table.num_rows, pa.string()), form.kinds.get(name), form)
        except CellError as fault:
            raise InvalidInputError(
                f"{file}: the folder {name!r}: found {fault.found}; expected {fault.expected}"
            ) from None
        table = table.append_column(name, column)
    return table


def _check_named(root: Path, files: Sequence[TableFile], form: TableForm) -> None:
    """Refuse a file that lacks a named column which another one has."""
    if len(files) == 1:
        return
    names = [{*file.names, *partitions(root, file.path)} for file in files]
    for name in form.kinds:
        there = [name in of_file for of_file in names]
        if any(there) and not all(there):
            file = files[there.index(False)]
            raise InvalidInputError(
                f"{file.path}: has no column {name!r}, which other files of the source have; "
                f"it has {one_line(', '.join(file.names))}"
            )


def partitions(root: Path, file: Path) -> dict[str, str]:
    """Columns and their values that the names of a file's folders give."""
    parts = [] if file == root else [part.partition("=") for part in file.relative_to(root).parts[:-1]]
    return {name: value for name, equals, value in parts if equals}


def _listed(suffixes: Sequence[str]) -> str:
    return f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
