"""Columns of two files as samples that can be compared: what kind a column is, is told by both files together."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.statistics.profiles.samples import Categories, Numbers, Sample

if TYPE_CHECKING:
    import pyarrow as pa

_FLAG = r"(?i)^(true|false)$"
_NUMBER = r"^\s*[+-]?(\d+([.,]\d*)*|[.,]\d+)([eE][+-]?\d+)?\s*$"
_WHOLE = r"^[+-]?\d+$"


class OpenFile:
    """A file of which columns are compared. ``names`` are all of its columns, ``nested`` those of lists, structures and bytes,
    which are not read. A parquet file is read column by column, others as a whole."""

    def __init__(self, path: Path, form: TableForm) -> None:
        """Raises InvalidInputError."""
        from pilothouse.tables.reader import open_table

        self.path = path
        self._form = form
        self._by_column = path.name.lower().endswith(".parquet")
        schema = _schema(path) if self._by_column else {}
        self.nested = frozenset(name for name, nested in schema.items() if nested)
        self._form = replace(form, skipped=self.nested)
        file = open_table(path, self._form)
        self.dialect, self.marks = file.dialect, file.marks
        self._readable = list(file.names)
        self.names = [name for name in schema if name in {*self._readable, *self.nested}] or self._readable
        self._table: Any = None

    def read(self, columns: Collection[str]) -> None:
        """Read what is needed for ``columns``. Raises InvalidInputError."""
        if not self._by_column:
            self._table = self._open({name for name in self._readable if name not in columns}).read()

    @property
    def rows(self) -> int:
        """Number of rows."""
        if self._by_column:
            import pyarrow.parquet as pq

            return int(pq.read_metadata(self.path).num_rows)
        return int(self._table.num_rows)

    def column(self, name: str) -> "pa.ChunkedArray":
        """Values of a readable column as they are in the file. Raises InvalidInputError."""
        if self._table is not None:
            return self._table.column(name)
        return self._open({other for other in self._readable if other != name}).read().column(name)

    def _open(self, left_out: Collection[str]) -> Any:
        from pilothouse.tables.reader import open_table

        return open_table(self.path, replace(self._form, skipped=self.nested | frozenset(left_out)))


def _schema(path: Path) -> dict[str, bool]:
    """Columns of a parquet file, and whether each is nested; nothing where it cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from pilothouse.tables.cells import is_nested

    try:
        return {field.name: is_nested(field.type) for field in pq.read_schema(path)}
    except (pa.ArrowException, OSError):
        return {}


@dataclass(frozen=True, slots=True)
class _Column:
    """One file's column: its values, their kind by themselves (None where all are missing), and its file's marks."""

    values: "pa.ChunkedArray"
    kind: ColumnKind | None
    marks: tuple[str, str]


def samples(
    name: str, before: OpenFile, now: OpenFile, form: TableForm
) -> tuple[Mapping[str, Sample | None], Mapping[str, Sample | None]]:
    """The column ``name`` of either file, as a mapping that is empty where the file has none. None for what is neither number
    nor text. Raises InvalidInputError.

    A column is one of numbers where both files have nothing else in it. Where one has numbers alone and the other some, both
    are texts; where the other has none, it has changed its type. Columns of true and false are booleans however they are
    spelled.
    """
    sides: list[Mapping[str, Sample | None]] = [{}, {}]
    found: dict[int, _Column] = {}
    for i, file in enumerate((before, now)):
        if name in file.nested:
            sides[i] = {name: None}
        elif name in file.names:
            found[i] = _column(file.column(name), name, file.marks, form)
    columns = list(found.values())
    kinds = _kinds(columns)
    boolean = bool(columns) and all(_is_boolean(column.values) for column in columns)
    for (i, column), kind in zip(found.items(), kinds, strict=True):
        sides[i] = {name: _booleans(column.values) if boolean else _sample(column, kind, form)}
    return sides[0], sides[1]


def _column(values: "pa.ChunkedArray", name: str, marks: tuple[str, str], form: TableForm) -> _Column:
    import pyarrow as pa

    from pilothouse.tables.reader import guess_kinds

    if values.null_count == len(values):
        return _Column(values, None, marks)
    return _Column(values, guess_kinds([pa.table({name: values})], form, [marks])[name], marks)


def _kinds(columns: list[_Column]) -> list[ColumnKind]:
    """Kind as which each column is taken."""
    kinds = {column.kind for column in columns if column.kind is not None}
    if len(kinds) < 2:
        kind = kinds.pop() if kinds else ColumnKind.NUMBER
        return [kind] * len(columns)
    texts = [column.values for column in columns if column.kind is ColumnKind.TEXT]
    if ColumnKind.TIME not in kinds and _holds(texts[0], _NUMBER):
        return [ColumnKind.TEXT] * len(columns)
    return [column.kind or ColumnKind.NUMBER for column in columns]


def _holds(texts: "pa.ChunkedArray", pattern: str, *, every: bool = False) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(texts.type):
        return False
    hits = pc.match_substring_regex(texts, pattern)
    return bool((pc.all if every else pc.any)(hits).as_py())


def _is_boolean(values: "pa.ChunkedArray") -> bool:
    import pyarrow as pa

    if values.null_count == len(values):
        return True
    return bool(pa.types.is_boolean(values.type)) or _holds(values, _FLAG, every=True)


def _booleans(values: "pa.ChunkedArray") -> Categories:
    import pyarrow as pa
    import pyarrow.compute as pc

    return _categories(pc.utf8_lower(values.cast(pa.string())), "boolean")


def _sample(column: _Column, kind: ColumnKind, form: TableForm) -> Sample | None:
    """Values as numbers or as categories coded once; None for times."""
    import pyarrow as pa

    from pilothouse.tables.cells import converted

    if kind is ColumnKind.TIME:
        return None
    values = column.values
    parts = [converted(part, kind, form, column.marks) for part in values.chunks]
    if kind is ColumnKind.NUMBER:
        whole = pa.types.is_integer(values.type) or _holds(values, _WHOLE, every=True)
        numbers = pa.chunked_array(parts, pa.float64()).to_numpy()
        return Numbers(np.asarray(numbers, np.float64), whole and not values.null_count)
    return _categories(pa.chunked_array(parts, pa.string()), "text")


def _categories(texts: "pa.ChunkedArray", kind: Any) -> Categories:
    import pyarrow as pa
    import pyarrow.compute as pc

    coded = texts.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    codes = np.asarray(pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False), np.int64)
    return Categories(codes, tuple(coded.dictionary.to_pylist()), kind)
