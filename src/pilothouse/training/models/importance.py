"""Permutation importance of each feature on held-out rows (Breiman 2001, "Random Forests", section 10).

A feature's values are shuffled between rows and the primary metric is measured again; the loss is its importance.
Correlated features share it, or hide each other: it ranks alerts, and judges nothing.
"""

import math

import numpy as np
import pyarrow as pa
from scipy import stats

from pilothouse.domain.models.model_pictures import Importance
from pilothouse.domain.models.model_spec import METRICS
from pilothouse.inference.predictor import Predictor
from pilothouse.training.data.rows import Rows
from pilothouse.training.models.scoring import measure, score

MOST_ROWS = 1_500
"""Held-out rows that are shuffled at most."""
MOST_PREDICTIONS = 150_000
"""Rows times features times repeats at most: a second or two for a forest, whatever the number of features."""
MOST_REPEATS = 5
"""Permutations of a feature at most."""
FEWEST_ROWS = 100
"""Rows below which no importance is given."""


def permutation_importance(
    predictor: Predictor, rows: Rows, metric: str, seed: int
) -> tuple[Importance, ...]:
    """Loss of ``metric`` by feature when its values are shuffled: in the metric's units, worse positive, mean of repeats with
    its 95 % interval over them (Student's t; of a single repeat the loss itself).

    Deterministic for a ``seed``. Empty where the rows are too few, or the metric is not defined on them.
    """
    features = [column.name for column in predictor.schema.columns]
    count = min(rows.count, MOST_ROWS, MOST_PREDICTIONS // max(len(features), 1))
    if count < FEWEST_ROWS:
        return ()
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(rows.count, count, replace=False))
    sample = Rows(rows.table.take(pa.array(chosen)), rows.times[chosen], rows.outcomes[chosen])
    full = _value(predictor, sample, metric)
    if not math.isfinite(full):
        return ()
    repeats = max(1, min(MOST_REPEATS, MOST_PREDICTIONS // (count * len(features))))
    better = 1 if METRICS[metric][0] == "higher" else -1
    found = []
    for name in features:
        index = sample.table.column_names.index(name)
        losses = []
        for _ in range(repeats):
            shuffled = sample.table.column(name).take(pa.array(generator.permutation(count)))
            table = sample.table.set_column(index, sample.table.schema.field(name), shuffled)
            losses.append(
                better * (full - _value(predictor, Rows(table, sample.times, sample.outcomes), metric))
            )
        found.append(_of(name, losses))
    return tuple(found) if all(math.isfinite(one.loss) for one in found) else ()


def _of(feature: str, losses: list[float]) -> Importance:
    mean = float(np.mean(losses))
    if len(losses) < 2:
        return Importance(feature, mean, mean, mean)
    half = float(stats.t.ppf(0.975, len(losses) - 1) * np.std(losses, ddof=1) / math.sqrt(len(losses)))
    return Importance(feature, mean, mean - half, mean + half)


def _value(predictor: Predictor, rows: Rows, metric: str) -> float:
    return next((m.value for m in measure(score(predictor, rows)) if m.metric == metric), math.nan)
