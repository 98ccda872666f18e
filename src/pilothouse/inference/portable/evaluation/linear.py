"""Linear models: a product with the coefficients, and what makes values or probabilities of it.

The sums are BLAS's, or those of ``scipy.sparse``, called with the operands and the memory order that scikit-learn calls them
with. ``expit`` is scipy's, which scikit-learn calls too.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from pilothouse.inference.portable.evaluation.operation import Frame, Operation, product_input
from pilothouse.inference.portable.program import Array, Node


class LinearRegressor(Operation):
    """``linear-regressor``: X·coef + intercept, with ``link`` log its exponential. ``coef`` f8[columns]; ``intercept`` f8 or
    f8[1]. Without ``checks_sparse`` a sparse matrix may hold missing and infinite values."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._coef = node.array("coef", "f8", (None,))
        self._intercept = _intercept(node, 1)
        self._exponential = node.text("link", ("identity", "log")) == "log"
        self._checks_sparse = node.flag("checks_sparse")
        self.inputs = len(self._coef)

    def predict(self, X: Any) -> Array:
        if self._checks_sparse or isinstance(X, np.ndarray | Frame):
            X = product_input(X)
        scores: Array = X @ self._coef + self._intercept
        return np.exp(scores) if self._exponential else scores


class LinearClassifier(Operation):
    """``linear-classifier``: scores are X·coefᵀ + intercept, one for two classes, else one a class. ``coef`` f8[scores,
    columns], or f8[columns] for a product with a vector; ``intercept`` f8 or f8[scores].

    ``probabilities``: ``logistic`` is the logistic function of each score, divided by their sum where there are several;
    ``softmax``; ``modified-huber`` is (score cut to −1 … 1, + 1) / 2, divided likewise; ``none``.
    """

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        alone = "coef" in node.arrays and node.arrays["coef"].ndim == 1
        coef = node.array("coef", "f8", (None,) if alone else (None, None))
        count = 1 if alone else coef.shape[0]
        if count in (0, 2):
            node.fault(f"it has {count} scores; expected one, or one a class")
        self._coef_t = coef if alone else coef.T
        self._intercept = _intercept(node, count)
        self._kind = node.text("probabilities", ("logistic", "softmax", "modified-huber", "none"))
        if self._kind == "softmax" and count == 1:
            node.fault("softmax needs a score for each class")
        self.inputs = coef.shape[-1]
        self.outputs = max(count, 2)

    def decision_function(self, X: Any) -> Array:
        scores: Array = product_input(X) @ self._coef_t + self._intercept
        return scores.reshape(-1) if scores.ndim > 1 and scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> Array:
        scores = self.decision_function(X)
        return (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)

    def does(self, method: str) -> bool:
        return super().does(method) and not (method == "predict_proba" and self._kind == "none")

    def predict_proba(self, X: Any) -> Array:
        scores = self.decision_function(X)
        if self._kind == "softmax":
            scores -= scores.max(axis=1).reshape(-1, 1)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=1).reshape(-1, 1)
            return scores
        if self._kind == "logistic":
            expit(scores, out=scores)
            return np.stack([1 - scores, scores], axis=1) if scores.ndim == 1 else _shares(scores)
        if self._kind == "modified-huber":
            np.clip(scores, -1, 1, out=scores)
            scores += 1.0
            scores /= 2.0
            return np.stack([1.0 - scores, scores], axis=1) if scores.ndim == 1 else _shares(scores)
        raise NotImplementedError


def _shares(values: Array) -> Array:
    """Values divided by their sum in each row; equal shares where all are zero."""
    sums = values.sum(axis=1)
    zero = sums == 0
    if zero.any():
        values[zero, :] = 1
        sums[zero] = values.shape[1]
    values /= sums.reshape(-1, 1)
    return values


def _intercept(node: Node, scores: int) -> Any:
    alone = node.arrays.get("intercept")
    if alone is not None and alone.ndim == 0:
        return np.float64(node.array("intercept", "f8", ()))
    return node.array("intercept", "f8", (scores,))


OPERATIONS: dict[str, type[Operation]] = {
    "linear-regressor": LinearRegressor,
    "linear-classifier": LinearClassifier,
}
