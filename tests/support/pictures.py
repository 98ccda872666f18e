"""Pictures of versions that no training has made: figures of random rows, by seed."""

import json
from dataclasses import asdict

import numpy as np

from pilothouse.domain.models.model_pictures import (
    FORM,
    ClassCurve,
    Dependence,
    DependenceLine,
    Importance,
    ModelPictures,
)
from pilothouse.statistics.pictures.classes import class_figures, confusion
from pilothouse.statistics.pictures.decisions import class_curve, histogram, reliability
from pilothouse.statistics.pictures.numbers import residuals

ROWS = 2_000


def made(task: str, seed: int, classes: tuple[str, ...] = ("0", "1")) -> ModelPictures:
    """Pictures of a task; the features are those of the example, and one whose names are hostile where a class is."""
    rng = np.random.default_rng(seed)
    hours = tuple(float(hour) for hour in range(0, 24, 2))
    shown = {
        "importance": (Importance("hour", 0.04, 0.03, 0.05), Importance("wind", 0.001, -0.002, 0.004)),
        "dependence": (
            Dependence(
                "hour", hours, (), (DependenceLine(classes[-1], tuple(0.1 + h / 100 for h in hours)),), 500
            ),
            Dependence("carrier", (), ("AA", "B6"), (DependenceLine(classes[-1], (0.2, 0.4)),), 500),
        ),
    }
    if task == "regression":
        predictions = rng.normal(50, 20, ROWS)
        outcomes = predictions + rng.normal(0, 8, ROWS)
        return ModelPictures(FORM, task, ROWS, residuals=residuals(outcomes, predictions), **shown)  # type: ignore[arg-type]
    true = rng.integers(0, len(classes), ROWS)
    chances = rng.dirichlet(np.ones(len(classes)), ROWS) * 0.5
    chances[np.arange(ROWS), true] += 0.5
    answered = chances.argmax(axis=1)
    counts = confusion(true, answered, len(classes))
    of = range(1, 2) if task == "binary" else range(len(classes))
    curves = [class_curve(classes[i], true == i, chances[:, i]) for i in of]
    return ModelPictures(
        FORM,
        task,
        ROWS,
        classes,
        tuple(tuple(row) for row in counts.tolist()),
        class_figures(classes, counts),
        tuple(curve for curve in curves if isinstance(curve, ClassCurve)),
        tuple(reliability(classes[i], true == i, chances[:, i]) for i in of),
        tuple(histogram(name, chances[true == i, -1], 0.0, 1.0) for i, name in enumerate(classes[:2])),
        **shown,  # type: ignore[arg-type]
    )


def file_of(pictures: ModelPictures) -> bytes:
    """The file that a training leaves."""
    return json.dumps(asdict(pictures)).encode()
