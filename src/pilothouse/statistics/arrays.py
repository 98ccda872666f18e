"""The array types of this package, by name."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
AnyArray = NDArray[Any]
Array = TypeVar("Array", bound=AnyArray)


def frozen(array: Array) -> Array:
    """The same array, made read-only: a value that is shared must not change under anybody."""
    array.setflags(write=False)
    return array
