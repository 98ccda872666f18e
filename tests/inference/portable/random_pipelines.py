"""Random pipelines of what people put into a model, fitted on made-up rows."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import reject
from hypothesis import strategies as st
from sklearn import dummy, ensemble, linear_model, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.naive_bayes import GaussianNB
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

from pilothouse.inference.columns import InputColumns
from pilothouse.inference.schema import InputColumn, InputSchema

NUMBERS, CATEGORIES = ("a", "b", "c", "d"), ("p", "q")
ROWS = 240


def _small_tree() -> Any:
    return tree.DecisionTreeClassifier(max_depth=3, random_state=0)


CLASSIFIERS = {
    "logistic": lambda: linear_model.LogisticRegression(max_iter=30),
    "logistic, no intercept": lambda: linear_model.LogisticRegression(max_iter=30, fit_intercept=False),
    "gaussian": lambda: GaussianNB(),
    "logistic cv": lambda: linear_model.LogisticRegressionCV(Cs=2, cv=2, max_iter=20),
    "sgd log": lambda: linear_model.SGDClassifier(loss="log_loss", max_iter=5, random_state=0),
    "sgd huber": lambda: linear_model.SGDClassifier(loss="modified_huber", max_iter=5, random_state=0),
    "tree": lambda: tree.DecisionTreeClassifier(max_depth=4, random_state=0),
    "forest": lambda: ensemble.RandomForestClassifier(5, max_depth=4, random_state=0),
    "extra trees": lambda: ensemble.ExtraTreesClassifier(5, max_depth=4, random_state=0),
    "boosting": lambda: ensemble.GradientBoostingClassifier(n_estimators=4, random_state=0),
    "histogram": lambda: ensemble.HistGradientBoostingClassifier(max_iter=4, random_state=0),
    "sigmoid": lambda: CalibratedClassifierCV(svm.LinearSVC(max_iter=50), cv=2),
    "isotonic": lambda: CalibratedClassifierCV(_small_tree(), method="isotonic", cv=2),
    "voting": lambda: ensemble.VotingClassifier(
        [("a", _small_tree()), ("b", linear_model.LogisticRegression(max_iter=20))], voting="soft"
    ),
    "stacking": lambda: ensemble.StackingClassifier(
        [("a", _small_tree()), ("b", linear_model.LogisticRegression(max_iter=20))], cv=2
    ),
    "dummy": lambda: dummy.DummyClassifier(),
    "dummy frequent": lambda: dummy.DummyClassifier(strategy="most_frequent"),
}
REGRESSORS = {
    "linear": lambda: linear_model.LinearRegression(),
    "positive": lambda: linear_model.LinearRegression(positive=True),
    "ridge": lambda: linear_model.Ridge(),
    "ridge cv": lambda: linear_model.RidgeCV(),
    "lasso": lambda: linear_model.Lasso(alpha=0.01),
    "elastic net": lambda: linear_model.ElasticNet(alpha=0.01),
    "elastic net cv": lambda: linear_model.ElasticNetCV(cv=2, alphas=3),
    "sgd": lambda: linear_model.SGDRegressor(max_iter=5, random_state=0),
    "poisson": lambda: linear_model.PoissonRegressor(max_iter=20),
    "gamma": lambda: linear_model.GammaRegressor(max_iter=20),
    "tweedie": lambda: linear_model.TweedieRegressor(power=1.5, max_iter=20),
    "huber": lambda: linear_model.HuberRegressor(max_iter=20),
    "bayes": lambda: linear_model.BayesianRidge(),
    "log target": lambda: TransformedTargetRegressor(
        linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1
    ),
    "scaled target": lambda: TransformedTargetRegressor(linear_model.Ridge(), transformer=StandardScaler()),
    "tree": lambda: tree.DecisionTreeRegressor(max_depth=4, random_state=0),
    "forest": lambda: ensemble.RandomForestRegressor(5, max_depth=4, random_state=0),
    "extra trees": lambda: ensemble.ExtraTreesRegressor(5, max_depth=4, random_state=0),
    "boosting": lambda: ensemble.GradientBoostingRegressor(n_estimators=4, random_state=0),
    "histogram": lambda: ensemble.HistGradientBoostingRegressor(max_iter=4, random_state=0),
    "histogram of counts": lambda: ensemble.HistGradientBoostingRegressor(
        loss="poisson", max_iter=4, random_state=0
    ),
    "voting": lambda: ensemble.VotingRegressor(
        [("a", tree.DecisionTreeRegressor(max_depth=3, random_state=0)), ("b", linear_model.Ridge())]
    ),
    "stacking": lambda: ensemble.StackingRegressor(
        [("a", tree.DecisionTreeRegressor(max_depth=3, random_state=0)), ("b", linear_model.Ridge())], cv=2
    ),
    "dummy": lambda: dummy.DummyRegressor(strategy="median"),
}


class Case:
    """Fitted pipeline, its schema, and rows to ask it for. A failing one is printed in a line."""

    def __init__(self, name: str, model: Any, schema: InputSchema, sample: InputColumns) -> None:
        self.name, self.model, self.schema, self.sample = name, model, schema, sample

    def __repr__(self) -> str:
        return f"{self.name}: {self.model}"


@st.composite
def cases(draw: Any) -> Case:
    seed = draw(st.integers(0, 2**32 - 1))
    task = draw(st.sampled_from(["binary", "multiclass", "regression"]))
    numbers = NUMBERS[: draw(st.integers(1, 4))]
    categories = CATEGORIES[: draw(st.integers(0, 2))]
    table, sample = rows_of(seed, numbers, categories, missing=draw(st.booleans()))
    families = REGRESSORS if task == "regression" else CLASSIFIERS
    name = draw(st.sampled_from(sorted(families)))
    make = _encoder if draw(st.booleans()) else _nested
    encode = make(draw, numbers, categories)
    model = Pipeline([("encode", encode), ("model", families[name]())])
    outcome = _outcome(seed, task, table[numbers[0]].fillna(0.0).to_numpy())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(table, outcome)
        except (ValueError, TypeError):  # what scikit-learn does not take together
            reject()
    classes = () if task == "regression" else tuple(sorted(set(outcome)))
    columns = [InputColumn(n, "number") for n in numbers] + [InputColumn(c, "category") for c in categories]
    schema = InputSchema(
        "made-up", task, classes, "ts", tuple(columns), missing=draw(st.sampled_from([(), ("NA",)]))
    )
    return Case(f"{task} {name}", model, schema, sample)


def rows_of(
    seed: int, numbers: tuple[str, ...], categories: tuple[str, ...], *, missing: bool
) -> tuple[pd.DataFrame, InputColumns]:
    """Rows to fit on, and others to ask for."""
    rng = np.random.default_rng(seed)
    numeric = {name: rng.normal(size=2 * ROWS) * 10.0 ** rng.integers(-3, 4) for name in numbers}
    texts = {name: [f"{name}{i}" for i in rng.zipf(1.5, 2 * ROWS).clip(1, 40)] for name in categories}
    if missing:
        for values in numeric.values():
            values[rng.random(2 * ROWS) < 0.1] = np.nan
        for values in texts.values():
            for i in np.flatnonzero(rng.random(2 * ROWS) < 0.1):
                values[i] = None
    table = pd.DataFrame(
        {name: values[:ROWS] for name, values in numeric.items()}
        | {
            name: pd.Series([np.nan if v is None else v for v in values[:ROWS]], dtype=object)
            for name, values in texts.items()
        }
    )
    sample = InputColumns(
        ROWS,
        {name: values[ROWS:].copy() for name, values in numeric.items()},
        {name: values[ROWS:] for name, values in texts.items()},
    )
    return table, sample


def _outcome(seed: int, task: str, signal: Any) -> Any:
    rng = np.random.default_rng([seed, 1])
    value = signal / (np.abs(signal).max() or 1.0) + rng.normal(size=len(signal)) / 3
    if task == "regression":
        return np.exp(value)
    if task == "binary":
        return np.where(value > np.median(value), "yes", "no")
    return np.array(["hi", "lo", "mid"])[np.digitize(value, np.quantile(value, [0.3, 0.7]))]


def _numbers(draw: Any) -> Any:
    """Transformer of numbers that leaves no missing value."""
    steps = [("fill", SimpleImputer(
        strategy=draw(st.sampled_from(["mean", "median", "most_frequent"])),
        add_indicator=draw(st.booleans()),
        keep_empty_features=draw(st.booleans()),
    ))]  # fmt: skip
    if draw(st.booleans()):
        steps[0] = ("fill", SimpleImputer(strategy="constant", fill_value=draw(st.sampled_from([0.0, -1.0]))))
    scalers = {
        "none": None,
        "standard": StandardScaler(with_mean=draw(st.booleans())),
        "min-max": MinMaxScaler(clip=draw(st.booleans())),
        "max-abs": MaxAbsScaler(),
        "robust": RobustScaler(with_centering=draw(st.booleans())),
        "bins": KBinsDiscretizer(3, encode=draw(st.sampled_from(["ordinal", "onehot", "onehot-dense"]))),
        "nothing": FunctionTransformer(),
        "arcsinh": FunctionTransformer(np.arcsinh),
        "two": Pipeline([("a", MinMaxScaler()), ("b", StandardScaler())]),
    }
    chosen = scalers[draw(st.sampled_from(sorted(scalers)))]
    return Pipeline(steps if chosen is None else [*steps, ("scale", chosen)])


def _categories(draw: Any) -> Any:
    if draw(st.booleans()):
        unknown = draw(st.sampled_from([-1, -5]))
        encoder: Any = OrdinalEncoder(
            handle_unknown="use_encoded_value",
            unknown_value=unknown,
            encoded_missing_value=draw(st.sampled_from([unknown, -2])),
            max_categories=draw(st.sampled_from([None, 5])),
        )
    else:
        encoder = OneHotEncoder(
            handle_unknown=draw(st.sampled_from(["ignore", "infrequent_if_exist"])),
            drop=draw(st.sampled_from([None, "first", "if_binary"])),
            min_frequency=draw(st.sampled_from([None, 4, 0.1])),
            max_categories=draw(st.sampled_from([None, 6])),
            sparse_output=draw(st.booleans()),
        )
    if draw(st.booleans()):
        strategy = draw(st.sampled_from(["most_frequent", "constant"]))
        fill = SimpleImputer(strategy=strategy, fill_value="none" if strategy == "constant" else None)
        return Pipeline([("fill", fill), ("encode", encoder)])
    return encoder


def _encoder(draw: Any, numbers: tuple[str, ...], categories: tuple[str, ...]) -> Any:
    parts = [("numbers", _numbers(draw), list(draw(st.permutations(numbers))))]
    if categories:
        parts.insert(draw(st.integers(0, 1)), ("categories", _categories(draw), list(categories)))
    return ColumnTransformer(parts, sparse_threshold=draw(st.sampled_from([0, 0.3, 1.0])))


def _nested(draw: Any, numbers: tuple[str, ...], categories: tuple[str, ...]) -> Any:
    """Encoder followed by another on the matrix that it gives."""
    first = ColumnTransformer(
        [("numbers", SimpleImputer(), list(numbers))]
        + ([("categories", OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1,
        ), list(categories))] if categories else [])
    )  # fmt: skip
    count = len(numbers)
    picked = sorted(draw(st.sets(st.integers(0, count - 1), min_size=1)))
    second = ColumnTransformer(
        [("some", _numbers(draw), picked)], remainder=draw(st.sampled_from(["drop", "passthrough"]))
    )
    return Pipeline([("first", first), ("second", second)])
