"""Conversion of naive Bayes by normal distributions."""

from typing import Any

from sklearn import naive_bayes

from pilothouse.inference.portable.conversion.seam import Conversion, Convert, check_parameters, floats
from pilothouse.inference.portable.program import Node


def _gaussian(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("priors", "var_smoothing"))
    arrays = {
        role: floats(values, "GaussianNB")
        for role, values in (("prior", model.class_prior_), ("mean", model.theta_), ("variance", model.var_))
    }
    return Node("gaussian-classifier", {}, arrays)


CONVERSIONS: dict[type, Conversion] = {naive_bayes.GaussianNB: _gaussian}
