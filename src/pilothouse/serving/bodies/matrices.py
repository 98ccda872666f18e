"""Matrix ``[n, k]`` of a request: all features in one tensor, in the schema's order, where all of them are numbers."""

from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.bodies.tensors import InputTensor, shown


def columns_of_matrix(tensor: InputTensor, schema: InputSchema) -> list[InputTensor] | None:
    """Tensors of the features, cut out of a matrix; None where the tensor is none. Raises InvalidInputError for one that does
    not fit the schema."""
    names = [column.name for column in schema.columns]
    if len(tensor.shape) != 2 or (tensor.shape[1] == 1 and len(names) != 1):
        return None
    rows, wide = tensor.shape
    if schema.categorical:
        texts = ", ".join(schema.categorical)
        raise _invalid(
            tensor,
            f"a matrix holds numbers alone, and these are categories: {texts}; send a tensor a feature",
        )
    if wide != len(names):
        raise _invalid(
            tensor, f"found {shown(wide)} columns; expected {len(names)}, in this order: {', '.join(names)}"
        )
    flat = _flat(tensor, wide)
    if len(flat) != rows * wide:
        raise _invalid(
            tensor, f"found {len(flat)} values; expected {shown(rows)} rows of {wide}, as its shape says"
        )
    return [
        InputTensor(name, [rows], tensor.datatype, flat[i::wide], tensor.parameters)
        for i, name in enumerate(names)
    ]


def _flat(tensor: InputTensor, wide: int) -> list[Any]:
    values = tensor.data
    if not values or type(values[0]) is not list:
        return values
    for row, value in enumerate(values):
        if type(value) is not list or len(value) != wide:
            raise InvalidInputError(
                f"input {shown(tensor.name)}, row {row}: found {shown(value)}; expected {wide} values"
            )
    return [value for row in values for value in row]


def _invalid(tensor: InputTensor, message: str) -> InvalidInputError:
    return InvalidInputError(f"input {shown(tensor.name)}: {message}")
