"""Codes of classes and categories, for counting."""

from collections.abc import Sequence

import numpy as np

from pilothouse.domain.monitoring.categories import category_text
from pilothouse.statistics.arrays import AnyArray, Ints


def class_codes(classes: Sequence[str], values: Sequence[object] | AnyArray) -> Ints:
    """Position of each value among ``classes``, int64[n]; −1 where it is missing or none of them. Values are compared as
    text, so that 1, 1.0 and "1" are one class (``domain.categories.category_text``)."""
    codes: dict[str | None, int] = {name: i for i, name in enumerate(classes)}
    if isinstance(values, np.ndarray) and values.dtype.kind in "iufbU":
        distinct, inverse = np.unique(values, return_inverse=True)
        of_distinct = [codes.get(category_text(value), -1) for value in distinct.tolist()]
        return np.array(of_distinct, np.int64)[inverse] if len(values) else np.empty(0, np.int64)
    texts = (value if type(value) is str else category_text(value) for value in values)
    return np.fromiter((codes.get(text, -1) for text in texts), np.int64, len(values))
