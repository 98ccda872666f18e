"""Report of a request, given where it is asked for: values that were missing, and categories that the model never saw."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.tensors import shown

MAXIMUM_ENTRIES = 10_000
"""Entries of a report at most; a further one says how many were left out."""


def read_report_wish(value: Any) -> bool:
    """Whether a request asks for a report. Raises InvalidInputError for anything but true, false or null."""
    if value is None or type(value) is bool:
        return bool(value)
    raise InvalidInputError(f"report: found {shown(value)}; expected true or false")


def report_of(
    columns: InputColumns, schema: InputSchema, known: Mapping[str, frozenset[str]]
) -> list[dict[str, Any]]:
    """Entries in the order of the schema's columns, then of the rows: row, column, ``missing`` or ``unknown``, and the value
    of an unknown category, which is served as missing."""
    entries = _entries(columns, schema, known)
    report = list(islice(entries, MAXIMUM_ENTRIES))
    left_out = sum(1 for _ in entries)
    return report if left_out == 0 else [*report, {"left_out": left_out}]


def _entries(
    columns: InputColumns, schema: InputSchema, known: Mapping[str, frozenset[str]]
) -> Iterator[dict[str, Any]]:
    for column in schema.columns:
        name = column.name
        if column.kind == "number":
            for row in np.flatnonzero(np.isnan(columns.numeric[name])).tolist():
                yield {"row": row, "column": name, "found": "missing"}
            continue
        learned = known.get(name)
        for row, value in enumerate(columns.categorical[name]):
            if value is None:
                yield {"row": row, "column": name, "found": "missing"}
            elif learned is not None and value not in learned:
                yield {"row": row, "column": name, "found": "unknown", "value": value}
