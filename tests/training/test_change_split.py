"""The split of a training after a change, and the choice of older rows."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from steps_support import Bench, rows, spec

from pilothouse.domain.jobs.jobs import StepResult
from pilothouse.training.data.change_split import split_since
from pilothouse.training.models.recency import choose_older_rows

DAY_US = 86_400_000_000
HOLDOUT_S = 14 * 86_400
FIRST_DAY = int(pd.Timestamp("2024-01-01", tz="UTC").timestamp() * 1e6)


def times(days: int, per_day: int = 100) -> np.ndarray:
    return FIRST_DAY + (np.arange(days * per_day) * DAY_US) // per_day


def since(day: int) -> int:
    return FIRST_DAY + day * DAY_US


def test_every_third_day_since_the_change_is_held_out_and_the_newest_is_one_of_them() -> None:
    at = times(60)
    split = split_since(at, HOLDOUT_S, since(48), 300)
    assert split.holdout is not None
    held = {int(day) for day in (at[split.holdout] - FIRST_DAY) // DAY_US}
    assert held == {59, 56, 53, 50}
    trained = (at[~split.holdout] - FIRST_DAY) // DAY_US
    assert set(range(48)) < set(trained.tolist()), "everything before the change is for training"
    assert split.text.startswith("every third day since the change of 2024-02-18 is held out (400 rows)")


def test_where_a_third_is_too_few_rows_to_compare_half_is_held_out() -> None:
    at = times(60)
    split = split_since(at, HOLDOUT_S, since(48), 500)
    assert split.holdout is not None
    assert int(split.holdout.sum()) == 600
    assert split.text.startswith("every second day")


def test_many_days_are_cut_into_blocks_and_an_old_change_needs_no_cutting() -> None:
    at = times(120, 20)
    split = split_since(at, 60 * 86_400, since(60), 100)
    assert split.holdout is not None
    assert "block of 3 days" in split.text
    edges = np.flatnonzero(np.diff(split.holdout.astype(int)))
    assert (np.diff(edges) >= 3 * 20).all(), "a block stays together"
    assert split_since(at, HOLDOUT_S, since(60), 100).holdout is None


@pytest.mark.parametrize(
    ("day", "said"), [(57, "3 days since the change of 2024-02-27 are"), (59, "1 day since"), (61, "no day")]
)
def test_too_few_days_are_not_split_and_the_sentence_says_so(day: int, said: str) -> None:
    split = split_since(times(60), HOLDOUT_S, since(day), 100)
    assert split.holdout is None
    assert split.text.startswith(said)
    assert "the change is hardly learnt" in split.text


def changed(seed: int = 0) -> pd.DataFrame:
    """Rows whose wind speaks the other way round from day 48 of 60 on."""
    frame = rows(seed=seed)
    draw = np.random.default_rng(seed)
    new = np.arange(len(frame)) >= 48 * 60
    wind = draw.normal(0, 1, len(frame))
    frame["wind"] = wind
    chance = 1 / (1 + np.exp(-2 * wind * np.where(new, -1, 1)))
    frame["late"] = (draw.random(len(frame)) < chance).astype(int)
    return frame


def fitted(
    bench: Bench, frame: pd.DataFrame, changed_us: int | None, name: str
) -> tuple[StepResult, StepResult]:
    plain = spec(gates__metric=[], gates__comparison={"minimum_rows": 100})
    options: dict[str, Any] = {"changed_us": changed_us} if changed_us else {}
    snapshot = bench.run("snapshot", plain, {"source": bench.source(frame)}, options, f"{name}-snapshot")
    assert snapshot.ok, snapshot.error
    inputs = {"train": snapshot.outputs["train"], "model_folder": bench.folder}
    fit = bench.run("fit", plain, inputs, options, f"{name}-fit")
    assert fit.ok, fit.error
    return snapshot, fit


def test_a_training_after_a_change_learns_the_new_world(bench: Bench) -> None:
    """The newest ten days alone as hold-out leave two new days to learn; days in turn leave eight."""
    frame = changed()
    snapshot, fit = fitted(bench, frame, since(48), "new")
    held = pq.read_table(snapshot.outputs["holdout"]).to_pandas()
    assert held["at"].min() >= pd.Timestamp("2024-02-18", tz="UTC")
    assert snapshot.record["training_rows"] + snapshot.record["holdout_rows"] == snapshot.record["rows"]
    assert snapshot.record["trained_until_us"] > since(57)
    scores = fit.record["older_rows_scores"]
    assert scores["the new rows alone"] > scores["all rows"] + 0.1
    assert fit.record["older_rows"].startswith("trained on the new rows alone: auc on days since 2024-02-18")
    assert fit.record["training_rows"] == 8 * 60


def test_where_nothing_has_changed_the_older_rows_stay(bench: Bench) -> None:
    _, fit = fitted(bench, rows(), since(48), "same")
    assert fit.record["older_rows"].startswith("trained on all rows") or fit.record["training_rows"] > 12 * 60
    _, plain = fitted(bench, rows(), None, "plain")
    assert "older_rows" not in plain.record


def test_after_a_change_of_long_ago_all_rows_are_trained_on(bench: Bench) -> None:
    plain = spec(gates__metric=[])
    options = {"changed_us": since(30)}
    snapshot = bench.run("snapshot", plain, {"source": bench.source(changed())}, options, "old")
    assert "is older than twice the hold-out" in snapshot.record["split"]
    assert "changed_us" not in snapshot.record


def test_the_choice_sees_rows_of_the_training_alone_and_is_the_same_again() -> None:
    draw = np.random.default_rng(1)
    at = times(30, 40)
    X = pd.DataFrame({"x": draw.normal(0, 1, len(at))})
    y = pd.Series(
        (draw.random(len(at)) < 1 / (1 + np.exp(-X["x"] * np.where(at < since(15), 2, -2)))).astype(int)
    )
    seen: list[int] = []

    def fit(X: pd.DataFrame, y: Any, weights: Any = None) -> Any:
        from sklearn.linear_model import LogisticRegression

        seen.append(len(X))
        return LogisticRegression().fit(X, y, weights)

    first, second = (choose_older_rows(X, y, at, since(15), "auc", fit) for _ in range(2))
    assert first.text == second.text
    assert int(first.kept.sum()) == 15 * 40
    assert max(seen) < len(at), "no choice is scored on rows that it was fitted on"


def test_with_few_new_rows_all_are_used() -> None:
    at = times(30, 2)
    X, y = pd.DataFrame({"x": np.zeros(len(at))}), pd.Series(np.arange(len(at)) % 2)
    older = choose_older_rows(X, y, at, since(20), "auc", lambda *_: pytest.fail("nothing is fitted"))
    assert older.kept.all()
    assert not older.text
