"""A model read back from its bytes answers as it did when it was trained."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.inference.columns import input_columns
from pilothouse.inference.encoding import frame, split
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import dump_model, load_model
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.training.models.estimators import build_pipeline

SCHEMA = InputSchema(
    model="late",
    task="binary",
    classes=("0", "1"),
    timestamp="at",
    columns=(InputColumn("speed", "number"), InputColumn("port", "category"), InputColumn("age", "number")),
)


def rows(n: int = 400) -> dict[str, list[object]]:
    rng = np.random.default_rng(1)
    speed = rng.normal(size=n)
    return {
        "speed": [None if i % 17 == 0 else float(v) for i, v in enumerate(speed)],
        "port": [None if i % 23 == 0 else "ABCD"[i % 4] for i in range(n)],
        "age": [float(v) for v in rng.integers(0, 9, n)],
    }


def fitted() -> Pipeline:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    transform = ColumnTransformer(
        [("categories", encoder, ["port"]), ("numbers", "passthrough", ["speed", "age"])]
    )
    model = Pipeline(
        [
            ("encode", transform),
            ("model", HistGradientBoostingClassifier(max_iter=20, random_state=0)),
        ]
    )
    columns = input_columns(SCHEMA, rows(), 400)
    outcomes = (np.nan_to_num(columns.numeric["speed"]) + columns.numeric["age"] / 5 > 1).astype(int)
    return model.fit(frame(SCHEMA, columns), outcomes)


def test_a_model_answers_the_same_from_its_bytes() -> None:
    model = fitted()
    predictor = Predictor(dump_model(model), SCHEMA)
    answer = predictor.predict(rows(), 400)
    expected = model.predict_proba(frame(SCHEMA, input_columns(SCHEMA, rows(), 400)))
    assert answer.probabilities is not None
    np.testing.assert_array_equal(answer.probabilities, expected)
    np.testing.assert_array_equal(answer.scores, expected[:, 1])
    assert answer.labels == [str(label) for label in expected.argmax(axis=1)]


def test_building_the_matrix_directly_changes_no_bit() -> None:
    model = fitted()
    encode, estimator = split(model, SCHEMA, {})
    assert estimator is model.steps[-1][1]
    unusual = {
        "speed": [None, 1, float("inf")],
        "port": ["never seen", None, "B"],
        "age": [True, 2, float("nan")],
    }
    columns = input_columns(SCHEMA, unusual, 3)
    np.testing.assert_array_equal(encode(columns), model[:-1].transform(frame(SCHEMA, columns)))


def test_a_text_column_without_a_value_is_text_still() -> None:
    columns = input_columns(SCHEMA, {"speed": [None, 1.0], "port": [None, None], "age": [3, 4]}, 2)
    made = frame(SCHEMA, columns)
    assert made.dtypes.astype(str).to_dict() == {"speed": "float64", "port": "object", "age": "float64"}
    assert made.isna().to_numpy().tolist() == [[True, True, False], [False, True, False]]


def test_a_pipeline_of_another_shape_is_asked_as_it_is() -> None:
    model = Pipeline(
        [("keep", ColumnTransformer([("n", "passthrough", ["age"])])), ("model", LogisticRegression())]
    )
    columns = input_columns(SCHEMA, rows(), 400)
    model.fit(frame(SCHEMA, columns), np.arange(400) % 2)
    encode, estimator = split(model, SCHEMA, {})
    assert estimator is model
    assert isinstance(encode(columns), pd.DataFrame)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"port": ["A"] * 3}, "'port' has 3 values; expected 2"),
        ({"speed": ["fast", 1]}, "'speed': found 'fast'; expected numbers, or null where missing"),
    ],
)
def test_wrong_input_names_its_column(change: dict[str, list[object]], said: str) -> None:
    predictor = Predictor(dump_model(fitted()), SCHEMA)
    two = {name: values[:2] for name, values in rows().items()}
    with pytest.raises(InvalidInputError, match=said.replace("(", r"\(")):
        predictor.predict({**two, **change}, 2)


def test_a_missing_input_is_named() -> None:
    predictor = Predictor(dump_model(fitted()), SCHEMA)
    with pytest.raises(InvalidInputError, match="the input 'age' is missing; expected a number for each row"):
        predictor.predict({"speed": [1], "port": ["A"]}, 1)


def test_one_class_missing_from_training_has_probability_zero() -> None:
    schema = InputSchema("m", "multiclass", ("a", "b", "c"), "at", (InputColumn("x", "number"),))
    X = pd.DataFrame({"x": np.arange(40.0)})
    model = LogisticRegression().fit(X, np.where(X.x > 20, "c", "a"))
    answer = Predictor(dump_model(model), schema).predict({"x": [0.0, 39.0]}, 2)
    assert answer.labels == ["a", "c"]
    assert answer.probabilities is not None
    assert list(answer.probabilities[:, 1]) == [0.0, 0.0]
    np.testing.assert_array_equal(answer.scores, answer.probabilities.max(axis=1))


def test_a_regression_answers_with_values() -> None:
    schema = InputSchema("m", "regression", (), "at", (InputColumn("x", "number"),))
    X = pd.DataFrame({"x": np.arange(10.0)})
    answer = Predictor(dump_model(LinearRegression().fit(X, X.x * 2)), schema).predict({"x": [4, 5]}, 2)
    assert answer.scores == pytest.approx([8, 10])
    assert (answer.labels, answer.probabilities) == ([], None)


def test_a_classifier_without_probabilities_is_refused() -> None:
    model = RidgeClassifier().fit(pd.DataFrame({"x": [0.0, 1.0]}), [0, 1])
    schema = InputSchema("m", "binary", ("0", "1"), "at", (InputColumn("x", "number"),))
    with pytest.raises(IntegrityError, match="RidgeClassifier gives no probabilities"):
        Predictor(dump_model(model), schema)


def test_latency_is_measured_for_single_rows() -> None:
    predictor = Predictor(dump_model(fitted()), SCHEMA)
    times = predictor.measure_latency_us(rows(5), 12)
    assert len(times) == 12
    assert all(0 < microseconds < 10_000_000 for microseconds in times)


def test_a_model_from_its_file_is_the_same_model() -> None:
    assert load_model(dump_model(fitted())).get_params()["model__max_iter"] == 20


@pytest.mark.parametrize("missing_learned", [True, False])
@pytest.mark.parametrize(
    "estimator", ["linear_model.LogisticRegression", "ensemble.HistGradientBoostingClassifier"]
)
def test_a_category_that_was_never_seen_is_missing(estimator: str, missing_learned: bool) -> None:
    rng = np.random.default_rng(3)
    n = 600
    columns_of = (InputColumn("c", "category"), InputColumn("x", "number"))
    schema = InputSchema("m", "binary", ("0", "1"), "at", columns_of, missing=("",))
    drawn = rng.choice(["a", "b", None if missing_learned else "c", *(f"rare {i}" for i in range(300))], n)
    columns = input_columns(schema, {"c": drawn.tolist(), "x": rng.normal(size=n)}, n)
    outcomes = (columns.numeric["x"] + (drawn == "a") + 2 * (drawn == None) > 0.5).astype(int)  # noqa: E711 - by element
    pipeline = build_pipeline(f"sklearn.{estimator}", {}, schema, seed=0, threads=1)
    pipeline.fit(frame(schema, columns), outcomes)
    predictor = Predictor(dump_model(pipeline), schema)
    assert {"a", "b", "rare 7"} <= predictor.known_categories["c"]
    scores = predictor.predict({"c": ["never", None, "a", "rare 7"], "x": [0.1] * 4}, 4).scores
    assert scores[0] == scores[1]
    assert not missing_learned or scores[1] != scores[2]


def test_a_version_of_an_earlier_release_answers_as_it_was_judged() -> None:
    columns_of = (InputColumn("c", "category"), InputColumn("x", "number"))
    earlier = InputSchema("m", "binary", ("0", "1"), "at", columns_of)
    draw = np.random.default_rng(3)
    drawn = draw.choice(["a", None, *(f"rare {i}" for i in range(300))], 600)
    columns = input_columns(earlier, {"c": drawn.tolist(), "x": draw.normal(size=600)}, 600)
    pipeline = build_pipeline("sklearn.linear_model.LogisticRegression", {}, earlier, seed=0, threads=1)
    pipeline.fit(frame(earlier, columns), (drawn == "a").astype(int))
    asked = {"c": ["never"], "x": [0.1]}
    expected = pipeline.predict_proba(frame(earlier, input_columns(earlier, asked, 1)))[0, 1]
    assert Predictor(dump_model(pipeline), earlier).predict(asked, 1).scores[0] == expected
