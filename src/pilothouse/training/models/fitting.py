"""Fitting of the estimator or the user's function, once or in a search over time-ordered folds."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from pilothouse.domain.errors import InvalidInputError, PilothouseError
from pilothouse.domain.models.model_spec import METRICS, ModelSpec, Scalar, SearchSpec
from pilothouse.domain.search import draw
from pilothouse.inference.predictor import check_answers
from pilothouse.inference.schema import InputSchema
from pilothouse.training.models.estimators import build_pipeline, estimator_class
from pilothouse.training.models.preprocessing import fit_pipeline
from pilothouse.training.user_code import call, load_function


class Fit(Protocol):
    """Function that returns an estimator fitted to rows, with a weight for each where the estimator ``takes_weights``."""

    def __call__(
        self, X: pd.DataFrame, y: "pd.Series[Any]", parameters: dict[str, Scalar], weights: Any = None, /
    ) -> Any: ...


SCORERS = {
    "auc": "roc_auc_ovr_weighted",
    "average_precision": "average_precision",
    "accuracy": "accuracy",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "f1": "f1_macro",
    "log_loss": "neg_log_loss",
    "brier": "neg_brier_score",
    "calibration_error": "neg_brier_score",  # the candidates' order alone; there is no scorer of its own
    "mae": "neg_mean_absolute_error",
    "rmse": "neg_root_mean_squared_error",
    "r2": "r2",
}
"""scikit-learn's scorer of each metric, greater is better. They rank the candidates of a search; a version is not judged
by them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Candidate of a search: its parameters and its score on each fold (in the metric's own units)."""

    parameters: dict[str, Scalar]
    scores: list[float]
    mean: float


def fitter(spec: ModelSpec, schema: InputSchema, folder: Path, seed: int, threads: int) -> Fit:
    """Function that fits one estimator. Raises InvalidInputError where the user's function or the estimator cannot be
    loaded."""
    training = spec.training
    if training.function is not None:
        function = load_function(folder, training.function)
        return lambda X, y, parameters, weights=None: _checked(
            call(folder, function, X.copy(), y.copy(), dict(parameters), seed), training.function, schema
        )
    name = training.estimator or ""

    def fit(X: pd.DataFrame, y: "pd.Series[Any]", parameters: dict[str, Scalar], weights: Any = None) -> Any:
        asked = training.preprocessing
        pipeline = build_pipeline(name, parameters, schema, seed=seed, threads=threads, asked=asked)
        try:
            return fit_pipeline(pipeline, (X, y), schema, asked, weights)
        except (ValueError, TypeError) as error:
            raise InvalidInputError(f"training: {name} cannot be fitted: {error}") from error

    return fit


def takes_weights(spec: ModelSpec) -> bool:
    """Whether what trains a model takes a weight for each row: a user's function does not, nor do some estimators."""
    from sklearn.utils.validation import has_fit_parameter

    name = spec.training.estimator
    return name is not None and bool(has_fit_parameter(estimator_class(name), "sample_weight"))


def search(
    spec: SearchSpec,
    metric: str,
    fit: Fit,
    fixed: dict[str, Scalar],
    rows: tuple[pd.DataFrame, "pd.Series[Any]"],
    seed: int,
    report: Callable[[float, str, dict[str, float]], None],
) -> list[Trial]:
    """Scores of candidates drawn by ``seed`` on folds in time, each trained on all that is older than what it is scored
    on.

    ``rows`` are in the order of time. Best first; ties in the order in which they were drawn. A fold that lacks a class
    is left out; raises InvalidInputError where none is left.
    """
    sign = 1.0 if METRICS[metric][0] == "higher" else -1.0
    trials = []
    drawn = draw(spec, seed)
    for i, candidate in enumerate(drawn):
        by_fold = score_on_folds(spec.folds, range(spec.folds), metric, fit, {**fixed, **candidate}, rows)
        scores = [score for score in by_fold.values() if score is not None]
        if not scores:
            raise InvalidInputError(
                "training.search.folds: no fold in time holds every class; expected fewer folds"
            )
        trial = Trial(candidate, scores, float(np.mean(scores)))
        trials.append(trial)
        report((i + 1) / len(drawn), f"candidate {i + 1} of {len(drawn)}", {metric: trial.mean})
    return sorted(trials, key=lambda trial: -sign * trial.mean)


def score_on_folds(
    count: int,
    wanted: Iterable[int],
    metric: str,
    fit: Fit,
    parameters: dict[str, Scalar],
    rows: tuple[pd.DataFrame, "pd.Series[Any]"],
) -> dict[int, float | None]:
    """Score, in the metric's own units, on each of the ``wanted`` of ``count`` folds in time (0 is the oldest).

    Each trains on all rows that are older than what it is scored on. None for a fold that lacks a class.
    """
    from sklearn.model_selection import TimeSeriesSplit

    folds = list(TimeSeriesSplit(count).split(rows[0]))
    return {
        fold: scores_of(metric, lambda X, y: fit(X, y, parameters), rows, *folds[fold]) for fold in wanted
    }


def scores_of(
    metric: str,
    fit: Callable[[pd.DataFrame, "pd.Series[Any]"], Any],
    rows: tuple[pd.DataFrame, "pd.Series[Any]"],
    train: npt.NDArray[Any],
    test: npt.NDArray[Any],
) -> float | None:
    """Score, in the metric's own units, of a model fitted on the rows ``train`` on the rows ``test`` (masks or indices); None
    where either lacks a class."""
    from sklearn.metrics import get_scorer

    X, y = rows
    if not _usable(metric, y, train, test):
        return None
    scorer = get_scorer(_scorer_name(metric, y))
    model = fit(X.iloc[train], y.iloc[train])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sign = 1.0 if METRICS[metric][0] == "higher" else -1.0
        return sign * float(scorer(model, X.iloc[test], y.iloc[test]))


def _scorer_name(metric: str, y: "pd.Series[Any]") -> str:
    if metric == "auc" and y.nunique() == 2:
        return "roc_auc"
    return SCORERS[metric]


def _usable(metric: str, y: "pd.Series[Any]", train: Any, test: Any) -> bool:
    if metric in ("mae", "rmse", "r2"):
        return True
    classes = y.nunique()
    return bool(y.iloc[train].nunique() == classes and y.iloc[test].nunique() == classes)


def _checked(model: Any, name: str | None, schema: InputSchema) -> Any:
    try:
        check_answers(model, schema)
    except PilothouseError as error:
        raise InvalidInputError(f"{name}: {error}") from None
    return model
