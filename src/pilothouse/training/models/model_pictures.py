"""Pictures of a version: figures on its held-out rows, as one file."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from pilothouse.domain.models.model_pictures import (
    FORM,
    ClassCurve,
    Histogram,
    Importance,
    ModelPictures,
    Reliability,
)
from pilothouse.inference.predictor import Predictor
from pilothouse.statistics.pictures.classes import class_figures, confusion
from pilothouse.statistics.pictures.decisions import class_curve, histogram, reliability
from pilothouse.statistics.pictures.numbers import residuals
from pilothouse.statistics.profiles.scored_rows import ScoredRows
from pilothouse.training.data.rows import Rows
from pilothouse.training.models.dependence import partial_dependence
from pilothouse.training.models.scoring import Scored

MOST_CLASSES = 10
"""Classes with a curve of their own: the most frequent."""
MOST_CONFUSED = 40
"""Classes beyond which no confusion is kept."""


def model_pictures(
    predictor: Predictor, rows: Rows, scored: Scored, importance: Sequence[Importance], seed: int
) -> ModelPictures:
    """Figures on held-out ``rows`` (one at least) and the answers to them. Dependence is shown of the features that carry
    most, private ones left out."""
    coded = scored.coded()
    ranked = sorted(importance, key=lambda one: -one.loss)
    features = [one.feature for one in ranked] or [column.name for column in predictor.schema.columns]
    shown = [name for name in features if name not in predictor.schema.private]
    dependence = partial_dependence(predictor, rows, shown, seed)
    if scored.task == "regression":
        left = residuals(np.asarray(coded.outcomes, np.float64), coded.scores)
        return ModelPictures(
            FORM,
            scored.task,
            coded.rows,
            residuals=left,
            importance=tuple(ranked),
            dependence=dependence,
        )
    curves, reliable = _curves(coded)
    counts = confusion(np.asarray(coded.outcomes, np.int64), coded.labels, len(coded.classes))
    return ModelPictures(
        FORM,
        scored.task,
        coded.rows,
        coded.classes,
        tuple(tuple(row) for row in counts.tolist()) if len(coded.classes) <= MOST_CONFUSED else (),
        class_figures(coded.classes, counts),
        curves,
        reliable,
        _histograms(coded),
        None,
        tuple(ranked),
        dependence,
    )


def to_bytes(pictures: ModelPictures) -> bytes:
    """The file: JSON, read by ``read_pictures`` of the domain."""
    return json.dumps(asdict(pictures), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _curves(coded: ScoredRows) -> tuple[tuple[ClassCurve, ...], tuple[Reliability, ...]]:
    if coded.task == "binary":
        of = [(coded.classes[1], 1, coded.scores)]
    elif coded.probabilities is None:
        of = []
    else:
        rows = np.bincount(np.asarray(coded.outcomes, np.int64), minlength=len(coded.classes))
        frequent = np.argsort(-rows, kind="stable")[:MOST_CLASSES]
        of = [(coded.classes[i], int(i), coded.probabilities[:, i]) for i in frequent]
    curves = [class_curve(name, coded.outcomes == i, scores) for name, i, scores in of]
    reliable = [
        reliability(name, coded.outcomes == i, scores)
        for name, i, scores in of
        if scores.min() >= 0 and scores.max() <= 1
    ]
    return tuple(curve for curve in curves if curve is not None), tuple(reliable)


def _histograms(coded: ScoredRows) -> tuple[Histogram, ...]:
    scores = coded.scores
    low, high = (0.0, 1.0) if scores.min() >= 0 and scores.max() <= 1 else (scores.min(), scores.max())
    if coded.task == "binary":
        parts = [(name, coded.outcomes == i) for i, name in enumerate(coded.classes)]
    else:
        parts = [
            ("answered right", coded.outcomes == coded.labels),
            ("answered wrong", coded.outcomes != coded.labels),
        ]
    return tuple(histogram(name, scores[chosen], float(low), float(high)) for name, chosen in parts)
