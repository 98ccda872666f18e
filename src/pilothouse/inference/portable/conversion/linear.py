"""Conversion of linear models."""

from typing import Any

import numpy as np
from sklearn import linear_model, svm

from pilothouse.inference.portable.conversion.seam import (
    Conversion,
    Convert,
    NotPortable,
    check_parameters,
    floats,
)
from pilothouse.inference.portable.program import Node

_OF_FITTING = frozenset(
    [
        "C",
        "Cs",
        "alpha",
        "alpha_1",
        "alpha_2",
        "alpha_init",
        "alpha_per_target",
        "alphas",
        "average",
        "class_weight",
        "compute_score",
        "copy_X",
        "criterion",
        "cv",
        "dual",
        "early_stopping",
        "eps",
        "epsilon",
        "eta0",
        "fit_intercept",
        "fit_path",
        "gcv_mode",
        "intercept_scaling",
        "jitter",
        "l1_ratio",
        "l1_ratios",
        "lambda_1",
        "lambda_2",
        "lambda_init",
        "learning_rate",
        "link",
        "loss",
        "max_iter",
        "max_subpopulation",
        "n_alphas",
        "n_iter_no_change",
        "n_jobs",
        "n_nonzero_coefs",
        "n_subsamples",
        "noise_variance",
        "normalize",
        "penalty",
        "positive",
        "power",
        "power_t",
        "precompute",
        "quantile",
        "random_state",
        "refit",
        "scoring",
        "selection",
        "shuffle",
        "solver",
        "solver_options",
        "store_cv_results",
        "threshold_lambda",
        "tol",
        "use_legacy_attributes",
        "validation_fraction",
        "verbose",
        "warm_start",
    ]
)
"""Parameters that matter to the fit alone, or that are looked at below."""


def _regressor(model: Any, convert: Convert) -> Node:
    return _products(model, "identity")


def _generalized(model: Any, convert: Convert) -> Node:
    link = type(model._base_loss.link).__name__
    if link not in ("LogLink", "IdentityLink"):
        raise NotPortable(f"{type(model).__name__} with the link {link}")
    return _products(model, "log" if link == "LogLink" else "identity")


def _products(model: Any, link: str) -> Node:
    name = type(model).__name__
    check_parameters(model, ignored=_OF_FITTING)
    coef = floats(model.coef_, name)
    if coef.ndim != 1:
        raise NotPortable(f"{name} of several targets")
    intercept = np.asarray(model.intercept_, dtype=np.float64)
    # these two multiply a sparse matrix without a look at its values
    checks = type(model) not in (linear_model.ElasticNet, linear_model.Lasso)
    settings = {"link": link, "checks_sparse": checks}
    return Node("linear-regressor", settings, {"coef": coef, "intercept": intercept})


def _logistic(model: Any, convert: Convert) -> Node:
    if len(model.classes_) > 2 and model.solver == "liblinear":
        raise NotPortable("LogisticRegression of several classes by liblinear")
    return _scores(model, "logistic" if len(model.classes_) <= 2 else "softmax")


def _sgd(model: Any, convert: Convert) -> Node:
    return _scores(
        model, {"log_loss": "logistic", "modified_huber": "modified-huber"}.get(model.loss, "none")
    )


def _without_probabilities(model: Any, convert: Convert) -> Node:
    return _scores(model, "none")


def _scores(model: Any, probabilities: str) -> Node:
    name = type(model).__name__
    check_parameters(model, ignored=_OF_FITTING, allowed={"multi_class": ("deprecated", "ovr")})
    coef, classes = floats(model.coef_, name), len(model.classes_)
    alone = coef.ndim == 1 and classes == 2
    if not alone and (coef.ndim != 2 or coef.shape[0] != (1 if classes == 2 else classes)):
        raise NotPortable(f"{name} with coefficients of the shape {coef.shape} for {classes} classes")
    intercept = np.asarray(model.intercept_, dtype=np.float64)
    return Node("linear-classifier", {"probabilities": probabilities}, {"coef": coef, "intercept": intercept})


CONVERSIONS: dict[type, Conversion] = {
    linear_model.LinearRegression: _regressor,
    linear_model.Ridge: _regressor,
    linear_model.RidgeCV: _regressor,
    linear_model.Lasso: _regressor,
    linear_model.LassoCV: _regressor,
    linear_model.ElasticNet: _regressor,
    linear_model.ElasticNetCV: _regressor,
    linear_model.Lars: _regressor,
    linear_model.LassoLars: _regressor,
    linear_model.LassoLarsIC: _regressor,
    linear_model.OrthogonalMatchingPursuit: _regressor,
    linear_model.BayesianRidge: _regressor,
    linear_model.ARDRegression: _regressor,
    linear_model.HuberRegressor: _regressor,
    linear_model.QuantileRegressor: _regressor,
    linear_model.TheilSenRegressor: _regressor,
    linear_model.SGDRegressor: _regressor,
    linear_model.PoissonRegressor: _generalized,
    linear_model.GammaRegressor: _generalized,
    linear_model.TweedieRegressor: _generalized,
    svm.LinearSVR: _regressor,
    linear_model.LogisticRegression: _logistic,
    linear_model.LogisticRegressionCV: _logistic,
    linear_model.SGDClassifier: _sgd,
    linear_model.RidgeClassifier: _without_probabilities,
    linear_model.RidgeClassifierCV: _without_probabilities,
    linear_model.Perceptron: _without_probabilities,
    svm.LinearSVC: _without_probabilities,
}
