"""Paired test of two versions on the rows that both held out, from recorded predictions: no model and no user's code runs.

A version's predictions on its hold-out are kept row by row beside the hold-out itself. A row that lies in both hold-outs was
in the training of neither, so that the predictions of it can be compared as the comparison gate does.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import InvalidInputError, PilothouseError
from pilothouse.domain.models.model_file import spec_from_plain
from pilothouse.domain.models.model_spec import Scalar, Task
from pilothouse.domain.monitoring.categories import category_text
from pilothouse.domain.records import Version
from pilothouse.sqlite import Connection
from pilothouse.statistics.performance.pairing import paired_rows
from pilothouse.store.work import runs

if TYPE_CHECKING:
    import pyarrow as pa

    from pilothouse.statistics.performance.comparison import Comparison
    from pilothouse.statistics.profiles.scored_rows import ScoredRows

FEWEST_ROWS = 30
"""Fewest pairs from which a bootstrap can conclude anything."""
_MOST_ROWS = 300_000
_MOST_BYTES = 256 << 20
_BLOCK_ROWS = 10_000
_HOLDOUT = "holdout"


@dataclass(frozen=True, slots=True)
class Sides:
    """Records of two versions of a model, A and B: digests of their predictions and of the rows that they held out, of what is
    left of them after erasures."""

    metric: str
    task: Task
    predictions: tuple[str, str]
    rows: tuple[str, str]
    confidence: float = 0.95
    block_s: int | None = None
    """Seconds of the blocks of time that the interval draws whole; a day where None."""
    matches: tuple[tuple[tuple[str, Scalar], ...], ...] = ()
    """Values of columns by which rows count, each of a target; all rows where empty."""


def sides_of(connection: Connection, first: Version, second: Version) -> Sides | str:
    """Records to compare, or the reason why there are none. The metric is the later version's."""
    if first.model != second.model:
        return "they are versions of different models"
    if first.number == second.number:
        return "it is one version"
    files = [runs.files_of(connection, version.run_id).get(_HOLDOUT) for version in (first, second)]
    if files[0] is None or files[1] is None:
        return "the rows that one of them held out are not on record"
    newer = max((first, second), key=lambda version: version.number)
    spec = spec_from_plain(runs.spec_of(connection, newer.run_id))
    return Sides(
        spec.primary_metric,
        spec.task,
        (first.predictions_digest, second.predictions_digest),
        (files[0].digest, files[1].digest),
    )


def compare_pairs(artifacts: ArtifactStore, sides: Sides) -> "Comparison | str":
    """Comparison of B with A on the rows of both hold-outs, or the reason why there is none."""
    try:
        return _tested(artifacts, sides)
    except PilothouseError as error:
        return str(error)


@lru_cache(maxsize=64)
def _tested(artifacts: ArtifactStore, sides: Sides) -> "Comparison | str":
    """The result is cached: artifacts never change, but for rows that are erased."""
    from pilothouse.statistics.performance.blocks import DAY_US, time_blocks
    from pilothouse.statistics.performance.comparison import paired_bootstrap

    predictions = [_read(artifacts, digest) for digest in sides.predictions]
    if max(table.num_rows for table in predictions) > _MOST_ROWS:
        return f"one of them held out more than {_MOST_ROWS:,} rows, too many to compare here"
    if sides.rows[0] == sides.rows[1]:
        agree = predictions[0].num_rows == predictions[1].num_rows
        row_pairs = (np.arange(predictions[0].num_rows),) * 2
    else:
        holdouts = [_read(artifacts, digest) for digest in sides.rows]
        agree = [table.num_rows for table in predictions] == [table.num_rows for table in holdouts]
        row_pairs = _same_rows(*holdouts)
    if not agree:
        return "the predictions on record are not those of the rows on record"
    if sides.matches:
        chosen = _matching(_read(artifacts, sides.rows[1]), sides.matches)[row_pairs[1]]
        row_pairs = (row_pairs[0][chosen], row_pairs[1][chosen])
    rows = len(row_pairs[0])
    if rows < FEWEST_ROWS:
        return f"{rows or 'no'} row{'' if rows == 1 else 's'} of their hold-outs are the same; {FEWEST_ROWS} are needed"
    a, b = (table.take(index) for table, index in zip(predictions, row_pairs, strict=True))
    classifies = sides.task != "regression"
    if not np.array_equal(_column(a, "truth", classifies), _column(b, "truth", classifies)):
        return "their records do not agree on what was true of the same rows"
    if _classes(a) != _classes(b):
        return "they know different classes"
    length_us = sides.block_s * 1_000_000 if sides.block_s else DAY_US
    blocks = time_blocks(a.column("event_time").cast("int64").to_numpy(), length_us).labels
    scored = _scored(a, sides.task), _scored(b, sides.task)
    return paired_bootstrap(sides.metric, *scored, confidence=sides.confidence, blocks=blocks)


def _matching(holdout: "pa.Table", matches: tuple[tuple[tuple[str, Scalar], ...], ...]) -> Any:
    """Mask bool[rows] of the rows that have all values of one of the ``matches``. Raises InvalidInputError (no such column)."""
    chosen = np.zeros(holdout.num_rows, dtype=bool)
    for match in matches:
        fits = np.ones(holdout.num_rows, dtype=bool)
        for name, value in match:
            if name not in holdout.column_names:
                raise InvalidInputError(f"the rows on record have no column {name!r}")
            texts = [category_text(each) for each in holdout.column(name).to_pylist()]
            fits &= np.array(texts, dtype=object) == category_text(value)
        chosen |= fits
    return chosen


def _scored(table: "pa.Table", task: Task) -> "ScoredRows":
    from pilothouse.statistics.profiles.scored_rows import scored_rows

    classes, classifies = _classes(table), task != "regression"
    return scored_rows(
        task,
        _column(table, "truth", classifies),
        _column(table, "score", False),
        _column(table, "label", True) if classifies else (),
        classes,
        _probabilities(table, classes) if task == "multiclass" else None,
    )


def _read(artifacts: ArtifactStore, digest: str) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    if artifacts.size(digest) > _MOST_BYTES:
        raise InvalidInputError(
            f"artifact {digest[:12]}… has more than {_MOST_BYTES >> 20} MiB, too much to compare here"
        )
    try:
        return pq.read_table(io.BytesIO(artifacts.read(digest)))
    except (pa.ArrowException, OSError) as error:
        raise InvalidInputError(f"artifact {digest[:12]}… cannot be read as a table: {error}") from None


def _same_rows(first: "pa.Table", second: "pa.Table") -> tuple[Any, Any]:
    names = sorted(set(first.column_names) & set(second.column_names))
    whole = set(first.column_names) == set(second.column_names)
    return paired_rows(_keys(first, names), _keys(second, names), whole=whole)


def _keys(table: "pa.Table", names: list[str]) -> list[bytes]:
    """A digest of each row's values: the texts of many rows would take too much memory."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys: list[bytes] = []
    for block in table.select(names).to_batches(max_chunksize=_BLOCK_ROWS):
        columns = [pc.cast(column, pa.string()) for column in block.columns]
        joined = pc.binary_join_element_wise(
            *columns, "\x1f", null_handling="replace", null_replacement="\x00"
        )
        keys += [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in joined.to_pylist()]
    return keys


def _column(table: "pa.Table", name: str, texts: bool) -> Any:
    if name not in table.column_names:
        raise InvalidInputError(f"the predictions on record have no column {name!r}")
    if texts:
        return np.array(table.column(name).to_pylist(), dtype=object)
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)


_PROBABILITY = "probability_"


def _classes(table: "pa.Table") -> tuple[str, ...]:
    return tuple(
        name.removeprefix(_PROBABILITY) for name in table.column_names if name.startswith(_PROBABILITY)
    )


def _probabilities(table: "pa.Table", classes: tuple[str, ...]) -> Any:
    return np.column_stack([_column(table, f"{_PROBABILITY}{name}", False) for name in classes])
