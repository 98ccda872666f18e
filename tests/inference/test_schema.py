"""The schema of a model's input."""

from dataclasses import replace

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.columns import input_columns
from pilothouse.inference.schema import InputColumn, InputSchema


def test_a_schema_survives_its_bytes() -> None:
    schema = InputSchema("m", "binary", ("0", "1"), "at", (InputColumn("né", "number"),), ("email",))
    assert InputSchema.from_bytes(schema.to_bytes()) == schema


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"columns": 3}'])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="input schema of a model cannot be read"):
        InputSchema.from_bytes(data)


def test_words_for_missing_are_missing_in_a_request_and_absent_from_earlier_schemas() -> None:
    columns = (InputColumn("region", "category"),)
    schema = InputSchema("m", "binary", ("0", "1"), "at", columns, missing=("", "NA"))
    assert InputSchema.from_bytes(schema.to_bytes()) == schema
    found = input_columns(schema, {"region": ["NA", "", None, "EU"]}, 4)
    assert found.categorical["region"] == [None, None, None, "EU"]
    earlier = replace(schema, missing=())
    assert b"missing" not in earlier.to_bytes()
    assert input_columns(earlier, {"region": ["NA"]}, 1).categorical["region"] == ["NA"]


def test_a_number_that_means_missing_is_missing_in_a_request() -> None:
    schema = InputSchema(
        "m", "regression", (), "at", (InputColumn("x", "number"),), missing=("", "-999", "NA")
    )
    found = input_columns(schema, {"x": [1.0, -999, None]}, 3)
    assert np.isnan(found.numeric["x"]).tolist() == [False, True, True]
