"""Binary tensor data, an extension of the Open Inference Protocol and the default of ``tritonclient``.

The body is JSON, whose length the header ``inference-header-content-length`` says, and after it the bytes of each tensor whose
parameters hold ``binary_data_size``, in the order of the tensors: little-endian and row-major; BYTES as texts, each behind its
length in four bytes. NaN in a float is a missing value. An answer has the same form where it is asked for.
"""

import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.predictor import Prediction
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.protocol import (
    MAXIMUM_ROWS,
    Inference,
    RequestedOutput,
    answer_document,
    decoded,
    encode,
    inference_of,
)
from pilothouse.serving.bodies.tensors import NO_SHARED_MEMORY, InputTensor, shown

HEADER = "inference-header-content-length"
_SIZE = "binary_data_size"
_DATATYPES = {
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"<f{bits // 8}" for bits in (16, 32, 64)},
    "BF16": "<u2",
    "BOOL": "<u1",
}
_LENGTH = struct.Struct("<I")


class _AnyTensor(msgspec.Struct, frozen=True):
    """Tensor whose data is in the JSON or behind it."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


Tensor = _AnyTensor | InputTensor


class _AnyRequest(msgspec.Struct, frozen=True):
    inputs: list[_AnyTensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


_DECODER = msgspec.json.Decoder(_AnyRequest)


def read_binary(body: bytes, length: str, schema: InputSchema, private: Sequence[str]) -> Inference:
    """Request whose JSON is ``length`` bytes long. Raises InvalidInputError. What is made follows the bytes that came, whatever
    sizes and shapes they claim."""
    if not (length.isascii() and length.isdecimal()) or len(length) > 15 or int(length) > len(body):
        raise InvalidInputError(
            f"{HEADER}: found {shown(length)}; expected the length of the JSON, at most the body's "
            f"{len(body):,} bytes"
        )
    end = int(length)
    request = decoded(_DECODER, body[:end])
    rest = memoryview(body)[end:]
    needed = {column.name for column in schema.columns} | {schema.timestamp}
    dropped = {*private, *schema.dropped} - needed
    tensors = []
    for tensor in request.inputs:
        size = _size(tensor, len(rest))
        raw, rest = rest[:size], rest[size:]
        if tensor.name in dropped:
            continue
        if size is None:
            if tensor.data is None and "shared_memory_region" in (tensor.parameters or {}):
                raise _invalid(tensor, NO_SHARED_MEMORY)
            if tensor.data is None:
                raise _invalid(tensor, f"has no data; expected data, or {_SIZE} in its parameters")
            data = tensor.data
        else:
            if tensor.data is not None:
                raise _invalid(tensor, f"has data and {_SIZE}; expected one of them")
            data = values_of(tensor, raw, len(schema.columns))
        tensors.append(InputTensor(tensor.name, tensor.shape, tensor.datatype, data, _others(tensor)))
    if len(rest):
        raise InvalidInputError(f"{len(rest):,} bytes of binary data belong to no tensor")
    return inference_of(tensors, request.id, request.parameters, request.outputs, schema, private)


def write_binary(
    schema: InputSchema,
    version: int,
    request: Inference,
    prediction: Prediction,
    first: PredictionId,
    report: list[dict[str, Any]] | None,
) -> tuple[bytes, dict[str, str]]:
    """Body of an answer whose outputs are binary as far as the request asks for it, and its headers."""
    document = answer_document(schema, version, request, prediction, first, report)
    pieces: list[bytes] = []
    for output in document["outputs"]:
        if output["name"] in request.binary:
            pieces.append(raw_of(output["datatype"], output.pop("data")))
            output["parameters"] = {**output.get("parameters", {}), _SIZE: len(pieces[-1])}
    head = encode(document)
    return b"".join((head, *pieces)), {
        "content-type": "application/octet-stream",
        HEADER: str(len(head)),
    }


def _size(tensor: Tensor, left: int) -> int | None:
    """Bytes of a tensor behind the JSON; None where its data is in the JSON."""
    size = (tensor.parameters or {}).get(_SIZE)
    if size is None:
        return None
    if type(size) is not int or not 0 <= size <= left:
        raise _invalid(tensor, f"{_SIZE} is {shown(size)}; {left:,} bytes are left of the body")
    return size


def _others(tensor: _AnyTensor) -> dict[str, Any] | None:
    parameters = {key: value for key, value in (tensor.parameters or {}).items() if key != _SIZE}
    return parameters or None


def values_of(tensor: Tensor, raw: memoryview, features: int) -> list[Any]:
    """Values of a tensor from its bytes, None where missing; ``features``: of the model. Raises InvalidInputError."""
    shape = tensor.shape
    if len(shape) not in (1, 2) or not 0 <= shape[0] <= MAXIMUM_ROWS or any(n < 0 for n in shape):
        raise _invalid(
            tensor, f"found shape {shown(shape)}; expected [n], [n, 1] or, of numbers, [n, features]"
        )
    if len(shape) == 2 and shape[1] > max(features, 1):
        raise _invalid(tensor, f"found {shown(shape[1])} columns; the model has {features} features")
    count = shape[0] * (shape[1] if len(shape) == 2 else 1)
    if tensor.datatype == "BYTES":
        return _texts(tensor, raw, count)
    code = _DATATYPES.get(tensor.datatype)
    if code is None:
        expected = ", ".join([*_DATATYPES, "BYTES"])
        raise _invalid(tensor, f"found datatype {shown(tensor.datatype)}; expected one of {expected}")
    width = np.dtype(code).itemsize
    if len(raw) != count * width:
        raise _invalid(
            tensor,
            f"{_SIZE} is {len(raw):,}; expected {count * width:,} for shape {shown(shape)} of {tensor.datatype}",
        )
    numbers = np.frombuffer(raw, dtype=code)
    if tensor.datatype == "BOOL":
        return _booleans(tensor, numbers)
    if tensor.datatype == "BF16":
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    return finite_or_none(tensor, numbers) if numbers.dtype.kind == "f" else numbers.tolist()


def finite_or_none(tensor: Tensor, numbers: npt.NDArray[Any]) -> list[Any]:
    """Values of floats, None for NaN. Raises InvalidInputError for what is infinite."""
    finite = np.isfinite(numbers)
    values: list[Any] = numbers.tolist()
    if finite.all():
        return values
    infinite = np.flatnonzero(np.isinf(numbers))
    if len(infinite):
        _refuse(tensor, int(infinite[0]), values[infinite[0]], "a finite number, or NaN where missing")
    return [value if known else None for value, known in zip(values, finite.tolist(), strict=True)]


def _booleans(tensor: Tensor, numbers: npt.NDArray[Any]) -> list[Any]:
    other = np.flatnonzero(numbers > 1)
    if len(other):
        _refuse(tensor, int(other[0]), int(numbers[other[0]]), "the byte 0 or 1")
    return [bool(value) for value in numbers.tolist()]


def _texts(tensor: Tensor, raw: memoryview, count: int) -> list[Any]:
    texts: list[Any] = []
    at = 0
    while at < len(raw) and len(texts) < count:
        if at + _LENGTH.size > len(raw):
            break
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        if length > len(raw) - at:
            _refuse(tensor, len(texts), length, f"a length of at most the {len(raw) - at:,} bytes left")
        try:
            texts.append(str(raw[at : at + length], "utf-8"))
        except UnicodeDecodeError:
            _refuse(tensor, len(texts), bytes(raw[at : at + min(length, 30)]), "UTF-8 text")
        at += length
    if len(texts) != count or at != len(raw):
        raise _invalid(
            tensor,
            f"found {len(texts)} texts in {len(raw):,} bytes; expected {count}, each behind its length in four bytes",
        )
    return texts


def _refuse(tensor: Tensor, position: int, value: Any, expected: str) -> None:
    row = position // max(tensor.shape[1], 1) if len(tensor.shape) == 2 else position
    raise InvalidInputError(
        f"input {shown(tensor.name)}, row {row}: found {shown(value)}; expected {expected}"
    )


def _invalid(tensor: Tensor, message: str) -> InvalidInputError:
    return InvalidInputError(f"input {shown(tensor.name)}: {message}")


def raw_of(datatype: str, data: Sequence[Any]) -> bytes:
    """Bytes of an output's values."""
    if datatype == "BYTES":
        texts = [text.encode() for text in data]
        return b"".join(piece for text in texts for piece in (_LENGTH.pack(len(text)), text))
    return np.asarray(data, dtype="<f8").tobytes()
