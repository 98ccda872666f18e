"""Conversion of decision trees, forests and gradient boosting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import ensemble, tree
from sklearn.dummy import DummyClassifier, DummyRegressor

from pilothouse.inference.portable.conversion.seam import (
    Conversion,
    Convert,
    NotPortable,
    check_parameters,
    floats,
)
from pilothouse.inference.portable.program import Array, Node

_OF_FITTING = frozenset(
    [
        "alpha",
        "bootstrap",
        "ccp_alpha",
        "class_weight",
        "criterion",
        "init",
        "learning_rate",
        "loss",
        "max_depth",
        "max_features",
        "max_leaf_nodes",
        "max_samples",
        "min_impurity_decrease",
        "min_impurity_split",
        "min_samples_leaf",
        "min_samples_split",
        "min_weight_fraction_leaf",
        "monotonic_cst",
        "n_estimators",
        "n_iter_no_change",
        "n_jobs",
        "oob_score",
        "random_state",
        "splitter",
        "subsample",
        "tol",
        "validation_fraction",
        "verbose",
        "warm_start",
    ]
)
_TREES = (
    tree.DecisionTreeClassifier,
    tree.DecisionTreeRegressor,
    tree.ExtraTreeClassifier,
    tree.ExtraTreeRegressor,
)
_LINKS = {"LogitLink": "logistic", "HalfLogitLink": "half-logistic", "MultinomialLogit": "softmax"}


def tree_arrays(trees: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Arrays of all trees, one behind the other. A tree's ``left`` and ``right`` count from its own first node."""
    sizes = [len(own["left"]) for own in trees]
    roots = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
    if sum(sizes) > 2**31 - 1:
        raise NotPortable("trees of more than two thousand million nodes")
    arrays = {name: np.concatenate([own[name] for own in trees]) for name in trees[0]}
    for side in ("left", "right"):
        children = arrays[side].astype(np.int64)
        arrays[side] = np.where(children < 0, -1, children + roots.repeat(sizes)).astype(np.int32)
    return arrays | {
        "roots": roots,
        "feature": arrays["feature"].astype(np.int32),
        "missing_left": arrays["missing_left"].astype(np.bool_),
    }


def _exact(estimators: Sequence[Any]) -> dict[str, Array]:
    """Arrays of scikit-learn's decision trees, with their values [nodes, values]."""
    own = []
    for estimator in estimators:
        if type(estimator) not in _TREES:
            raise NotPortable(f"trees of the class {type(estimator).__name__}")
        nodes = estimator.tree_
        if nodes.n_outputs != 1:
            raise NotPortable("trees of several targets")
        value = floats(nodes.value, "a tree")[:, 0, :]
        own.append(
            {
                "feature": np.maximum(nodes.feature, 0),
                "threshold": floats(nodes.threshold, "a tree"),
                "left": nodes.children_left,
                "right": nodes.children_right,
                "missing_left": nodes.missing_go_to_left,
                "value": value,
            }
        )
    return tree_arrays(own)


def _forest(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=_OF_FITTING)
    single = isinstance(model, _TREES)
    estimators = [model] if single else list(model.estimators_)
    settings = {
        "columns": int(model.n_features_in_),
        "missing": bool(estimators[0]._support_missing_values(np.zeros((1, 1)))),
        "averaged": not single,
        "classifier": hasattr(model, "classes_"),
    }
    return Node("forest", settings, _exact(estimators))


def _boosting(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=_OF_FITTING)
    classifies = hasattr(model, "classes_")
    link = _LINKS.get(type(model._loss.link).__name__) if classifies else "identity"
    if link is None or (not classifies and type(model._loss.link).__name__ != "IdentityLink"):
        raise NotPortable(f"{type(model).__name__} with the link {type(model._loss.link).__name__}")
    arrays = _exact(model.estimators_.ravel())
    if arrays["value"].shape[1] != 1:
        raise NotPortable("boosted trees of several values")
    arrays["value"] = arrays["value"].reshape(-1)
    scores = int(model.estimators_.shape[1])
    columns = int(model.n_features_in_)
    settings = {"columns": columns, "scores": scores, "link": link, "rate": float(model.learning_rate)}
    constant = isinstance(model.init_, str) or type(model.init_) in (DummyClassifier, DummyRegressor)
    if constant:
        arrays["baseline"] = model._raw_predict_init(np.zeros((1, columns), dtype=np.float32)).reshape(-1)
        return Node("gradient-boosting", settings, arrays)
    if scores > 1:
        raise NotPortable("gradient boosting of several classes with an initial estimator")
    return Node("gradient-boosting", settings, arrays, (convert(model.init_),))


CONVERSIONS: dict[type, Conversion] = {
    **dict.fromkeys(_TREES, _forest),
    ensemble.RandomForestClassifier: _forest,
    ensemble.RandomForestRegressor: _forest,
    ensemble.ExtraTreesClassifier: _forest,
    ensemble.ExtraTreesRegressor: _forest,
    ensemble.GradientBoostingClassifier: _boosting,
    ensemble.GradientBoostingRegressor: _boosting,
}
