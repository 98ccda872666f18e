"""Several classes by classifiers of two: one against the rest, one against one."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.operation import Frame, Operation, matrix
from pilothouse.inference.portable.program import Array, Node


def _scores(child: Operation, X: Any) -> Array:
    """Scores of a classifier of two classes: those of its decision, else the probability of the second."""
    if child.does("decision_function"):
        return child.decision_function(X).reshape(-1)
    second: Array = child.predict_proba(X)[:, 1]
    return second


class OneVsRest(Operation):
    """``one-vs-rest``: each child's probability of its class against the rest, divided by their sum where it is not zero. A
    single child stands for two classes."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        if not children or not all(
            child.does("predict_proba") or child.does("decision_function") for child in children
        ):
            node.fault("expected children that give scores")
        self._children = children
        self._threshold = 0.0 if children[0].does("decision_function") else 0.5
        self.inputs, self.outputs = children[0].inputs, max(2, len(children))

    def does(self, method: str) -> bool:
        if method == "predict":
            return True
        return method in ("predict_proba", "decision_function") and all(
            c.does(method) for c in self._children
        )

    def predict(self, X: Any) -> Array:
        scores = [_scores(child, X) for child in self._children]
        if len(scores) == 1:
            return (scores[0] > self._threshold).astype(np.intp)
        winners: Array = np.array(scores).argmax(axis=0)
        return winners

    def predict_proba(self, X: Any) -> Array:
        found = np.array([child.predict_proba(X)[:, 1] for child in self._children]).T
        if len(self._children) == 1:
            found = np.concatenate(((1 - found), found), axis=1)
        sums = np.sum(found, axis=1)[:, np.newaxis]
        np.divide(found, sums, out=found, where=sums != 0)
        return found

    def decision_function(self, X: Any) -> Array:
        if len(self._children) == 1:
            return self._children[0].decision_function(X)
        return np.array([child.decision_function(X).ravel() for child in self._children]).T


class OneVsOne(Operation):
    """``one-vs-one``: votes of a child for each pair of ``outputs`` classes, and their scores between votes that are equal."""

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self.outputs = node.integer("outputs", 2)
        pairs = self.outputs * (self.outputs - 1) // 2
        if len(children) != pairs:
            node.fault(f"it has {len(children)} children; expected {pairs}")
        self._pairs = list(itertools.combinations(range(self.outputs), 2))
        if not all(child.does("predict_proba") or child.does("decision_function") for child in children):
            node.fault("expected children that give scores")
        self._children = children
        self._threshold = 0.0 if children[0].does("decision_function") else 0.5
        self.inputs = children[0].inputs

    def predict(self, X: Any) -> Array:
        found = self.decision_function(X)
        return (found > self._threshold).astype(np.intp) if found.ndim == 1 else found.argmax(axis=1)

    def decision_function(self, X: Any) -> Array:
        X = matrix(X) if isinstance(X, Frame) else X
        votes = np.zeros((X.shape[0], self.outputs or 0))
        sums = np.zeros_like(votes)
        for (one, other), child in zip(self._pairs, self._children, strict=True):
            winner, score = child.predict(X), _scores(child, X)
            sums[:, one] -= score
            sums[:, other] += score
            votes[winner == 0, one] += 1
            votes[winner == 1, other] += 1
        found: Array = votes + sums / (3 * (np.abs(sums) + 1))
        return found[:, 1] if self.outputs == 2 else found


OPERATIONS: dict[str, type[Operation]] = {"one-vs-rest": OneVsRest, "one-vs-one": OneVsOne}
