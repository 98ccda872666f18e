"""Conversion of transformers: imputation, scaling, bins, functions of each value, categories."""

from typing import Any

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    RobustScaler,
    StandardScaler,
)

from pilothouse.inference.portable.conversion.seam import (
    Conversion,
    Convert,
    NotPortable,
    check_parameters,
    floats,
    is_nan,
)
from pilothouse.inference.portable.evaluation.categories import NOWHERE, REFUSED
from pilothouse.inference.portable.evaluation.scaling import FUNCTIONS
from pilothouse.inference.portable.program import Array, Node


def _scale(model: Any, steps: dict[str, Any], clip: Any = None) -> Node:
    arrays = {
        name: floats(values, type(model).__name__) for name, values in steps.items() if values is not None
    }
    bounds = None if clip is None else [float(bound) for bound in clip]
    return Node("scale", {"steps": list(arrays), "clip": bounds}, arrays)


def _standard(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("with_mean", "with_std"), allowed={"copy": (True,)})
    return _scale(
        model,
        {
            "subtract": model.mean_ if model.with_mean else None,
            "divide": model.scale_ if model.with_std else None,
        },
    )


def _min_max(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("feature_range", "clip"), allowed={"copy": (True,)})
    clip = model.feature_range if model.clip else None
    return _scale(model, {"multiply": model.scale_, "add": model.min_}, clip)


def _max_abs(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("clip",), allowed={"copy": (True,)})
    return _scale(model, {"divide": model.scale_}, (-1.0, 1.0) if getattr(model, "clip", False) else None)


def _robust(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("with_centering", "with_scaling", "quantile_range", "unit_variance"),
        allowed={"copy": (True,)},
    )
    return _scale(
        model,
        {
            "subtract": model.center_ if model.with_centering else None,
            "divide": model.scale_ if model.with_scaling else None,
        },
    )


def _imputer(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("strategy", "fill_value", "missing_values", "add_indicator", "keep_empty_features"),
        allowed={"copy": (True,)},
    )
    if callable(model.strategy) or not is_nan(model.missing_values):
        raise NotPortable("SimpleImputer with a function, or of another value than NaN")
    arrays = {"flagged": model.indicator_.features_.astype(np.int64)} if model.add_indicator else {}
    statistics = model.statistics_
    empty = np.array([is_nan(value) or value is None for value in statistics], dtype=bool)
    if model.keep_empty_features and empty.any():
        raise NotPortable("SimpleImputer that keeps empty features without a value")
    if model._fit_dtype.kind == "O":
        fill = [None if none else value for value, none in zip(statistics, empty, strict=True)]
        if not all(text is None or isinstance(text, str) for text in fill):
            raise NotPortable("SimpleImputer of texts and numbers in one table")
        return Node("impute-texts", {"fill": fill}, arrays)
    filled = statistics.astype(model._fill_dtype).astype(np.float64)
    if empty.any():
        arrays["kept"] = np.flatnonzero(~empty).astype(np.int64)
        filled = np.where(empty, 0.0, filled)
    return Node("impute-numbers", {}, arrays | {"fill": filled})


def _indicator(model: Any, convert: Convert) -> Node:
    check_parameters(
        model, ignored=("missing_values", "features", "error_on_new"), allowed={"sparse": ("auto", False)}
    )
    if not is_nan(model.missing_values):
        raise NotPortable("MissingIndicator of another value than NaN")
    strict = bool(model.error_on_new) and model.features == "missing-only"
    settings = {"width": int(model.n_features_in_), "strict": strict}
    return Node("missing-flags", settings, {"flagged": np.asarray(model.features_, dtype=np.int64)})


def _function(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("func", "inverse_func", "check_inverse", "feature_names_out", "accept_sparse"),
        allowed={"kw_args": (None, {}), "inv_kw_args": (None, {}), "validate": (False, True)},
    )
    if model.func is None:
        if model.validate:
            raise NotPortable("FunctionTransformer that validates and has no function")
        return Node("pass-through")
    return Node("function", {"name": function_name(model.func), "strict": bool(model.validate)})


def function_name(function: Any) -> str:
    """Name of one of numpy's functions. Raises NotPortable for any other."""
    name = next((name for name, known in FUNCTIONS.items() if function is known), None)
    if name is None:
        raise NotPortable(
            f"a function other than {', '.join(FUNCTIONS)}: {getattr(function, '__name__', '?')}"
        )
    return name


def _bins(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("n_bins", "encode", "strategy", "subsample", "random_state", "quantile_method"),
        allowed={"dtype": (None, np.float64)},
    )
    inner = [floats(edges, "KBinsDiscretizer")[1:-1] for edges in model.bin_edges_]
    bins = Node(
        "bins", {"counts": [len(edges) for edges in inner]}, {"edges": np.concatenate([*inner, np.empty(0)])}
    )
    return bins if model.encode == "ordinal" else Node("pipeline", children=(bins, convert(model._encoder)))


def _lookup(
    encoder: Any, stored: list[list[Any]], dtype: Any, role: str
) -> tuple[list[Any], dict[str, Array]]:
    """Setting ``texts`` and the arrays of an encoder's lookups. ``stored``: for each column what belongs to its categories,
    to unknown and to missing values."""
    texts: list[Any] = []
    arrays: dict[str, Array] = {role: np.array([value for own in stored for value in own], dtype=dtype)}
    for i, categories in enumerate(map(_without_nan, encoder.categories_)):
        if categories.dtype == np.float64:
            texts.append(None)
            arrays[f"numbers-{i}"] = categories
        elif categories.dtype == object and all(isinstance(value, str) for value in categories):
            texts.append([str(value) for value in categories])
        else:
            raise NotPortable(f"{type(encoder).__name__} with categories that are neither texts nor float64")
    return texts, arrays


def _without_nan(categories: Array) -> Array:
    return categories[:-1] if len(categories) and is_nan(categories[-1]) else categories


def _one_hot(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=(
            "categories",
            "drop",
            "sparse_output",
            "handle_unknown",
            "min_frequency",
            "max_categories",
            "feature_name_combiner",
        ),
        allowed={"dtype": (np.float64, np.dtype(np.float64))},
    )
    stored, start = [], 0
    for i, categories in enumerate(model.categories_):
        grouped = _grouped(model, i)
        dropped = None if model._drop_idx_after_grouping is None else model._drop_idx_after_grouping[i]

        def place(code: int, dropped: int | None = dropped, start: int = start) -> int:
            if code == dropped:
                return NOWHERE
            return start + int(code) - (dropped is not None and code > dropped)

        places = [place(int(code)) for code in grouped]
        rare = _rarest(model, i)
        if model.handle_unknown == "error":
            unknown = REFUSED
        elif model.handle_unknown == "ignore" or rare is None:
            unknown = NOWHERE
        else:
            unknown = places[rare]
        missing = places.pop() if len(categories) and is_nan(categories[-1]) else unknown
        stored.append([*places, unknown, missing])
        start += int(model._n_features_outs[i])
    texts, arrays = _lookup(model, stored, np.int64, "places")
    return Node("one-hot", {"width": start, "sparse": bool(model.sparse_output), "texts": texts}, arrays)


def _grouped(model: Any, i: int) -> Array:
    """Code of each category of a column, after the rare ones have become one."""
    mapping = model._default_to_infrequent_mappings[i] if model._infrequent_enabled else None
    return np.arange(len(model.categories_[i])) if mapping is None else np.asarray(mapping)


def _rarest(model: Any, i: int) -> int | None:
    """Index of a category that counts as rare, None without one."""
    rare = model._infrequent_indices[i] if model._infrequent_enabled else None
    return None if rare is None else int(rare[0])


def _ordinal(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=(
            "categories",
            "handle_unknown",
            "unknown_value",
            "encoded_missing_value",
            "min_frequency",
            "max_categories",
        ),
        allowed={"dtype": (np.float64,)},
    )
    refuse = model.handle_unknown == "error"
    unknown = np.nan if refuse else float(model.unknown_value)
    stored, places = [], []
    for i, categories in enumerate(model.categories_):
        has_missing = bool(len(categories)) and is_nan(categories[-1])
        # the code of missing values is its own, so that it has no part in the grouping of rare categories
        codes = [float(code) for code in _grouped(model, i)[: len(categories) - has_missing]]
        missing = float(model.encoded_missing_value) if has_missing else unknown
        stored.append([*codes, unknown, missing])
        places.append([0] * len(codes) + [REFUSED, 0 if has_missing else REFUSED])
    texts, arrays = _lookup(model, stored, np.float64, "codes")
    if refuse:
        arrays |= _lookup(model, places, np.int64, "places")[1]
    return Node("ordinal", {"refuse": refuse, "texts": texts}, arrays)


CONVERSIONS: dict[type, Conversion] = {
    SimpleImputer: _imputer,
    MissingIndicator: _indicator,
    StandardScaler: _standard,
    MinMaxScaler: _min_max,
    MaxAbsScaler: _max_abs,
    RobustScaler: _robust,
    KBinsDiscretizer: _bins,
    FunctionTransformer: _function,
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
}
