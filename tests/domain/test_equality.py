"""Values that say the same are the same on every Python, figures that are not numbers among them."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from pilothouse.domain.equality import same
from pilothouse.domain.models.evaluation import MetricValue

UNKNOWN = MetricValue("auc", math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class Watched:
    figure: float
    remembered: int = field(default=0, compare=False)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 1.0),
        (math.nan, float("nan")),
        (UNKNOWN, replace(UNKNOWN)),
        ({"jfk": (UNKNOWN, 1)}, {"jfk": (replace(UNKNOWN, low=float("nan")), 1)}),
        (Watched(math.nan, 1), Watched(math.nan, 2)),
    ],
)
def test_these_say_the_same(a: object, b: object) -> None:
    assert same(a, b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (1, 2),
        (math.nan, 1.0),
        (math.nan, None),
        (UNKNOWN, replace(UNKNOWN, rows=1)),
        (UNKNOWN, replace(UNKNOWN, low=0.1)),
        ((math.nan,), (math.nan, math.nan)),
        ({"jfk": math.nan}, {"ewr": math.nan}),
        ([math.nan], (math.nan,)),
        (np.zeros(2), np.zeros(2)),
    ],
)
def test_these_do_not(a: object, b: object) -> None:
    assert not same(a, b)
