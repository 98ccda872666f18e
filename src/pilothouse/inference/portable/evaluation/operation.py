"""Operation: an op made ready to be evaluated, and the values that go in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.inference.portable.program import Array, Node

MOST_COLUMNS, MOST_SPARSE_COLUMNS = 2**16, 2**20
"""Columns that results have side by side at most, in a dense matrix and in a sparse one."""
Column = Array | list[str | None]
"""Numbers as float64 with NaN where missing, or a list of texts with None where missing."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Input by named columns, in the order of the features."""

    rows: int
    columns: dict[str, Column]

    def chosen(self, names: Iterable[str]) -> "Frame":
        return Frame(self.rows, {name: self.columns[name] for name in names})


class Operation:
    """Op with its settings and arrays read and checked, made once and then called from several threads.

    ``X`` is a Frame at the top of a program; below it a matrix (rows × columns) with the dtype and the memory order that
    scikit-learn has at that place, or a ``scipy.sparse`` matrix where scikit-learn makes one. An operation has the methods
    that its estimator has, and never changes ``X``. It raises ValueError where scikit-learn does: for missing or infinite
    values that the estimator does not take, and for categories that it refuses.
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


def check_width(widths: Iterable[int], sparse: bool = False) -> None:
    """Raise ValueError where results side by side are too many columns, which steps that double them soon are."""
    width, most = sum(widths), MOST_SPARSE_COLUMNS if sparse else MOST_COLUMNS
    if width > most:
        raise ValueError(f"{width} columns stand side by side; expected {most} at most")


def matrix(X: Any, dtype: Any = np.float64) -> Array:
    """``X`` as scikit-learn's ``check_array`` gives it to an estimator that takes dense numbers: a frame becomes a matrix
    whose columns lie one after another in memory, as pandas' does. A sparse matrix is made dense.

    Raises ValueError for a frame with a column of texts.
    """
    if isinstance(X, np.ndarray):
        return X if X.dtype == dtype else X.astype(dtype)
    if not isinstance(X, Frame):
        dense: Array = X.toarray().astype(dtype, copy=False)
        return dense
    found = np.empty((X.rows, len(X.columns)), dtype=dtype, order="F")
    for i, column in enumerate(X.columns.values()):
        if isinstance(column, list):
            raise ValueError("a column of texts came where numbers are expected")
        found[:, i] = column
    return found


def product_input(X: Any) -> Any:
    """``X`` for a product with coefficients: as ``matrix``, but a sparse matrix stays sparse, as in scikit-learn. Raises
    ValueError for missing and infinite values."""
    if isinstance(X, np.ndarray | Frame):
        X = matrix(X)
        check_finite(X)
    else:
        check_finite(X.data)
    return X


def check_finite(values: Array, missing: bool = False) -> None:
    """Raise ValueError for infinite values, and for missing ones unless ``missing`` is true."""
    unfit = np.isinf(values) if missing else ~np.isfinite(values)
    if unfit.any():
        what = "infinite values" if missing else "missing or infinite values"
        raise ValueError(f"the input has {what}, which this model does not take")
