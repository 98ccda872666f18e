"""How much each feature carries: permutation importance on held-out rows (Breiman 2001, "Random Forests", section 10).

A feature's values are shuffled between rows and the primary metric is measured again; what is lost is its importance. Features
that say the same thing share it, or hide each other: it ranks alerts, and judges nothing.
"""

import math

import numpy as np
import pyarrow as pa

from pilothouse.domain.model_spec import METRICS
from pilothouse.inference.predictor import Predictor
from pilothouse.training.rows import Rows
from pilothouse.training.scoring import measure, score

MOST_ROWS = 1_500
MOST_PREDICTIONS = 150_000
"""Rows times features times repeats: a second or two for a forest, whatever the number of features."""
MOST_REPEATS = 3
FEWEST_ROWS = 100


def permutation_importance(predictor: Predictor, rows: Rows, metric: str, seed: int) -> dict[str, float]:
    """Feature to the loss of ``metric`` when its values are shuffled: in the metric's units, worse positive, mean of repeats.

    Deterministic by ``seed``. Empty where the rows are too few, or the metric is not defined on them.
    """
    features = [column.name for column in predictor.schema.columns]
    count = min(rows.count, MOST_ROWS, MOST_PREDICTIONS // max(len(features), 1))
    if count < FEWEST_ROWS:
        return {}
    chance = np.random.default_rng(seed)
    chosen = np.sort(chance.choice(rows.count, count, replace=False))
    sample = Rows(rows.table.take(pa.array(chosen)), rows.times[chosen], rows.truth[chosen])
    whole = _value(predictor, sample, metric)
    if not math.isfinite(whole):
        return {}
    repeats = max(1, min(MOST_REPEATS, MOST_PREDICTIONS // (count * len(features))))
    better = 1 if METRICS[metric][0] == "higher" else -1
    found = {}
    for name in features:
        place = sample.table.column_names.index(name)
        losses = []
        for _ in range(repeats):
            shuffled = sample.table.column(name).take(pa.array(chance.permutation(count)))
            table = sample.table.set_column(place, sample.table.schema.field(name), shuffled)
            losses.append(
                better * (whole - _value(predictor, Rows(table, sample.times, sample.truth), metric))
            )
        found[name] = float(np.mean(losses))
    return found if all(map(math.isfinite, found.values())) else {}


def _value(predictor: Predictor, rows: Rows, metric: str) -> float:
    return next((m.value for m in measure(score(predictor, rows)) if m.metric == metric), math.nan)
