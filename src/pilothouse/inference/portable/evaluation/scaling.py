"""Numbers to numbers, column by column: imputation, scaling, functions of each value, bins."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.operation import Frame, Operation, check_finite, matrix
from pilothouse.inference.portable.program import Array, Node

FUNCTIONS: dict[str, Any] = {
    "absolute": np.absolute,
    "arcsinh": np.arcsinh,
    "cbrt": np.cbrt,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log10": np.log10,
    "log1p": np.log1p,
    "log2": np.log2,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
}
"""Functions of one value, numpy's under their own names."""
_STEPS = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}


class Scale(Operation):
    """``scale``: the arithmetic ``steps`` in their order, each with the f8[columns] array of its name; with ``clip`` [low,
    high] the result is cut to these bounds. A sparse matrix is divided by multiplying with 1 / ``divide``, and takes no
    other step."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        names = node.texts("steps")
        if not set(names) <= set(_STEPS) or len(set(names)) != len(names):
            node.fault(f"the steps are {names!r}; expected {', '.join(_STEPS)} once each")
        self._steps = [(_STEPS[name], node.array(name, "f8", (None,))) for name in names]
        widths = {len(values) for _, values in self._steps}
        if len(widths) > 1:
            node.fault("the arrays of its steps differ in length")
        self.inputs = self.outputs = min(widths, default=None)
        self._clip = node.items("clip", 2) if node.optional("clip") else None
        if self._clip is not None and not all(isinstance(bound, int | float) for bound in self._clip):
            node.fault("clip is no pair of numbers")
        divisor = self._steps[0][1] if names == ["divide"] else None
        self._factor = None if divisor is None else 1 / divisor
        self._nothing = not names

    def transform(self, X: Any) -> Any:
        if not isinstance(X, np.ndarray | Frame):
            return self._sparse(X)
        values = np.array(matrix(X))  # in the same memory order
        check_finite(values, missing=True)
        for step, operand in self._steps:
            step(values, operand, out=values)
        if self._clip is not None:
            np.clip(values, self._clip[0], self._clip[1], out=values)
        return values

    def _sparse(self, X: Any) -> Any:
        check_finite(X.data, missing=True)
        if self._nothing:
            return X.copy()
        if self._factor is None:
            raise ValueError("a sparse matrix came where a dense one is expected")
        scaled = X.copy()
        scaled.data *= self._factor.take(scaled.indices, mode="clip")
        if self._clip is not None:
            np.clip(scaled.data, self._clip[0], self._clip[1], out=scaled.data)
        return scaled


class ImputeNumbers(Operation):
    """``impute-numbers``: NaN becomes the column's ``fill`` f8[columns]. Only the columns ``kept`` i8[k] come out; behind them
    come those of ``flagged`` i8[j], 1 where the value was missing."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._fill = node.array("fill", "f8", (None,))
        self.inputs = len(self._fill)
        self._kept = column_numbers(node, "kept", self.inputs) if "kept" in node.arrays else None
        self._flagged = column_numbers(node, "flagged", self.inputs) if "flagged" in node.arrays else None
        self._every_flag = self._flagged is not None and len(self._flagged) == self.inputs
        if self._kept is not None:
            self._fill = self._fill[self._kept]
        if np.isnan(self._fill).any():
            node.fault("a value to fill in is missing")
        self.outputs = len(self._fill) + (0 if self._flagged is None else len(self._flagged))

    def transform(self, X: Any) -> Any:
        values = np.array(matrix(X))
        check_finite(values, missing=True)
        missing = np.isnan(values)
        flags = missing if self._every_flag else None
        if self._flagged is not None and flags is None:
            flags = missing[:, self._flagged]
        if self._kept is not None:
            values, missing = values[:, self._kept], missing[:, self._kept]
        if missing.any():
            np.copyto(values, self._fill, where=missing)
        return values if flags is None else np.hstack((values, flags))


class MissingFlags(Operation):
    """``missing-flags``: true where the value of a column of ``flagged`` i8[k] is missing, of ``width`` columns. ``strict``: a
    missing value elsewhere is refused."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self.inputs = node.integer("width")
        self._flagged = column_numbers(node, "flagged", self.inputs)
        self._strict = node.flag("strict")
        self.outputs = len(self._flagged)

    def transform(self, X: Any) -> Any:
        values = matrix(X)
        check_finite(values, missing=True)
        missing = np.isnan(values)
        if self._strict and missing.any(axis=0).sum() > missing[:, self._flagged].any(axis=0).sum():
            raise ValueError("values are missing where none were in training")
        return missing[:, self._flagged] if self.outputs < missing.shape[1] else missing


class Function(Operation):
    """``function``: numpy's function of this ``name`` on each value. ``strict``: missing and infinite values are refused."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._function = FUNCTIONS[node.text("name", tuple(FUNCTIONS))]
        self._strict = node.flag("strict")

    def transform(self, X: Any) -> Any:
        with np.errstate(all="ignore"):
            if isinstance(X, Frame) and not self._strict:
                columns = {name: self._function(np.asarray(values)) for name, values in X.columns.items()}
                return Frame(X.rows, columns)
            values = matrix(X)
            if self._strict:
                check_finite(values)
            return self._function(values)


class Bins(Operation):
    """``bins``: number of the bin of each value, as f8. ``edges`` f8[n] holds the inner edges of all columns one after
    another, ``counts`` how many each column has; a value that equals an edge lies above it."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        edges, counts = node.array("edges", "f8", (None,)), node.integers("counts", most=2**24)
        if sum(counts) != len(edges):
            node.fault("counts do not add up to the edges")
        ends = np.cumsum(counts, dtype=np.int64)
        self._edges = [edges[end - count : end] for end, count in zip(ends, counts, strict=True)]
        self.inputs = self.outputs = len(counts)

    def transform(self, X: Any) -> Any:
        values = np.array(matrix(X))
        check_finite(values)
        for i, edges in enumerate(self._edges):
            values[:, i] = edges.searchsorted(values[:, i], side="right")
        return values


class PassThrough(Operation):
    """``pass-through``: values as they are."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        pass

    def transform(self, X: Any) -> Any:
        return X


def column_numbers(node: Node, role: str, width: int) -> Array:
    """Numbers of columns of a matrix of ``width`` columns."""
    numbers = node.array(role, "i8", (None,))
    if len(numbers) and not 0 <= numbers.min() <= numbers.max() < width:
        node.fault(f"{role} names a column beyond {width}")
    return numbers


OPERATIONS: dict[str, type[Operation]] = {
    "scale": Scale,
    "impute-numbers": ImputeNumbers,
    "missing-flags": MissingFlags,
    "function": Function,
    "bins": Bins,
    "pass-through": PassThrough,
}
