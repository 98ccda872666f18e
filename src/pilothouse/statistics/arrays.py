"""Names of the array types of this package."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
AnyArray = NDArray[Any]
Array = TypeVar("Array", bound=AnyArray)


def ratio(above: AnyArray, below: AnyArray) -> Floats:
    """Quotient, float64[...]; NaN where the divisor is not above 0."""
    above = np.asarray(above, np.float64)
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below > 0)


def frozen(array: Array) -> Array:
    """Same array with its write flag cleared, any shape and dtype; not a copy. Profiles are shared between threads and
    caches, so nobody may change one in place."""
    array.setflags(write=False)
    return array
