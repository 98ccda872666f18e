"""Conversions by exact class: a subclass is another class, and has none."""

from typing import Any

from pilothouse.inference.portable.conversion import linear
from pilothouse.inference.portable.conversion.seam import Conversion, NotPortable
from pilothouse.inference.portable.program import Node

CONVERSIONS: dict[type, Conversion] = {
    **linear.CONVERSIONS,
}
"""Conversion of each class. A module of a family gives its own."""


def convert(estimator: Any) -> Node:
    """Node of a fitted estimator. Raises NotPortable."""
    conversion = CONVERSIONS.get(type(estimator))
    if conversion is None:
        raise NotPortable(f"{type(estimator).__name__} has no portable form")
    return conversion(estimator, convert)
