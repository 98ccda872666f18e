"""Plain records beside the protocol: a request with one JSON object a row, answered with one object a row.

``{"rows": [{"distance": 187, "carrier": "B6"}], "report": true}``. A feature that a row lacks is missing, as ``null`` and the
empty text are. The key named like the model's timestamp column is optional and holds the time of the row.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import PredictionId
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.inference.columns import InputColumns, with_missing
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.non_finite import explain_non_finite
from pilothouse.serving.bodies.protocol import MAXIMUM_ID, MAXIMUM_ROWS, Inference
from pilothouse.serving.bodies.request_report import read_report_wish
from pilothouse.serving.bodies.tensors import MAXIMUM_TEXT, NO_TIME, event_time, shown

EXAMPLE = '{"rows": [{"column": value, …}, …]}'


class RowsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a request with plain records."""

    rows: list[dict[str, Any]]
    id: str | None = None
    report: Any = None


_DECODER = msgspec.json.Decoder(RowsRequest)
_ENCODER = msgspec.json.Encoder()


def read_rows(body: bytes, schema: InputSchema, private: Sequence[str]) -> Inference:
    """Request from the body of a ``predict`` call. Raises InvalidInputError with one line that names row and column."""
    request = decoded_records(_DECODER, body, EXAMPLE)
    if request.id is not None and len(request.id) > MAXIMUM_ID:
        raise InvalidInputError(f"the id is longer than {MAXIMUM_ID} characters")
    return inference_of_rows(request.rows, schema, private, request.id, request.report)


def inference_of_rows(
    given: list[dict[str, Any]],
    schema: InputSchema,
    private: Sequence[str],
    request_id: str | None = None,
    report: Any = None,
) -> Inference:
    """Request from a mapping of column to value for each row. Raises InvalidInputError that names row and column."""
    rows = _present(given, schema)
    if not 1 <= len(rows) <= MAXIMUM_ROWS:
        raise InvalidInputError(f"the request has {len(rows)} rows; expected 1 to {MAXIMUM_ROWS}")
    _check_names(rows, schema, private)
    numeric = {name: np.array(_column(rows, name, _number), dtype=np.float64) for name in schema.numeric}
    categorical = {name: _column(rows, name, _category) for name in schema.categorical}
    times = None
    stamp = schema.timestamp
    if stamp not in (*numeric, *categorical) and any(stamp in row for row in rows):
        times = np.array(_column(rows, stamp, partial(_time, zone=schema.timezone)), dtype=np.int64)
        times = None if (times == NO_TIME).all() else times
    columns = with_missing(schema, InputColumns(len(rows), numeric, categorical))
    return Inference(request_id, columns, times, (), read_report_wish(report))


Request = TypeVar("Request")


def decoded_records(decoder: msgspec.json.Decoder[Request], body: bytes, example: str) -> Request:
    """Document of a request with records. Raises InvalidInputError, with the example where it has another form."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise InvalidInputError(
            f"the request holds no records: {one_line(str(error))}; expected {example}"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            explain_non_finite(body) or f"the request is not JSON: {one_line(str(error))}"
        ) from None


def _present(rows: list[dict[str, Any]], schema: InputSchema) -> list[dict[str, Any]]:
    """Rows with null for the words that mean missing, as they did in training: in a number too they are no text."""
    words = frozenset(schema.missing)
    if not words:
        return rows
    return [
        {name: None if type(value) is str and value in words else value for name, value in row.items()}
        for row in rows
    ]


def check_columns(names: Iterable[str], schema: InputSchema, private: Sequence[str]) -> None:
    """Raise InvalidInputError for a column that the model does not know: before a mapping is made for each row, which may be
    far larger than the request."""
    columns = [column.name for column in schema.columns]
    allowed = {*columns, schema.timestamp, *private, *schema.dropped}
    unknown = next((name for name in names if name not in allowed), None)
    if unknown is not None:
        raise InvalidInputError(f"unknown column {shown(unknown)}; expected {', '.join(columns)}")


def _check_names(rows: Sequence[Mapping[str, Any]], schema: InputSchema, private: Sequence[str]) -> None:
    features = {column.name for column in schema.columns}
    allowed = {*features, schema.timestamp, *private, *schema.dropped}
    for i, row in enumerate(rows):
        if not row.keys() <= allowed:
            name = next(name for name in row if name not in allowed)
            expected = ", ".join(column.name for column in schema.columns)
            raise InvalidInputError(f"row {i}: unknown column {shown(name)}; expected {expected}")
        if features.isdisjoint(row):
            expected = ", ".join(column.name for column in schema.columns)
            raise InvalidInputError(f"row {i} has none of the model's columns; expected {expected}")


def _column(rows: Sequence[Mapping[str, Any]], name: str, read: Callable[[Any], Any]) -> list[Any]:
    values = []
    for i, row in enumerate(rows):
        try:
            values.append(read(row.get(name)))
        except InvalidInputError as error:
            raise InvalidInputError(f"row {i}, column {shown(name)}: {error}") from None
    return values


def _number(value: Any) -> float:
    if value is None or value == "":
        return math.nan
    if type(value) in (int, float, bool):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
    raise InvalidInputError(f"found {shown(value)}; expected a number, or null where missing")


def _category(value: Any) -> str | None:
    if value is None or value == "":
        return None
    if type(value) is str and len(value) > MAXIMUM_TEXT:
        raise InvalidInputError(f"the text is longer than {MAXIMUM_TEXT} characters")
    if type(value) in (str, int, float, bool):
        return category_text(value)
    raise InvalidInputError(f"found {shown(value)}; expected a text, or null where missing")


def _time(value: Any, zone: str) -> int:
    if type(value) is float and value.is_integer():  # 1e15 is a whole number to JSON
        value = int(value)
    if value is None or type(value) in (str, int):
        return event_time(value, zone)
    raise InvalidInputError(f"found {shown(value)}; expected ISO 8601 such as 2013-06-01T05:00:00Z")


def rows_answer(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: list[dict[str, Any]] | None,
) -> bytes:
    """Body of the answer: an object for each row. ``first`` is the id of the first row; the others count on from it. It ends
    with a line break, for those who read it on a terminal."""
    answer: dict[str, Any] = {"model": schema.model, "version": version}
    if request.id is not None:
        answer["id"] = request.id
    if schema.task == "binary":
        answer["positive_class"] = schema.classes[1]
    scores = prediction.scores.tolist()
    answers: list[Any] = prediction.labels or scores
    probabilities = [] if prediction.probabilities is None else prediction.probabilities.tolist()
    answer["rows"] = [
        {
            "prediction": answers[row],
            "score": scores[row],
            **(
                {"probabilities": dict(zip(schema.classes, probabilities[row], strict=True))}
                if probabilities
                else {}
            ),
            "prediction_id": f"{first.producer}.{first.sequence}.{first.offset + row}",
            "model": schema.model,
            "version": version,
        }
        for row in range(request.columns.rows)
    ]
    if report is not None:
        answer["report"] = report
    return _ENCODER.encode(answer) + b"\n"
