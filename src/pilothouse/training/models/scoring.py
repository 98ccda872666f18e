"""Predictions of a model on rows whose outcomes are known, and their metrics."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.models.model_spec import Task
from pilothouse.inference.columns import Numbers
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.statistics.performance.metrics import compute_metrics
from pilothouse.statistics.profiles.scored_rows import ScoredRows, scored_rows
from pilothouse.training.data.rows import Rows
from pilothouse.training.data.times import Micros

BLOCK_ROWS = 50_000
"""Rows that are encoded at once, which bounds the memory."""

MAXIMUM_SLICES = 30
"""Values of a slice column that are measured; the rarer ones are left out."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Predictions and outcomes, row by row. ``outcomes`` and ``labels`` are object arrays of class names (classification);
    for a regression ``outcomes`` is float64 and ``labels`` is empty. ``probabilities`` is float64[n, classes] or None."""

    task: Task
    classes: tuple[str, ...]
    times: Micros
    outcomes: Any
    scores: Numbers
    labels: Any
    probabilities: Numbers | None

    @property
    def count(self) -> int:
        return len(self.scores)

    def coded(self) -> ScoredRows:
        """Rows checked and coded for the metrics. Raises InvalidInputError where an outcome is no class that the model
        knows."""
        probabilities = self.probabilities if self.task == "multiclass" else None
        return scored_rows(self.task, self.outcomes, self.scores, self.labels, self.classes, probabilities)

    def where(self, chosen: Any) -> "Scored":
        """Rows where ``chosen`` (bool[rows]) is true."""
        return replace(
            self,
            times=self.times[chosen],
            outcomes=self.outcomes[chosen],
            scores=self.scores[chosen],
            labels=self.labels[chosen] if len(self.labels) else self.labels,
            probabilities=None if self.probabilities is None else self.probabilities[chosen],
        )


def load_predictor(model: Path, schema: Path) -> Predictor:
    """Predictor from the files of the model and its schema, each read once."""
    return Predictor(model.read_bytes(), InputSchema.from_bytes(schema.read_bytes()))


def score(predictor: Predictor, rows: Rows) -> Scored:
    """Predictions of the model on ``rows``. Raises IntegrityError where one of them is not finite."""
    schema = predictor.schema
    parts = []
    for start in range(0, rows.count, BLOCK_ROWS):
        block = rows.table.slice(start, BLOCK_ROWS)
        part = Rows(block, rows.times[start : start + BLOCK_ROWS], rows.outcomes[start : start + BLOCK_ROWS])
        parts.append(predictor.predict_columns(part.columns(schema)))
    scores = np.concatenate([part.scores for part in parts]) if parts else np.empty(0)
    if not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise IntegrityError(
            f"{schema.model}: the model answers {bad} of {len(scores)} rows with no finite number"
        )
    labels = np.array([label for part in parts for label in part.labels], dtype=object)
    probabilities = [part.probabilities for part in parts if part.probabilities is not None]
    return Scored(
        schema.task,
        schema.classes,
        rows.times,
        rows.outcomes,
        scores,
        labels,
        np.concatenate(probabilities) if probabilities else None,
    )


def measure(scored: Scored, slice_: str = "") -> list[MetricValue]:
    """Metrics that the rows define, with 95 % intervals. ``slice_`` is the name under which they are recorded."""
    if not scored.count:
        return []
    return [
        replace(value, slice=slice_)
        for value in compute_metrics(scored.coded())
        if math.isfinite(value.low) and math.isfinite(value.high)
    ]


def measure_slices(scored: Scored, rows: Rows, column: str) -> list[MetricValue]:
    """Metrics of each value of ``column``, named ``column=value``, most frequent first."""
    values = rows.column_text(column)
    names, counts = np.unique([value for value in values if value is not None], return_counts=True)
    ranked = sorted(zip(counts, names, strict=True), key=lambda pair: (-pair[0], pair[1]))[:MAXIMUM_SLICES]
    return [
        metric for _, name in ranked for metric in measure(scored.where(values == name), f"{column}={name}")
    ]


def write_predictions(path: Path, scored: Scored) -> None:
    """Write the predictions exactly: parquet with ``event_time``, ``truth``, ``score``, ``label`` and, for classes, one
    ``probability_CLASS`` each, all float64."""
    texts = scored.task != "regression"
    columns: dict[str, Any] = {
        "event_time": pa.array(scored.times, type=pa.timestamp("us", "UTC")),
        "truth": pa.array(scored.outcomes, type=pa.string() if texts else pa.float64()),
        "score": pa.array(scored.scores, type=pa.float64()),
        "label": pa.array(scored.labels if texts else [None] * scored.count, type=pa.string()),
    }
    for i, name in enumerate(scored.classes):
        if scored.probabilities is not None:
            columns[f"probability_{name}"] = pa.array(np.ascontiguousarray(scored.probabilities[:, i]))
    pq.write_table(pa.table(columns), path, compression="zstd")
