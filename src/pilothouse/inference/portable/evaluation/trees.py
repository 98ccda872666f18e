"""Decision trees and forests.

The input becomes float32 and is compared with float64 thresholds. Trees are added in their order, beginning with zero.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pilothouse.inference.portable.evaluation.operation import Frame, Operation, check_finite, matrix
from pilothouse.inference.portable.evaluation.tree_walk import Trees, added
from pilothouse.inference.portable.program import Array, Node


def single_precision(X: Any, missing: bool) -> Array:
    """``X`` as a matrix of float32. Raises ValueError for infinite values, also those that only float32 makes infinite, and
    for missing ones where ``missing`` is false or the matrix is sparse."""
    missing = missing and isinstance(X, np.ndarray | Frame)
    with np.errstate(over="ignore"):
        values = matrix(X, np.float32)
    check_finite(values, missing=missing)
    return values


class Forest(Operation):
    """``forest``: the values of one leaf of each tree, added tree by tree to zero and divided by their number; of a single tree
    as they are where ``averaged`` is false. ``value`` f8[nodes, k]: a regression's value, or with ``classifier`` the
    probability of each class. The input, of ``columns`` columns, becomes f4; infinite values are refused, and missing ones
    unless ``missing``.

    The nodes of all trees lie in arrays [nodes], and those at ``roots`` i8[trees] are the first: where the number in the column
    ``feature`` i4 is not above ``threshold`` f8, the node ``left`` i4 is next, else ``right`` i4; for a missing value ``left``
    where ``missing_left`` b1. In a leaf ``left`` is −1.
    """

    def __init__(self, node: Node, children: Sequence[Operation]) -> None:
        self._missing = node.flag("missing")
        self.inputs = node.integer("columns", 1)
        self._trees = Trees(node, self.inputs, self._missing)
        self._count = len(node.array("roots", "i8", (None,)))
        values = node.array("value", "f8", (len(node.arrays["threshold"]), None))
        self._averaged = node.flag("averaged")
        self._classifies = node.flag("classifier")
        if not self._count or (not self._averaged and self._count != 1):
            node.fault(f"it has {self._count} trees")
        if not self._classifies and values.shape[1] != 1:
            node.fault("a regression has one value")
        self.outputs = values.shape[1] if self._classifies else None
        self._values = values[self._trees.order]

    def does(self, method: str) -> bool:
        return method == "predict" or (method == "predict_proba" and self._classifies)

    def predict(self, X: Any) -> Array:
        found = self._answers(X)
        return found.argmax(axis=1) if self._classifies else found.reshape(-1)

    def predict_proba(self, X: Any) -> Array:
        return self._answers(X)

    def _answers(self, X: Any) -> Array:
        values = self._trees.expanded(single_precision(X, self._missing))
        parts = [self._block(values[rows]) for rows in self._trees.blocks(len(values))]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _block(self, values: Array) -> Array:
        found = self._values.take(self._trees.leaves(values), axis=0)
        if not self._averaged:
            only: Array = found[0]
            return only
        total = added(found)
        total /= self._count
        return total


OPERATIONS: dict[str, type[Operation]] = {"forest": Forest}
