"""Linear models: a product with the coefficients, and what makes probabilities or values of it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.operation import Operation, matrix
from pilothouse.inference.portable.program import Array, Node


class LinearRegressor(Operation):
    """``linear-regressor``: X·coef + intercept. ``coef`` f8[columns], ``intercept`` f8."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._coef = node.array("coef", "f8", (None,))
        self._intercept = node.array("intercept", "f8", ())
        self.inputs = len(self._coef)

    def predict(self, X: Any) -> Array:
        scores: Array = matrix(X) @ self._coef + np.float64(self._intercept)
        return scores


OPERATIONS: dict[str, type[Operation]] = {"linear-regressor": LinearRegressor}
