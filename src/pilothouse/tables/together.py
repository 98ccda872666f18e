"""Tables of one source beside each other: one type for each column."""

from collections.abc import Sequence

import pyarrow as pa

from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.tables.cells import converted


def common_type(types: Sequence[pa.DataType]) -> pa.DataType:
    """Type for a column that has these in several tables: text where they are of several kinds."""
    known = {kind for kind in types if not pa.types.is_null(kind)}
    if len(known) == 1:
        return known.pop()
    if known and all(pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in known):
        return pa.float64()
    return pa.string() if known else pa.float64()


def aligned(table: pa.Table, types: dict[str, pa.DataType], form: TableForm) -> pa.Table:
    """The table with the columns and types of ``types``; a column that it lacks is missing throughout."""
    columns = {}
    for name, kind in types.items():
        if name not in table.column_names:
            columns[name] = pa.nulls(table.num_rows, kind)
        elif (column := table.column(name)).type == kind:
            columns[name] = column
        elif pa.types.is_string(kind) and not pa.types.is_temporal(column.type):
            chunks = [converted(chunk, ColumnKind.TEXT, form) for chunk in column.chunks]
            columns[name] = pa.chunked_array(chunks, pa.string())
        else:
            columns[name] = column.cast(kind)
    return pa.table(columns)
