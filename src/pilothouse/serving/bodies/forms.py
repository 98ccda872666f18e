"""Forms of an inference request and of its answer: how a body becomes columns, and how a prediction becomes a body.

A form sees the headers of the request, and chooses those of the answer. Every form takes a body that is packed, and packs its
answer where the client says that it takes one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies import binary_tensors, csv_records
from pilothouse.serving.bodies.invocations import invocation_answer, read_invocation
from pilothouse.serving.bodies.protocol import MAXIMUM_BODY_BYTES, Inference, infer_answer, read_inference
from pilothouse.serving.bodies.records import read_rows, rows_answer
from pilothouse.serving.web import compression
from pilothouse.serving.web.compression import Headers

Written = tuple[bytes, Mapping[str, str]]
"""Body of an answer, and headers beside those of every answer; ``content-type`` is JSON where they name none."""
Report = list[dict[str, Any]] | None
Read = Callable[[bytes, Headers, InputSchema, Sequence[str]], Inference]
Write = Callable[[InputSchema, int, Inference, Prediction, PredictionId, Report], Written]

_LARGE_BODY_BYTES = 256 * 1_024

_NO_HEADERS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Form:
    """``read`` raises PilothouseError alone; what ``write`` needs of the request's headers is kept in the Inference."""

    read: Read
    write: Write
    large: int = _LARGE_BODY_BYTES
    """Bytes from which a body is read in a thread, so that the event loop goes on answering others; so is a packed one."""


def header_of(headers: Headers, name: bytes) -> str:
    """First header of that lower-case name, as text; empty where there is none."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return ""


def _form(read: Read, write: Write) -> Form:
    """Form whose bodies may be packed."""

    def read_packed(body: bytes, headers: Headers, schema: InputSchema, private: Sequence[str]) -> Inference:
        encoding, wish = b"", b""
        for key, value in headers:
            if key == b"content-encoding":
                encoding = value
            elif key == b"accept-encoding":
                wish = value
        if encoding:
            body = compression.unpack(body, encoding.decode("latin-1"), MAXIMUM_BODY_BYTES)
        elif packing := compression.unsaid(body):
            raise InvalidInputError(
                f"the body is packed by {packing}, and no Content-Encoding header says so"
            )
        request = read(body, headers, schema, private)
        answered = compression.accepted(wish.decode("latin-1")) if wish else ""
        return replace(request, encoding=answered) if answered else request

    def write_packed(
        schema: InputSchema,
        version: int,
        request: Inference,
        prediction: Prediction,
        first: PredictionId,
        report: Report,
    ) -> Written:
        body, headers = write(schema, version, request, prediction, first, report)
        if not request.encoding or len(body) < compression.SHORTEST_PACKED:
            return body, headers
        packed = {"content-encoding": request.encoding, "vary": "accept-encoding"}
        return compression.pack(body, request.encoding), {**headers, **packed}

    return Form(read_packed, write_packed)


def _read_tensors(body: bytes, headers: Headers, schema: InputSchema, private: Sequence[str]) -> Inference:
    length = header_of(headers, binary_tensors.HEADER.encode())
    if length:
        return binary_tensors.read_binary(body, length, schema, private)
    return read_inference(body, schema, private)


def _write_tensors(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: Report,
) -> Written:
    if request.binary:
        return binary_tensors.write_binary(schema, version, request, prediction, first, report)
    return infer_answer(schema, version, request, prediction, first, report), _NO_HEADERS


def _read_records(body: bytes, headers: Headers, schema: InputSchema, private: Sequence[str]) -> Inference:
    request = (csv_records.read_csv if _is_csv(headers) else read_rows)(body, schema, private)
    return replace(request, media=csv_records.MEDIA) if _wants_csv(headers) else request


def _write_records(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: Report,
) -> Written:
    if request.media == csv_records.MEDIA:
        body = csv_records.csv_answer(schema, version, request, prediction, first)
        return body, {"content-type": f"{csv_records.MEDIA}; charset=utf-8"}
    return rows_answer(schema, version, request, prediction, first, report), _NO_HEADERS


def _read_invocation(body: bytes, headers: Headers, schema: InputSchema, private: Sequence[str]) -> Inference:
    return (csv_records.read_csv if _is_csv(headers) else read_invocation)(body, schema, private)


def _write_invocation(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: Report,
) -> Written:
    return invocation_answer(schema, version, request, prediction, first, report), _NO_HEADERS


def _is_csv(headers: Headers) -> bool:
    kind = header_of(headers, b"content-type").partition(";")[0]
    return kind.strip().lower() == csv_records.MEDIA


def _wants_csv(headers: Headers) -> bool:
    """True for a client that names csv, and JSON not before it."""
    wish = header_of(headers, b"accept").lower()
    if csv_records.MEDIA not in wish:
        return False
    kinds = [part.partition(";")[0].strip() for part in wish.split(",")]
    return csv_records.MEDIA in kinds and "application/json" not in kinds[: kinds.index(csv_records.MEDIA)]


TENSORS = _form(_read_tensors, _write_tensors)
RECORDS = _form(_read_records, _write_records)
INVOCATIONS = _form(_read_invocation, _write_invocation)
