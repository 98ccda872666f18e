"""Gradient boosting, by exact splits and by histograms: the trees' values are added in the order of the iterations."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logit

from pilothouse.inference.portable.evaluation.operation import Operation, matrix
from pilothouse.inference.portable.evaluation.tree_walk import Trees, added
from pilothouse.inference.portable.evaluation.trees import single_precision
from pilothouse.inference.portable.program import Array, Node

_LINKS = ("identity", "log", "logistic", "half-logistic", "softmax")
_CODES = 256
_MOST_CODES = 4096
"""Categories of a column up to which a single row finds its own in a dict, which takes ten times the memory of the numbers."""
_INFINITE = "a category is infinite, which this model does not take"
_BEYOND = f"the code of a category is {_CODES} or above, which this model does not take"
_INITIAL_LINKS = {
    "logistic": logit,
    "half-logistic": lambda values: 0.5 * logit(values),
}


class _Boosting(Operation):
    """What both kinds of boosting share: scores, and what the link makes of them."""

    _trees: Trees
    _column_major = False
    _zero_is_positive = False

    def _read(self, node: Node) -> None:
        self.inputs = node.integer("columns", 1)
        self._scores = node.integer("scores", 1)
        self._link = node.text("link", _LINKS)
        self._classifies = self._link not in ("identity", "log")
        if (self._link == "softmax") != (self._scores > 1):
            node.fault(f"{self._scores} scores do not go with {self._link}")
        self.outputs = max(2, self._scores) if self._classifies else None
        if len(node.array("roots", "i8", (None,))) % self._scores:
            node.fault("an iteration lacks a tree")

    def _read_values(self, node: Node) -> None:
        self._values = node.array("value", "f8", (len(node.arrays["threshold"]),))[self._trees.order]

    def does(self, method: str) -> bool:
        return method == "predict" or (self._classifies and method in ("predict_proba", "decision_function"))

    def _raw(self, X: Any) -> Array:
        """Scores [rows, scores]."""
        raise NotImplementedError

    def _looked_at(self, X: Array) -> Array:
        """Columns that the nodes look at."""
        return self._trees.expanded(X)

    def _summed(self, X: Array, first: Array) -> Array:
        """Scores [rows, scores]. ``first``: [scores, rows], or [scores, 1] where it is the same for all rows."""
        found = np.empty((self._scores, len(X)))
        for rows in self._trees.blocks(len(X)):
            parts = self._values.take(self._trees.leaves(self._looked_at(X[rows])))
            parts = parts.reshape(-1, self._scores, parts.shape[1])
            found[:, rows] = added(parts, first if first.shape[1] == 1 else first[:, rows])
        by_row: Array = found.T
        if not self._column_major:
            by_row = np.ascontiguousarray(by_row)
        return by_row

    def decision_function(self, X: Any) -> Array:
        raw = self._raw(X)
        return raw.reshape(-1) if self._scores == 1 else raw

    def predict(self, X: Any) -> Array:
        raw = self._raw(X)
        if self._scores > 1:
            winners: Array = raw.argmax(axis=1)
            return winners
        raw = raw.reshape(-1)
        if not self._classifies:
            return np.exp(raw) if self._link == "log" else raw
        return (raw >= 0 if self._zero_is_positive else raw > 0).astype(np.intp)

    def predict_proba(self, X: Any) -> Array:
        raw = self._raw(X)
        return softmax(raw) if self._scores > 1 else self._two_classes(raw.reshape(-1))

    def _two_classes(self, raw: Array) -> Array:
        found = np.empty((len(raw), 2))
        found[:, 1] = expit(2 * raw if self._link == "half-logistic" else raw)
        found[:, 0] = 1 - found[:, 1]
        return found


def softmax(scores: Array) -> Array:
    """Softmax of each row, written over ``scores``, whose memory order decides how the rows are added up."""
    scores -= scores.max(axis=1).reshape(-1, 1)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1).reshape(-1, 1)
    return scores


class GradientBoosting(_Boosting):
    """``gradient-boosting``: ``scores``, one or one a class: to the ``baseline`` f8[scores] come the values of one leaf of each
    tree, times ``rate``, in the order of the trees, the first of which is the first score's, the next the second's, and so
    round. Trees and input are as in ``forest``, with ``value`` f8[nodes]; missing values are refused. ``link``: the answer is
    the score (``identity``), its exponential (``log``), the logistic function of it (``logistic``) or of its double
    (``half-logistic``), or the softmax of the scores (``softmax``). A child stands for the baseline: its prediction, or the
    probability of its second class put through the inverse of the link.
    """

    _zero_is_positive = True

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._read(node)
        self._trees = Trees(node, self.inputs or 0, missing=False)
        self._read_values(node)
        self._values = node.number("rate") * self._values
        self._initial = children[0] if children else None
        if self._initial is None:
            self._baseline = node.array("baseline", "f8", (self._scores,)).reshape(-1, 1)
        elif self._scores > 1 or not self._initial.does("predict_proba" if self._classifies else "predict"):
            node.fault("the initial estimator does not give what is needed")

    def _raw(self, X: Any) -> Array:
        X = single_precision(X, missing=False)
        return self._summed(X, self._first(np.ascontiguousarray(X)))

    def _first(self, X: Array) -> Array:
        if self._initial is None:
            return self._baseline
        if not self._classifies:
            return self._initial.predict(X).reshape(1, -1)
        eps = np.finfo(np.float64).eps
        shares = np.clip(self._initial.predict_proba(X)[:, 1], eps, 1 - eps)
        first: Array = _INITIAL_LINKS[self._link](shares)
        return first.reshape(1, -1)


class HistogramBoosting(_Boosting):
    """``histogram-boosting``: as ``gradient-boosting``, with a ``rate`` of one, on f8 with missing values and without a child.

    ``categorical``: columns of categories; ``numbers-I`` f8[k] has those of the column I, ascending. A node that splits
    categories has in ``choice`` i4[nodes] its own row of ``left_categories`` b1[splits, k], which says which of them go to the
    left; any other node has −1. Any other number is a missing value; with ``truncated`` a number loses its fraction before, one
    below zero is a missing value, and one of 256 or above is refused.
    """

    _column_major = True

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._read(node)
        self._truncated = node.flag("truncated")
        columns = self.inputs or 0
        threshold, feature = node.array("threshold", "f8", (None,)), node.array("feature", "i4", (None,))
        choice = node.array("choice", "i4", (len(threshold),))
        left = node.array("left_categories", "b1", (None, None))
        missing_left = node.array("missing_left", "b1", (len(threshold),))
        categorical = node.integers("categorical", most=columns - 1)
        splits = np.flatnonzero(choice >= 0)
        rows = choice[splits]
        # a row for each node: the tables then have no more numbers than the file has truths
        if len(set(categorical)) < len(categorical) or len(np.unique(rows)) < len(rows):
            node.fault("a column of categories is there twice, or a row of their splits is used twice")
        if rows.max(initial=-1) >= len(left) or not np.isin(feature[splits], categorical).all():
            node.fault("a node splits categories of a column that has none, or has no row of its own")
        splits = splits[feature[splits].argsort(kind="stable")]
        own = np.full(len(threshold), -1)
        own[splits] = np.arange(len(splits))
        self._trees = Trees(node, columns, missing=True, choices=len(splits), choice_of=own)
        self._first_choice = self._trees.width - len(splits)
        self._choices = []
        for column in categorical:
            numbers = node.array(f"numbers-{column}", "f8", (None,))
            if len(numbers) > left.shape[1] or not (np.diff(numbers) > 0).all():
                node.fault("the categories of a column are not in order, or are too many")
            start, end = feature[splits].searchsorted([column, column + 1]).tolist()
            table = np.empty((len(numbers) + 1, end - start))
            table[:-1] = ~left[choice[splits[start:end]], : len(numbers)].T
            table[-1] = ~missing_left[splits[start:end]]
            self._choices.append((column, numbers, table, slice(start, end)))
        self._codes = [
            {
                number: code
                for code, number in enumerate(numbers.tolist() if len(numbers) <= _MOST_CODES else ())
            }
            for _, numbers, _, _ in self._choices
        ]
        self._read_values(node)
        self._baseline = node.array("baseline", "f8", (self._scores,)).reshape(-1, 1) + 0.0

    def _raw(self, X: Any) -> Array:
        return self._summed(matrix(X), self._baseline)

    def _looked_at(self, X: Array) -> Array:
        values = self._trees.expanded(X)
        if self._choices:
            chosen = values[:, self._first_choice :]
            for (column, numbers, table, where), codes in zip(self._choices, self._codes, strict=True):
                if len(X) == 1 and len(numbers) <= _MOST_CODES:
                    chosen[0, where] = table[self._code(X.item(0, column), codes)]
                else:
                    chosen[:, where] = table.take(self._coded(X[:, column], numbers), axis=0)
        return values

    def _code(self, value: float, codes: dict[float, int]) -> int:
        code = codes.get(value)
        if code is not None:
            return code
        if math.isinf(value):
            raise ValueError(_INFINITE)
        if self._truncated and value >= _CODES:
            raise ValueError(_BEYOND)
        return codes.get(float(math.trunc(value)), -1) if self._truncated and value >= 0 else -1

    def _coded(self, column: Array, numbers: Array) -> Array:
        """Place of each value in ``numbers``; that behind the last one for a missing value, and a number that is none."""
        if np.isinf(column).any():
            raise ValueError(_INFINITE)
        if self._truncated and (column >= _CODES).any():
            raise ValueError(_BEYOND)
        if len(numbers) == 0:
            return np.zeros(len(column), dtype=np.int64)
        if self._truncated:
            column = np.where(column < 0, np.nan, np.trunc(column))
        at = np.minimum(numbers.searchsorted(column), len(numbers) - 1)
        at[numbers[at] != column] = len(numbers)
        return at


OPERATIONS: dict[str, type[Operation]] = {
    "gradient-boosting": GradientBoosting,
    "histogram-boosting": HistogramBoosting,
}
