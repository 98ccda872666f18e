"""Confusion of answered labels with true classes, and the figures of each class (precision, recall, F1)."""

from collections.abc import Sequence

import numpy as np

from pilothouse.domain.models.model_pictures import ClassFigures
from pilothouse.statistics.arrays import Ints


def confusion(true: Ints, answered: Ints, classes: int) -> Ints:
    """Rows by true class (rows) and answered class (columns), int64[classes, classes], of codes int64[n]."""
    return np.bincount(true * classes + answered, minlength=classes * classes).reshape(classes, classes)


def class_figures(names: Sequence[str], counts: Ints) -> tuple[ClassFigures, ...]:
    """Figures of each class from a confusion. Precision is None where no row was answered so, recall where there is no
    row of the class, F1 where there is neither."""
    right, rows, answered = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return tuple(
        ClassFigures(
            name,
            int(rows[i]),
            float(right[i] / answered[i]) if answered[i] else None,
            float(right[i] / rows[i]) if rows[i] else None,
            float(2 * right[i] / (rows[i] + answered[i])) if rows[i] + answered[i] else None,
        )
        for i, name in enumerate(names)
    )
