"""Summary of each column of a snapshot, for the record."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pilothouse.domain.models.evaluation import ColumnSummary
from pilothouse.domain.models.model_spec import DataSpec
from pilothouse.domain.monitoring.categories import category_text

FREQUENT = 10
"""Most frequent values of a categorical column that are named."""


def summarise(table: pa.Table, data: DataSpec) -> list[ColumnSummary]:
    """Summary of each column. Times have minimum and maximum in microseconds since 1970.

    Of a column that is carried along (no feature, slice, outcome or timestamp) the counts alone: it may say who somebody is,
    and what is recorded of a version stays.
    """
    used = {data.target, data.timestamp, *data.features, *data.slices}
    found = (_summary(name, table.column(name), name in data.categoricals) for name in table.column_names)
    return [one if one.name in used else _counts_of(one) for one in found]


def _counts_of(summary: ColumnSummary) -> ColumnSummary:
    return ColumnSummary(summary.name, summary.kind, summary.missing, summary.distinct)


def _summary(name: str, column: pa.ChunkedArray, categorical: bool) -> ColumnSummary:
    if categorical or pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return _category(name, column)
    if pa.types.is_timestamp(column.type):
        times = column.cast(pa.int64())
        low, high = (_number(pc.min(times)), _number(pc.max(times)))
        return ColumnSummary(name, "time", times.null_count, pc.count_distinct(times).as_py(), low, high)
    values = pc.cast(column, pa.float64()).to_numpy()
    present = values[np.isfinite(values)]
    distinct = int(pd.unique(present).size)
    if not present.size:
        return ColumnSummary(name, "number", len(values), 0)
    return ColumnSummary(
        name,
        "number",
        len(values) - present.size,
        distinct,
        float(present.min()),
        float(present.max()),
        float(present.mean()),
        float(present.std()),
    )


def _category(name: str, column: pa.ChunkedArray) -> ColumnSummary:
    counted = {
        category_text(item["values"].as_py()): int(item["counts"].as_py()) for item in pc.value_counts(column)
    }
    missing = counted.pop(None, 0)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], str(item[0])))
    return ColumnSummary(
        name, "category", missing, len(counted), frequent={str(value): n for value, n in ranked[:FREQUENT]}
    )


def _number(scalar: Any) -> float | None:
    return None if scalar.as_py() is None else float(scalar.as_py())
