"""Pipelines of trees as trainings make them: packaged, compared with scikit-learn, and answering from named columns."""

import numpy as np
import pandas as pd
import pytest

from pilothouse.inference.columns import input_columns
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.training.models.estimators import build_pipeline
from pilothouse.training.models.preprocessing import fit_pipeline

ROWS = 400
NUMBERS, TEXTS = ("n0", "n1", "n2"), ("c0", "c1")
COLUMNS = tuple(
    [InputColumn(name, "number") for name in NUMBERS] + [InputColumn(name, "category") for name in TEXTS]
)


def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.normal(size=ROWS).round(2) for name in NUMBERS})
    frame.loc[rng.random(ROWS) < 0.1, "n0"] = np.nan
    for name in TEXTS:
        drawn = rng.choice(["a", "b", "ü", ""], ROWS, p=[0.5, 0.3, 0.15, 0.05])
        frame[name] = pd.Series([text or np.nan for text in drawn], dtype=object)
    score = frame["n1"] * frame["n2"] + 2 * (frame["c0"] == "b") + rng.normal(size=ROWS)
    return frame, score


@pytest.mark.parametrize(
    ("estimator", "parameters"),
    [
        ("HistGradientBoostingClassifier", {"max_iter": 20}),
        ("HistGradientBoostingRegressor", {"max_iter": 20, "loss": "absolute_error"}),
        ("RandomForestClassifier", {"n_estimators": 20}),
        ("RandomForestRegressor", {"n_estimators": 20}),
        ("ExtraTreesClassifier", {"n_estimators": 20}),
        ("GradientBoostingClassifier", {"n_estimators": 20}),
        ("GradientBoostingRegressor", {"n_estimators": 20, "loss": "huber"}),
        ("BaggingClassifier", {"n_estimators": 5}),
    ],
)
def test_a_pipeline_of_trees_has_a_portable_form(estimator, parameters):
    frame, score = table()
    values = estimator.endswith("Regressor")
    y = score if values else pd.Series(np.array(["low", "middle", "top"])[np.digitize(score, [0, 1.5])])
    schema = InputSchema(
        "m",
        "regression" if values else "multiclass",
        () if values else ("low", "middle", "top"),
        "at",
        COLUMNS,
        (),
        ("NA", ""),
    )
    pipeline = build_pipeline(f"sklearn.ensemble.{estimator}", parameters, schema, seed=0, threads=1)
    original = Predictor(dump_model(fit_pipeline(pipeline, (frame, y), schema, None)), schema)
    lists = {name: [None if v != v else v for v in frame[name]] for name in frame}
    found = packaged(original, input_columns(schema, lists, ROWS), generated=1500)
    assert found.reason == ""
    assert found.rows == ROWS + 1500
    one = {name: own[:1] for name, own in lists.items()}
    assert Predictor(found.data, schema).predict(one, 1).scores == original.predict(one, 1).scores
