"""Calibration, voting, stacking, bagging, AdaBoost and several classes by two answer as scikit-learn's to the bit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.evaluation.operation import Frame
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.program import Node
from support.tree_cases import check_equal, converted, training_rows

COLUMNS = 4
X, SCORES = training_rows(300, COLUMNS, 8, missing=False)
ROWS = np.concatenate(
    [X, np.random.default_rng(1).normal(size=(200, COLUMNS)) * [1, 10, 1e6, 3], np.zeros((1, COLUMNS))]
)
HOLES = np.where(np.random.default_rng(2).random(ROWS.shape) < 0.2, np.nan, ROWS)


def classes_of(count):
    return np.digitize(SCORES, np.quantile(SCORES, np.linspace(0, 1, count + 1)[1:-1]))


def forest(seed=0):
    return RandomForestClassifier(8, max_depth=5, random_state=seed)


def histograms():
    return HistGradientBoostingClassifier(max_iter=8, random_state=0)


def logistic():
    return make_pipeline(StandardScaler(), LogisticRegression())


@pytest.mark.parametrize("method", ["sigmoid", "isotonic", "temperature"])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("classes", [2, 3, 9])
@pytest.mark.parametrize(
    ("base", "rows"),
    [
        (forest(), HOLES),
        (histograms(), HOLES),
        (GradientBoostingClassifier(n_estimators=4), ROWS),
        (logistic(), ROWS),
        (LinearSVC(), ROWS),
    ],
    ids=lambda value: type(value).__name__,
)
def test_calibration(method, together, classes, base, rows):
    model = CalibratedClassifierCV(base, method=method, ensemble=together, cv=3).fit(X, classes_of(classes))
    check_equal(model, rows)


def test_calibration_of_a_fitted_classifier_and_of_folds_that_lack_a_class():
    y = classes_of(3)
    frozen = FrozenEstimator(forest().fit(X, y))
    check_equal(CalibratedClassifierCV(frozen, method="isotonic").fit(X, y), HOLES)
    few = np.where(np.arange(len(y)) == 5, 3, y)
    folds = [(np.arange(0, 200), np.arange(200, 300)), (np.arange(100, 300), np.arange(0, 100))]
    check_equal(CalibratedClassifierCV(forest(), cv=folds).fit(X, few), HOLES)


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("weights", [None, [1, 2, 0], [0.3, 0.1, 1 / 3]])
def test_voting_of_classifiers(classes, weights):
    voters = [("f", forest()), ("g", GradientBoostingClassifier(n_estimators=5)), ("l", logistic())]
    model = VotingClassifier(voters, voting="soft", weights=weights).fit(X, classes_of(classes))
    check_equal(model, ROWS)


def test_a_vote_without_probabilities_is_not_portable():
    with pytest.raises(NotPortable, match="voting='hard'"):
        convert(VotingClassifier([("f", forest())]).fit(X, classes_of(2)))


@pytest.mark.parametrize("weights", [None, [3, 0.1, 7]])
def test_voting_of_regressors(weights):
    voters = [
        ("f", RandomForestRegressor(5, random_state=0)),
        ("dropped", "drop"),
        ("l", LinearRegression()),
    ]
    check_equal(VotingRegressor(voters, weights=weights).fit(X, SCORES), ROWS)


@pytest.mark.parametrize("passthrough", [True, False])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("method", ["auto", "predict"])
def test_stacking_of_classifiers(classes, passthrough, method):
    parts = [
        ("f", forest()),
        ("h", histograms()),
        ("s", make_pipeline(StandardScaler(), LinearSVC())),
        ("d", "drop"),
    ]
    for last in (None, RandomForestClassifier(5, random_state=0)):
        model = StackingClassifier(parts, last, passthrough=passthrough, cv=3, stack_method=method)
        names = np.array(["low", "middle", "top"])[classes_of(classes)]
        check_equal(model.fit(X, names), ROWS)


@pytest.mark.parametrize("passthrough", [True, False])
def test_stacking_of_regressors(passthrough):
    parts = [("f", RandomForestRegressor(5, random_state=0)), ("l", LinearRegression())]
    model = StackingRegressor(parts, passthrough=passthrough, cv=3).fit(X, SCORES)
    check_equal(model, ROWS)
    last = GradientBoostingRegressor(n_estimators=5)
    check_equal(StackingRegressor(parts, last, passthrough=passthrough, cv=3).fit(X, SCORES), ROWS)


def test_stacking_of_labels_that_are_not_numbered_is_not_portable():
    y = classes_of(2) + 5
    model = StackingClassifier([("f", forest().fit(X, y))], cv="prefit", stack_method="predict")
    with pytest.raises(NotPortable, match="0, 1, 2"):
        convert(model.fit(X, y))


@pytest.mark.parametrize("kind", [OneVsRestClassifier, OneVsOneClassifier])
@pytest.mark.parametrize("classes", [2, 3, 9])
@pytest.mark.parametrize("base", [logistic(), forest(), histograms(), LinearSVC()])
def test_several_classes_by_classifiers_of_two(kind, classes, base):
    model = kind(base).fit(X, classes_of(classes))
    check_equal(model, ROWS)


def test_calibrated_pairs():
    model = CalibratedClassifierCV(OneVsOneClassifier(LinearSVC()), cv=3).fit(X, classes_of(3))
    check_equal(model, ROWS)


def test_several_labels_are_not_portable():
    y = np.stack([classes_of(2), classes_of(3) > 0], axis=1).astype(int)
    with pytest.raises(NotPortable, match="several labels"):
        convert(OneVsRestClassifier(forest()).fit(X, y))


@pytest.mark.parametrize("features", [1.0, 0.5])
@pytest.mark.parametrize("classes", [0, 2, 3])
def test_bagging(features, classes):
    if classes:
        names = np.array(["low", "middle", "top"])[classes_of(classes)]
        base = DecisionTreeClassifier(max_depth=4)
        model = BaggingClassifier(base, 9, max_features=features, random_state=0).fit(X, names)
        unweighted = make_pipeline(StandardScaler(), base)
        few = BaggingClassifier(unweighted, 9, max_samples=3, random_state=4).fit(X, names)
        assert any(len(own.classes_) < classes for own in few.estimators_) or classes == 2
        check_equal(few, HOLES)
    else:
        base = HistGradientBoostingRegressor(max_iter=3)
        model = BaggingRegressor(base, 7, max_features=features, random_state=0).fit(X, SCORES)
    check_equal(model, HOLES)


@pytest.mark.parametrize("classes", [0, 2, 3, 9])
def test_ada_boost(classes):
    if classes:
        base = DecisionTreeClassifier(max_depth=2)
        model = AdaBoostClassifier(base, n_estimators=12, random_state=0).fit(X, classes_of(classes))
    else:
        base = DecisionTreeRegressor(max_depth=3)
        model = AdaBoostRegressor(base, n_estimators=12, random_state=0).fit(X, SCORES)
    check_equal(model, ROWS)
    operation = converted(model)
    with pytest.raises(ValueError, match="missing"):
        operation.predict(HOLES)


def test_models_of_a_frame_take_a_frame():
    frame = pd.DataFrame(X, columns=list("abcd"))
    asked = Frame(len(X), {name: frame[name].to_numpy() for name in frame})
    y = classes_of(3)
    models = [
        forest(),
        histograms(),
        GradientBoostingClassifier(n_estimators=3),
        BaggingClassifier(forest(), 3),
        AdaBoostClassifier(n_estimators=3),
        VotingClassifier([("f", forest()), ("l", logistic())], voting="soft"),
        StackingClassifier([("f", forest()), ("l", logistic())], passthrough=True, cv=3),
        CalibratedClassifierCV(logistic(), method="isotonic", cv=3),
        OneVsRestClassifier(forest()),
    ]
    for model in models:
        model.fit(frame, y)
        got = converted(model).predict_proba(asked)
        assert got.tobytes() == model.predict_proba(frame).tobytes(), type(model).__name__


@settings(max_examples=15, deadline=None)
@given(
    classes=st.sampled_from([2, 3, 5]),
    method=st.sampled_from(["sigmoid", "isotonic", "temperature"]),
    passthrough=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_compositions_of_compositions(classes, method, passthrough, seed):
    y = classes_of(classes)
    parts = [
        ("c", CalibratedClassifierCV(forest(seed), method=method, cv=2)),
        (
            "v",
            VotingClassifier(
                [("e", ExtraTreesClassifier(3, random_state=seed)), ("h", histograms())], voting="soft"
            ),
        ),
    ]
    model = StackingClassifier(parts, logistic(), passthrough=passthrough, cv=2).fit(X, y)
    check_equal(model, ROWS[seed % 300 :])


LEAF = Node("constant-classifier", {"answer": 0}, {"probabilities": np.array([0.5, 0.5])})
SIGMOID = Node("sigmoid", arrays={"slope": np.array(1.0), "intercept": np.array(0.0)})
FOLD = {"outputs": 2, "together": False, "classes": [0, 1]}


@pytest.mark.parametrize(
    "bad",
    [
        Node("calibrated", FOLD, children=(LEAF,)),
        Node("calibrated", FOLD, children=()),
        Node("calibrated", FOLD, children=(LEAF, LEAF)),
        Node("calibrated", FOLD | {"classes": [0, 2]}, children=(LEAF, SIGMOID)),
        Node("calibrated", FOLD, children=(SIGMOID, SIGMOID)),
        Node("isotonic", arrays={"x": np.array([1.0, 1.0]), "y": np.zeros(2)}),
        Node("mean-of-probabilities"),
        Node("voting", {"classifier": False}, children=(LEAF, SIGMOID, Node("pass-through"))),
        Node(
            "stacking",
            {"methods": ["transform"], "second": True, "passthrough": False},
            children=(LEAF, LEAF),
        ),
        Node("stacking", {"methods": [], "second": True, "passthrough": False}, children=()),
        Node("one-vs-one", {"outputs": 3}, children=(LEAF, LEAF)),
        Node("one-vs-one", {"outputs": 2**31 - 1}, children=(LEAF, LEAF)),
        Node("calibrated", FOLD | {"outputs": 2**31 - 1}, children=(LEAF, SIGMOID, SIGMOID)),
        Node(
            "bagging",
            {"classifier": True, "columns": 1, "outputs": 3, "classes": [None]},
            {"columns-0": np.array([0])},
            (LEAF,),
        ),
        Node(
            "bagging",
            {"classifier": True, "columns": 1, "outputs": 2, "classes": [[0, 2]]},
            {"columns-0": np.array([0])},
            (LEAF,),
        ),
        Node(
            "bagging",
            {"classifier": True, "columns": 1, "outputs": 2, "classes": [None]},
            {"columns-0": np.array([1])},
            (LEAF,),
        ),
        Node("ada-boost-classifier", {"outputs": 2, "classes": [[0, 1]]}, {"weights": np.empty(0)}, (LEAF,)),
    ],
)
def test_damaged_compositions_are_refused(bad):
    with pytest.raises(IntegrityError, match="portable model cannot be read"):
        made(bad)
