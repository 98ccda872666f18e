"""Encoding of a model's input for its estimator.

A pipeline of ours begins with a ColumnTransformer, which spends some 3 ms a call on checks whatever the rows. Where its
first step is exactly the plain one (ordinal codes, then numbers as they are), the same matrix is built here directly.

A category that a pipeline of ours has not learned is missing to it, whatever its encoder would make of it. Versions of earlier
releases, whose schemas name no words for missing, answer as they did when they were judged.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pilothouse.inference.columns import InputColumns, Numbers
from pilothouse.inference.schema import InputSchema

Encode = Callable[[InputColumns], Any]


def frame(schema: InputSchema, columns: InputColumns) -> Any:
    """DataFrame of the input: float64 columns, and text columns of dtype object; NaN where missing in both.

    NaN and not None: that alone is what scikit-learn's encoders and imputers take for missing. A column without a single
    value is text still: put in by pandas 2's ``fillna``, the NaN would make it one of numbers.
    """
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: (
                columns.numeric[column.name]
                if column.kind == "number"
                else pd.Series(
                    [np.nan if value is None else value for value in columns.categorical[column.name]],
                    dtype=object,
                )
            )
            for column in schema.columns
        }
    )


def split(model: Any, schema: InputSchema, known: Mapping[str, frozenset[str]]) -> tuple[Encode, Any]:
    """Function that encodes the input, and the estimator that takes its result. ``known``: learned categories by feature."""
    shortcut = ordinal_shortcut(model)
    if shortcut is not None:
        codes, plain = shortcut
        return (lambda columns: _matrix(columns, codes, plain)), model.steps[-1][1]
    if schema.missing and is_our_one_hot(model):
        return (lambda columns: frame(schema, _unknown_as_missing(columns, known))), model
    return (lambda columns: frame(schema, columns)), model


def is_our_one_hot(model: Any) -> bool:
    """True for the encoding that trainings give to estimators which take no missing values."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder

    if type(model) is not Pipeline or type(model.steps[0][1]) is not ColumnTransformer:
        return False
    parts = {name: transformer for name, transformer, _ in model.steps[0][1].transformers_}
    encoder: Any = parts.get("categories")
    return type(encoder) is OneHotEncoder and encoder.handle_unknown == "infrequent_if_exist"


def _unknown_as_missing(columns: InputColumns, known: Mapping[str, frozenset[str]]) -> InputColumns:
    categorical = {
        name: [value if value in known[name] else None for value in values] if name in known else values
        for name, values in columns.categorical.items()
    }
    return InputColumns(columns.rows, columns.numeric, categorical)


def ordinal_shortcut(model: Any) -> tuple[dict[str, dict[str, float]], list[str]] | None:
    """Codes of each category by feature, and the numeric features behind them, of a pipeline whose first step is exactly the
    plain one; None for any other, which keeps scikit-learn's own."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OrdinalEncoder

    if type(model) is not Pipeline or len(model.steps) != 2:
        return None
    first = model.steps[0][1]
    if type(first) is not ColumnTransformer or first.transformer_weights or first.remainder != "drop":
        return None
    codes: dict[str, dict[str, float]] = {}
    plain: list[str] = []
    for name, transformer, names in first.transformers_:
        if name == "categories" and type(transformer) is OrdinalEncoder and _is_plain(transformer):
            codes = {
                column: _codes(categories)
                for column, categories in zip(names, transformer.categories_, strict=True)
            }
        elif name == "numbers" and _passes_through(transformer):
            plain = list(names)
        else:
            return None
    if [name for name, _, _ in first.transformers_] not in (
        ["categories", "numbers"],
        ["numbers"],
        ["categories"],
    ):
        return None
    return codes, plain


def _is_plain(encoder: Any) -> bool:
    return (
        encoder.handle_unknown == "use_encoded_value"
        and np.isnan(encoder.unknown_value)
        and isinstance(encoder.encoded_missing_value, float)
        and np.isnan(encoder.encoded_missing_value)
        and getattr(encoder, "_infrequent_enabled", False) is False
    )


def _passes_through(transformer: Any) -> bool:
    from sklearn.preprocessing import FunctionTransformer

    if isinstance(transformer, str):
        return transformer == "passthrough"
    return type(transformer) is FunctionTransformer and transformer.func is None


def _codes(categories: Any) -> dict[str, float]:
    return {value: float(code) for code, value in enumerate(categories) if isinstance(value, str)}


def _matrix(columns: InputColumns, codes: dict[str, dict[str, float]], plain: list[str]) -> Numbers:
    matrix = np.empty((columns.rows, len(codes) + len(plain)), dtype=np.float64)
    for i, (name, known) in enumerate(codes.items()):
        matrix[:, i] = [
            known.get(value, np.nan) if value is not None else np.nan for value in columns.categorical[name]
        ]
    for i, name in enumerate(plain, start=len(codes)):
        matrix[:, i] = columns.numeric[name]
    return matrix
