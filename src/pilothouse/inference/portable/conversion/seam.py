"""What the functions that convert an estimator share."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np

from pilothouse.inference.portable.program import Array, Node

Convert = Callable[[Any], Node]
"""Function that makes a node of a fitted estimator, or raises NotPortable."""
Conversion = Callable[[Any, Convert], Node]
"""Function of one class: the fitted estimator, and the function that converts the estimators within it."""


class NotPortable(Exception):  # noqa: N818 - an answer and not a fault
    """The estimator has no portable form; the message says why, in a few words."""


def check_parameters(
    estimator: Any, *, ignored: Collection[str] = (), allowed: dict[str, Collection[Any]] | None = None
) -> None:
    """Raise NotPortable where the estimator has a parameter that is named in neither, or whose value is not allowed.

    ``ignored``: parameters that change nothing after the fit. ``allowed``: values by name. A parameter that a later release
    of scikit-learn adds is in neither, so that nothing is converted without being known.
    """
    name = type(estimator).__name__
    known = allowed or {}
    for parameter, value in estimator.get_params(deep=False).items():
        if parameter in ignored:
            continue
        if parameter not in known:
            raise NotPortable(f"{name} has a parameter that is not known: {parameter}")
        if not any(
            value is wanted or (type(value) is type(wanted) and value == wanted)
            for wanted in known[parameter]
        ):
            raise NotPortable(f"{name} with {parameter}={value!r}")


def floats(values: Any, name: str) -> Array:
    """Array of float64 in the memory order that it has. Raises NotPortable for another type."""
    array = np.asarray(values)
    if array.dtype != np.float64:
        raise NotPortable(f"{name} holds {array.dtype} where float64 is expected")
    return array


def is_nan(value: Any) -> bool:
    return isinstance(value, float) and value != value
