"""Operations made of others: steps one after another, parts side by side."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.operation import Frame, Operation, check_width, matrix
from pilothouse.inference.portable.evaluation.scaling import FUNCTIONS
from pilothouse.inference.portable.program import Array, Node


class Pipeline(Operation):
    """``pipeline``: each child transforms what the one before gave; the last one answers."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        if not children:
            node.fault("it has no steps")
        for before, after in itertools.pairwise(children):
            if not before.does("transform"):
                node.fault("a step before the last one does not transform")
            if None not in (before.outputs, after.inputs) and before.outputs != after.inputs:
                node.fault(f"a step takes {after.inputs} columns and gets {before.outputs}")
        self._steps = [child.transform for child in children[:-1]]
        self._last = children[-1]
        self.inputs, self.outputs = children[0].inputs, children[-1].outputs

    def does(self, method: str) -> bool:
        return self._last.does(method)

    def transform(self, X: Any) -> Any:
        return self._last.transform(self._before(X))

    def predict(self, X: Any) -> Array:
        return self._last.predict(self._before(X))

    def predict_proba(self, X: Any) -> Array:
        return self._last.predict_proba(self._before(X))

    def decision_function(self, X: Any) -> Array:
        return self._last.decision_function(self._before(X))

    def _before(self, X: Any) -> Any:
        for step in self._steps:
            X = step(X)
        return X


class Columns(Operation):
    """``columns``: each child transforms its own columns; the results stand side by side. ``names`` has the names of each
    child's columns, for a frame; ``picks`` their numbers, for a matrix, where null stands for all. ``sparse``: the result is a
    CSR matrix."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._sparse = node.flag("sparse")
        self._by_name = node.optional("names")
        picks = node.items("names" if self._by_name else "picks", len(children))
        wanted = str if self._by_name else int
        for pick in picks:
            if pick is None and not self._by_name:
                continue
            if not isinstance(pick, list) or not all(type(item) is wanted for item in pick):
                node.fault("the columns of a part are no list of names or numbers")
            if not self._by_name and any(number < 0 for number in pick):
                node.fault("the number of a column is below zero")
        for child, pick in zip(children, picks, strict=True):
            if not child.does("transform"):
                node.fault("a part does not transform")
            if pick is not None and child.inputs not in (None, len(pick)):
                node.fault(f"a part takes {child.inputs} columns and gets {len(pick)}")
        self._parts = list(zip(picks, [child.transform for child in children], strict=True))
        widths = [child.outputs for child in children]
        self.outputs = None if None in widths else sum(width or 0 for width in widths)

    def transform(self, X: Any) -> Any:
        if self._by_name:
            parts = [transform(X.chosen(pick)) for pick, transform in self._parts]
        else:
            parts = [transform(X if pick is None else X[:, pick]) for pick, transform in self._parts]
        if not parts:
            return np.zeros((X.rows if isinstance(X, Frame) else X.shape[0], 0))
        widths = [len(part.columns) if isinstance(part, Frame) else part.shape[1] for part in parts]
        check_width(widths, self._sparse)
        if self._sparse:
            from scipy.sparse import hstack

            return hstack([_plain(part) for part in parts]).tocsr()
        return np.hstack([_plain(part, dense=True) for part in parts])


def _plain(part: Any, dense: bool = False) -> Any:
    """Matrix of a part, which may be a frame of columns that pass through."""
    if isinstance(part, np.ndarray):
        return part
    if not isinstance(part, Frame):
        return part.toarray() if dense else part
    if not any(isinstance(column, list) for column in part.columns.values()):
        return matrix(part)
    mixed = np.empty((part.rows, len(part.columns)), dtype=object, order="F")
    for i, column in enumerate(part.columns.values()):
        mixed[:, i] = [np.nan if v is None else v for v in column] if isinstance(column, list) else column
    return mixed


class Target(Operation):
    """``target``: the child's prediction, put back by numpy's function ``name``, or multiplied by ``multiply`` f8[1] and with
    ``add`` f8[1] added."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        if len(children) != 1 or not children[0].does("predict"):
            node.fault("expected one child that predicts")
        self._child = children[0]
        self.inputs = self._child.inputs
        self._function = FUNCTIONS[node.text("name", tuple(FUNCTIONS))] if node.optional("name") else None
        self._factor = node.array("multiply", "f8", (1,)) if "multiply" in node.arrays else None
        self._offset = node.array("add", "f8", (1,)) if "add" in node.arrays else None

    def predict(self, X: Any) -> Array:
        values = self._child.predict(X).reshape(-1, 1)
        if not np.isfinite(values).all():
            raise ValueError("a prediction is infinite before it is put back")
        if self._function is not None:
            with np.errstate(all="ignore"):
                values = self._function(values)
        if self._factor is not None:
            values = values * self._factor
        if self._offset is not None:
            values = values + self._offset
        return values.reshape(-1)


OPERATIONS: dict[str, type[Operation]] = {"pipeline": Pipeline, "columns": Columns, "target": Target}
