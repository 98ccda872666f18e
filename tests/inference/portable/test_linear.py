"""Each linear model and each dummy against scikit-learn, to the bit, by every method that it has."""

import warnings

import numpy as np
import pytest
from sklearn import dummy, linear_model, svm

from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.conversion import linear
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.program import Program

RNG = np.random.default_rng(3)
X = RNG.normal(size=(400, 5))
VALUE = X @ [1.0, -2.0, 0.5, 0.0, 3.0] + RNG.normal(size=400)
POSITIVE = np.exp(VALUE / 5)
BINARY = np.where(VALUE > 0, "yes", "no")
SEVERAL = np.array(["a", "b", "c"])[np.digitize(VALUE, [-1.0, 1.0])]
ASKED = np.vstack(
    [RNG.normal(size=(300, 5)) * 3, np.zeros((1, 5)), -np.zeros((1, 5)), np.full((1, 5), 1e200)]
)
SETTINGS = {
    "SGDRegressor": {"max_iter": 5},
    "SGDClassifier": {"max_iter": 5, "loss": "modified_huber"},
    "TheilSenRegressor": {"max_subpopulation": 50, "max_iter": 20},
    "LogisticRegressionCV": {"Cs": 2, "cv": 2},
    "TweedieRegressor": {"power": 1.5},
}


def evaluated(model):
    return made(from_bytes(to_bytes(Program(convert(model), tuple("vwxyz")))).root)


def assert_same(expected, found):
    assert expected.shape == found.shape
    assert expected.dtype == found.dtype
    assert expected.tobytes() == found.tobytes()


@pytest.mark.parametrize("kind", linear.CONVERSIONS, ids=lambda kind: kind.__name__)
def test_a_linear_model_answers_equal_to_the_bit(kind):
    from sklearn.base import is_classifier

    outcomes = [BINARY, SEVERAL] if is_classifier(kind()) else [POSITIVE]
    for outcome in outcomes:
        model = kind(**SETTINGS.get(kind.__name__, {}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, outcome)
        operation = evaluated(model)
        for rows in (ASKED, ASKED[:1], ASKED[7:24], np.asfortranarray(ASKED[:50])):
            with np.errstate(all="ignore"):
                if not is_classifier(model):
                    assert_same(model.predict(rows), operation.predict(rows))
                    continue
                assert_same(model.decision_function(rows), operation.decision_function(rows))
                assert (model.classes_[operation.predict(rows)] == model.predict(rows)).all()
                assert operation.does("predict_proba") == hasattr(model, "predict_proba")
                if hasattr(model, "predict_proba"):
                    assert_same(model.predict_proba(rows), operation.predict_proba(rows))


@pytest.mark.parametrize("strategy", ["prior", "most_frequent", "constant"])
def test_a_dummy_answers_equal_to_the_bit(strategy):
    model = dummy.DummyClassifier(strategy=strategy, constant="b" if strategy == "constant" else None)
    operation = evaluated(model.fit(X, SEVERAL))
    assert_same(model.predict_proba(ASKED), operation.predict_proba(ASKED))
    assert (model.classes_[operation.predict(ASKED)] == model.predict(ASKED)).all()
    regressor = dummy.DummyRegressor().fit(X, VALUE)
    assert_same(regressor.predict(ASKED), evaluated(regressor).predict(ASKED))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_scikit_learn_refuses_is_refused(bad):
    operation = evaluated(linear_model.Ridge().fit(X, VALUE))
    rows = ASKED.copy()
    rows[3, 2] = bad
    with pytest.raises(ValueError, match="missing or infinite"):
        operation.predict(rows)


class Mine(linear_model.Ridge):
    """A subclass may do anything."""


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Mine().fit(X, VALUE), "Mine has no portable form"),
        (svm.SVC().fit(X, BINARY), "SVC has no portable form"),
        (linear_model.Ridge().fit(X, np.c_[VALUE, VALUE]), "several targets"),
        (dummy.DummyClassifier(strategy="stratified").fit(X, BINARY), "strategy='stratified'"),
        (linear_model.LinearRegression().fit(X.astype(np.float32), VALUE.astype(np.float32)), "float32"),
    ],
)
def test_what_is_not_known_has_no_portable_form(model, why):
    with pytest.raises(NotPortable, match=why):
        convert(model)
