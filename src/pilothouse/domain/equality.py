"""Equality of values in which NaN equals NaN.

From Python 3.13 on a dataclass compares its fields one by one, and not a number is unequal even to itself; before, it compared
tuples of them, which take one and the same object for equal.
"""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def same(a: Any, b: Any) -> bool:
    """``a == b``, where not a number equals not a number, also within dataclasses, sequences and mappings."""
    try:
        if a is b or bool(a == b):
            return True
    except (TypeError, ValueError, ArithmeticError):  # values without one answer, an array for one
        return False
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return math.isnan(a) and math.isnan(b)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if is_dataclass(a):
        compared = [field.name for field in fields(a) if field.compare]
        return bool(compared) and all(same(getattr(a, name), getattr(b, name)) for name in compared)
    return False
