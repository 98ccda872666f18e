"""Documents of the Open Inference Protocol v2 (REST): requests read, answers and metadata written.

Inputs: one tensor for each feature of the model, named like its column; numbers as FP*, INT*, UINT* or BOOL, categories
as BYTES. A tensor named like the model's timestamp column is optional and holds the time of each row: ISO 8601 with an
offset, or without one in the zone of the rows that the model learnt from (BYTES), or microseconds since 1970 (INT64); without
it, that is the time of arrival. Tensors of private and of excluded columns may be sent and are dropped; any other name is an
error.

Outputs, each of shape ``[n]`` unless said otherwise:

``predict``        the answer: the winning class (BYTES), or the predicted value (FP64) for a regression
``score``          FP64: the positive class's probability (binary; its parameters name the class), the winning class's
                   (multiclass), or the value
``label``          BYTES: the winning class; absent for a regression
``prediction_id``  BYTES: the id under which the outcome is handed in later
``predict_proba``  FP64 ``[n, k]``, classes in the order that its parameters give; only where a request asks for it

The request parameter ``report: true`` has the answer's parameters say which values were missing or unknown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from pilothouse import __version__
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.columns import InputColumns, with_missing
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.matrices import columns_of_matrix
from pilothouse.serving.bodies.non_finite import explain_non_finite
from pilothouse.serving.bodies.plain_tensors import read_plain
from pilothouse.serving.bodies.request_report import read_report_wish
from pilothouse.serving.bodies.tensors import (
    NO_SHARED_MEMORY,
    InputTensor,
    read_column,
    read_event_times,
    row_count,
    shown,
)

MAXIMUM_BODY_BYTES = 16 * 2**20
"""Bytes of a request's body at most."""
MAXIMUM_ROWS = 10_000
"""Rows of a request at most."""
EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "statistics")
MAXIMUM_ID = 256
"""Characters of a request's id."""


class RequestedOutput(msgspec.Struct, frozen=True):
    """``$request_output`` of the protocol."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct, frozen=True):
    """``$inference_request`` of the protocol."""

    inputs: list[InputTensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


@dataclass(frozen=True, slots=True)
class Inference:
    """Request that has been checked against a model's schema."""

    id: str | None
    columns: InputColumns
    event_times: npt.NDArray[np.int64] | None
    """Microseconds since 1970 by row, ``NO_TIME`` where a row has none; None where the request has no times."""
    outputs: tuple[str, ...]
    report: bool = False
    """True where the answer shall say what was missing or unknown."""
    binary: frozenset[str] = frozenset()
    """Outputs that are answered as binary data behind the JSON."""
    encoding: str = ""
    """Encoding in which the client takes the answer packed (``gzip``, ``deflate``); empty: as it is."""
    media: str = ""
    """Media type of the answer where its form has several; empty for JSON."""


_DECODER = msgspec.json.Decoder(InferRequest)
_ENCODER = msgspec.json.Encoder()


def read_inference(body: bytes, schema: InputSchema, private: Sequence[str]) -> Inference:
    """Request from the body of an ``infer`` call. Raises InvalidInputError with one line; nothing else."""
    request = decoded(_DECODER, body)
    return inference_of(request.inputs, request.id, request.parameters, request.outputs, schema, private)


def inference_of(
    inputs: Sequence[InputTensor],
    request_id: str | None,
    parameters: Mapping[str, Any] | None,
    requested: Sequence[RequestedOutput] | None,
    schema: InputSchema,
    private: Sequence[str],
) -> Inference:
    """Request from its tensors and the rest of its document. Raises InvalidInputError."""
    if request_id is not None and len(request_id) > MAXIMUM_ID:
        raise InvalidInputError(f"the id is longer than {MAXIMUM_ID} characters")
    parameters = parameters or {}
    if (content_type := parameters.get("content_type")) not in (None, "np", "pd"):
        raise InvalidInputError(f"content_type {shown(content_type)} of a request is not read here")
    columns, stamp = read_plain(inputs, schema, MAXIMUM_ROWS) or _columns(inputs, schema, private)
    times = None if stamp is None else read_event_times(stamp, schema.timezone)
    outputs = _requested(requested, schema)
    return Inference(
        request_id,
        with_missing(schema, columns),
        times,
        outputs,
        read_report_wish(parameters.get("report")),
        _binary(parameters, requested or (), outputs),
    )


def _columns(
    inputs: Sequence[InputTensor], schema: InputSchema, private: Sequence[str]
) -> tuple[InputColumns, InputTensor | None]:
    """Columns of a request, and the tensor of its times if it has one. Raises InvalidInputError."""
    tensors = _by_name(inputs, schema, private)
    rows = _rows(tensors, schema)
    numeric: dict[str, Any] = {}
    categorical: dict[str, Any] = {}
    for column in schema.columns:
        values = read_column(column.kind)(tensors[column.name])
        (numeric if column.kind == "number" else categorical)[column.name] = values
    stamp = tensors.get(schema.timestamp) if schema.timestamp not in (*numeric, *categorical) else None
    return InputColumns(rows, numeric, categorical), stamp


Request = TypeVar("Request")


def decoded(decoder: msgspec.json.Decoder[Request], body: bytes) -> Request:
    """Document of an inference request. Raises InvalidInputError."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        if b'"shared_memory_region"' in body:
            raise InvalidInputError(NO_SHARED_MEMORY) from None
        raise InvalidInputError(f"the request is not an inference request: {one_line(str(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            explain_non_finite(body) or f"the request is not JSON: {one_line(str(error))}"
        ) from None


def _by_name(
    inputs: Sequence[InputTensor], schema: InputSchema, private: Sequence[str]
) -> dict[str, InputTensor]:
    features = {column.name for column in schema.columns}
    dropped = {*private, *schema.dropped} - features
    tensors: dict[str, InputTensor] = {}
    for tensor in inputs:
        if tensor.name in dropped:
            continue
        found: Sequence[InputTensor] | None = (tensor,)
        if tensor.name not in features and tensor.name != schema.timestamp:
            found = columns_of_matrix(tensor, schema)
        if found is None:
            expected = ", ".join(column.name for column in schema.columns)
            raise InvalidInputError(f"unknown input {shown(tensor.name)}; expected {expected}")
        for column_tensor in found:
            if column_tensor.name in tensors:
                raise InvalidInputError(f"input {shown(column_tensor.name)} is there twice")
            tensors[column_tensor.name] = column_tensor
    missing = [column.name for column in schema.columns if column.name not in tensors]
    if missing:
        raise InvalidInputError(f"missing input {', '.join(missing)}; expected a tensor for each feature")
    return tensors


def _rows(tensors: dict[str, InputTensor], schema: InputSchema) -> int:
    first = tensors[schema.columns[0].name]
    rows = row_count(first)
    if not 1 <= rows <= MAXIMUM_ROWS:
        raise InvalidInputError(f"the request has {shown(rows)} rows; expected 1 to {MAXIMUM_ROWS}")
    for tensor in tensors.values():
        if row_count(tensor) != rows:
            raise InvalidInputError(
                f"input {shown(tensor.name)} has {shown(row_count(tensor))} rows; expected {rows} "
                f"as in {shown(first.name)}"
            )
    return rows


def _requested(outputs: Sequence[RequestedOutput] | None, schema: InputSchema) -> tuple[str, ...]:
    if not outputs:
        return tuple(name for name in output_names(schema) if name != "predict_proba")
    names = tuple(dict.fromkeys(output.name for output in outputs))
    known = output_names(schema)
    for name in names:
        if name not in known:
            raise InvalidInputError(f"unknown output {shown(name)}; expected one of {', '.join(known)}")
    return names


def _binary(
    parameters: Mapping[str, Any], requested: Sequence[RequestedOutput], outputs: Sequence[str]
) -> frozenset[str]:
    """Outputs that are wanted as binary data: each as it says itself, else as the request says of all."""
    usual = _flag("binary_data_output", parameters.get("binary_data_output"))
    if not requested:
        return frozenset(outputs) if usual else frozenset()
    names = set()
    for output in requested:
        wishes = output.parameters or {}
        if wishes.get("classification"):
            raise InvalidInputError(
                f"output {shown(output.name)}: classification is not given here; ask for predict_proba"
            )
        if "shared_memory_region" in wishes:
            raise InvalidInputError(f"output {shown(output.name)}: shared memory is not written to here")
        if _flag("binary_data", wishes.get("binary_data"), usual):
            names.add(output.name)
    return frozenset(names)


def _flag(name: str, value: Any, usual: bool = False) -> bool:
    if value is None or type(value) is bool:
        return usual if value is None else value
    raise InvalidInputError(f"{name}: found {shown(value)}; expected true or false")


def output_names(schema: InputSchema) -> tuple[str, ...]:
    """Names of the outputs that a model can give, in order."""
    if schema.task == "regression":
        return ("predict", "score", "prediction_id")
    return ("predict", "score", "label", "prediction_id", "predict_proba")


def infer_answer(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: list[dict[str, Any]] | None = None,
) -> bytes:
    """Body of the answer in JSON. ``first`` is the id of the first row; the others count on from it."""
    return _ENCODER.encode(answer_document(schema, version, request, prediction, first, report))


def answer_document(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: list[dict[str, Any]] | None,
) -> dict[str, Any]:
    """Document of the answer, with the data of every output."""
    rows = request.columns.rows
    answer: dict[str, Any] = {"model_name": schema.model, "model_version": str(version)}
    if request.id is not None:
        answer["id"] = request.id
    if report is not None:
        answer["parameters"] = {"report": report}
    answer["outputs"] = [
        _output(name, rows, prediction, first) | _class_parameters(name, schema) for name in request.outputs
    ]
    return answer


def _output(name: str, rows: int, prediction: Prediction, first: PredictionId) -> dict[str, Any]:
    if name == "prediction_id":
        stem = f"{first.producer}.{first.sequence}."
        return _tensor(name, "BYTES", [rows], [stem + str(first.offset + row) for row in range(rows)])
    if name == "predict_proba" and prediction.probabilities is not None:
        k = prediction.probabilities.shape[1]
        return _tensor(name, "FP64", [rows, k], prediction.probabilities.ravel().tolist())
    if name == "score" or not prediction.labels:
        return _tensor(name, "FP64", [rows], prediction.scores.tolist())
    return _tensor(name, "BYTES", [rows], prediction.labels)


def _tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _class_parameters(name: str, schema: InputSchema) -> dict[str, Any]:
    """Parameters of an output that holds probabilities: of which class, or classes."""
    if name == "predict_proba":
        return {"parameters": {"classes": list(schema.classes)}}
    if name == "score" and schema.task == "binary":
        return {"parameters": {"positive_class": schema.classes[1]}}
    return {}


def server_metadata() -> dict[str, Any]:
    """Document of ``GET /v2``."""
    return {"name": "pilothouse", "version": __version__, "extensions": list(EXTENSIONS)}


def model_metadata(schema: InputSchema, versions: Sequence[int], *, portable: bool) -> dict[str, Any]:
    """Document of ``GET /v2/models/NAME``, with the versions that answer.

    A −1 in a shape is the number of rows; the platform is the form that answers.
    """
    inputs: list[dict[str, Any]] = [
        {"name": column.name, "datatype": "FP64" if column.kind == "number" else "BYTES", "shape": [-1]}
        for column in schema.columns
    ]
    if schema.timestamp and all(column.name != schema.timestamp for column in schema.columns):
        optional = {"optional": True, "content_type": "datetime"}
        inputs.append({"name": schema.timestamp, "datatype": "BYTES", "shape": [-1], "parameters": optional})
    outputs: list[dict[str, Any]] = []
    for name in output_names(schema):
        text = name in ("label", "prediction_id") or (name == "predict" and schema.task != "regression")
        shape = [-1, len(schema.classes)] if name == "predict_proba" else [-1]
        output = {"name": name, "datatype": "BYTES" if text else "FP64", "shape": shape}
        outputs.append(output | _class_parameters(name, schema))
    return {
        "name": schema.model,
        "versions": [str(version) for version in versions],
        "platform": "pilothouse_portable" if portable else "sklearn_skops",
        "inputs": inputs,
        "outputs": outputs,
    }


def encode(document: Any) -> bytes:
    return _ENCODER.encode(document)
