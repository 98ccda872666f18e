"""Conversion of estimators that are made of others, and of dummies."""

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from pilothouse.inference.portable.conversion.preprocessing import function_name
from pilothouse.inference.portable.conversion.seam import (
    Conversion,
    Convert,
    NotPortable,
    check_parameters,
    floats,
)
from pilothouse.inference.portable.program import Node


def _pipeline(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("steps", "memory", "verbose"), allowed={"transform_input": (None,)})
    children = [convert(step) for _, step in model.steps if step is not None and step != "passthrough"]
    if model.steps[-1][1] is None or isinstance(model.steps[-1][1], str):
        children.append(Node("pass-through"))
    return children[0] if len(children) == 1 else Node("pipeline", children=tuple(children))


def _columns(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=(
            "transformers",
            "remainder",
            "sparse_threshold",
            "n_jobs",
            "verbose",
            "verbose_feature_names_out",
            "force_int_remainder_cols",
        ),
        allowed={"transformer_weights": (None, {})},
    )
    names = getattr(model, "feature_names_in_", None)
    picks: list[list[Any] | None] = []
    children = []
    for name, transformer, columns in model.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if np.isscalar(columns):
            raise NotPortable("ColumnTransformer with a part of a single column as a vector")
        numbers = [int(number) for number in model._transformer_to_input_indices[name]]
        if not numbers:
            continue
        if names is not None:
            picks.append([str(names[number]) for number in numbers])
        elif isinstance(columns, slice):
            if numbers != list(range(int(model.n_features_in_))):
                raise NotPortable("ColumnTransformer with a slice of the columns of a matrix")
            picks.append(None)
        else:
            picks.append(numbers)
        passes = isinstance(transformer, str) and transformer == "passthrough"
        children.append(Node("pass-through") if passes else convert(transformer))
    settings = {"sparse": bool(model.sparse_output_), "names" if names is not None else "picks": picks}
    return Node("columns", settings, children=tuple(children))


def _target(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("regressor", "transformer", "func", "inverse_func", "check_inverse"))
    child, transformer = convert(model.regressor_), model.transformer_
    if model._training_dim != 1:
        raise NotPortable("TransformedTargetRegressor of several targets")
    if type(transformer) is FunctionTransformer:
        if transformer.inverse_func is None:
            if transformer.func is not None:
                raise NotPortable("TransformedTargetRegressor without an inverse function")
            return Node("target", {"name": None}, children=(child,))
        return Node("target", {"name": function_name(transformer.inverse_func)}, children=(child,))
    if type(transformer) is StandardScaler:
        check_parameters(transformer, ignored=("with_mean", "with_std", "copy"))
        arrays = {}
        if transformer.with_std:
            arrays["multiply"] = floats(transformer.scale_, "StandardScaler")
        if transformer.with_mean:
            arrays["add"] = floats(transformer.mean_, "StandardScaler")
        return Node("target", {"name": None}, arrays, (child,))
    raise NotPortable(f"TransformedTargetRegressor with {type(transformer).__name__}")


def _dummy_classifier(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("random_state", "constant"),
        allowed={"strategy": ("prior", "most_frequent", "constant")},
    )
    if model.n_outputs_ != 1:
        raise NotPortable("DummyClassifier of several targets")
    shares = np.asarray(model.class_prior_, dtype=np.float64)
    answer = int(shares.argmax())
    if model.strategy == "constant":
        answer = int(np.flatnonzero(model.classes_ == np.ravel(model.constant)[0])[0])
    if model.strategy != "prior":
        shares = np.eye(len(shares))[answer]
    return Node("constant-classifier", {"answer": answer}, {"probabilities": shares})


def _dummy_regressor(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("strategy", "constant", "quantile"))
    value = np.asarray(model.constant_, dtype=np.float64)
    if value.size != 1:
        raise NotPortable("DummyRegressor of several targets")
    return Node("constant-regressor", {}, {"value": value.reshape(())})


CONVERSIONS: dict[type, Conversion] = {
    Pipeline: _pipeline,
    ColumnTransformer: _columns,
    TransformedTargetRegressor: _target,
    DummyClassifier: _dummy_classifier,
    DummyRegressor: _dummy_regressor,
}
