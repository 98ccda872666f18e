"""``ModelInfer`` as a form of requests and answers: typed contents or raw ones, answered as they were asked.

Raw contents are as in ``binary_tensors``. What gRPC's parameters cannot hold (lists) is JSON in a text.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.binary_tensors import finite_or_none, raw_of, values_of
from pilothouse.serving.bodies.forms import Form, Report, Written, header_of
from pilothouse.serving.bodies.protocol import (
    MAXIMUM_BODY_BYTES,
    Inference,
    RequestedOutput,
    answer_document,
    inference_of,
)
from pilothouse.serving.bodies.tensors import InputTensor, shown
from pilothouse.serving.grpc.messages import decode, encode
from pilothouse.serving.web import compression
from pilothouse.serving.web.compression import Headers

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_RAW = "raw"
LARGE_BYTES = 16 * 1_024
"""Bytes from which a message is decoded in a thread: it is done in Python, field by field."""


def unpacked(body: bytes, encoding: str) -> bytes:
    """Message of an inference request as it was before the client packed it. Raises PilothouseError."""
    return compression.unpack(body, encoding, MAXIMUM_BODY_BYTES)


def _read(body: bytes, headers: Headers, schema: InputSchema, private: Sequence[str]) -> Inference:
    request = decode("ModelInferRequest", unpacked(body, header_of(headers, b"content-encoding")))
    given, raw = request.get("inputs", []), request.get("raw_input_contents", [])
    if raw and len(raw) != len(given):
        raise InvalidInputError(f"found {len(raw)} raw_input_contents; expected {len(given)}, one an input")
    needed = {column.name for column in schema.columns} | {schema.timestamp}
    dropped = {*private, *schema.dropped} - needed
    tensors = []
    for i, tensor in enumerate(given):
        if tensor.get("name", "") in dropped:
            continue
        empty = InputTensor(
            tensor.get("name", ""),
            tensor.get("shape", []),
            tensor.get("datatype", ""),
            [],
            _plain(tensor.get("parameters", {})) or None,
        )
        data = (
            values_of(empty, raw[i], len(schema.columns))
            if raw
            else _typed(empty, tensor.get("contents", {}))
        )
        tensors.append(InputTensor(empty.name, empty.shape, empty.datatype, data, empty.parameters))
    outputs = [
        RequestedOutput(output.get("name", ""), _plain(output.get("parameters", {})) or None)
        for output in request.get("outputs", [])
    ]
    read = inference_of(
        tensors, request.get("id"), _plain(request.get("parameters", {})), outputs, schema, private
    )
    return Inference(
        read.id, read.columns, read.event_times, read.outputs, read.report, media=_RAW if raw else ""
    )


def _plain(parameters: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {name: next(iter(choice.values()), None) for name, choice in parameters.items()}


def _typed(tensor: InputTensor, contents: Mapping[str, Any]) -> list[Any]:
    field = _CONTENTS.get(tensor.datatype)
    name = shown(tensor.name)
    if field is None:
        expected = ", ".join(_CONTENTS)
        raise InvalidInputError(
            f"input {name}: found datatype {shown(tensor.datatype)}; expected one of {expected}, or raw contents"
        )
    others = sorted(contents.keys() - {field})
    if others:
        raise InvalidInputError(f"input {name}: found {others[0]}; expected {field} for {tensor.datatype}")
    values: list[Any] = contents.get(field, [])
    if tensor.datatype == "BYTES":
        try:
            return [str(value, "utf-8") for value in values]
        except UnicodeDecodeError:
            raise InvalidInputError(f"input {name}: found bytes; expected UTF-8 text") from None
    return finite_or_none(tensor, np.array(values)) if tensor.datatype[:2] == "FP" else values


def _write(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: Report,
) -> Written:
    document = answer_document(schema, version, request, prediction, first, report)
    raw: list[bytes] = []
    for output in document["outputs"]:
        data, datatype = output.pop("data"), output["datatype"]
        if request.media == _RAW:
            raw.append(raw_of(datatype, data))
        else:
            output["contents"] = {_CONTENTS[datatype]: data}
        output["parameters"] = _parameters(output.get("parameters", {}))
    document["parameters"] = _parameters(document.get("parameters", {}))
    return encode("ModelInferResponse", {**document, "raw_output_contents": raw}), {}


def _parameters(plain: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    return {
        name: {"string_param": value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}
        for name, value in plain.items()
    }


MODEL_INFER = Form(_read, _write, LARGE_BYTES)
