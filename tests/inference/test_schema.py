"""The schema of a model's input."""

import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.schema import InputColumn, InputSchema


def test_a_schema_survives_its_bytes() -> None:
    schema = InputSchema("m", "binary", ("0", "1"), "at", (InputColumn("né", "number"),), ("email",))
    assert InputSchema.from_bytes(schema.to_bytes()) == schema


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"columns": 3}'])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="input schema of a model cannot be read"):
        InputSchema.from_bytes(data)
