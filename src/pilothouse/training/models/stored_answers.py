"""Predictions of a version on its hold-out as they were stored when it was evaluated, and how others differ from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from pilothouse.domain.errors import IntegrityError
from pilothouse.inference.columns import Numbers
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import scikit_learn_here
from pilothouse.inference.schema import InputSchema
from pilothouse.training.data.rows import Rows
from pilothouse.training.models.scoring import Scored, score


@dataclass(frozen=True, slots=True)
class StoredAnswers:
    """``numbers`` float64[rows, k]: the scores, then the probability of each class; ``labels``: an object array, empty for a
    regression."""

    numbers: Numbers
    labels: Any

    @classmethod
    def read(cls, path: Path, schema: InputSchema) -> "StoredAnswers":
        """Answers in a file of ``write_predictions``. Raises IntegrityError."""
        table = pq.read_table(path)
        names = ["score", *(f"probability_{name}" for name in schema.classes)]
        missing = [name for name in (*names, "label") if name not in table.column_names]
        if missing:
            raise IntegrityError(f"the stored predictions have no column {missing[0]}")
        columns = [table.column(name).to_numpy(zero_copy_only=False) for name in names]
        labels = np.array(table.column("label").to_pylist() if schema.classes else [], dtype=object)
        return cls(np.column_stack(columns).astype(np.float64), labels)

    def differences(self, scored: Scored) -> tuple[int, float]:
        """Number of rows whose answers are not equal to the bit, and the largest difference. Raises IntegrityError where the
        rows are not as many."""
        parts = [scored.scores[:, None]]
        if scored.probabilities is not None:
            parts.append(scored.probabilities)
        numbers = np.ascontiguousarray(np.hstack(parts))
        if numbers.shape != self.numbers.shape:
            raise IntegrityError(f"{self.numbers.shape[0]} rows are stored, {numbers.shape[0]} were answered")
        unequal = (numbers.view(np.uint64) != np.ascontiguousarray(self.numbers).view(np.uint64)).any(axis=1)
        if len(self.labels):
            unequal |= np.asarray(self.labels != scored.labels, dtype=bool)
        largest = float(np.nanmax(np.abs(numbers - self.numbers)[unequal])) if unequal.any() else 0.0
        return int(unequal.sum()), largest


def as_stored(model: Path, predictions: Path, schema: InputSchema, rows: Rows) -> Predictor:
    """Predictor of a model file that answers ``rows`` as it did when it was evaluated: what is made of it has to be what was
    approved. Raises IntegrityError."""
    predictor = Predictor(model.read_bytes(), schema)
    differing, largest = StoredAnswers.read(predictions, schema).differences(score(predictor, rows))
    if differing:
        raise IntegrityError(
            f"under scikit-learn {scikit_learn_here()} it answers otherwise than it did: {differing} of {rows.count} rows, "
            f"largest {largest:.3g}"
        )
    return predictor
