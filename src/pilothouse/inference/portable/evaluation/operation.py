"""Operation: an op made ready to be evaluated, and the table of values that goes in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.inference.portable.program import Array, Node


@dataclass(frozen=True, slots=True)
class Frame:
    """Input by named columns, in the order of the features: float64 with NaN where missing, or object with text and NaN."""

    rows: int
    columns: dict[str, Array]


class Operation:
    """Op with its settings and arrays read and checked, made once and then called from several threads.

    ``X`` is a Frame at the top of a program; below it a matrix (rows × columns) with the dtype and the memory order that
    scikit-learn has at that place, or a ``scipy.sparse`` matrix where scikit-learn makes one. An operation has the methods
    that its estimator has, and never changes ``X``.
    """

    inputs: int | None = None
    """Columns that go in; None where the op does not say."""
    outputs: int | None = None
    """Columns of what ``transform`` gives, or classes of ``predict_proba``; None where it is one column or not known."""

    def __init__(self, node: Node, children: Sequence["Operation"]) -> None:
        """Read and check the node. Raises IntegrityError (``Node.fault``)."""
        raise NotImplementedError

    def transform(self, X: Any) -> Any:
        raise NotImplementedError

    def predict(self, X: Any) -> Array:
        """Values of a regression; of a classifier the index of the class (intp), never its text."""
        raise NotImplementedError

    def predict_proba(self, X: Any) -> Array:
        raise NotImplementedError

    def decision_function(self, X: Any) -> Array:
        raise NotImplementedError

    def does(self, method: str) -> bool:
        """True where the operation has this method."""
        return getattr(type(self), method) is not getattr(Operation, method)


def matrix(X: Any, dtype: Any = np.float64) -> Array:
    """``X`` as scikit-learn's ``check_array`` gives it to an estimator that takes dense numbers: a frame becomes a matrix in
    column order, as pandas' is."""
    if not isinstance(X, Frame):
        return np.asarray(X, dtype=dtype)
    found = np.empty((X.rows, len(X.columns)), dtype=dtype, order="F")
    for i, column in enumerate(X.columns.values()):
        found[:, i] = column
    return found
