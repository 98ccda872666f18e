"""Portable programs: bytes and back, and hostile bytes."""

import io

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.program import Program

RNG = np.random.default_rng(1)
X = RNG.normal(size=(200, 3))
MODEL = LinearRegression().fit(X, X @ [1.0, 2.0, -3.0] + RNG.normal(size=200))


def test_equal_programs_have_equal_bytes_and_come_back_as_they_were():
    program = Program(convert(MODEL), ("a", "b", "c"), known={"a": ("x",)}, made_with={"numpy": "2"})
    data = to_bytes(program)
    assert (
        to_bytes(Program(convert(MODEL), ("a", "b", "c"), known={"a": ("x",)}, made_with={"numpy": "2"}))
        == data
    )
    again = from_bytes(data)
    assert to_bytes(again) == data
    assert made(again.root).predict(X).tobytes() == MODEL.predict(X).tobytes()
    assert np.load(io.BytesIO(data))["a0"].tobytes() == MODEL.coef_.tobytes()


@pytest.mark.parametrize("length", [0, 10, 100, -1])
def test_a_truncated_file_is_refused_in_one_line(length):
    data = to_bytes(Program(convert(MODEL), ("a", "b", "c")))
    with pytest.raises(IntegrityError, match="portable model cannot be read") as caught:
        made(from_bytes(data[:length]).root)
    assert "\n" not in str(caught.value)
