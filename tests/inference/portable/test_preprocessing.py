"""Each transformer against scikit-learn, to the bit, on a matrix; and what has no portable form."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import Pipeline
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

from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.conversion import composition, preprocessing
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.program import Program

RNG = np.random.default_rng(4)
X = RNG.normal(size=(300, 4))
HOLES = np.where(RNG.random((300, 4)) < 0.2, np.nan, X)
CODES = np.where(RNG.random((300, 3)) < 0.1, np.nan, RNG.integers(0, 7, (300, 3)).astype(float))
OTHER_CODES = np.vstack([CODES[:50], [[9.0, -0.0, 3.5]]])
TEXTS = np.where(
    RNG.random((300, 2)) < 0.1, np.nan, RNG.choice(["a", "b", "c", "d"], (300, 2)).astype(object)
)

EXAMPLES = {
    "mean": (SimpleImputer(), HOLES),
    "median and flags": (SimpleImputer(strategy="median", add_indicator=True), HOLES),
    "an empty column": (SimpleImputer(), np.c_[HOLES, np.full(300, np.nan)]),
    "an empty column that is kept": (SimpleImputer(keep_empty_features=True), np.c_[HOLES, np.full(300, np.nan)]),
    "texts": (SimpleImputer(strategy="most_frequent"), TEXTS),
    "a text": (SimpleImputer(strategy="constant", fill_value="none", add_indicator=True), TEXTS),
    "flags": (MissingIndicator(features="all"), HOLES),
    "some flags": (MissingIndicator(), np.c_[HOLES, X]),
    "standard": (StandardScaler(), HOLES),
    "standard, sparse": (StandardScaler(with_mean=False), sparse.csr_matrix(X * (X > 0))),
    "min-max": (MinMaxScaler(clip=True, feature_range=(-1, 2)), HOLES),
    "max-abs": (MaxAbsScaler(), HOLES),
    "robust": (RobustScaler(unit_variance=True), HOLES),
    "bins": (KBinsDiscretizer(4, encode="ordinal", quantile_method="linear"), X),
    "bins one-hot": (KBinsDiscretizer(4, encode="onehot-dense", quantile_method="linear"), X),
    "function": (FunctionTransformer(np.arcsinh, validate=True), X),
    "ordinal": (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, max_categories=4), CODES),
    "one-hot of numbers": (OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=30, drop="first"), CODES),
    "one-hot of texts": (OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS),
    "pipeline": (Pipeline([("a", SimpleImputer()), ("b", "passthrough"), ("c", StandardScaler())]), HOLES),
    "columns": (ColumnTransformer([("a", StandardScaler(), [2, 0]), ("b", "drop", [1])], remainder="passthrough"), X),
}  # fmt: skip


def evaluated(model):
    return made(from_bytes(to_bytes(Program(convert(model), ("x",)))).root)


def assert_same(expected, found):
    assert expected.shape == found.shape
    if sparse.issparse(expected):
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(expected, part), getattr(found, part))
    elif expected.dtype == object:
        assert expected.tolist() == found.tolist()
    else:
        assert expected.tobytes() == found.astype(expected.dtype).tobytes()
        if len(expected) > 1:  # of one row scikit-learn's own strides are of no account
            assert expected.flags.c_contiguous == found.flags.c_contiguous


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_transformer_gives_what_scikit_learn_gives_to_the_bit(name):
    model, rows = EXAMPLES[name]
    model.fit(rows)
    operation = evaluated(model)
    for asked in (rows, rows[:1], rows[5:22]):
        assert_same(model.transform(asked), operation.transform(asked))
    if rows is CODES:
        assert_same(model.transform(OTHER_CODES), operation.transform(OTHER_CODES))


def test_every_class_of_the_registry_has_an_example_here_or_is_a_model():
    shown = {type(model) for model, _ in EXAMPLES.values()}
    assert set(preprocessing.CONVERSIONS) <= shown
    assert {Pipeline, ColumnTransformer} <= shown & set(composition.CONVERSIONS)


@pytest.mark.parametrize("encoder", [OneHotEncoder(), OrdinalEncoder()])
def test_an_encoder_that_refuses_unknown_categories_still_does(encoder):
    operation = evaluated(encoder.fit(CODES))
    with pytest.raises(ValueError, match="not there in training"):
        operation.transform(OTHER_CODES)


@pytest.mark.parametrize(
    ("model", "rows", "why"),
    [
        (StandardScaler(copy=False), X.copy(), "copy=False"),
        (StandardScaler().set_output(transform="pandas"), X, "set_output"),
        (FunctionTransformer(np.round), X, "a function other than"),
        (SimpleImputer(missing_values=-1.0), X, "another value than NaN"),
        (OneHotEncoder(), np.array([[1], [2]]), "neither texts nor float64"),
        (ColumnTransformer([("a", "passthrough", [0])], transformer_weights={"a": 2.0}), X, "transformer_weights"),
    ],
)  # fmt: skip
def test_what_changes_memory_or_meaning_has_no_portable_form(model, rows, why):
    with pytest.raises(NotPortable, match=why):
        convert(model.fit(rows))
