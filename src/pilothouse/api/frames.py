"""Frames of pandas, polars or pyarrow, and columns by name: as the bytes of a parquet file, and as a model's input columns.

None of these libraries is imported here but pyarrow: what has Arrow's stream interface (``__arrow_c_stream__``) is read by it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line

_EXPECTED = "expected a DataFrame of pandas or polars, a table of pyarrow, or columns by name"


def to_table(frame: Any) -> Any:
    """A ``pyarrow.Table`` of a frame. Raises InvalidInputError, one line that names the column where it is about one."""
    import pyarrow as pa

    try:
        if isinstance(frame, pa.Table):
            table = frame
        elif isinstance(frame, pa.RecordBatch):
            table = pa.Table.from_batches([frame])
        elif hasattr(frame, "__arrow_c_stream__"):
            table = pa.table(frame)
        elif type(frame).__module__.partition(".")[0] == "pandas":
            table = pa.Table.from_pandas(frame)
        elif isinstance(frame, Mapping):
            table = pa.table(dict(frame))
        else:
            raise InvalidInputError(f"found a {type(frame).__name__}; {_EXPECTED}")
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise InvalidInputError(
            f"DataFrame: cannot be read: {one_line(str(error), 400)}; {_EXPECTED}"
        ) from None
    return _plain(table)


def _plain(table: Any) -> Any:
    """The table with each text in one of the two forms that a parquet file has, and without a frame's own notes."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):  # which no cast of Arrow's takes apart
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            parts = [_dense(part) for part in table.column(place).chunks]
            table = table.set_column(place, field.name, pa.chunked_array(parts, pa.large_string()))
    fields = []
    for field in table.schema:
        kind = field.type
        if pa.types.is_string_view(kind) or (
            pa.types.is_dictionary(kind)
            and (pa.types.is_string_view(kind.value_type) or pa.types.is_large_string(kind.value_type))
        ):
            kind = pa.large_string()
        fields.append(pa.field(field.name, kind))
    return table.cast(pa.schema(fields))


def _dense(part: Any) -> Any:
    """A dictionary of views as plain texts."""
    import pyarrow as pa

    return part.dictionary.cast(pa.large_string()).take(part.indices)


def to_parquet(frame: Any) -> bytes:
    """The bytes of a parquet file of a frame: equal frames give equal bytes. Raises InvalidInputError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = to_table(frame)
    sink = pa.BufferOutputStream()
    try:
        pq.write_table(table, sink, compression="zstd")
    except (pa.ArrowException, UnicodeError) as error:
        raise InvalidInputError(f"DataFrame: cannot be read: {one_line(str(error), 400)}") from None
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def to_columns(frame: Any, names: Sequence[str]) -> tuple[dict[str, Any], int]:
    """Columns by name and the number of rows, of a frame, a list of rows by name, or an array of rows whose columns are in the
    order of ``names``. Raises InvalidInputError."""
    import numpy as np

    if isinstance(frame, list | tuple) and frame and isinstance(frame[0], Mapping):
        return {name: [row.get(name) for row in frame] for name in names}, len(frame)
    if isinstance(frame, list | tuple | np.ndarray):
        array = np.asarray(frame, dtype=None if isinstance(frame, np.ndarray) else object)
        if array.ndim != 2 or array.shape[1] != len(names):
            raise InvalidInputError(
                f"found an array of the shape {array.shape}; expected rows of {len(names)} features: "
                f"{one_line(', '.join(names))}"
            )
        return {name: array[:, i] for i, name in enumerate(names)}, len(array)
    table = to_table(frame)
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise InvalidInputError(
            f"DataFrame: column{'s' if len(missing) > 1 else ''} {one_line(', '.join(missing))} missing; expected "
            f"{one_line(', '.join(names))}"
        )
    return {name: _values(table.column(name)) for name in names}, table.num_rows


def _values(column: Any) -> Any:
    """Values of a column: an array of numbers with NaN where missing, or a list."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.cast(pa.float64(), safe=False).to_numpy()  # the nearest double, as in rows by name
    return column.to_pylist()
