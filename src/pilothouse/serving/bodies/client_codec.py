"""Requests and answers of the Open Inference Protocol for clients of a serving process. Imports nothing heavy.

Kinds are those of the input schema: ``number`` (sent as FP64, null where missing) and ``category`` (sent as BYTES).
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.monitoring.categories import category_text


def infer_body(
    schema_columns: Iterable[Any],
    rows: Sequence[Mapping[str, Any]],
    timestamp: str = "",
    request_id: str = "",
    outputs: Sequence[str] = (),
) -> bytes:
    """Body of an ``infer`` request for ``rows``, one mapping of column to value each.

    ``schema_columns`` are InputColumns, or pairs of name and kind. ``timestamp`` names the column with the time of each
    row (an aware datetime, ISO 8601 text, or microseconds since 1970); empty: the time of arrival counts. A value that is
    absent, None or NaN is missing. Raises InvalidInputError.
    """
    inputs = [
        _feature(name, kind, [row.get(name) for row in rows]) for name, kind in map(_pair, schema_columns)
    ]
    if timestamp:
        times = [_time(timestamp, row.get(timestamp)) for row in rows]
        inputs.append(_tensor(timestamp, "INT64" if times and isinstance(times[0], int) else "BYTES", times))
    document: dict[str, Any] = {"inputs": inputs}
    if request_id:
        document["id"] = request_id
    if outputs:
        document["outputs"] = [{"name": name} for name in outputs]
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def columns_of(metadata: Mapping[str, Any]) -> tuple[list[tuple[str, str]], str]:
    """Columns with their kinds, and the timestamp's name, from a model's metadata (``GET /v2/models/NAME``)."""
    columns: list[tuple[str, str]] = []
    timestamp = ""
    for tensor in metadata["inputs"]:
        if (tensor.get("parameters") or {}).get("optional"):
            timestamp = tensor["name"]
        else:
            columns.append((tensor["name"], "category" if tensor["datatype"] == "BYTES" else "number"))
    return columns, timestamp


def read_answer(body: bytes) -> dict[str, list[Any]]:
    """Values of each output by its name, one a row (a list of k for ``predict_proba``). Raises UnavailableError."""
    try:
        document = json.loads(body)
        outputs: dict[str, list[Any]] = {}
        for tensor in document["outputs"]:
            data, shape = tensor["data"], tensor["shape"]
            wide = len(shape) == 2
            if wide and not 0 <= shape[0] * shape[1] == len(data):
                raise ValueError("the shape is not that of the data")
            outputs[tensor["name"]] = (
                [data[i : i + shape[1]] for i in range(0, len(data), shape[1])] if wide else data
            )
        return outputs
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UnavailableError("the server's answer is not an inference response") from None


def error_of(body: bytes) -> str:
    """Message of an error's body; empty where it is none."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _pair(column: Any) -> tuple[str, str]:
    if isinstance(column, tuple):
        return column[0], column[1]
    return column.name, column.kind


def _feature(name: str, kind: str, values: Sequence[Any]) -> dict[str, Any]:
    if kind == "number":
        return _tensor(name, "FP64", [_number(name, value) for value in values])
    return _tensor(name, "BYTES", [category_text(value) for value in values])


def _number(name: str, value: Any) -> float | int | None:
    value = _plain(value)
    if value is None or isinstance(value, bool | int):
        return None if value is None else int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise InvalidInputError(f"{name}: found {value!r}; expected a number")


def _time(name: str, value: Any) -> str | int:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat()
    value = _plain(value) if not isinstance(value, date) else value
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise InvalidInputError(
        f"{name}: found {value!r}; expected an aware datetime, ISO 8601 text or microseconds"
    )


def _plain(value: Any) -> Any:
    """Python scalar of a numpy one."""
    return value.item() if hasattr(value, "item") else value


def _tensor(name: str, datatype: str, values: Sequence[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [len(values)], "data": list(values)}
