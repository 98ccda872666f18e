"""The paired test from the record: which rows are the same, what the two said of them, and why it is not made."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pilothouse.artifacts import ArtifactStore
from pilothouse.operations.models.paired_predictions import Sides, compare_pairs
from pilothouse.statistics.performance.comparison import Comparison, paired_bootstrap
from pilothouse.statistics.performance.pairing import paired_rows
from pilothouse.statistics.profiles.scored_rows import ScoredRows, scored_rows

ROWS = 400
CHANCE = np.random.default_rng(3)
WIND = CHANCE.normal(10, 3, ROWS)
OUTCOMES = np.where(CHANCE.random(ROWS) < 0.4, "1", "0").astype(object)
GOOD = np.clip(0.6 * (OUTCOMES == "1") + 0.4 * CHANCE.random(ROWS), 0, 1)
POOR = np.clip(0.2 * (OUTCOMES == "1") + 0.8 * CHANCE.random(ROWS), 0, 1)


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def put(artifacts: ArtifactStore, table: dict[str, Any]) -> str:
    buffer = io.BytesIO()
    pq.write_table(pa.table(table), buffer)
    return artifacts.put_bytes(buffer.getvalue())


def held_out(artifacts: ArtifactStore, rows: slice, **more: Any) -> str:
    return put(
        artifacts, {"at": np.arange(ROWS)[rows], "wind": WIND[rows], "late": list(OUTCOMES[rows]), **more}
    )


def said(artifacts: ArtifactStore, scores: Any, rows: slice) -> str:
    labels = np.where(scores > 0.5, "1", "0")
    return put(
        artifacts,
        {
            "event_time": np.arange(ROWS)[rows],
            "truth": list(OUTCOMES[rows]),
            "score": scores[rows],
            "label": list(labels[rows]),
        },
    )


def scored(scores: Any, rows: slice) -> ScoredRows:
    """What ``said`` puts on record."""
    labels = np.where(scores > 0.5, "1", "0")
    return scored_rows("binary", OUTCOMES[rows], scores[rows], labels[rows], ("0", "1"))


def sides(predictions: tuple[str, str], rows: tuple[str, str]) -> Sides:
    return Sides("auc", "binary", predictions, rows)


def test_on_the_same_hold_out_it_is_the_test_of_the_gate(artifacts: ArtifactStore) -> None:
    whole = slice(0, ROWS)
    rows = held_out(artifacts, whole)
    found = compare_pairs(
        artifacts, sides((said(artifacts, POOR, whole), said(artifacts, GOOD, whole)), (rows, rows))
    )
    wanted = paired_bootstrap("auc", scored(POOR, whole), scored(GOOD, whole))
    assert found == wanted
    assert isinstance(found, Comparison)
    assert found.low > 0


def test_of_two_hold_outs_the_rows_in_both_count_wherever_they_stand(artifacts: ArtifactStore) -> None:
    early, late = slice(0, 300), slice(399, 149, -1)
    found = compare_pairs(
        artifacts,
        sides(
            (said(artifacts, POOR, early), said(artifacts, GOOD, late)),
            (held_out(artifacts, early), held_out(artifacts, late)),
        ),
    )
    both = slice(150, 300)
    assert isinstance(found, Comparison)
    assert found.rows == 150
    wanted = paired_bootstrap("auc", scored(POOR, both), scored(GOOD, both))
    assert found == wanted


def test_a_feature_that_one_lacks_leaves_rows_that_are_alike_out(artifacts: ArtifactStore) -> None:
    whole = slice(0, ROWS)
    more = held_out(artifacts, whole, load=CHANCE.random(ROWS))
    found = compare_pairs(
        artifacts,
        sides(
            (said(artifacts, POOR, whole), said(artifacts, GOOD, whole)), (held_out(artifacts, whole), more)
        ),
    )
    assert isinstance(found, Comparison)
    assert found.rows == ROWS
    first, second = ["a", "a", "b", "c"], ["c", "a", "a", "a"]
    assert [p.tolist() for p in paired_rows(first, second, whole=True)] == [[0, 1, 3], [1, 2, 0]]
    assert [p.tolist() for p in paired_rows(first, second, whole=False)] == [[3], [0]]


def test_why_it_is_not_made(artifacts: ArtifactStore) -> None:
    early, late = slice(0, 100), slice(90, 200)
    rows = (held_out(artifacts, early), held_out(artifacts, late))
    predictions = (said(artifacts, POOR, early), said(artifacts, GOOD, late))
    assert (
        compare_pairs(artifacts, sides(predictions, rows))
        == "10 rows of their hold-outs are the same; 30 are needed"
    )
    apart = (rows[0], held_out(artifacts, slice(200, 310)))
    assert "no rows of their hold-outs are the same" in compare_pairs(artifacts, sides(predictions, apart))
    assert "there is no artifact 000" in compare_pairs(artifacts, sides((predictions[0], "0" * 64), rows))
    broken = artifacts.put_bytes(b"no table")
    assert "cannot be read as a table" in compare_pairs(artifacts, sides((broken, predictions[1]), rows))
    short = (predictions[0], said(artifacts, GOOD, slice(90, 95)))
    whole = (rows[0], rows[0])
    assert "are not those of the rows" in compare_pairs(artifacts, sides(short, whole))
