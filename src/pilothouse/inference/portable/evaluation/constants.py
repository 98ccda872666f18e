"""Models whose answer does not depend on the input."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.operation import Frame, Operation
from pilothouse.inference.portable.program import Array, Node


def row_count(X: Any) -> int:
    return X.rows if isinstance(X, Frame) else int(X.shape[0])


class ConstantRegressor(Operation):
    """``constant-regressor``: ``value`` f8 for every row."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._value = node.array("value", "f8", ())

    def predict(self, X: Any) -> Array:
        return np.full(row_count(X), self._value)


class ConstantClassifier(Operation):
    """``constant-classifier``: the row ``probabilities`` f8[classes] for every row; ``answer`` is the index of the class."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._probabilities = node.array("probabilities", "f8", (None,))
        self.outputs = len(self._probabilities)
        self._answer = node.integer("answer", most=self.outputs - 1)

    def predict(self, X: Any) -> Array:
        return np.full(row_count(X), self._answer, dtype=np.intp)

    def predict_proba(self, X: Any) -> Array:
        return np.tile(self._probabilities, (row_count(X), 1))


OPERATIONS: dict[str, type[Operation]] = {
    "constant-regressor": ConstantRegressor,
    "constant-classifier": ConstantClassifier,
}
