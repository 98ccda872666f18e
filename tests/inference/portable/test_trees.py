"""Trees, forests and boosting in the portable form answer as scikit-learn's to the bit."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import ensemble, tree
from sklearn.linear_model import LogisticRegression

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.conversion.seam import NotPortable
from pilothouse.inference.portable.evaluation.operation import Frame
from pilothouse.inference.portable.evaluation.registry import made
from pilothouse.inference.portable.evaluation.tree_walk import added
from pilothouse.inference.portable.program import Node
from support.tree_cases import (
    check_batches,
    check_equal,
    converted,
    hard_rows,
    training_rows,
)

COLUMNS = 4
FAMILIES = {
    "tree": (tree.DecisionTreeClassifier, tree.DecisionTreeRegressor, {}),
    "small tree": (tree.DecisionTreeClassifier, tree.DecisionTreeRegressor, {"max_leaf_nodes": 5}),
    "stump": (tree.DecisionTreeClassifier, tree.DecisionTreeRegressor, {"max_depth": 1}),
    "single leaf": (
        tree.DecisionTreeClassifier,
        tree.DecisionTreeRegressor,
        {"min_impurity_decrease": 1e9},
    ),
    "extra tree": (tree.ExtraTreeClassifier, tree.ExtraTreeRegressor, {}),
    "forest": (ensemble.RandomForestClassifier, ensemble.RandomForestRegressor, {"n_estimators": 40}),
    "shallow forest": (
        ensemble.RandomForestClassifier,
        ensemble.RandomForestRegressor,
        {"n_estimators": 25, "max_depth": 3, "n_jobs": 2},
    ),
    "extra trees": (ensemble.ExtraTreesClassifier, ensemble.ExtraTreesRegressor, {"n_estimators": 40}),
    "boosting": (
        ensemble.GradientBoostingClassifier,
        ensemble.GradientBoostingRegressor,
        {"n_estimators": 40},
    ),
    "histograms": (
        ensemble.HistGradientBoostingClassifier,
        ensemble.HistGradientBoostingRegressor,
        {"max_iter": 40, "min_samples_leaf": 3},
    ),
}
WITHOUT_MISSING = ("boosting",)


def classes_of(scores, count):
    return np.digitize(scores, np.quantile(scores, np.linspace(0, 1, count + 1)[1:-1]))


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("classes", [0, 2, 3, 9])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_is_equal_to_the_bit(family, classes, missing):
    if missing and family in WITHOUT_MISSING:
        pytest.skip("takes no missing values")
    X, scores = training_rows(400, COLUMNS, 3, missing)
    classifier, regressor, parameters = FAMILIES[family]
    kind = classifier if classes else regressor
    model = kind(random_state=0, **parameters).fit(X, classes_of(scores, classes) if classes else scores)
    model.set_params(**({"n_jobs": 1} if "n_jobs" in model.get_params() else {}))
    rows = hard_rows(model, COLUMNS, 1000, missing, huge=family == "histograms")
    operation = converted(model)
    check_equal(model, rows, operation)
    check_equal(model, np.asfortranarray(rows), operation)
    check_batches(operation, rows)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "gamma", "poisson", "quantile"])
def test_losses_of_histogram_boosting(loss):
    X, scores = training_rows(300, COLUMNS, 5, missing=True)
    model = ensemble.HistGradientBoostingRegressor(
        loss=loss, quantile=0.8 if loss == "quantile" else None, max_iter=30, min_samples_leaf=3
    ).fit(X, np.exp(scores / 4))
    check_equal(model, hard_rows(model, COLUMNS, 1000, missing=True, huge=True))


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize("init", [None, "zero", ensemble.RandomForestRegressor(5, random_state=0)])
def test_losses_and_beginnings_of_gradient_boosting(loss, init):
    X, scores = training_rows(300, COLUMNS, 5, missing=False)
    model = ensemble.GradientBoostingRegressor(loss=loss, init=init, n_estimators=20).fit(X, scores)
    check_equal(model, hard_rows(model, COLUMNS, 1000, missing=False))


@pytest.mark.parametrize("loss", ["log_loss", "exponential"])
@pytest.mark.parametrize("init", [None, "zero", ensemble.RandomForestClassifier(5, random_state=0)])
def test_beginnings_of_boosted_probabilities(loss, init):
    X, scores = training_rows(300, COLUMNS, 5, missing=False)
    model = ensemble.GradientBoostingClassifier(loss=loss, init=init, n_estimators=20).fit(X, scores > 2)
    check_equal(model, hard_rows(model, COLUMNS, 1000, missing=False))


def test_an_initial_estimator_of_float32_or_of_several_classes_is_not_portable():
    X, scores = training_rows(300, COLUMNS, 5, missing=False)
    for init, classes in ((LogisticRegression(), 2), (ensemble.RandomForestClassifier(5), 3)):
        model = ensemble.GradientBoostingClassifier(init=init, n_estimators=3)
        with pytest.raises(NotPortable):
            convert(model.fit(X, classes_of(scores, classes)))


@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize("whole", [True, False])
def test_categories_that_are_numbers(classes, whole):
    """The model finds them among its own, wherever their columns lie; another number is a missing value."""
    rng = np.random.default_rng(2)
    X, scores = training_rows(500, COLUMNS, 4, missing=True)
    kinds = np.array([-7.0, 0.0, 2.5, 3.0, 11.0, 300.0]) if not whole else np.arange(12.0)
    X[:, 1] = rng.choice(kinds, len(X))
    X[rng.random(len(X)) < 0.05, 1] = np.nan
    scores = scores + 3 * (X[:, 1] == kinds[2]) + 2 * (X[:, 1] == kinds[4])
    kind = ensemble.HistGradientBoostingClassifier if classes else ensemble.HistGradientBoostingRegressor
    model = kind(max_iter=30, categorical_features=[1, 3], min_samples_leaf=3)
    model.fit(X, classes_of(scores, classes) if classes else scores)
    rows = hard_rows(model, COLUMNS, 1000, missing=True)
    rows[:, 1] = rng.choice([*kinds, -0.0, 0.5, 1.5, 4.0, -1.0, 1e9, np.nan], len(rows))
    rows[:, 3] = rng.choice([0.0, -0.0, 1.0, 5.0, 6.0, 2.5, -1.0, 1e300, np.nan], len(rows))
    check_equal(model, rows)
    check_batches(converted(model), rows)


def test_codes_of_categories_without_an_encoder():
    """Pilothouse's own pipelines encode before the model, whose trees then look at the codes themselves."""
    X, scores = training_rows(500, COLUMNS, 4, missing=True)
    X[:, 0] = np.where(np.isnan(X[:, 3]), np.nan, (X[:, 3] * 7) % 5)
    model = ensemble.HistGradientBoostingClassifier(max_iter=30, categorical_features=[0], min_samples_leaf=3)
    model.fit(X, scores > 2)
    model._preprocessor = None
    rows = hard_rows(model, COLUMNS, 1000, missing=True)
    rows[:, 0] = np.random.default_rng(0).choice(
        [0.0, -0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 77.0, 255.0, 2.7, -0.5, -3.0, np.nan], len(rows)
    )
    check_equal(model, rows)
    operation = converted(model)
    for few in (1, 3):
        rows[:few, 0] = 256.0
        with pytest.raises(ValueError, match="256"):
            operation.predict(rows[:few])


def test_categories_that_are_texts():
    rng = np.random.default_rng(6)
    X, scores = training_rows(500, 3, 4, missing=True)
    kinds = np.array(["north", "south", "east", "Süd", ""], dtype=object)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame.insert(1, "kind", rng.choice(kinds, len(X)))
    frame.loc[rng.random(len(X)) < 0.1, "kind"] = np.nan
    scores = scores + 4 * (frame["kind"] == "east")
    model = ensemble.HistGradientBoostingClassifier(max_iter=20, categorical_features=["kind"])
    model.fit(frame, scores > 2)
    operation = converted(model)
    texts = [None if value != value else value for value in frame["kind"]]
    texts[:3] = ["elsewhere", "north", None]
    asked = frame.assign(kind=pd.Series([np.nan if t is None else t for t in texts], dtype=object))
    for rows in (1, 3, 17, 500):
        columns = {name: asked[name].to_numpy()[:rows] for name in "abc"} | {"kind": texts[:rows]}
        got = operation.predict_proba(Frame(rows, {name: columns[name] for name in asked}))
        assert got.tobytes() == model.predict_proba(asked[:rows]).tobytes()


@pytest.mark.parametrize("value", [np.inf, 1e39, -1e300])
def test_what_scikit_learn_refuses_is_refused(value):
    X, scores = training_rows(100, COLUMNS, 4, missing=False)
    for model in (ensemble.RandomForestRegressor(3), ensemble.GradientBoostingRegressor(n_estimators=3)):
        model.fit(X, scores)
        rows = X[:3].copy()
        rows[1, 2] = value
        with pytest.raises(ValueError, match="infinity or a value too large"):
            model.predict(rows)
        with pytest.raises(ValueError, match="infinite"):
            converted(model).predict(rows)


def test_missing_values_are_refused_where_scikit_learn_refuses_them():
    X, scores = training_rows(100, COLUMNS, 4, missing=False)
    rows = X[:2].copy()
    rows[1, 1] = np.nan
    for model in (
        ensemble.GradientBoostingRegressor(n_estimators=3),
        tree.ExtraTreeRegressor(splitter="best"),
    ):
        model.fit(X, scores)
        with pytest.raises(ValueError, match="NaN"):
            model.predict(rows)
        with pytest.raises(ValueError, match="missing"):
            converted(model).predict(rows)


def test_another_number_of_columns_is_refused():
    X, scores = training_rows(60, COLUMNS, 4, missing=False)
    for model in (ensemble.RandomForestRegressor(3), ensemble.HistGradientBoostingRegressor(max_iter=3)):
        operation = converted(model.fit(X, scores))
        for columns in (1, COLUMNS + 1):
            with pytest.raises(ValueError, match="columns; expected 4"):
                operation.predict(np.zeros((2, columns)))


def test_many_rows_are_walked_in_blocks():
    X, scores = training_rows(400, COLUMNS, 4, missing=True)
    model = ensemble.RandomForestClassifier(300, random_state=0).fit(X, classes_of(scores, 3))
    operation = converted(model)
    rows = np.tile(hard_rows(model, COLUMNS, 500, missing=True), (3, 1))[:1203]
    assert len(operation._trees.blocks(len(rows))) > 5
    check_equal(model, rows, operation)


def test_several_targets_are_not_portable():
    X, scores = training_rows(60, COLUMNS, 4, missing=False)
    with pytest.raises(NotPortable, match="several targets"):
        convert(ensemble.RandomForestRegressor(3).fit(X, np.stack([scores, scores], axis=1)))


def test_terms_are_added_one_after_another():
    rng = np.random.default_rng(0)
    for shape in ((1000, 1), (1000, 2), (1000, 3, 5), (100, 1000), (1000, 17), (8, 1), (0, 2)):
        parts = rng.normal(size=shape) * 10.0 ** rng.integers(-8, 8, shape)
        total = np.zeros(shape[1:])
        for part in parts:
            total += part
        assert added(parts).tobytes() == total.tobytes()
    assert str(added(np.full((3, 1), -0.0))[0]) == "0.0"


@settings(max_examples=40, deadline=None)
@given(
    family=st.sampled_from(["tree", "forest", "extra trees", "boosting", "histograms"]),
    classes=st.sampled_from([0, 2, 3]),
    leaves=st.integers(2, 40),
    trees=st.integers(1, 12),
    columns=st.integers(1, 5),
    missing=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_random_small_ensembles(family, classes, leaves, trees, columns, missing, seed):
    missing = missing and family not in WITHOUT_MISSING
    X, scores = training_rows(80, columns, seed, missing)
    classifier, regressor, _ = FAMILIES[family]
    count = {"histograms": "max_iter", "tree": None}.get(family, "n_estimators")
    parameters = {"max_leaf_nodes": leaves, "random_state": seed} | ({count: trees} if count else {})
    if family == "histograms":
        parameters["min_samples_leaf"] = 1 + seed % 7
    y = classes_of(scores, classes) if classes else scores
    model = (classifier if classes else regressor)(**parameters).fit(X, y)
    check_equal(model, hard_rows(model, columns, 60, missing, huge=family == "histograms", seed=seed))


GOOD = {
    "roots": np.array([0]),
    "feature": np.zeros(3, dtype=np.int32),
    "threshold": np.zeros(3),
    "left": np.array([1, -1, -1], dtype=np.int32),
    "right": np.array([2, -1, -1], dtype=np.int32),
    "missing_left": np.zeros(3, dtype=bool),
    "value": np.array([[0.0], [1.0], [2.0]]),
}
SETTINGS = {"columns": 1, "missing": True, "averaged": True, "classifier": False}


@pytest.mark.parametrize(
    "bad",
    [
        {"left": np.array([0, -1, -1], dtype=np.int32)},
        {"left": np.array([3, -1, -1], dtype=np.int32)},
        {"right": np.array([-1, -1, -1], dtype=np.int32)},
        {"right": np.array([-5, -1, -1], dtype=np.int32)},
        {"feature": np.array([1, 0, 0], dtype=np.int32)},
        {"feature": np.array([-1, 0, 0], dtype=np.int32)},
        {"threshold": np.array([np.nan, 0, 0])},
        {"roots": np.array([3])},
        {"roots": np.array([-1])},
        {"roots": np.array([], dtype=np.int64)},
        {"value": np.zeros((2, 1))},
        {"value": np.zeros((3, 2))},
    ],
)
def test_damaged_trees_are_refused(bad):
    assert made(Node("forest", SETTINGS, GOOD)).predict(np.array([[0.0], [1.0], [np.nan]])).tolist() == [
        1,
        2,
        2,
    ]
    with pytest.raises(IntegrityError, match="portable model cannot be read"):
        made(Node("forest", SETTINGS, GOOD | bad))


def test_a_chain_without_end_is_refused():
    n = 30_001
    left = np.full(n, -1, dtype=np.int32)
    right = left.copy()
    left[0 : n - 1 : 2], right[0 : n - 1 : 2] = np.arange(1, n, 2), np.arange(2, n, 2)
    chain = {"left": left, "right": right, "value": np.zeros((n, 1))}
    rest = {name: np.zeros(n, dtype=GOOD[name].dtype) for name in ("feature", "threshold", "missing_left")}
    with pytest.raises(IntegrityError, match="10000 levels at most"):
        made(Node("forest", SETTINGS, GOOD | chain | rest))
