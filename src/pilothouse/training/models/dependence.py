"""Partial dependence: the mean answer on held-out rows while one feature is held at each of its values in turn
(Friedman 2001, Annals of Statistics 29:1189, section 8.2).

The mean over rows as they are; combinations that never occur count too, so that it shows a model and not the world.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilothouse.domain.models.model_pictures import Dependence, DependenceLine
from pilothouse.inference.predictor import Predictor
from pilothouse.training.data.rows import Rows
from pilothouse.training.models.scoring import Scored, score

MOST_ROWS = 500
"""Held-out rows that are answered again at each value."""
MOST_FEATURES = 8
STEPS = 20
"""Values of a number: evenly from its 5th to its 95th percentile, so that no single row shows."""
MOST_CATEGORIES = 12
"""Values of a category: the most frequent."""
MOST_LINES = 4
"""Classes that are followed: the most frequent."""


def partial_dependence(
    predictor: Predictor, rows: Rows, features: Sequence[str], seed: int
) -> tuple[Dependence, ...]:
    """Dependence on each of ``features`` (the first ``MOST_FEATURES``); one without two values is left out.

    Deterministic for a ``seed``. A binary task's line is the probability of its positive class, a regression's the prediction.
    """
    if not rows.count:
        return ()
    generator = np.random.default_rng(seed)
    chosen = np.sort(generator.choice(rows.count, min(rows.count, MOST_ROWS), replace=False))
    sample = Rows(rows.table.take(pa.array(chosen)), rows.times[chosen], rows.outcomes[chosen])
    found = (_of_feature(predictor, sample, name) for name in features[:MOST_FEATURES])
    return tuple(one for one in found if one is not None)


def _of_feature(predictor: Predictor, sample: Rows, name: str) -> Dependence | None:
    is_number = name in predictor.schema.numeric
    columns = sample.columns(predictor.schema)
    if is_number:
        known = columns.numeric[name][np.isfinite(columns.numeric[name])]
        if not len(known):
            return None
        low, high = np.percentile(known, [5, 95])
        values: list[float] | list[str] = np.linspace(low, high, STEPS).tolist() if high > low else []
    else:
        texts = [text for text in columns.categorical[name] if text is not None]
        names, counts = np.unique(texts, return_counts=True) if texts else (np.array([]), np.array([]))
        ranked = sorted(zip(-counts, names, strict=True))[:MOST_CATEGORIES]
        values = [str(text) for _, text in ranked]
    if len(values) < 2:
        return None
    answers = [_answered(predictor, sample, name, value) for value in values]
    lines = _lines(predictor, sample, answers)
    return Dependence(
        name,
        tuple(float(value) for value in values) if is_number else (),
        () if is_number else tuple(map(str, values)),
        lines,
        sample.count,
    )


def _answered(predictor: Predictor, sample: Rows, name: str, value: float | str) -> Scored:
    index = sample.table.column_names.index(name)
    kind = pa.float64() if isinstance(value, float) else pa.string()
    column = pa.array([value] * sample.count, type=kind)
    table = sample.table.set_column(index, name, column)
    return score(predictor, Rows(table, sample.times, sample.outcomes))


def _lines(predictor: Predictor, sample: Rows, answers: Sequence[Scored]) -> tuple[DependenceLine, ...]:
    classes = predictor.schema.classes
    if len(classes) <= 2:
        means = tuple(float(answer.scores.mean()) for answer in answers)
        return (DependenceLine(classes[1] if classes else "prediction", means),)
    rows: npt.NDArray[np.int64] = np.array([int((sample.outcomes == name).sum()) for name in classes])
    followed = np.sort(np.argsort(-rows, kind="stable")[:MOST_LINES])
    return tuple(
        DependenceLine(
            classes[i],
            tuple(float(a.probabilities[:, i].mean()) for a in answers if a.probabilities is not None),
        )
        for i in followed
    )
