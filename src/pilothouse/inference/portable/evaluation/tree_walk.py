"""Trees of many kinds as one array of nodes, and the walk of all rows through all of them at once.

The two children of a node lie side by side, the right one first, so that a step is ``child + (value <= threshold)``. A leaf
leads to itself: the walk needs no test for having arrived. Every comparison is one of float64 numbers that is false for NaN;
where a missing value goes to the left, the node looks at a second copy of the columns in which −∞ stands for NaN.
"""

import numpy as np

from pilothouse.inference.portable.program import Array, Node

_TABLE_NODES = 1000
"""Nodes a level up to which a single row is compared at all nodes at once, which then is sooner than level by level."""
_STEPS = 4
"""Levels between two looks at which rows have arrived."""
_UNEVEN = 8
"""Steps a node above which a single row, too, leaves the trees in which it has arrived: one is far deeper than the others."""
_DEEPEST = 10_000
"""Levels of a tree at most."""
_BLOCK = 2**15
"""Pairs of row and tree walked at once. The arrays of a step then stay in a processor's cache, which makes it up to three
times as fast."""
_BLOCK_NUMBERS = 2**22
"""Numbers that the nodes look at in a block at most."""


class Trees:
    """Trees of a node, whose arrays are those of the op ``forest``.

    ``columns``: columns that go in. ``missing``: missing values may come. ``choice_of``: for each node the number of its own
    column of choices (see ``expanded``), −1 where it compares; there are ``choices`` of them.
    """

    def __init__(
        self, node: Node, columns: int, missing: bool, choices: int = 0, choice_of: Array | None = None
    ) -> None:
        self._roots = node.array("roots", "i8", (None,))
        threshold = node.array("threshold", "f8", (None,))
        n = len(threshold)
        feature = node.array("feature", "i4", (n,)).astype(np.int64)
        left, right = node.array("left", "i4", (n,)), node.array("right", "i4", (n,))
        missing_left = node.array("missing_left", "b1", (n,))
        leaf = left < 0
        if len(self._roots) and not 0 <= self._roots.min() <= self._roots.max() < n:
            node.fault("a root lies beyond the nodes")
        if n and not (feature[~leaf] < columns).all() & (feature[~leaf] >= 0).all():
            node.fault(f"a node asks for a column beyond {columns}")
        if columns < 1 or not (
            max(left.max(initial=-1), right.max(initial=-1)) < n and (right[~leaf] >= 0).all()
        ):
            node.fault("a child lies beyond the nodes")
        if np.isnan(threshold[~leaf]).any():
            node.fault("a threshold is not a number")
        self.columns, self._missing, self._choices = columns, missing, choices
        self.width = columns * (2 if missing else 1) + choices
        if missing:
            feature += columns * missing_left
            feature[leaf] = columns
        else:
            feature[leaf] = 0
        threshold = np.where(leaf, np.inf, threshold)
        if choice_of is not None:
            chooses = (choice_of >= 0) & ~leaf
            feature[chooses] = self.width - choices + choice_of[chooses]
            threshold[chooses] = 0.5
        self._place(node, feature, threshold, left, right)

    def _place(self, node: Node, feature: Array, threshold: Array, left: Array, right: Array) -> None:
        """Put the nodes level by level, the children of each node side by side."""
        level, count, self._depth = self._roots, len(self._roots), 0
        levels, first = [level], []
        while True:
            if count > len(left) or self._depth > _DEEPEST:
                node.fault(f"its nodes are no trees of {_DEEPEST} levels at most")
            inner = left[level] >= 0
            children = np.full(len(level), -1, dtype=np.int64)
            children[inner] = count + 2 * np.arange(np.count_nonzero(inner))
            children[~inner] = count - len(level) + np.flatnonzero(~inner) - 1
            first.append(children)
            if not inner.any():
                break
            level = np.stack([right[level[inner]], left[level[inner]]], axis=1).reshape(-1)
            levels.append(level)
            count += len(level)
            self._depth += 1
        self.order = np.concatenate(levels)
        """Number in the file of each node as it is placed here."""
        self._feature, self._threshold = feature[self.order], threshold[self.order]
        self._child = np.concatenate(first)
        self._starts = np.arange(len(self._roots))
        self._inner = left[self.order] >= 0
        self._by_table = count <= _TABLE_NODES * self._depth
        self._uneven = len(self._roots) * self._depth > _UNEVEN * count

    def expanded(self, X: Array) -> Array:
        """Columns that the nodes look at. The last ``choices`` are to be filled: 0 where the row goes to the left, else 1."""
        n = self.columns
        if X.shape[1] != n:
            raise ValueError(f"the input has {X.shape[1]} columns; expected {n}")
        found = np.empty((len(X), self.width))
        found[:, :n] = X
        if self._missing:
            np.fmax(found[:, :n], -np.inf, out=found[:, n : 2 * n])
        return found

    def blocks(self, rows: int) -> list[slice]:
        """Rows that are walked together."""
        size = max(1, min(_BLOCK // max(1, len(self._roots)), _BLOCK_NUMBERS // max(1, self.width)))
        return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]

    def leaves(self, values: Array) -> Array:
        """Place of the leaf of each tree and row, [trees, rows]. ``values``: as ``expanded`` gives them."""
        if len(values) == 1 and not self._uneven:
            row = values.reshape(-1)
            return (self._leaves_by_table(row) if self._by_table else self._leaves_of_row(row)).reshape(-1, 1)
        return self._leaves_of_rows(values)

    def _leaves_by_table(self, row: Array) -> Array:
        after = self._child + (row.take(self._feature) <= self._threshold)
        at = self._starts
        for _ in range(self._depth):
            at = after.take(at)
        return at

    def _leaves_of_row(self, row: Array) -> Array:
        feature, threshold, child = self._feature, self._threshold, self._child
        at = self._starts
        for _ in range(self._depth):
            below = row.take(feature.take(at)) <= threshold.take(at)
            at = child.take(at)
            at += below
        return at

    def _leaves_of_rows(self, values: Array) -> Array:
        flat, rows, trees = values.reshape(-1), len(values), len(self._starts)
        at = self._starts.repeat(rows)
        start = np.tile(np.arange(0, rows * self.width, self.width), trees)
        arrived, moving = at, None
        for level in range(self._depth):
            if level and level % _STEPS == 0 and self._depth > 2 * _STEPS:
                going = np.flatnonzero(self._inner.take(at))
                if len(going) < 0.8 * len(at):
                    if moving is None:
                        arrived, moving = at, going
                    else:
                        arrived[moving] = at
                        moving = moving.take(going)
                    at, start = at.take(going), start.take(going)
            column = self._feature.take(at)
            column += start
            below = flat.take(column) <= self._threshold.take(at)
            at = self._child.take(at)
            at += below
        if moving is None:
            arrived = at
        else:
            arrived[moving] = at
        return arrived.reshape(trees, rows)


def added(parts: Array, first: Array | float = 0.0) -> Array:
    """``first`` and then each of ``parts`` [n, …] added in their order, one after another, as a loop adds them.

    ``add.reduce`` adds along the first axis in this order where another one is left to lie side by side in memory; a single
    number each it would add in pairs, which ``accumulate`` does not.
    """
    n = len(parts)
    terms = np.empty((n + 1, *parts.shape[1:]))
    terms[0] = first
    terms[1:] = parts
    flat = terms.reshape(n + 1, -1)
    total = np.add.accumulate(flat)[-1] if flat.shape[1] == 1 else np.add.reduce(flat, axis=0)
    result: Array = total.reshape(parts.shape[1:])
    return result
