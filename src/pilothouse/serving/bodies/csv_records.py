"""Records in csv: a header line with the names of the columns, then a line a row; and answers as csv.

Comma, double quotes, UTF-8. An empty field is missing, and so are the words that meant missing in training and, for a number,
``nan``. Times are ISO 8601 with an offset, or microseconds since 1970.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.protocol import MAXIMUM_ROWS, Inference
from pilothouse.serving.bodies.records import check_columns, inference_of_rows
from pilothouse.serving.bodies.tensors import shown

MEDIA = "text/csv"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"-?\d{9,18}", re.ASCII)
"""Microseconds since 1970, but for the first minutes of that year; a date without dashes has fewer digits."""
_TRUTHS = {"true": True, "false": False}


def read_csv(body: bytes, schema: InputSchema, private: Sequence[str]) -> Inference:
    """Request from a body in csv. Raises InvalidInputError that names row and column."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"the csv is not UTF-8: byte {error.start}") from None
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        names = _header(lines)
        check_columns(names, schema, private)
        rows = [_row(i, names, fields, schema) for i, fields in enumerate(_filled(lines, len(names)))]
    except csv.Error as error:
        raise InvalidInputError(
            f"the csv cannot be read: line {lines.line_num}: {one_line(str(error))}"
        ) from None
    return inference_of_rows(rows, schema, private)


def _header(lines: Iterator[list[str]]) -> list[str]:
    names = next(lines, [])
    if not names:
        raise InvalidInputError("the csv is empty; expected a header line with the names of the columns")
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInputError(f"the csv has two columns {shown(name)}")
        seen.add(name)
    return names


def _filled(lines: Iterator[list[str]], wide: int) -> Iterator[list[str]]:
    """Lines that are not blank, as many as a request may have and one more. A blank line of one column is a missing value."""
    count = 0
    for fields in lines:
        if not fields and wide > 1:
            continue
        yield fields or [""]
        count += 1
        if count > MAXIMUM_ROWS:
            raise InvalidInputError(f"the csv has more than {MAXIMUM_ROWS:,} rows")


def _row(number: int, names: Sequence[str], fields: Sequence[str], schema: InputSchema) -> dict[str, Any]:
    if len(fields) != len(names):
        raise InvalidInputError(f"row {number}: found {len(fields)} fields; expected {len(names)}")
    row: dict[str, Any] = dict(zip(names, fields, strict=True))
    for name in schema.numeric:
        if name in row:
            row[name] = _number(row[name])
    stamp = row.get(schema.timestamp)
    if type(stamp) is str and _WHOLE.fullmatch(stamp):
        row[schema.timestamp] = int(stamp)
    return row


def _number(text: str) -> Any:
    """Number that a field holds, None where it is missing, and the text where it is neither: that is refused with its
    place."""
    text = text.strip()
    if text == "" or text.lower() == "nan":
        return None
    if len(text) <= 400 and _NUMBER.fullmatch(text):
        return float(text)
    return _TRUTHS.get(text.lower(), text)


def csv_answer(
    schema: InputSchema, version: int, request: Inference, prediction: Prediction, first: PredictionId
) -> bytes:
    """Body of an answer in csv: a line a row, with the prediction, its score and its id."""
    scores = prediction.scores.tolist()
    answers: Sequence[Any] = prediction.labels or scores
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("prediction", "score", "prediction_id", "model", "version"))
    lines.writerows(
        (
            answers[row],
            scores[row],
            f"{first.producer}.{first.sequence}.{first.offset + row}",
            schema.model,
            version,
        )
        for row in range(request.columns.rows)
    )
    return out.getvalue().encode()
