"""Calibrated probabilities: a classifier's scores put through a function that was fitted to outcomes.

A sum along a row depends on the memory order of the matrix, so that every step keeps the one that scikit-learn has there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit

from pilothouse.inference.portable.evaluation.boosting import softmax
from pilothouse.inference.portable.evaluation.constants import row_count
from pilothouse.inference.portable.evaluation.operation import Operation, check_finite
from pilothouse.inference.portable.program import Array, Node

_ALMOST_ONE = 1.0 + 1e-5
_TINY = 1e-12
_MOST_CLASSES = 2**16


class Sigmoid(Operation):
    """``sigmoid``: the logistic function of −(``slope`` · score + ``intercept``), both f8."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._slope = np.float64(node.array("slope", "f8", ()))
        self._intercept = np.float64(node.array("intercept", "f8", ()))

    def predict(self, X: Any) -> Array:
        found: Array = expit(-(self._slope * X + self._intercept))
        return found


class Isotonic(Operation):
    """``isotonic``: straight lines between the points ``x`` f8[n] and ``y`` f8[n]; a score outside is moved to the end."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._x = node.array("x", "f8", (None,))
        self._y = node.array("y", "f8", (len(self._x),))
        if not len(self._x) or not (np.diff(self._x) > 0).all():
            node.fault("its points are not in order")

    def predict(self, X: Any) -> Array:
        check_finite(X)
        if len(self._y) == 1:
            only: Array = self._y.repeat(len(X))
            return only
        found: Array = np.interp(np.clip(X, self._x[0], self._x[-1]), self._x, self._y)
        return found


class Temperature(Operation):
    """``temperature``: the softmax of ``beta`` f8 times the scores, of which a single one stands for its negative and itself;
    rows that are all probabilities become their logarithms before."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._beta = np.float64(node.array("beta", "f8", ()))

    def predict(self, X: Any) -> Array:
        check_finite(X)
        if X.shape[1] == 1:
            X = np.concatenate([-X, X], axis=1)
        elif ((X >= 0) & (X <= 1)).all() and np.isclose(X.sum(axis=1), 1.0).all():
            X = np.log(X + _TINY)
        return softmax(self._beta * X)


class Calibrated(Operation):
    """``calibrated``: the first child's scores (its probabilities, where it has none), calibrated by the others: one for all
    where ``together``, else one a score, for the class of its number in ``classes``. ``outputs``: classes of the answer, by
    whose sum the probabilities are divided."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._child, self._calibrators = children[0], [child.predict for child in children[1:]]
        self._scores = self._child.does("decision_function")
        if not self._scores and not self._child.does("predict_proba"):
            node.fault("its classifier gives no scores")
        self.outputs = node.integer("outputs", 2, _MOST_CLASSES)
        self.inputs = self._child.inputs
        self._together = node.flag("together")
        self._classes = node.integers("classes", most=self.outputs - 1)
        if any(
            not isinstance(child, Temperature if self._together else Sigmoid | Isotonic)
            for child in children[1:]
        ):
            node.fault("a calibration of another kind is expected")
        expected = 1 if self._together or self.outputs == 2 else len(self._classes)
        if len(self._calibrators) != expected or (self.outputs == 2 and self._classes != [0, 1]):
            node.fault(f"it has {len(self._calibrators)} calibrations; expected {expected}")

    def predict(self, X: Any) -> Array:
        winners: Array = self.predict_proba(X).argmax(axis=1)
        return winners

    def predict_proba(self, X: Any) -> Array:
        scores = self._child.decision_function(X) if self._scores else self._child.predict_proba(X)
        if self.outputs == 2 and scores.ndim == 2:
            scores = scores[:, 1]
        if scores.ndim == 1:
            scores = scores.reshape(-1, 1)
        found = self._by_all(scores) if self._together else self._by_each(scores)
        found[(found > 1.0) & (found <= _ALMOST_ONE)] = 1.0
        return found

    def _by_all(self, scores: Array) -> Array:
        if self.outputs == 2 and not self._scores:
            scores = np.concatenate([1 - scores, scores], axis=1)
        return self._calibrators[0](scores)

    def _by_each(self, scores: Array) -> Array:
        found = np.zeros((len(scores), self.outputs or 0))
        if self.outputs == 2:
            found[:, 1] = self._calibrators[0](np.ascontiguousarray(scores[:, 0]))
            found[:, 0] = 1.0 - found[:, 1]
            return found
        for column, own, calibrate in zip(self._classes, scores.T, self._calibrators, strict=True):
            found[:, column] = calibrate(np.ascontiguousarray(own))
        sums = np.sum(found, axis=1)[:, np.newaxis]
        shares = np.full_like(found, 1 / found.shape[1])
        np.divide(found, sums, out=shares, where=sums != 0)
        return shares


class MeanOfProbabilities(Operation):
    """``mean-of-probabilities``: the children's probabilities added one after another to zero and divided by their number."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        if not children or not all(child.does("predict_proba") for child in children):
            node.fault("expected children that give probabilities")
        self._children = [child.predict_proba for child in children]
        self.inputs, self.outputs = children[0].inputs, children[0].outputs
        if self.outputs is None or any(child.outputs != self.outputs for child in children):
            node.fault("its children differ in their classes")

    def predict(self, X: Any) -> Array:
        winners: Array = self.predict_proba(X).argmax(axis=1)
        return winners

    def predict_proba(self, X: Any) -> Array:
        total = np.zeros((row_count(X), self.outputs or 0))
        for probabilities in self._children:
            total += probabilities(X)
        total /= len(self._children)
        return total


OPERATIONS: dict[str, type[Operation]] = {
    "sigmoid": Sigmoid,
    "isotonic": Isotonic,
    "temperature": Temperature,
    "calibrated": Calibrated,
    "mean-of-probabilities": MeanOfProbabilities,
}
