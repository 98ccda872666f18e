"""Conversion of linear models."""

from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from pilothouse.inference.portable.conversion.seam import Conversion, Convert, check_parameters
from pilothouse.inference.portable.program import Node


def _linear_regression(model: Any, convert: Convert) -> Node:
    check_parameters(model, ignored=("fit_intercept", "copy_X", "n_jobs", "positive", "tol"))
    return Node(
        "linear-regressor",
        arrays={"coef": model.coef_, "intercept": np.asarray(model.intercept_, dtype=np.float64)},
    )


CONVERSIONS: dict[type, Conversion] = {LinearRegression: _linear_regression}
