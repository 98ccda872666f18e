"""Residuals of a regression, and its outcomes by the range of the prediction."""

import numpy as np

from pilothouse.domain.models.model_pictures import PredictedBin, Residuals
from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.pictures.decisions import histogram

PREDICTED_BINS = 20
"""Bins of equally many rows at most, by prediction."""
FEWEST_ROWS = 5
"""Rows of a bin at least, so that its percentiles are not single rows."""


def residuals(outcomes: Floats, predictions: Floats) -> Residuals:
    """Outcome less prediction, float64[n] each, n ≥ 1; the standard deviation is that of the rows (divided by n)."""
    left = outcomes - predictions
    return Residuals(
        float(left.mean()),
        float(left.std()),
        float(np.median(left)),
        histogram("residual", left, float(left.min()), float(left.max())),
        _by_prediction(outcomes, predictions),
    )


def _by_prediction(outcomes: Floats, predictions: Floats) -> tuple[PredictedBin, ...]:
    order = np.argsort(predictions, kind="stable")
    bins = min(PREDICTED_BINS, len(order) // FEWEST_ROWS)
    found = []
    for part in np.array_split(order, bins) if bins else ():
        low, high = np.percentile(outcomes[part], [10, 90])
        found.append(
            PredictedBin(
                float(predictions[part].mean()),
                float(outcomes[part].mean()),
                float(low),
                float(high),
                len(part),
            )
        )
    return tuple(found)
