"""Requests in the forms of MLflow's scoring server and of version 1 of KServe's protocol, answered with ``predictions``.

``dataframe_records`` and ``instances`` hold an object a row; ``dataframe_split`` the names of the columns and a list a row;
``inputs`` a list a column by its name. A row may be a list too, in the schema's order, and ``inputs`` a list of rows. NaN is a
missing value: MLflow's own client sends it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.non_finite import with_null_for_nan
from pilothouse.serving.bodies.protocol import MAXIMUM_ROWS, Inference, encode
from pilothouse.serving.bodies.records import check_columns, decoded_records, inference_of_rows
from pilothouse.serving.bodies.tensors import shown

EXAMPLE = '{"dataframe_records": [{"column": value, …}, …]}'


class SplitFrame(msgspec.Struct, frozen=True):
    """Frame as pandas writes it by ``to_dict(orient="split")``; its index is left alone."""

    data: list[list[Any]]
    columns: list[str] | None = None


class Invocation(msgspec.Struct, frozen=True):
    """Body of an invocation: one of the four forms. ``signature_name`` of TensorFlow's server is left alone."""

    dataframe_split: SplitFrame | None = None
    dataframe_records: list[dict[str, Any]] | None = None
    instances: list[Any] | None = None
    inputs: dict[str, Any] | list[Any] | None = None
    params: dict[str, Any] | None = None


FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_DECODER = msgspec.json.Decoder(Invocation)


def read_invocation(body: bytes, schema: InputSchema, private: Sequence[str]) -> Inference:
    """Request from the body of an invocation. Raises InvalidInputError that names row and column."""
    request = decoded_records(_DECODER, with_null_for_nan(body), EXAMPLE)
    given = [name for name in FORMS if getattr(request, name) is not None]
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise InvalidInputError(f"the request holds {found}; expected one of {', '.join(FORMS)}")
    if request.params:
        raise InvalidInputError("params are not taken: the model has none")
    return inference_of_rows(_rows(request, schema, private), schema, private)


def _rows(request: Invocation, schema: InputSchema, private: Sequence[str]) -> list[dict[str, Any]]:
    names = [column.name for column in schema.columns]
    if request.dataframe_records is not None:
        return request.dataframe_records
    if request.dataframe_split is not None:
        columns = request.dataframe_split.columns
        if columns is not None and len(set(columns)) != len(columns):
            raise InvalidInputError("dataframe_split.columns names a column twice")
        check_columns(columns or (), schema, private)
        return _named(request.dataframe_split.data, names if columns is None else columns)
    if isinstance(request.inputs, dict):
        check_columns(request.inputs, schema, private)
        return _transposed(request.inputs)
    return _named(request.instances if request.instances is not None else request.inputs or [], names)


def _named(rows: Sequence[Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """Rows with their values by name: objects as they are, lists in the order of ``names``, and single values of one column."""
    _check_count(len(rows))
    named = []
    for i, row in enumerate(rows):
        if type(row) is dict:
            named.append(row)
            continue
        values = row if type(row) is list else [row]
        if len(values) != len(names):
            text = one_line(", ".join(names), 300)  # names that a request gives are text from outside
            raise InvalidInputError(
                f"row {i}: found {len(values)} values; expected {len(names)}, in this order: {text}"
            )
        named.append(dict(zip(names, values, strict=True)))
    return named


def _transposed(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of columns: a list of values or of lists of one, or a single value, each."""
    flat = {name: values if type(values) is list else [values] for name, values in columns.items()}
    lengths = {name: len(values) for name, values in flat.items()}
    rows = max(lengths.values(), default=0)
    _check_count(rows)
    for name, length in lengths.items():
        if length != rows:
            raise InvalidInputError(
                f"column {shown(name)} has {length} values; expected {rows} as the longest"
            )
    return [{name: _single(values[row]) for name, values in flat.items()} for row in range(rows)]


def _single(value: Any) -> Any:
    return value[0] if type(value) is list and len(value) == 1 else value


def _check_count(rows: int) -> None:
    if not 1 <= rows <= MAXIMUM_ROWS:
        raise InvalidInputError(f"the request has {rows} rows; expected 1 to {MAXIMUM_ROWS}")


def invocation_answer(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    _: list[dict[str, Any]] | None,
) -> bytes:
    """Body of the answer: ``predictions`` as those clients read them, and beside them what outcomes are handed in under."""
    stem = f"{first.producer}.{first.sequence}."
    scores = prediction.scores.tolist()
    return encode(
        {
            "predictions": prediction.labels or scores,
            "scores": scores,
            "prediction_ids": [stem + str(first.offset + row) for row in range(request.columns.rows)],
            "model": schema.model,
            "version": version,
        }
    )
