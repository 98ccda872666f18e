"""Conversion of histogram gradient boosting, with the categories that it encodes itself."""

from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from pilothouse.inference.portable.conversion.seam import (
    Conversion,
    Convert,
    NotPortable,
    check_parameters,
    floats,
    is_nan,
)
from pilothouse.inference.portable.conversion.trees import tree_arrays
from pilothouse.inference.portable.program import Array, Node

_OF_FITTING = frozenset(
    [
        "categorical_features",
        "class_weight",
        "early_stopping",
        "interaction_cst",
        "l2_regularization",
        "learning_rate",
        "loss",
        "max_bins",
        "max_depth",
        "max_features",
        "max_iter",
        "max_leaf_nodes",
        "min_samples_leaf",
        "monotonic_cst",
        "n_iter_no_change",
        "quantile",
        "random_state",
        "scoring",
        "tol",
        "validation_fraction",
        "verbose",
        "warm_start",
    ]
)
_LINKS = {
    "IdentityLink": "identity",
    "LogLink": "log",
    "LogitLink": "logistic",
    "MultinomialLogit": "softmax",
}


def _boosting(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=_OF_FITTING)
    link = _LINKS.get(type(model._loss.link).__name__)
    if link is None:
        raise NotPortable(f"{type(model).__name__} with the link {type(model._loss.link).__name__}")
    predictors = [predictor for iteration in model._predictors for predictor in iteration]
    columns = len(model._bin_mapper.bin_thresholds_)
    settings = {
        "columns": columns,
        "scores": int(model.n_trees_per_iteration_),
        "link": link,
        "truncated": model._preprocessor is None,
    }
    known = _known_codes(model)
    arrays = _arrays(predictors, known) | {"baseline": floats(model._baseline_prediction, "it").reshape(-1)}
    settings["categorical"] = sorted(known)
    if model._preprocessor is None:
        return Node("histogram-boosting", settings, arrays | _numbers(known))
    return _encoded(model, settings, arrays, known, convert)


def _known_codes(model: Any) -> dict[int, Array]:
    """Codes of the categories that were there in the fit, by column as the trees see it."""
    mapper = model._bin_mapper
    if mapper.is_categorical_ is None:
        return {}
    bits, rows = mapper.make_known_categories_bitsets()
    return {
        int(column): np.flatnonzero(_unpacked(bits[rows[column]]))
        for column in np.flatnonzero(mapper.is_categorical_)
    }


def _unpacked(bits: Array) -> Array:
    """Truth of each of 256 codes, of eight words of 32 bits whose first bit is the lowest."""
    numbers = np.arange(256)
    found: Array = (bits[..., numbers // 32] >> (numbers % 32).astype(np.uint32)) & 1
    return found.astype(np.bool_)


def _arrays(predictors: list[Any], known: dict[int, Array]) -> dict[str, Array]:
    own, choices, count = [], [], 0
    widest = max((len(codes) for codes in known.values()), default=0)
    for predictor in predictors:
        nodes = predictor.nodes
        leaf = nodes["is_leaf"].astype(bool)
        choice = np.full(len(nodes), -1, dtype=np.int32)
        for at in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf):
            codes = known[int(nodes["feature_idx"][at])]
            left = np.zeros(widest, dtype=np.bool_)
            left[: len(codes)] = _unpacked(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][at]])[codes]
            choice[at] = count
            choices.append(left)
            count += 1
        own.append(
            {
                "feature": np.where(leaf, 0, nodes["feature_idx"]),
                "threshold": np.where(leaf | (choice >= 0), 0.0, nodes["num_threshold"]),
                "left": np.where(leaf, -1, nodes["left"].astype(np.int64)),
                "right": np.where(leaf, -1, nodes["right"].astype(np.int64)),
                "missing_left": nodes["missing_go_to_left"],
                "choice": choice,
                "value": np.ascontiguousarray(nodes["value"]),
            }
        )
    table = np.array(choices, dtype=np.bool_).reshape(count, widest)
    return tree_arrays(own) | {"left_categories": table}


def _numbers(known: dict[int, Array]) -> dict[str, Array]:
    return {f"numbers-{column}": codes.astype(np.float64) for column, codes in known.items()}


def _encoded(
    model: Any, settings: dict[str, Any], arrays: dict[str, Array], known: dict[int, Array], convert: Convert
) -> Node:
    """Node of a model that encodes its categories itself. Where they are numbers, the trees look at these and at the columns
    as they come in; texts are encoded by a step before."""
    parts = model._preprocessor._transformer_to_input_indices
    own, others = list(map(int, parts["encoder"])), list(map(int, parts["numerical"]))
    encoder = model._preprocessor.named_transformers_["encoder"]
    stored = [values[:-1] if len(values) and is_nan(values[-1]) else values for values in encoder.categories_]
    for column, values in enumerate(stored):
        if list(known[column]) != list(range(len(values))):
            raise NotPortable("categories that its encoder knows and its trees do not")
    if all(np.asarray(values).dtype.kind in "iuf" for values in stored):
        order = np.array([*own, *others])
        arrays["feature"] = order[arrays["feature"]].astype(np.int32)
        settings["categorical"] = sorted(own)
        numbers = {
            f"numbers-{column}": values.astype(np.float64) for column, values in zip(own, stored, strict=True)
        }
        return Node("histogram-boosting", settings, arrays | numbers)
    names = getattr(model._preprocessor, "feature_names_in_", None)
    picks = [part for part in (own, others) if part]
    children = [convert(encoder), Node("pass-through")][: len(picks)]
    chosen: dict[str, Any] = {"sparse": False, "picks": picks}
    if names is not None:
        chosen = {"sparse": False, "names": [[str(names[number]) for number in part] for part in picks]}
    first = Node("columns", chosen, children=tuple(children))
    last = Node("histogram-boosting", settings, arrays | _numbers(known))
    return Node("pipeline", children=(first, last))


CONVERSIONS: dict[type, Conversion] = {
    HistGradientBoostingClassifier: _boosting,
    HistGradientBoostingRegressor: _boosting,
}
