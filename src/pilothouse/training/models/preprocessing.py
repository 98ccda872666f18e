"""What is done to the features before the estimator: missing numbers, scale, categories (``[training.preprocessing]``).

Where the model file asks for nothing (``auto``, or no table) it goes by the estimator. One that takes missing values itself
(trees and forests, histogram gradient boosting) gets numbers as they are and categories as ordinal codes, unknown and missing
ones as NaN. Every other (linear models, neighbours, networks) gets numbers with the median where missing, scaled to unit
variance, and categories one-hot.

``auto`` differs from no table in one thing: an estimator that splits on categories itself (histogram gradient boosting) is
told which columns are categories. Without the table their codes are plain numbers to it, as they were before there was one:
a specification on record keeps its meaning, and its versions are reproduced to the bit.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import PreprocessingSpec
from pilothouse.inference.schema import InputSchema

MAXIMUM_CATEGORIES = 200
"""One-hot columns of one feature at most; rarer categories share one."""
_UNKNOWN = -1
"""Ordinal code of missing and unknown categories for an estimator that takes no missing values."""
_WHERE = "training.preprocessing"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an estimator does by itself."""

    name: str
    missing: bool
    """Takes missing values."""
    categories: bool
    """Splits on categories."""


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done, with nothing left to choose: the values of the keys without ``auto``."""

    impute: str
    scale: str
    categories: str


def abilities_of(estimator: Any) -> Abilities:
    """What an unfitted estimator does by itself."""
    return Abilities(
        type(estimator).__name__,
        missing=bool(estimator.__sklearn_tags__().input_tags.allow_nan),
        categories="categorical_features" in estimator.get_params(deep=False),
    )


def chosen(asked: PreprocessingSpec | None, able: Abilities) -> Preprocessing:
    """What is done for an estimator where the model file asks for this."""
    wanted = asked or PreprocessingSpec()
    auto = Preprocessing(
        "none" if able.missing else "median",
        "none" if able.missing else "standard",
        "native" if able.categories and asked is not None else "ordinal" if able.missing else "one-hot",
    )
    return Preprocessing(
        *(
            getattr(auto if getattr(wanted, key) == "auto" else wanted, key)
            for key in ("impute", "scale", "categories")
        )
    )


def faults(asked: PreprocessingSpec | None, able: Abilities) -> Iterator[str]:
    """A fault for each thing that is asked for and that the estimator cannot do."""
    done = chosen(asked, able)
    if done.impute == "none" and not able.missing:
        yield f'{_WHERE}.impute: {able.name} takes no missing values; expected "median", "mean" or "auto"'
    if done.categories == "native" and not able.categories:
        yield f'{_WHERE}.categories: {able.name} knows no categories; expected "one-hot", "ordinal" or "auto"'


def encoder(schema: InputSchema, done: Preprocessing, able: Abilities) -> Any:
    """Unfitted transformer of the features: categories first, then numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

    if done.categories == "one-hot":
        categories: Any = OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=MAXIMUM_CATEGORIES, sparse_output=False
        )
    else:
        unknown = np.nan if able.missing else _UNKNOWN
        categories = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=unknown, encoded_missing_value=unknown
        )
    parts = [
        ("categories", categories, list(schema.categorical)),
        ("numbers", _numbers(done), list(schema.numeric)),
    ]
    return ColumnTransformer([part for part in parts if part[2]], sparse_threshold=0)


def _numbers(done: Preprocessing) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    steps = []
    if done.impute != "none":
        steps.append(("fill", SimpleImputer(strategy=done.impute, keep_empty_features=True)))
    if done.scale != "none":
        steps.append(("scale", StandardScaler()))
    return Pipeline(steps) if steps else "passthrough"


def fit_pipeline(
    pipeline: Any,
    rows: tuple[pd.DataFrame, "pd.Series[Any]"],
    schema: InputSchema,
    asked: PreprocessingSpec | None,
    weights: Any = None,
) -> Any:
    """Fit a pipeline of ours, to rows with ``weights`` (float64[rows]) where given; one whose estimator splits on categories is
    told which columns they are.

    Raises InvalidInputError where a feature has more categories than it splits on, and the file asks for just that; with
    ``auto`` the codes of such a feature are numbers.
    """
    X, y = rows
    weighed = {} if weights is None else {f"{pipeline.steps[-1][0]}__sample_weight": weights}
    estimator = pipeline[-1]
    able = abilities_of(estimator)
    if chosen(asked, able).categories != "native" or not schema.categorical:
        return pipeline.fit(X, y, **weighed)
    most = int(estimator.max_bins)
    counts = {name: int(X[name].nunique()) for name in schema.categorical}
    beyond = next((name for name, count in counts.items() if count > most), None)
    if beyond is not None and asked is not None and asked.categories == "native":
        raise InvalidInputError(
            f"{_WHERE}.categories: {beyond} has {counts[beyond]:,} categories, and {able.name} splits on {most} at most; "
            'expected "auto", by which the codes of such a feature are numbers'
        )
    # the encoder puts categories first, in this order
    native = [position for position, count in enumerate(counts.values()) if count <= most]
    estimator.set_params(categorical_features=native or None)
    pipeline.fit(X, y, **weighed)
    # It has encoded the codes once more, to the same codes, with a function that a model file may not hold. Without that step
    # it takes them as they are.
    estimator._preprocessor = None
    return pipeline
