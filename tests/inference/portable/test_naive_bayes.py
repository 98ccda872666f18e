"""Naive Bayes by normal distributions against scikit-learn, to the bit."""

import numpy as np
import pytest
from sklearn.naive_bayes import BernoulliNB, GaussianNB

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.portable.archive import from_bytes, to_bytes
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.program import Node, Program

RNG = np.random.default_rng(4)


def evaluated(node):
    return made(from_bytes(to_bytes(Program(node, tuple("abcdefghijkl")))).root)


@pytest.mark.parametrize("columns", [1, 3, 12])
@pytest.mark.parametrize("classes", [1, 2, 3, 7])
@pytest.mark.parametrize("settings", [{}, {"var_smoothing": 0.1}])
def test_it_answers_equal_to_the_bit(columns, classes, settings):
    X = RNG.normal(size=(500, columns)) * 10.0 ** RNG.integers(-3, 4, columns)
    y = RNG.integers(0, classes, 500)
    y[:classes] = range(classes)
    model = GaussianNB(**settings).fit(X + y[:, None] * 0.3, y)
    operation = evaluated(convert(model))
    far = np.vstack([X, X * 50, np.zeros((1, columns)), np.full((1, columns), 1e200), model.theta_])
    for rows in (far, far[:1], far[7:24], np.asfortranarray(far), far[:40][:, ::-1][:, ::-1]):
        with np.errstate(all="ignore"):
            expected, found = model.predict_proba(rows), operation.predict_proba(rows)
            assert np.array_equal(model.classes_[operation.predict(rows)], model.predict(rows))
        assert (expected.shape, expected.dtype) == (found.shape, found.dtype)
        missing = np.isnan(expected)  # of what overflows; any NaN is as good as another
        assert np.array_equal(missing, np.isnan(found))
        assert expected[~missing].tobytes() == found[~missing].tobytes()
        assert missing.sum() <= classes


def test_what_scikit_learn_refuses_is_refused():
    model = GaussianNB().fit(RNG.normal(size=(50, 2)), RNG.integers(0, 2, 50))
    for bad in ([[np.nan, 1.0]], [[np.inf, 1.0]]):
        for one in (model, evaluated(convert(model))):
            with pytest.raises(ValueError):
                one.predict_proba(np.array(bad))


def test_others_and_files_that_do_not_fit_are_refused():
    with pytest.raises(NotPortable):
        convert(BernoulliNB().fit([[0, 1], [1, 0]], [0, 1]))
    for mean, variance in (((2, 3), (2, 2)), ((3, 3), (2, 3)), ((0, 3), (0, 3))):
        arrays = {"prior": np.ones(2), "mean": np.ones(mean), "variance": np.ones(variance)}
        with pytest.raises(IntegrityError):
            made(Node("gaussian-classifier", {}, arrays))
