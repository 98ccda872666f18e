"""Models made of several whose answers are averaged, or are the input of another: voting, stacking, bagging, AdaBoost."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.boosting import softmax
from pilothouse.inference.portable.evaluation.constants import row_count
from pilothouse.inference.portable.evaluation.operation import (
    Frame,
    Operation,
    check_finite,
    check_width,
    matrix,
)
from pilothouse.inference.portable.program import Array, Node

MOST_CLASSES = 2**16
METHODS = ("predict_proba", "decision_function", "predict")


class Voting(Operation):
    """``voting``: the average of the children's probabilities, or of their values where ``classifier`` is false; weighted by
    ``weights`` f8[children] where they are there."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._classifies = node.flag("classifier")
        method = "predict_proba" if self._classifies else "predict"
        if not children or not all(child.does(method) for child in children):
            node.fault("expected children that vote")
        self._children = [getattr(child, method) for child in children]
        self._weights = node.array("weights", "f8", (len(children),)) if "weights" in node.arrays else None
        self.inputs, self.outputs = children[0].inputs, children[0].outputs

    def does(self, method: str) -> bool:
        return method == "predict" or (method == "predict_proba" and self._classifies)

    def predict(self, X: Any) -> Array:
        if self._classifies:
            winners: Array = self.predict_proba(X).argmax(axis=1)
            return winners
        return np.average(self._votes(X).T, axis=1, weights=self._weights)

    def predict_proba(self, X: Any) -> Array:
        return np.average(self._votes(X), axis=0, weights=self._weights)

    def _votes(self, X: Any) -> Array:
        return np.asarray([vote(X) for vote in self._children])


class Stacking(Operation):
    """``stacking``: the last child answers to what the others gave, side by side: each one's method of ``methods``, of whose
    probabilities of two classes the second is taken. ``passthrough``: the input stands behind them."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._last, first = children[-1], children[:-1]
        methods = node.texts("methods", len(first))
        if not first or not all(method in METHODS for method in methods):
            node.fault(f"methods are {methods!r}; expected {', '.join(METHODS)} for each child")
        if not all(child.does(method) for child, method in zip(first, methods, strict=True)):
            node.fault("a child lacks its method")
        self._second = node.flag("second")
        self._parts = [
            (getattr(child, method), method == "predict_proba")
            for child, method in zip(first, methods, strict=True)
        ]
        self._passthrough = node.flag("passthrough")
        self.inputs, self.outputs = first[0].inputs, self._last.outputs

    def does(self, method: str) -> bool:
        return method in METHODS and self._last.does(method)

    def predict(self, X: Any) -> Array:
        return self._last.predict(self._stacked(X))

    def predict_proba(self, X: Any) -> Array:
        return self._last.predict_proba(self._stacked(X))

    def decision_function(self, X: Any) -> Array:
        return self._last.decision_function(self._stacked(X))

    def _stacked(self, X: Any) -> Any:
        parts: list[Any] = []
        for answer, probabilities in self._parts:
            part = answer(X)
            if part.ndim == 1:
                part = part.reshape(-1, 1)
            elif probabilities and self._second:
                part = part[:, 1:]
            parts.append(part)
        own = 0 if not self._passthrough else len(X.columns) if isinstance(X, Frame) else X.shape[1]
        sparse = not isinstance(X, np.ndarray | Frame)
        check_width([own, *(part.shape[1] for part in parts)], sparse)
        if self._passthrough:
            if sparse:
                from scipy.sparse import hstack

                return hstack([*parts, X], format=X.format)
            parts.append(matrix(X))
        return np.hstack(parts)


class Bagging(Operation):
    """``bagging``: the children's answers, each to its own columns (``columns-I`` i8[n]), added to zero and divided by their
    number. ``classes``: of a classifier, for each child the classes that it knows; null for all of them."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._classifies = node.flag("classifier")
        method = "predict_proba" if self._classifies else "predict"
        if not children or not all(child.does(method) for child in children):
            node.fault("expected children that answer")
        self.inputs = node.integer("columns", 1)
        self.outputs = node.integer("outputs", 2, MOST_CLASSES) if self._classifies else None
        known = node.items("classes", len(children)) if self._classifies else [None] * len(children)
        self._parts = []
        for i, (child, own) in enumerate(zip(children, known, strict=True)):
            columns = node.array(f"columns-{i}", "i8", (None,))
            if len(columns) and not 0 <= columns.min() <= columns.max() < self.inputs:
                node.fault(f"a child asks for a column beyond {self.inputs}")
            classes = None if own is None else np.array(own, dtype=np.int64)
            if classes is not None and not ((classes >= 0) & (classes < (self.outputs or 0))).all():
                node.fault("a child knows a class that is none")
            if child.outputs not in (None, self.outputs if classes is None else len(classes)):
                node.fault("a child knows other classes")
            self._parts.append((getattr(child, method), columns, classes))

    def does(self, method: str) -> bool:
        return method == "predict" or (method == "predict_proba" and self._classifies)

    def predict(self, X: Any) -> Array:
        if self._classifies:
            winners: Array = self.predict_proba(X).argmax(axis=1)
            return winners
        X = matrix(X) if isinstance(X, Frame) else X
        total = sum(answer(X[:, columns]) for answer, columns, _ in self._parts)
        found: Array = total / len(self._parts)
        return found

    def predict_proba(self, X: Any) -> Array:
        X = matrix(X) if isinstance(X, Frame) else X
        total = np.zeros((row_count(X), self.outputs or 0))
        for answer, columns, classes in self._parts:
            if classes is None:
                total += answer(X[:, columns])
            else:
                total[:, classes] += answer(X[:, columns])
        return total / len(self._parts)


class AdaBoostClassifier(Operation):
    """``ada-boost-classifier``: each child adds its weight of ``weights`` f8[n] to the class that it predicts, and the weight
    times −1 / (``outputs`` − 1) to every other; the sums are divided by that of all weights, also those beyond the children.
    The probabilities are the softmax of the sums over ``outputs`` − 1, of two classes that of ∓ the half of their difference.
    ``classes``: for each child the class of each of its own."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        if not children or not all(child.does("predict") for child in children):
            node.fault("expected children that predict")
        self.outputs = node.integer("outputs", 2, MOST_CLASSES)
        self.inputs = children[0].inputs
        weights = node.array("weights", "f8", (None,))
        self._sum = weights.sum()
        classes = [np.array(own, dtype=np.int64) for own in node.items("classes", len(children))]
        if len(weights) < len(children):
            node.fault("a child has no weight")
        if any(child.outputs not in (None, len(own)) for child, own in zip(children, classes, strict=True)):
            node.fault("a child knows other classes")
        self._parts = [
            (child.predict, own, weight, -1 / (self.outputs - 1) * weight)
            for child, own, weight in zip(children, classes, weights, strict=False)
        ]

    def decision_function(self, X: Any) -> Array:
        X = _finite(X)
        classes = np.arange(self.outputs or 0)[:, np.newaxis]
        found: Any = sum(
            np.where((own[predict(X)] == classes).T, weight, share)
            for predict, own, weight, share in self._parts
        )
        found /= self._sum
        if self.outputs == 2:
            found[:, 0] *= -1
            return np.asarray(found.sum(axis=1))
        return np.asarray(found)

    def predict(self, X: Any) -> Array:
        found = self.decision_function(X)
        return (found > 0).astype(np.intp) if found.ndim == 1 else found.argmax(axis=1)

    def predict_proba(self, X: Any) -> Array:
        found = self.decision_function(X)
        if found.ndim == 1:
            found = np.vstack([-found, found]).T / 2
        else:
            found /= (self.outputs or 0) - 1
        return softmax(found)


class AdaBoostRegressor(Operation):
    """``ada-boost-regressor``: the weighted median of the children's values, by ``weights`` f8[children]."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        if not children or not all(child.does("predict") for child in children):
            node.fault("expected children that predict")
        self._children = [child.predict for child in children]
        self._weights = node.array("weights", "f8", (len(children),))
        self.inputs = children[0].inputs

    def predict(self, X: Any) -> Array:
        X = _finite(X)
        values = np.array([predict(X) for predict in self._children]).T
        order = np.argsort(values, axis=1)
        shares = np.cumsum(self._weights[order], axis=1)
        middle = (shares >= 0.5 * shares[:, -1][:, np.newaxis]).argmax(axis=1)
        rows = np.arange(len(values))
        found: Array = values[rows, order[rows, middle]]
        return found


def _finite(X: Any) -> Any:
    X = matrix(X) if isinstance(X, Frame) else X
    check_finite(X if isinstance(X, np.ndarray) else X.data)
    return X


OPERATIONS: dict[str, type[Operation]] = {
    "voting": Voting,
    "stacking": Stacking,
    "bagging": Bagging,
    "ada-boost-classifier": AdaBoostClassifier,
    "ada-boost-regressor": AdaBoostRegressor,
}
