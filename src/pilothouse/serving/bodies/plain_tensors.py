"""The usual request read at once: one flat tensor for each feature, FP64 or BYTES, and nothing that needs a closer look.

What is not of this form, or has a fault, is left to ``protocol``, which reads tensor by tensor and names the fault.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.columns import InputColumns
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.tensors import MAXIMUM_TEXT, InputTensor

_NUMBERS = {int, float, type(None)}
_TEXTS = {str, type(None)}


def read_plain(
    inputs: Sequence[InputTensor], schema: InputSchema, maximum_rows: int
) -> tuple[InputColumns, InputTensor | None] | None:
    """Columns of a request, and the tensor of its times if it has one; None for a request that is not of this form."""
    columns = schema.columns
    tensors = {tensor.name: tensor for tensor in inputs}
    if not inputs or len(tensors) != len(inputs) or not 0 <= len(inputs) - len(columns) <= 1:
        return None
    rows = len(inputs[0].data)
    if not 1 <= rows <= maximum_rows:
        return None
    shape = [rows]
    numeric: list[str] = []
    numbers: list[Any] = []
    categorical: dict[str, list[str | None]] = {}
    for column in columns:
        tensor = tensors.get(column.name)
        if tensor is None or tensor.parameters or tensor.shape != shape or len(tensor.data) != rows:
            return None
        if column.kind == "number":
            if tensor.datatype != "FP64":
                return None
            numeric.append(column.name)
            numbers += tensor.data
            continue
        texts = tensor.data
        if tensor.datatype != "BYTES" or not _TEXTS.issuperset(map(type, texts)):
            return None
        if max(len(text) if text else 0 for text in texts) > MAXIMUM_TEXT:
            return None
        categorical[column.name] = [text or None for text in texts] if "" in texts else texts
    stamp = None
    if len(inputs) > len(columns):  # the one that is no feature, if it has that name
        stamp = tensors.get(schema.timestamp)
        if stamp is None or stamp.shape != shape or stamp.name in categorical or stamp.name in numeric:
            return None
    if not _NUMBERS.issuperset(map(type, numbers)):
        return None
    try:
        matrix = np.array(numbers, dtype=np.float64).reshape(len(numeric), rows)  # None becomes NaN
    except OverflowError:
        return None
    if np.isinf(matrix).any():
        return None
    return InputColumns(rows, dict(zip(numeric, matrix, strict=True)), categorical), stamp
