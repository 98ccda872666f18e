"""Figures of two versions on replayed rows: metrics where outcomes are known, drift of the scores, latency of a call."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs.replays import CallLatency, FigurePair, OutcomeFigures, ScoreDrift
from pilothouse.domain.models.model_spec import Task
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.statistics.distances.distances import jensen_shannon, ks
from pilothouse.statistics.performance.block_comparison import compare_over_blocks, metrics_over_blocks
from pilothouse.statistics.performance.blocks import time_blocks
from pilothouse.statistics.performance.comparison import Comparison, paired_bootstrap
from pilothouse.statistics.profiles.scored_rows import ScoredRows
from pilothouse.training.gates import REPEATS
from pilothouse.training.replay.answers import NONE, Answers
from pilothouse.training.replay.recorded import read_file

FEWEST_ROWS = 30
"""Fewest rows from which a bootstrap can conclude anything."""
_MOST_BY_ROWS = 20_000
"""Rows of an even sample for what does not follow from figures of blocks."""
_CALLS = 100
_CALLS_S = 4.0
"""Seconds after which no further call is timed."""


def outcome_figures(
    answers: Answers,
    task: Task,
    metric: str,
    trained_us: Sequence[int],
    schemas: tuple[InputSchema, InputSchema],
    seed: int,
) -> OutcomeFigures:
    """Metrics of both on rows newer than ``trained_us``, the newest training rows of both; the primary ``metric`` first, each
    with the interval of the paired bootstrap that draws days."""
    if task == "regression":
        known = np.isfinite(answers.outcomes)
    else:
        known = answers.outcomes != NONE
        if task == "binary":  # a class that neither knows is no outcome of theirs
            known &= answers.outcomes < len(schemas[0].classes)
    newest = max(trained_us)
    chosen = np.flatnonzero(known & (answers.times > newest))
    total, rows = int(known.sum()), len(chosen)
    if rows < FEWEST_ROWS:
        older = total - rows
        why = (
            f"{total:,} of these rows have a known outcome"
            if total
            else "no outcomes of these rows are known"
        )
        if older:
            why += f", {older:,} of them no newer than what one of the two was trained on"
        return OutcomeFigures(total, rows, "", (), f"{why}: {FEWEST_ROWS} are needed")
    if schemas[0].classes != schemas[1].classes:
        return OutcomeFigures(total, rows, "", (), "the two versions know different classes")
    blocks = time_blocks(answers.times[chosen])
    pair = tuple(_scored(answers, task, chosen, side, schemas[0].classes) for side in (0, 1))
    listed = metrics_over_blocks(task)
    found: list[Comparison] = []
    try:
        if metric not in listed or blocks.labels is None:
            found += [_by_rows(metric, pair[0], pair[1], blocks.labels, seed)]
        if blocks.labels is not None:
            ordered = sorted(listed, key=lambda name: name != metric)
            found += compare_over_blocks(ordered, pair[0], pair[1], blocks.labels, repeats=REPEATS, seed=seed)
    except InvalidInputError as error:
        return OutcomeFigures(total, rows, blocks.phrase, (), str(error))
    figures = tuple(FigurePair(c.metric, c.value_a, c.value_b, c.difference, c.low, c.high) for c in found)
    if not figures or figures[0].metric != metric:
        return OutcomeFigures(total, rows, blocks.phrase, (), f"the {rows:,} rows do not define {metric}")
    return OutcomeFigures(total, rows, blocks.phrase, figures)


def _scored(answers: Answers, task: Task, chosen: Any, side: int, classes: tuple[str, ...]) -> ScoredRows:
    scores = (answers.against, answers.version)[side][chosen]
    if task == "regression":
        return ScoredRows(task, (), answers.outcomes[chosen], scores, np.empty(0, np.int64), None)
    labels = (answers.against_labels, answers.version_labels)[side][chosen]
    outcomes = answers.outcomes[chosen]
    # the classes of the versions have the first numbers; another one may be an outcome all the same
    names = (*classes, *answers.classes.listed[len(classes) :]) if task == "multiclass" else classes
    return ScoredRows(task, names, outcomes, scores, labels, None)


def _by_rows(metric: str, first: ScoredRows, second: ScoredRows, labels: Any, seed: int) -> Comparison:
    """Comparison that needs every row's place, of an even sample where there are many."""
    every = np.arange(0, first.rows, -(-first.rows // _MOST_BY_ROWS))
    a, b = (_part(side, every) for side in (first, second))
    return paired_bootstrap(
        metric, a, b, repeats=REPEATS, seed=seed, blocks=None if labels is None else labels[every]
    )


def _part(rows: ScoredRows, chosen: Any) -> ScoredRows:
    return ScoredRows(
        rows.task,
        rows.classes,
        rows.outcomes[chosen],
        rows.scores[chosen],
        rows.labels[chosen] if len(rows.labels) else rows.labels,
        None,
    )


def score_drift(version: int, scores: Any, holdout: Path | None) -> ScoreDrift | None:
    """Distance of the scores from those on the version's hold-out; None where these cannot be read."""
    if holdout is None:
        return None
    try:
        before = pq.read_table(holdout, columns=["score"]).column("score").to_numpy()
    except (pa.ArrowException, KeyError, OSError):
        return None
    if not len(before):
        return None
    # tenths of the hold-out's own scores: each bin has as many of them as ties allow
    edges = np.unique(np.quantile(before, np.linspace(0.1, 0.9, 9)))
    counts = [
        np.bincount(np.searchsorted(edges, side, side="right"), minlength=len(edges) + 1)
        for side in (before, scores)
    ]
    return ScoreDrift(version, float(jensen_shannon(counts[0], counts[1])), float(ks(before, scores)))


def call_latency(paths: Sequence[Path], against: Predictor, version: Predictor) -> CallLatency | None:
    """Durations of calls of one row: the same rows by both, in turn and in changing order. None without rows."""
    rows = _single_rows(paths, against, version)
    if not rows:
        return None
    spent: tuple[list[float], list[float]] = ([], [])
    for inputs in rows[:3]:  # the first calls of a process are slow
        for predictor, columns in zip((against, version), inputs, strict=True):
            predictor.predict_columns(columns)
    stop = time.perf_counter() + _CALLS_S
    for i, inputs in enumerate(rows):
        for side in (0, 1) if i % 2 else (1, 0):
            began = time.perf_counter_ns()
            (against, version)[side].predict_columns(inputs[side])
            spent[side].append((time.perf_counter_ns() - began) / 1e6)
        if time.perf_counter() > stop:
            break
    figures = [float(value) for side in spent for value in np.percentile(side, (50, 95))]
    return CallLatency(len(spent[0]), *figures)


def _single_rows(
    paths: Sequence[Path], against: Predictor, version: Predictor
) -> list[tuple[InputColumns, InputColumns]]:
    single: list[tuple[InputColumns, InputColumns]] = []
    for path in paths:
        _, blocks = read_file(path)
        block = next(blocks, None)
        if block is None:
            continue
        wanted = max(1, _CALLS // len(paths))
        whole = [block.input_of(predictor.schema) for predictor in (against, version)]
        places = np.linspace(0, block.rows - 1, min(wanted, block.rows)).astype(int).tolist()
        single += [(_row(whole[0], row), _row(whole[1], row)) for row in places]
    return single


def _row(columns: InputColumns, row: int) -> InputColumns:
    numeric = {name: values[row : row + 1] for name, values in columns.numeric.items()}
    return InputColumns(
        1, numeric, {name: values[row : row + 1] for name, values in columns.categorical.items()}
    )
