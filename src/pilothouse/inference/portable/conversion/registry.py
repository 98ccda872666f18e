"""Conversions by exact class: a subclass is another class, and has none."""

from typing import Any

from pilothouse.inference.portable.conversion import (
    composition,
    ensembles,
    histogram_boosting,
    linear,
    naive_bayes,
    preprocessing,
    trees,
)
from pilothouse.inference.portable.conversion.seam import Conversion, NotPortable
from pilothouse.inference.portable.program import Node

CONVERSIONS: dict[type, Conversion] = {
    **linear.CONVERSIONS,
    **preprocessing.CONVERSIONS,
    **composition.CONVERSIONS,
    **trees.CONVERSIONS,
    **histogram_boosting.CONVERSIONS,
    **ensembles.CONVERSIONS,
    **naive_bayes.CONVERSIONS,
}
"""Conversion of each class. A module of a family gives its own."""


def convert(estimator: Any) -> Node:
    """Node of a fitted estimator. Raises NotPortable."""
    name = type(estimator).__name__
    conversion = CONVERSIONS.get(type(estimator))
    if conversion is None:
        raise NotPortable(f"{name} has no portable form")
    if getattr(estimator, "_sklearn_output_config", {}).get("transform", "default") not in (None, "default"):
        raise NotPortable(f"{name} with set_output")
    try:
        return conversion(estimator, convert)
    except (AttributeError, KeyError) as error:  # what this release of scikit-learn keeps under another name
        raise NotPortable(f"{name} lacks what is read from it: {error}") from None
