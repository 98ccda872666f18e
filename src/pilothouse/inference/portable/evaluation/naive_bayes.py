"""Naive Bayes by normal distributions: numpy's sums, in the order and the memory order in which scikit-learn makes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.operation import Frame, Operation, check_finite, matrix
from pilothouse.inference.portable.program import Array, Node


class GaussianClassifier(Operation):
    """``gaussian-classifier``: the score of a class is log ``prior`` f8[classes] − ½ Σ log (2π · variance) − ½ Σ ((x − mean)² /
    variance), over the columns of its row of ``mean`` and ``variance`` f8[classes, columns]. The probabilities are the
    exponential of the scores less the logarithm of the sum of their exponentials, which is log (1 + s/m) + log m + the largest
    score, where m is how many scores are the largest and s sums the exponentials of the others less it."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._prior = node.array("prior", "f8", (None,))
        self.outputs = len(self._prior)
        self._mean = node.array("mean", "f8", (self.outputs, None))
        self.inputs = self._mean.shape[1]
        self._variance = node.array("variance", "f8", (self.outputs, self.inputs))
        if not self.outputs:
            node.fault("it has no class")

    def predict(self, X: Any) -> Array:
        best: Array = np.argmax(self._scores(X), axis=1)
        return best

    def predict_proba(self, X: Any) -> Array:
        scores = self._scores(X)
        probabilities: Array = np.exp(scores - np.atleast_2d(_log_of_sum(scores)).T)
        return probabilities

    def _scores(self, X: Any) -> Array:
        if not isinstance(X, np.ndarray | Frame):
            raise ValueError("a sparse matrix is not taken")
        X = matrix(X)
        check_finite(X)
        scores = []
        for prior, mean, variance in zip(self._prior, self._mean, self._variance, strict=True):
            score = -0.5 * np.sum(np.log(2.0 * np.pi * variance))
            score = score - 0.5 * np.sum(((X - mean) ** 2) / variance, axis=1)
            scores.append(np.log(prior) + score)
        return np.stack(scores).T


def _log_of_sum(scores: Array) -> Array:
    """Logarithm of the sum of the exponentials of each row, as scikit-learn computes it."""
    largest = np.max(scores, axis=1, keepdims=True)
    is_largest = scores == largest
    others = scores.copy(order="K")
    others[is_largest] = -np.inf
    count = np.sum(is_largest.astype(scores.dtype), axis=1, keepdims=True, dtype=scores.dtype)
    shift = np.where(np.isfinite(largest), largest, 0)
    exponentials = np.exp(others - shift)
    total = np.sum(exponentials, axis=1, keepdims=True, dtype=exponentials.dtype)
    total = np.where(total == 0, total, total / count)
    found: Array = np.squeeze(np.log1p(total) + np.log(count) + largest, axis=1)
    return found


OPERATIONS: dict[str, type[Operation]] = {"gaussian-classifier": GaussianClassifier}
