"""Form of an inference request and of its answer: how a body becomes columns, and how a prediction becomes a body."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.protocol import Inference, infer_answer, read_inference
from pilothouse.serving.records import read_rows, rows_answer

Headers = Sequence[tuple[bytes, bytes]]
"""Headers of a request as the server gives them: names in lower case."""
Written = tuple[bytes, Mapping[str, str]]
"""Body of an answer, and headers beside those of every answer; ``content-type`` is JSON where they name none."""
Report = list[dict[str, Any]] | None
Read = Callable[[bytes, Headers, InputSchema, Sequence[str]], Inference]
Write = Callable[[InputSchema, int, Inference, Prediction, PredictionId, Report], Written]

_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Form:
    """``read`` raises InvalidInputError alone; what ``write`` needs of the request's headers is kept in the Inference."""

    read: Read
    write: Write


def _json_form(
    read: Callable[[bytes, InputSchema, Sequence[str]], Inference],
    write: Callable[[InputSchema, int, Inference, Prediction, PredictionId, Report], bytes],
) -> Form:
    """Form that no header changes."""

    def read_body(body: bytes, _: Headers, schema: InputSchema, private: Sequence[str]) -> Inference:
        return read(body, schema, private)

    def write_body(
        schema: InputSchema,
        version: int,
        request: Inference,
        prediction: Prediction,
        first: PredictionId,
        report: Report,
    ) -> Written:
        return write(schema, version, request, prediction, first, report), _NO_HEADERS

    return Form(read_body, write_body)


TENSORS = _json_form(read_inference, infer_answer)
RECORDS = _json_form(read_rows, rows_answer)
