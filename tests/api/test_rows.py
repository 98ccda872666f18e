"""Predictions and outcomes from frames: the same rules and refusals as at the command line, whatever the frame is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import pilothouse as ph
from pilothouse.domain.errors import InvalidInputError
from pilothouse.operations.ingest import ingest
from pilothouse.store.log import audit
from support.small_workspace import SmallWorkspace

WARM = pl.DataFrame({"a": ["b"]}).with_columns(pl.col("a").cast(pl.Categorical))
"""Polars opens descriptors of its own with the first of these, for good."""
START = datetime(2025, 3, 2, tzinfo=UTC)


def columns(count: int = 40, first: int = 0) -> dict[str, list[Any]]:
    return {
        "prediction_id": [f"p{i}" for i in range(first, first + count)],
        "at": [START + timedelta(minutes=i) for i in range(first, first + count)],
        "wind": [float(i % 20) if i % 7 else None for i in range(count)],
        "load": [i / count for i in range(count)],
        "score": [(i % 10) / 10 for i in range(count)],
        "label": ["1" if i % 10 >= 5 else "0" for i in range(count)],
    }


FRAMES = {
    "pandas": pd.DataFrame,
    "pandas with categories": lambda c: pd.DataFrame(c).astype({"label": "category"}),
    "pandas with an index": lambda c: pd.DataFrame(c).set_index("prediction_id"),
    "polars": pl.DataFrame,
    "polars with categories": lambda c: pl.DataFrame(c).with_columns(pl.col("label").cast(pl.Categorical)),
    "pyarrow": pa.table,
    "columns": dict,
}


def test_every_kind_of_frame_is_taken_the_same(client: ph.Client, shop: SmallWorkspace) -> None:
    for place, make in enumerate(FRAMES.values()):
        frame = make(columns(first=1_000 * place))
        found = client.log_predictions(frame, model="delay", version=1, target="ewr", history=True)
        assert (found.rows, found.taken, found.rejected, found.known) == (40, 40, 0, 0)
        again = client.log_predictions(frame, model="delay", version=1, target="ewr", history=True)
        assert (again.taken, again.known) == (0, 40)
    outcomes = {"prediction_id": ["p0", "p1001", "never"], "outcome": ["1", "0", "1"]}
    taken = client.log_outcomes(pl.DataFrame(outcomes))
    assert (taken.taken, taken.waiting) == (2, 1)
    assert client.log_outcomes(pd.DataFrame(outcomes)).known == 3
    with shop.services.registry.read() as connection:
        entry = audit.newest_of(connection, "telemetry.ingested")
    assert entry is not None
    assert (entry.detail["file"], entry.detail["rows"]) == ("DataFrame", 0)


def test_outcomes_that_come_with_their_predictions_are_joined(client: ph.Client) -> None:
    frame = pd.DataFrame({**columns(), "truth": ["1", "0"] * 20})
    found = client.log_predictions(frame, model="delay", version=1, target="ewr", history=True)
    assert (found.taken, found.outcomes.taken) == (40, 40)
    assert "outcomes" in found._repr_html_()


def test_rows_of_a_frame_count_once_in_another_frame_too(client: ph.Client) -> None:
    whole = client.log_predictions(columns(), model="delay", version=1, target="ewr", history=True)
    part = client.log_predictions(columns(count=2), model="delay", version=1, target="ewr", history=True)
    assert (whole.taken, part.taken, part.reasons) == (40, 0, {"id already taken": 2})
    assert "outcomes" not in part._repr_html_()


def test_a_frame_is_refused_in_the_words_of_the_command_line(client: ph.Client, shop: SmallWorkspace) -> None:
    bad = {
        "a column missing": lambda c: {k: v for k, v in c.items() if k != "score"},
        "a text for a number": lambda c: {**c, "wind": ["calm"] * 40},
        "a list": lambda c: {**c, "wind": [[1.0]] * 40},
    }
    for change in bad.values():
        table = pa.table(change(columns()))
        path = shop.root / "rows.parquet"
        pq.write_table(table, path)
        with pytest.raises(InvalidInputError) as of_file:
            ingest.ingest_file(shop.services, shop.scientist, path, "delay", 1, "ewr")
        with pytest.raises(ph.InvalidInputError) as of_frame:
            client.log_predictions(table, model="delay", version=1, target="ewr")
        assert str(of_frame.value) == str(of_file.value).replace(str(path), "DataFrame")


def test_what_is_no_frame_or_names_nothing_is_refused(client: ph.Client) -> None:
    good = pa.table(columns())
    for frame, message in (
        ([1, 2], "found a list; expected a DataFrame"),
        (None, "found a NoneType"),
        (pd.DataFrame({"a": [1, "b", object()]}), "cannot be read"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "cannot be read|called 'a'"),
        ({"a": [1], "b": [1, 2]}, "cannot be read"),
    ):
        with pytest.raises(ph.InvalidInputError, match=message) as caught:
            client.log_predictions(frame, model="delay", version=1, target="ewr")
        assert "\n" not in str(caught.value)
    with pytest.raises(ph.NotFoundError, match="no target 'nowhere'"):
        client.log_predictions(good, model="delay", version=1, target="nowhere")
    with pytest.raises(ph.NotFoundError, match="no version 9"):
        client.log_predictions(good, model="delay", version=9, target="ewr")
    with pytest.raises(ph.InvalidInputError, match="expected prediction_id and one of"):
        client.log_outcomes({"id": ["a"], "outcome": ["1"]})


def test_rejected_rows_are_counted_by_reason(client: ph.Client) -> None:
    rows = columns()
    rows["at"] = [None, *rows["at"][1:]]
    found = client.log_predictions(pa.table(rows), model="delay", version=1, target="ewr", history=True)
    assert (found.taken, found.rejected, sum(found.reasons.values())) == (39, 1, 1)
