"""Snapshot rows with times, inputs and outcomes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import ModelSpec, Scalar
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.tables.table_form import training_form
from pilothouse.inference.columns import InputColumns, categories, input_columns, numbers
from pilothouse.inference.encoding import frame
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.training.data.sources import class_order
from pilothouse.training.data.times import Micros, micros


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a snapshot. ``times`` are int64 µs; ``outcomes`` float64 (regression) or class names (object array
    of str)."""

    table: pa.Table
    times: Micros
    outcomes: Any

    @property
    def count(self) -> int:
        return int(self.table.num_rows)

    def columns(self, schema: InputSchema) -> InputColumns:
        """Features that ``schema`` names. Raises InvalidInputError where one is not among the columns."""
        return input_columns(schema, _values(self.table, schema), self.count)

    def column_text(self, name: str) -> Any:
        """Column as an object array of texts, None where missing: for slices and targets."""
        column = self.table.column(name).combine_chunks().dictionary_encode()
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        names = np.array([category_text(v) for v in column.dictionary.to_pylist()] + [None], dtype=object)
        codes = pc.fill_null(column.indices, len(names) - 1).to_numpy(zero_copy_only=False)
        return names[codes]

    def matching(self, match: dict[str, Scalar]) -> Any:
        """Mask bool[rows] of the rows that have all the values of ``match`` (all rows where it is empty)."""
        chosen = np.ones(self.count, dtype=bool)
        for name, value in match.items():
            chosen &= self.column_text(name) == category_text(value)
        return chosen

    def where(self, chosen: Any) -> "Rows":
        """Rows where ``chosen`` (bool[rows]) is true."""
        return Rows(self.table.filter(pa.array(chosen)), self.times[chosen], self.outcomes[chosen])


def read_rows(path: Path, spec: ModelSpec) -> Rows:
    """Rows of a file that the snapshot step wrote."""
    table = pq.read_table(path)
    return Rows(table, micros(table, spec.data.timestamp), outcomes_of(table.column(spec.data.target), spec))


def outcomes_of(column: pa.ChunkedArray, spec: ModelSpec) -> Any:
    """Outcomes from the target column, as float64 (regression) or as an object array of class names."""
    if spec.task == "regression":
        return numbers(spec.data.target, column.to_numpy())
    encoded = column.combine_chunks().dictionary_encode()
    names = np.array(categories(encoded.dictionary.to_pylist()), dtype=object)
    return names[encoded.indices.to_numpy(zero_copy_only=False)]


def schema_of(rows: Rows, spec: ModelSpec) -> InputSchema:
    """Input schema of a model trained on ``rows``. Raises InvalidInputError where there are too few classes."""
    data = spec.data
    classes = () if spec.task == "regression" else class_order(rows.table.column(data.target))
    if spec.task != "regression" and len(classes) < 2:
        raise InvalidInputError(
            f"data.target: the training rows have {len(classes)} class of {data.target!r}; expected two or more"
        )
    columns = tuple(InputColumn(n, "category" if n in data.categoricals else "number") for n in data.features)
    missing = ("", *training_form(spec).missing)
    return InputSchema(spec.name, spec.task, classes, data.timestamp, columns, data.private, missing)


def training_frame(rows: Rows, schema: InputSchema, spec: ModelSpec) -> tuple[pd.DataFrame, pd.Series]:
    """X (features only, in the schema's order) and y (the target with the type that it has in the source)."""
    target = rows.table.column(spec.data.target).to_pandas()
    if spec.task != "regression" and pd.api.types.is_string_dtype(target.dtype):
        target = target.astype(object)
    target.name = spec.data.target
    X: pd.DataFrame = frame(schema, rows.columns(schema))
    return X, target


def _values(table: pa.Table, schema: InputSchema) -> dict[str, Any]:
    names = [column for column in schema.columns if column.name in table.column_names]
    return {
        column.name: (
            table.column(column.name).cast(pa.float64(), safe=False).to_numpy()
            if column.kind == "number" and not pa.types.is_string(table.schema.field(column.name).type)
            else table.column(column.name).to_pylist()
        )
        for column in names
    }
