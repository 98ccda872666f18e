"""Conversion of models made of several: calibration, voting, stacking, bagging, AdaBoost, several classes by two."""

from typing import Any

import numpy as np
from sklearn import ensemble, multiclass
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator

from pilothouse.inference.portable.conversion.seam import (
    Conversion,
    Convert,
    NotPortable,
    check_parameters,
    floats,
)
from pilothouse.inference.portable.program import Node


def _calibrated(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("cv", "ensemble", "estimator", "method", "n_jobs", "base_estimator"))
    folds = tuple(_fold(fold, convert) for fold in model.calibrated_classifiers_)
    return Node("mean-of-probabilities", children=folds)


def _fold(fold: Any, convert: Convert) -> Node:
    classes = [int(np.flatnonzero(fold.classes == value)[0]) for value in fold.estimator.classes_]
    settings = {
        "outputs": len(fold.classes),
        "together": fold.method == "temperature",
        "classes": classes,
    }
    calibrators = tuple(_calibrator(calibrator) for calibrator in fold.calibrators)
    return Node("calibrated", settings, children=(convert(fold.estimator), *calibrators))


def _calibrator(calibrator: Any) -> Node:
    name = type(calibrator).__name__
    if name == "_SigmoidCalibration":
        return Node(
            "sigmoid",
            arrays={"slope": np.array(float(calibrator.a_)), "intercept": np.array(float(calibrator.b_))},
        )
    if name == "_TemperatureScaling":
        return Node("temperature", arrays={"beta": floats(calibrator.beta_, name).reshape(())})
    if name == "IsotonicRegression":
        x = floats(calibrator.X_thresholds_, name)
        if calibrator.out_of_bounds != "clip" or x[0] != calibrator.X_min_ or x[-1] != calibrator.X_max_:
            raise NotPortable("isotonic calibration that does not end where its points do")
        return Node("isotonic", arrays={"x": x, "y": floats(calibrator.y_thresholds_, name)})
    raise NotPortable(f"calibration by {name}")


def _voting(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("estimators", "weights", "flatten_transform", "n_jobs", "verbose"),
        allowed={"voting": ("soft",)},
    )
    weights = model._weights_not_none
    arrays = {} if weights is None else {"weights": np.array(weights, dtype=np.float64)}
    children = tuple(convert(estimator) for estimator in model.estimators_)
    return Node("voting", {"classifier": hasattr(model, "classes_")}, arrays, children)


def _stacking(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("cv", "estimators", "final_estimator", "n_jobs", "passthrough", "stack_method", "verbose"),
    )
    classes = getattr(model, "classes_", None)
    if isinstance(getattr(model, "_label_encoder", None), list):
        raise NotPortable("StackingClassifier of several targets")
    for estimator, method in zip(model.estimators_, model.stack_method_, strict=True):
        if method == "predict" and hasattr(estimator, "classes_"):
            _check_numbered(estimator.classes_, "a stacked classifier")
    last = model.final_estimator_
    if classes is not None and not np.array_equal(last.classes_, np.arange(len(classes))):
        raise NotPortable("StackingClassifier whose last estimator knows other classes")
    settings = {
        "methods": list(model.stack_method_),
        "second": classes is not None and len(classes) == 2,
        "passthrough": bool(model.passthrough),
    }
    children = tuple(convert(estimator) for estimator in [*model.estimators_, last])
    return Node("stacking", settings, children=children)


def _check_numbered(classes: Any, what: str) -> None:
    if not np.array_equal(classes, np.arange(len(classes))):
        raise NotPortable(f"{what} whose classes are not 0, 1, 2 …")


def _bagging(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=(
            "bootstrap",
            "bootstrap_features",
            "estimator",
            "max_features",
            "max_samples",
            "n_estimators",
            "n_jobs",
            "oob_score",
            "random_state",
            "verbose",
            "warm_start",
        ),
    )
    settings: dict[str, Any] = {
        "classifier": hasattr(model, "classes_"),
        "columns": int(model.n_features_in_),
    }
    if settings["classifier"]:
        if not all(hasattr(estimator, "predict_proba") for estimator in model.estimators_):
            raise NotPortable("BaggingClassifier of estimators without probabilities")
        outputs = int(model.n_classes_)
        settings["outputs"] = outputs
        settings["classes"] = [
            None if len(estimator.classes_) == outputs else [int(number) for number in estimator.classes_]
            for estimator in model.estimators_
        ]
    arrays = {
        f"columns-{i}": np.asarray(columns, dtype=np.int64)
        for i, columns in enumerate(model.estimators_features_)
    }
    return Node("bagging", settings, arrays, tuple(convert(estimator) for estimator in model.estimators_))


def _ada_boost(model: Any, convert: Convert) -> Node:
    check_parameters(
        model,
        ignored=("estimator", "learning_rate", "loss", "n_estimators", "random_state", "algorithm"),
    )
    children = tuple(convert(estimator) for estimator in model.estimators_)
    weights = floats(model.estimator_weights_, type(model).__name__)
    if not hasattr(model, "classes_"):
        return Node("ada-boost-regressor", {}, {"weights": weights[: len(children)]}, children)
    if getattr(model, "algorithm", "SAMME") not in ("SAMME", "deprecated"):
        raise NotPortable(f"AdaBoostClassifier by {model.algorithm}")
    if len(model.classes_) < 2:
        raise NotPortable("AdaBoostClassifier of one class")
    known = [
        [int(np.flatnonzero(model.classes_ == value)[0]) for value in estimator.classes_]
        for estimator in model.estimators_
    ]
    settings = {"outputs": len(model.classes_), "classes": known}
    return Node("ada-boost-classifier", settings, {"weights": weights}, children)


def _one_vs_rest(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("estimator", "n_jobs", "verbose"))
    if model.multilabel_:
        raise NotPortable("OneVsRestClassifier of several labels")
    return Node("one-vs-rest", children=_of_two(model, convert))


def _one_vs_one(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("estimator", "n_jobs"))
    if model.pairwise_indices_ is not None:
        raise NotPortable("OneVsOneClassifier of a kernel that is a matrix")
    return Node("one-vs-one", {"outputs": len(model.classes_)}, children=_of_two(model, convert))


def _of_two(model: Any, convert: Convert) -> tuple[Node, ...]:
    for estimator in model.estimators_:
        if len(getattr(estimator, "classes_", ())) != 2:
            raise NotPortable(f"{type(model).__name__} of {type(estimator).__name__} without two classes")
    return tuple(convert(estimator) for estimator in model.estimators_)


def _frozen(model: Any, convert: Convert) -> Node:
    return convert(model.estimator)


CONVERSIONS: dict[type, Conversion] = {
    CalibratedClassifierCV: _calibrated,
    FrozenEstimator: _frozen,
    ensemble.VotingClassifier: _voting,
    ensemble.VotingRegressor: _voting,
    ensemble.StackingClassifier: _stacking,
    ensemble.StackingRegressor: _stacking,
    ensemble.BaggingClassifier: _bagging,
    ensemble.BaggingRegressor: _bagging,
    ensemble.AdaBoostClassifier: _ada_boost,
    ensemble.AdaBoostRegressor: _ada_boost,
    multiclass.OneVsRestClassifier: _one_vs_rest,
    multiclass.OneVsOneClassifier: _one_vs_one,
}
