"""Portable models beside scikit-learn: microseconds of an answer to 1, 17 and 1,000 rows, measured in turns.

The matrix is ready in both for the models of trees; for those of ``pipelines`` both begin with named columns, as serving does.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from bench import show
from sklearn import ensemble
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from pilothouse.inference.portable.conversion.registry import convert
from pilothouse.inference.portable.evaluation.operation import Frame
from pilothouse.inference.portable.evaluation.registry import made

ROWS = (1, 17, 1_000)
SECONDS = float(os.environ.get("PORTABLE_SECONDS", "1"))
"""For each model and number of rows, both together."""
TRAINING_ROWS, COLUMNS, CATEGORIES = 10_000, 16, 4


def run() -> None:
    """Each model and its portable form in turn, on one thread."""
    with threadpool_limits(1):
        X, y = training_rows()
        for name, model in models().items():
            model.fit(X, y)
            compare(name, model, lambda rows: (X[:rows], X[:rows]))
        frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(COLUMNS)])
        texts = [f"x{i}" for i in range(COLUMNS - CATEGORIES, COLUMNS)]
        frame[texts] = frame[texts].astype(int).astype(str).astype(object)
        frame = frame.fillna(0.0)
        pipeline = one_hot(texts).fit(frame, y)
        columns = {
            name: [str(text) for text in frame[name]] if name in texts else frame[name].to_numpy()
            for name in frame
        }
        compare(
            "logistic with one-hot, from named columns",
            pipeline,
            lambda rows: (frame[:rows], Frame(rows, {name: own[:rows] for name, own in columns.items()})),
        )


def training_rows() -> tuple[Any, Any]:
    """Numbers with missing ones among them, and whole numbers that stand for categories."""
    draw = np.random.default_rng(0)
    X = draw.normal(size=(TRAINING_ROWS, COLUMNS)).round(3)
    y = (X[:, 0] * X[:, 1] + X[:, 2] + draw.normal(size=len(X)) > 0).astype(int)
    X[:, -CATEGORIES:] = draw.integers(0, 20, (len(X), CATEGORIES))
    X[:, :4][draw.random((len(X), 4)) < 0.05] = np.nan
    return X, y


def models() -> dict[str, Any]:
    boosting = {"max_iter": 100, "early_stopping": False}
    return {
        "histogram boosting of 100": ensemble.HistGradientBoostingClassifier(**boosting),
        "histogram boosting of 100, 4 columns of categories": ensemble.HistGradientBoostingClassifier(
            **boosting, categorical_features=list(range(COLUMNS - CATEGORIES, COLUMNS))
        ),
        "forest of 100": ensemble.RandomForestClassifier(100, max_depth=12, random_state=0),
        "forest of 100, depth unlimited": ensemble.RandomForestClassifier(100, random_state=0),
    }


def one_hot(texts: list[str]) -> Any:
    others = [f"x{i}" for i in range(COLUMNS - CATEGORIES)]
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    parts = [("texts", encoder, texts), ("numbers", StandardScaler(), others)]
    return make_pipeline(ColumnTransformer(parts), LogisticRegression())


def compare(name: str, model: Any, asked: Callable[[int], tuple[Any, Any]]) -> None:
    portable = made(convert(model))
    for rows in ROWS:
        theirs, ours = asked(rows)
        if portable.predict_proba(ours).tobytes() != model.predict_proba(theirs).tobytes():
            raise AssertionError(f"{name}: {rows} rows are not equal to the bit")
        peer, own = in_turns(
            [
                lambda theirs=theirs: model.predict_proba(theirs),
                lambda ours=ours: portable.predict_proba(ours),
            ]
        )
        show(
            f"portable: {name}, {rows:,} row{'s' * (rows > 1)}",
            f"{own:,.0f} µs; scikit-learn {peer:,.0f} µs ({peer / own:.1f} ×)",
        )


def in_turns(calls: list[Callable[[], object]]) -> list[float]:
    """Median microseconds of each call."""
    times: list[list[int]] = [[] for _ in calls]
    until = time.perf_counter() + SECONDS
    while len(times[0]) < 5 or time.perf_counter() < until:
        for call, own in zip(calls, times, strict=True):
            began = time.perf_counter_ns()
            call()
            own.append(time.perf_counter_ns() - began)
    return [statistics.median(own) / 1_000 for own in times]


if __name__ == "__main__":
    run()
