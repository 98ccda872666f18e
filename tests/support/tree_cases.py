"""Rows for tests of trees: around the thresholds, and at the edges of what a number can be."""

from typing import Any

import numpy as np

from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.program import Program

EDGES = [
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    1e-40,
    -1e-40,
    1.2e-38,
    1e10,
    -1e10,
    3.4028234e38,
    -3.4028234e38,
    0.1,
    1 / 3,
]
HUGE = [1e39, -1e39, 1.7e308, -1.7e308]
"""Beyond float32: a model that computes in it refuses them."""


def training_rows(rows: int, columns: int, seed: int, missing: bool) -> tuple[Any, Any]:
    """Matrix and scores: normal numbers with two decimals, whole numbers in the last column."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, columns)).round(2)
    X[:, -1] = rng.integers(0, 6, rows)
    score = X[:, 0] * X[:, 1 % columns] + X[:, -1] + rng.normal(size=rows)
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
        score += 2 * np.isnan(X[:, 0])
    return X, score


def thresholds(model: Any, columns: int) -> list[list[float]]:
    """Thresholds of every column in a fitted model's trees."""
    found: list[list[float]] = [[] for _ in range(columns)]
    trees = getattr(model, "estimators_", None)
    if trees is None and hasattr(model, "tree_"):
        trees = [model]
    if trees is not None:
        for tree in np.ravel(trees):
            for feature, threshold in zip(tree.tree_.feature, tree.tree_.threshold, strict=True):
                if feature >= 0 and np.isfinite(threshold):
                    found[feature].append(float(threshold))
    for iteration in getattr(model, "_predictors", []):
        for predictor in iteration:
            for node in predictor.nodes:
                if not node["is_leaf"] and np.isfinite(node["num_threshold"]):
                    found[int(node["feature_idx"])].append(float(node["num_threshold"]))
    return found


def hard_rows(model: Any, columns: int, rows: int, missing: bool, huge: bool = False, seed: int = 7) -> Any:
    """Matrix whose values are drawn from a model's thresholds, their neighbours, the edges and ordinary numbers."""
    rng = np.random.default_rng(seed)
    X = np.empty((rows, columns))
    for column, own in enumerate(thresholds(model, columns)):
        near = np.array(own[:500] or [0.0])
        single = near.astype(np.float32)
        pool = [near, np.nextafter(near, np.inf), np.nextafter(near, -np.inf), np.array(EDGES)]
        pool += [np.nextafter(single, np.float32(side)).astype(float) for side in (np.inf, -np.inf)]
        pool += [single.astype(float), rng.normal(size=50), np.arange(-1.0, 8.0)]
        if huge:
            pool.append(np.array(HUGE))
        which = rng.integers(0, len(pool), rows)
        X[:, column] = [rng.choice(pool[i]) for i in which]
    if missing:
        X[rng.random(X.shape) < 0.2] = np.nan
    return X


def converted(model: Any) -> Any:
    """Operation of a fitted estimator, by way of the bytes of its program."""
    return made(from_bytes(to_bytes(Program(convert(model), ("a",)))).root)


def check_equal(model: Any, X: Any, operation: Any = None) -> None:
    """Every method that both have gives the same bits and the same memory order for all rows, for 17, and for single ones."""
    operation = operation or converted(model)
    names = [name for name in ("predict_proba", "decision_function", "predict") if hasattr(model, name)]
    assert operation.does("predict_proba") == hasattr(model, "predict_proba")
    for part in (X, X[:17], X[:1], X[1:2], X[2:3]):
        for name in names:
            if not operation.does(name):
                continue
            wanted, got = getattr(model, name)(part), getattr(operation, name)(part)
            if name == "predict" and hasattr(model, "classes_"):
                wanted = np.searchsorted(model.classes_, wanted)
            assert wanted.shape == got.shape, name
            if wanted.dtype == np.float64:
                assert got.dtype == np.float64
                assert (wanted.view(np.uint64) == got.view(np.uint64)).all(), (name, len(part))
                if wanted.ndim == 2 and min(wanted.shape) > 1:
                    assert wanted.flags.c_contiguous == got.flags.c_contiguous
            else:
                assert (wanted == got).all(), name


def check_batches(operation: Any, X: Any) -> None:
    """The answer to a row is the same alone as among others: its scores, where the probabilities of a row are added up in an
    order that scikit-learn makes depend on the number of rows."""
    methods = ("decision_function", "predict_proba", "predict")
    name = next(method for method in methods if operation.does(method))
    answer = getattr(operation, name)
    whole = answer(X)
    for size in (1, 2, 5, 64):
        parts = [answer(X[start : start + size]) for start in range(0, min(len(X), 130), size)]
        together = np.concatenate(parts)
        assert together.tobytes() == np.ascontiguousarray(whole[: len(together)]).tobytes(), size
