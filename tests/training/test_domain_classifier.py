"""A domain classifier: a flipped correlation is found, random variation and weather are not, features are named."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from steps_support import Bench, rows, spec
from threadpoolctl import threadpool_limits

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.monitoring.findings import MultivariateFinding
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.training.data import domain_classifier as classifier
from pilothouse.training.data.domain_classifier import Side

NAMES = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def few_and_small(monkeypatch: pytest.MonkeyPatch):
    """One thread, as the step has it, and half the windows of the reference: the suite has to be quick."""
    monkeypatch.setattr(classifier, "NULL_WINDOWS", 6)
    with threadpool_limits(1):
        yield


def side(
    rows_: int,
    first_day: int,
    days: int,
    seed: int,
    *,
    correlation: float = 0.9,
    shift: float = 0.0,
    season: float = 0.0,
) -> Side:
    """Four normal columns: ``a`` and ``b`` hang together, ``c`` may be shifted, ``d`` has weather that stays for nine days."""
    generator = np.random.default_rng(seed)
    times = np.sort(generator.integers(first_day * DAY_US, (first_day + days) * DAY_US, rows_))
    values = generator.normal(size=(rows_, 4))
    values[:, 1] = correlation * values[:, 0] + np.sqrt(1 - correlation**2) * values[:, 1]
    values[:, 2] += shift
    day = times / DAY_US
    weather = np.random.default_rng(99).normal(size=1_000)
    values[:, 3] += season * weather[(day / 9).astype(int)]
    return Side(values, times)


def judged(window: Side, *, season: float = 0.0, seed: int = 0) -> MultivariateFinding:
    reference = side(6_000, 0, 120, seed + 50, season=season)
    found = classifier.separate(
        NAMES, [False] * 4, reference, window, false_alarm_rate=0.01, length_us=7 * DAY_US, seed=seed
    )
    assert found is not None
    return found


def test_a_correlation_that_flips_is_found_though_no_column_shows_it() -> None:
    found = judged(side(400, 134, 7, 1, correlation=-0.9))
    assert found.significant
    assert found.auc > 0.85
    assert {f.feature for f in found.features[:2]} == {"a", "b"}
    assert max(f.alone for f in found.features) < 0.6


def test_no_shift_is_about_one_half_and_quiet() -> None:
    found = judged(side(400, 134, 7, 2))
    assert not found.significant
    assert found.low < 0.52
    assert abs(found.auc - 0.5) < 0.06
    assert found.p_value is not None
    assert found.p_value > 0.01


def test_one_shifted_feature_is_named() -> None:
    found = judged(side(400, 134, 7, 3, shift=1.0))
    assert found.significant
    assert found.features[0].feature == "c"
    assert found.features[0].alone > 0.7
    assert found.features[0].drop > 5 * max(f.drop for f in found.features[1:])


def test_weather_that_every_week_has_of_its_own_is_quiet_where_it_would_be_loud_against_one_half() -> None:
    found = judged(side(400, 134, 7, 4, season=1.5), season=1.5)
    assert found.usual is not None
    assert found.usual > 0.55, "weeks of the reference differ from each other too"
    assert found.low > 0.5, "against one half it would have fired"
    assert not found.significant


def test_the_same_seed_gives_the_same_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "NULL_WINDOWS", 2)
    window = side(400, 134, 7, 5, shift=0.3)
    assert judged(window, seed=3) == judged(window, seed=3)


def test_few_days_give_a_figure_and_no_verdict() -> None:
    found = classifier.separate(
        NAMES,
        [False] * 4,
        side(600, 0, 2, 1),
        side(300, 10, 2, 2, shift=3.0),
        false_alarm_rate=0.01,
        length_us=2 * DAY_US,
        seed=0,
    )
    assert found is not None
    assert found.auc > 0.9
    assert (found.threshold, found.significant) == (None, False)


def test_a_window_that_has_nothing_in_common_is_told_for_certain() -> None:
    window = side(600, 200, 7, 3)
    found = judged(Side(window.values + 1_000, window.times))
    assert (found.auc, found.high, found.significant) == (1.0, 1.0, True)
    assert 0.98 < found.low < 1.0


def test_a_reference_of_one_moment_has_no_part_to_hold_out() -> None:
    reference = Side(side(600, 0, 2, 1).values, np.zeros(600, np.int64))
    with pytest.raises(InvalidInputError, match="expected rows of a longer time"):
        classifier.separate(
            NAMES,
            [False] * 4,
            reference,
            side(300, 10, 7, 2),
            false_alarm_rate=0.01,
            length_us=7 * DAY_US,
            seed=0,
        )


def test_too_few_rows_are_no_sample() -> None:
    few = side(50, 0, 7, 1)
    assert (
        classifier.separate(NAMES, [False] * 4, few, few, false_alarm_rate=0.01, length_us=DAY_US, seed=0)
        is None
    )


def test_categories_missing_values_and_constants_are_taken() -> None:
    first = InputColumns(4, {"x": np.array([1.0, np.nan, 2.0, 3.0])}, {"port": ["N", "N", None, "S"]})
    second = InputColumns(2, {"x": np.array([np.nan, 1.0])}, {"port": ["new", None]})
    one, two, categorical = classifier.encode(["port", "x"], first, second)
    assert categorical == [True, False]
    assert one[:, 0].tolist()[:2] == [0.0, 0.0]
    assert two[0, 0] not in one[:, 0]
    assert np.isnan(one[2, 0])
    assert np.isnan(two[1, 0])


def asked(bench: Bench, window: pd.DataFrame, **options: object):
    plain = spec()
    train = bench.folder / "train.parquet"
    frame = rows(90, 100, seed=1)
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), train)
    pq.write_table(pa.Table.from_pandas(window, preserve_index=False), bench.folder / "window.parquet")
    schema = InputSchema(
        "late", "binary", ("0", "1"), "at",
        (InputColumn("wind", "number"), InputColumn("rain", "number"), InputColumn("port", "category")), (),
    )  # fmt: skip
    (bench.folder / "schema.json").write_bytes(schema.to_bytes())
    inputs = {
        "train": train,
        "window": bench.folder / "window.parquet",
        "schema": bench.folder / "schema.json",
    }
    start = int(window["event_time"].min().value // 1_000)
    wanted = {
        "match": {"port": "N"},
        "start_us": start,
        "end_us": start + 7 * DAY_US,
        "ignore": [],
        **options,
    }
    before = hashlib.sha256(train.read_bytes()).digest()
    found = bench.run("domain_classifier", plain, inputs, wanted)
    assert hashlib.sha256(train.read_bytes()).digest() == before
    return found


def served(**change: object) -> pd.DataFrame:
    frame = rows(7, 100, seed=2).assign(at=lambda f: f["at"] + pd.Timedelta(days=104))
    return frame.rename(columns={"at": "event_time"})[["event_time", "wind", "rain", "port"]].assign(**change)


def test_the_step_compares_with_the_targets_own_rows(bench: Bench) -> None:
    result = asked(bench, served(port="N"))
    assert result.ok, result.error
    found = result.record["separation"]
    assert result.record["reference"] == "target"
    assert not found["significant"]
    shifted = asked(bench, served(port="N", wind=25.0))
    assert shifted.record["separation"]["significant"]
    assert shifted.record["separation"]["features"][0]["feature"] == "wind"


def test_what_the_file_ignores_is_left_out(bench: Bench) -> None:
    result = asked(bench, served(port="N", wind=25.0), ignore=["wind"])
    assert result.ok, result.error
    assert "wind" not in {f["feature"] for f in result.record["separation"]["features"]}
    assert not result.record["separation"]["significant"]
    nothing = asked(bench, served(), ignore=["wind", "rain", "port"])
    assert (
        nothing.error
        == "domain_classifier: monitoring.ignore names every feature; leave at least one to look at"
    )


def test_a_window_without_rows_enough_says_so(bench: Bench) -> None:
    result = asked(bench, served().head(20))
    assert not result.ok
    assert "20 rows in the window" in result.error
    assert Path(bench.folder).is_dir()
