"""Model files hold known types or are not loaded."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.inference.safe_format import dump_model, load_model

X = np.random.default_rng(0).normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(5, random_state=0),
        HistGradientBoostingClassifier(max_iter=3),
        GradientBoostingRegressor(n_estimators=3),
        CalibratedClassifierCV(DecisionTreeClassifier(), cv=2),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_scikit_learn_models_come_back(estimator: object) -> None:
    model = estimator.fit(X, Y)
    np.testing.assert_array_equal(load_model(dump_model(model)).predict(X), model.predict(X))


@pytest.mark.parametrize("yes", [True, np.True_])
def test_weights_of_booleans_are_refused_for_they_would_come_back_as_others(yes: object) -> None:
    """skops 0.16 writes {True: 9.0, False: 1.0} and reads {True: 1.0}."""
    tree = DecisionTreeClassifier(max_depth=2, class_weight={yes: 9.0, not yes: 1.0})
    with pytest.raises(
        InvalidInputError, match=r"decisiontreeclassifier__class_weight has keys .* use 1 and 0"
    ):
        dump_model(make_pipeline(StandardScaler(), tree).fit(X, Y.astype(bool)))
    several = DecisionTreeClassifier(class_weight=[{yes: 9.0, not yes: 1.0}] * 2).fit(
        X, np.column_stack([Y, 1 - Y]) > 0
    )
    with pytest.raises(InvalidInputError, match="class_weight has keys"):
        dump_model(several)
    same = DecisionTreeClassifier(max_depth=2, class_weight={1: 9.0, 0: 1.0}).fit(X, Y.astype(bool))
    assert load_model(dump_model(same)).get_params() == same.get_params()


class Mine(DecisionTreeClassifier):
    """An estimator that somebody wrote in train.py."""


def double(values: np.ndarray) -> np.ndarray:
    return values * 2


def test_an_estimator_of_the_users_own_class_cannot_be_written() -> None:
    with pytest.raises(InvalidInputError, match=r"may not hold: .*test_safe_format\.Mine"):
        dump_model(Mine().fit(X, Y))


def test_a_file_with_a_foreign_type_is_not_loaded() -> None:
    hostile = skops.io.dumps(make_pipeline(FunctionTransformer(double), DecisionTreeClassifier()).fit(X, Y))
    with pytest.raises(IntegrityError, match=r"not allowed: .*double; not loaded"):
        load_model(hostile)


@pytest.mark.parametrize(
    "data", [b"", b"not a model", pickle.dumps({"a": 1})], ids=["empty", "text", "pickle"]
)
def test_other_bytes_are_not_a_model(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="not a skops file"):
        load_model(data)


def test_a_damaged_file_is_refused() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("schema.json", "{}")
    with pytest.raises(IntegrityError, match="cannot be read"):
        load_model(packed.getvalue())
