"""The schema of a model's input, and how categories are written."""

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.schema import InputColumn, InputSchema, category_text


def test_a_schema_survives_its_bytes() -> None:
    schema = InputSchema("m", "binary", ("0", "1"), "at", (InputColumn("né", "number"),), ("email",))
    assert InputSchema.from_bytes(schema.to_bytes()) == schema


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"columns": 3}'])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="input schema of a model cannot be read"):
        InputSchema.from_bytes(data)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1", "1"),
        (1, "1"),
        (1.0, "1"),
        (np.int8(1), "1"),
        (np.float64(2.5), "2.5"),
        (True, "1"),
        (np.bool_(False), "0"),
        (None, None),
        (float("nan"), None),
        ("", ""),
    ],
)
def test_one_category_is_written_one_way(value: object, text: str | None) -> None:
    assert category_text(value) == text
