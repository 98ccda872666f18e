"""Older rows after a change: are they of use, or do they teach the old world?

Decided on rows for training alone, so that the hold-out judges a model that it had no part in choosing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pilothouse.domain.evaluation import SMALLEST_LOSS, SMALLEST_RISE
from pilothouse.domain.model_spec import METRICS
from pilothouse.domain.time_units import DAY_US, from_us
from pilothouse.training.fitting import scores_of
from pilothouse.training.times import Micros

FOLDS = 2
"""Folds of the new rows, by days in turn: each is scored by models that learnt the other."""
_FEWEST_ROWS = 50
"""New rows at least; with fewer all rows are used."""

FitRows = Callable[[pd.DataFrame, "pd.Series[Any]"], Any]


@dataclass(frozen=True, slots=True)
class OlderRows:
    """Rows that are trained on (bool[rows]); ``scores`` of each choice, the mean over folds, and a sentence."""

    kept: npt.NDArray[np.bool_]
    scores: dict[str, float]
    text: str


def choose_older_rows(
    X: pd.DataFrame, y: "pd.Series[Any]", times: Micros, changed_us: int, metric: str, fit: FitRows
) -> OlderRows:
    """Choice between all rows, as many of the newest older rows as there are new ones, and the new rows alone, by the mean of
    ``metric`` over folds of the new rows. All rows where no choice is better by as much as a loss that counts (the new days are
    few, and neighbours of those that they are judged on), or where the metric is not defined on a fold."""
    new = times >= changed_us
    everything = np.ones(len(times), dtype=bool)
    if int(new.sum()) < _FEWEST_ROWS or new.all():
        return OlderRows(everything, {}, "")
    sign = 1.0 if METRICS[metric][0] == "higher" else -1.0
    _, place = np.unique(
        times // DAY_US * new, return_inverse=True
    )  # of a row's day among the new ones; others are not asked
    fold = place % FOLDS
    choices = {
        "all rows": everything,
        "the new rows and as many before them": _as_many_before(new),
        "the new rows alone": new,
    }
    scores: dict[str, float] = {}
    for name, rows in choices.items():
        values = [
            scores_of(metric, fit, (X, y), rows & ~(new & (fold == i)), new & (fold == i))
            for i in range(FOLDS)
        ]
        known = [value for value in values if value is not None]
        if len(known) < FOLDS:
            if name == "all rows":
                return OlderRows(everything, {}, "")
            continue
        scores[name] = float(np.mean(known))
    best = max(scores, key=lambda name: sign * scores[name])
    least = SMALLEST_LOSS if sign > 0 else SMALLEST_RISE * abs(scores["all rows"])
    if sign * (scores[best] - scores["all rows"]) < least:
        best = "all rows"
    told = ", ".join(f"{name} {score:.4g}" for name, score in scores.items())
    text = (
        f"trained on {best}: {metric} on days since {from_us(changed_us):%Y-%m-%d} that were left out in turn, by what was "
        f"trained on: {told}"
    )
    return OlderRows(choices[best], scores, text)


def _as_many_before(new: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The new rows, and as many of the newest rows before them (rows are sorted by time)."""
    first = int(np.argmax(new))
    kept = new.copy()
    kept[max(0, first - int(new.sum())) : first] = True
    return kept
