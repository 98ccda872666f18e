"""One category is written one way, whatever type it comes in."""

import decimal

import numpy as np
import pandas as pd
import pytest

from pilothouse.domain.monitoring.categories import category_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            (value, "1")
            for value in ("1", 1, 1.0, True, np.int8(1), np.float32(1.0), np.bool_(True), np.str_("1"))
        ),
        *((value, "0") for value in (0, -0.0, False, np.bool_(False))),
        *((value, None) for value in (None, float("nan"), np.float32("nan"), pd.NA, pd.NaT)),
        (0.5, "0.5"),
        (np.float64(2.5), "2.5"),
        (np.float32(0.1), "0.10000000149011612"),
        (decimal.Decimal("2.50"), "2.5"),
        (decimal.Decimal("-0.00"), "0"),
        (decimal.Decimal(2) ** 70, "1180591620717411303424"),
        (float("inf"), "inf"),
        (1e20, "100000000000000000000"),
        ("", ""),
        (" 1", " 1"),
    ],
)
def test_one_category_is_written_one_way(value: object, text: str | None) -> None:
    found = category_text(value)
    assert found == text
    assert found is None or type(found) is str
