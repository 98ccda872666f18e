"""Batches of real flights go in once, are rolled up exactly, and what cannot be believed is kept apart."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pilothouse.domain.formats.time_units import DAY_US, HOUR_US, from_us
from pilothouse.domain.formats.wire import BatchReceipt, PredictionBatch
from pilothouse.statistics.profiles import latency, profile, profile_storage
from pilothouse.telemetry import Limits, TelemetryStore, VersionFacts
from pilothouse.telemetry.intake.streams import rejected_counts
from support.flight_batches import (
    CATEGORICAL,
    NOW_US,
    NUMERIC,
    batch_of,
    batches,
    columns_of,
    flights,
    specification,
)

APRIL = 1_364_774_400_000_000  # 2013-04-01 00:00 UTC
JULY = APRIL + 91 * DAY_US


@pytest.fixture
def store(tmp_path: Path):
    store = TelemetryStore(tmp_path / "telemetry.db")
    yield store
    store.close()


def facts(private: frozenset[str] = frozenset()) -> VersionFacts:
    return VersionFacts(specification(), private)


def append(store: TelemetryStore, batch: PredictionBatch) -> BatchReceipt:
    return store.append(batch, lambda model, version: facts() if version < 9 else None, NOW_US)


def april(rows: int = 2_000):
    table = flights()
    return table[table["at_us"] >= APRIL].iloc[:rows]


def reasons(store: TelemetryStore) -> dict[str, int]:
    with store.read() as connection:
        return {found.reason: found.count for found in rejected_counts(connection)}


def days(store: TelemetryStore, level: int = 86_400):
    return store.windows("flight-delay", 1, "ewr", level, 0, NOW_US)


def test_a_days_profile_is_that_of_its_rows_however_they_were_cut(store: TelemetryStore) -> None:
    rows = april()
    for batch in batches(rows, 17):
        assert append(store, batch).accepted == batch.rows
    numeric, categorical = columns_of(rows)
    whole = profile.profile_rows(specification(), numeric, categorical, rows["score"].to_numpy())
    for level in (3_600, 86_400):
        windows = days(store, level)
        summed = profile.merge_all(specification(), [window.profile for window in windows])
        assert profile_storage.encode(specification(), summed) == profile_storage.encode(
            specification(), whole
        )
        by_start = rows.groupby(rows["at_us"] // (level * 1_000_000)).size()
        assert [w.rows for w in windows] == by_start.tolist()


def test_a_batch_sent_twice_counts_once(store: TelemetryStore) -> None:
    first, second = list(batches(april(34), 17))
    append(store, first)
    append(store, second)
    assert append(store, first) == BatchReceipt(17, 0, duplicate=True)
    assert sum(window.rows for window in days(store)) == 34


def test_another_batch_under_a_number_that_is_taken_is_refused_and_shown(store: TelemetryStore) -> None:
    first, second = list(batches(april(34), 17))
    append(store, first)
    assert append(store, dataclasses.replace(second, sequence=1)) == BatchReceipt(0, 17)
    assert reasons(store) == {"sequence already taken by another batch": 17}


def test_latencies_and_errors_are_counted_with_their_window(store: TelemetryStore) -> None:
    for batch in batches(april(170), 17, latency_us=8_000):
        append(store, dataclasses.replace(batch, errors=1))
    windows = days(store)
    assert sum(w.requests for w in windows) == 10
    assert sum(w.errors for w in windows) == 10
    assert latency.percentile_ms(windows[0].latencies, 95) == pytest.approx(8.0, rel=0.01)


def test_errors_without_a_row_are_counted_too(store: TelemetryStore) -> None:
    append(store, batch_of(april(17), 1))
    empty = PredictionBatch("ewr-1", 2, "ewr", "flight-delay", 1, 0, b"", b"", dict.fromkeys(NUMERIC, b""),
                            {n: [] for n in CATEGORICAL}, errors=3)  # fmt: skip
    append(store, empty)
    assert sum(w.errors for w in days(store)) == 3


def test_the_clock_is_the_newest_event_of_the_target(store: TelemetryStore) -> None:
    assert store.clock("ewr") is None
    rows = april(200)
    later, earlier = batch_of(rows.iloc[100:], 1), batch_of(rows.iloc[:100], 2)
    append(store, later)
    append(store, earlier)
    assert store.clock("ewr") == from_us(int(rows["at_us"].max()))


@pytest.mark.parametrize(
    ("shift_us", "reason"),
    [
        (NOW_US, "in the future"),
        (60 * DAY_US, "far ahead of its target's clock"),
        (-120 * DAY_US, "far behind its target's clock"),
    ],
)
def test_a_stray_event_is_kept_apart_and_does_not_move_the_clock(
    store: TelemetryStore, shift_us: int, reason: str
) -> None:
    rows = april(40)
    append(store, batch_of(rows.iloc[:20], 1))
    clock = store.clock("ewr")
    stray = rows.iloc[20:21].assign(at_us=rows["at_us"].iloc[20] + shift_us)
    receipt = append(store, batch_of(stray, 2))
    assert receipt == BatchReceipt(0, 1)
    assert receipt.reasons == {reason: 1}
    assert store.clock("ewr") == clock
    assert reasons(store) == {reason: 1}


@pytest.mark.parametrize(("from_clock_us", "way"), [(30 * DAY_US, 1), (-90 * DAY_US, -1)])
def test_an_event_may_stray_from_the_clock_by_the_bound_and_no_further(
    store: TelemetryStore, from_clock_us: int, way: int
) -> None:
    rows = april(3)
    append(store, batch_of(rows.iloc[:1], 1))
    clock_us = int(rows["at_us"].iloc[0])
    beyond, within = (rows.iloc[1:2].assign(at_us=clock_us + from_clock_us + further) for further in (way, 0))
    assert append(store, batch_of(beyond, 2)) == BatchReceipt(0, 1)
    assert store.clock("ewr") == from_us(clock_us)
    assert append(store, batch_of(within, 3)) == BatchReceipt(1, 0)
    assert store.clock("ewr") == from_us(max(clock_us, clock_us + from_clock_us))


def test_an_event_may_be_an_hour_ahead_of_the_wall_and_no_more(store: TelemetryStore) -> None:
    row = april(1)
    assert append(store, batch_of(row.assign(at_us=NOW_US + HOUR_US + 1), 1)) == BatchReceipt(0, 1)
    assert store.clock("ewr") is None
    assert append(store, batch_of(row.assign(at_us=NOW_US + HOUR_US), 2)) == BatchReceipt(1, 0)


def test_the_twentieth_event_beyond_the_bound_moves_the_clock(store: TelemetryStore) -> None:
    rows = april(21)
    append(store, batch_of(rows.iloc[:1], 1))
    far = rows.iloc[1:].assign(at_us=int(rows["at_us"].iloc[0]) + 60 * DAY_US)
    assert append(store, batch_of(far.iloc[:19], 2)) == BatchReceipt(0, 19)
    assert append(store, batch_of(far.iloc[19:], 3)) == BatchReceipt(1, 0)


@pytest.mark.parametrize(("late_us", "accepted"), [(DAY_US, 1), (DAY_US + 1, 0)])
def test_a_target_is_live_while_its_newest_event_was_a_day_from_its_arrival(
    store: TelemetryStore, late_us: int, accepted: int
) -> None:
    rows = april(2)
    start = int(rows["at_us"].iloc[0])
    store.append(batch_of(rows.iloc[:1], 1), lambda m, v: facts(), start + late_us)
    back = rows.iloc[1:].assign(at_us=start + 50 * DAY_US)
    assert store.append(batch_of(back, 2), lambda m, v: facts(), start + 50 * DAY_US).accepted == accepted


def test_a_stray_first_row_does_not_set_the_clock(store: TelemetryStore) -> None:
    rows = april(17).copy()
    rows.iloc[0, rows.columns.get_loc("at_us")] = NOW_US - HOUR_US
    assert append(store, batch_of(rows, 1)) == BatchReceipt(16, 1)
    assert store.clock("ewr") == from_us(int(rows["at_us"].iloc[1:].max()))


def test_a_jump_that_goes_on_is_believed(store: TelemetryStore) -> None:
    append(store, batch_of(april(17), 1))
    table = flights()
    summer = table[table["at_us"] >= JULY].iloc[:51]
    receipts = [append(store, batch_of(summer.iloc[i : i + 17], 2 + i)) for i in (0, 17, 34)]
    assert [r.accepted for r in receipts] == [0, 17, 17]
    assert store.clock("ewr") == from_us(int(summer["at_us"].max()))


def test_a_live_target_comes_back_after_a_long_silence(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db")
    rows = april(2)
    start = int(rows["at_us"].iloc[0])
    store.append(batch_of(rows.iloc[:1], 1), lambda m, v: facts(), start + 5_000_000)
    back = rows.iloc[1:].assign(at_us=start + 50 * DAY_US)
    assert store.append(batch_of(back, 2), lambda m, v: facts(), start + 50 * DAY_US).accepted == 1
    store.close()


def test_the_bounds_are_a_setting(tmp_path: Path) -> None:
    store = TelemetryStore(tmp_path / "t.db", Limits(ahead_us=90 * DAY_US))
    rows = april(2)
    append(store, batch_of(rows.iloc[:1], 1))
    ahead = rows.iloc[1:].assign(at_us=rows["at_us"].iloc[0] + 60 * DAY_US)
    assert append(store, batch_of(ahead, 2)).accepted == 1
    store.close()


def test_bad_rows_go_and_the_rest_of_the_batch_stays(store: TelemetryStore) -> None:
    rows = april(17)
    batch = batch_of(rows, 1)
    scores = rows["score"].to_numpy().copy()
    scores[3] = np.nan
    labels = [*batch.labels[:5], "maybe", *batch.labels[6:]]
    receipt = append(store, dataclasses.replace(batch, scores=scores.astype("<f8").tobytes(), labels=labels))
    assert receipt == BatchReceipt(15, 2)
    assert reasons(store) == {"no usable score": 1, "unknown label": 1}


def test_batches_that_make_no_sense_are_kept_apart_whole(store: TelemetryStore) -> None:
    batch = batch_of(april(17), 1)
    numeric = dict(batch.numeric)
    del numeric["temp"]
    swapped = {**batch.categorical, "carrier": [1] * 17}
    broken = [
        dataclasses.replace(batch, sequence=2, numeric=numeric),
        dataclasses.replace(batch, sequence=3, event_times=batch.event_times[:50]),
        dataclasses.replace(batch, sequence=4, version=9),
        dataclasses.replace(batch, sequence=5, categorical=swapped),
        dataclasses.replace(batch, sequence=6, requests=batch.requests * 2),
    ]
    for bad in broken:
        assert append(store, bad) == BatchReceipt(0, 17)
        assert append(store, bad).duplicate
    assert reasons(store) == {"wrong columns": 34, "cut batch": 34, "unknown version": 17}
    assert append(store, batch).accepted == 17


def test_private_columns_are_dropped_and_counted_and_their_values_are_nowhere(store: TelemetryStore) -> None:
    batch = batch_of(april(17), 1)
    secret = dataclasses.replace(
        batch,
        categorical={**batch.categorical, "passport": [f"SECRET-{i}" for i in range(17)]},
        numeric={**batch.numeric, "surplus": batch.numeric["temp"]},
    )
    receipt = store.append(secret, lambda m, v: facts(frozenset({"passport"})), NOW_US)
    assert receipt == BatchReceipt(17, 0)
    assert reasons(store) == {"private column dropped": 17, "unknown column dropped": 17}
    ((_, _, features, _, _),) = _label_all(store, 17)
    assert set(features.categorical) == set(CATEGORICAL)


def test_private_values_of_an_unknown_version_are_not_kept_either(store: TelemetryStore) -> None:
    batch = dataclasses.replace(batch_of(april(17), 1), version=9)
    append(store, batch)
    with store.read() as connection:
        (data,) = connection.execute("SELECT data FROM rejected").fetchone()
    import zstandard

    plain = zstandard.ZstdDecompressor().decompress(data, max_output_size=1 << 20)
    assert b"carrier" not in plain
    assert batch.event_times in plain


def test_dense_traffic_gets_minutes(store: TelemetryStore) -> None:
    rows = april(2_000).copy()
    rows["at_us"] = APRIL + np.arange(2_000) * 60_000  # a thousand a minute
    for batch in batches(rows, 1_000):
        append(store, batch)
    assert [w.rows for w in days(store, 60)] == [1_000, 1_000]
    assert [w.rows for w in days(store)] == [2_000]


def test_foreign_ids_are_taken_once(store: TelemetryStore) -> None:
    ids = [f"order-{i}" for i in range(17)]
    append(store, dataclasses.replace(batch_of(april(17), 1), foreign_ids=ids))
    again = dataclasses.replace(
        batch_of(april(17), 2), foreign_ids=["order-3", *[f"n-{i}" for i in range(16)]]
    )
    assert append(store, again) == BatchReceipt(16, 1)
    assert reasons(store) == {"id already taken": 1}


def _label_all(store: TelemetryStore, rows: int):
    from pilothouse.domain.formats.wire import Outcome

    store.add_outcomes([Outcome(f"ewr-1.1.{i}", "0") for i in range(rows)], NOW_US)
    return list(store.labelled_batches("flight-delay", None, 0, NOW_US))


def test_rows_profiled_by_groups_are_those_profiled_apart() -> None:
    rows = april(500)
    numeric, categorical = columns_of(rows)
    scores = rows["score"].to_numpy()
    hours = (rows["at_us"] // HOUR_US).to_numpy()
    for hour, found in profile.profile_groups(specification(), numeric, categorical, scores, hours):
        inside = np.flatnonzero(hours == hour)
        apart = profile.profile_rows(
            specification(),
            {name: values[inside] for name, values in numeric.items()},
            {name: [texts[i] for i in inside] for name, texts in categorical.items()},
            scores[inside],
        )
        assert profile_storage.encode(specification(), found) == profile_storage.encode(
            specification(), apart
        )


def test_so_many_groups_that_they_are_counted_in_parts() -> None:
    rows = flights().iloc[:60_000]
    numeric, categorical = columns_of(rows)
    scores = rows["score"].to_numpy()
    groups = np.arange(len(rows))[::-1] + 5
    assert len(rows) * specification().cells > 1 << 30
    found = profile.profile_groups(specification(), numeric, categorical, scores, groups)
    assert [group for group, _ in found] == sorted(groups.tolist())
    whole = profile.merge_all(specification(), [content for _, content in found])
    at_once = profile.profile_rows(specification(), numeric, categorical, scores)
    assert profile_storage.encode(specification(), whole) == profile_storage.encode(specification(), at_once)


def test_streams_taken_in_together_have_the_windows_that_each_has_alone(tmp_path: Path) -> None:
    rows = flights().head(1_200)
    waiting = [
        batch_of(rows.iloc[at : at + size], number, producer=f"{target}-1", target=target, version=version)
        for number, (target, version, at, size) in enumerate(
            [
                ("ewr", 1, 0, 1),
                ("jfk", 1, 100, 3),
                ("ewr", 2, 0, 40),
                ("lga", 1, 0, 700),
                ("jfk", 1, 103, 50),
                ("ewr", 1, 1, 2),
            ]
        )
    ]

    def stored(name: str, *, together: bool) -> list[bytes]:
        store = TelemetryStore(tmp_path / name)
        for part in [waiting] if together else [[batch] for batch in waiting]:
            store.append_many(part, lambda model, version: facts(), NOW_US)
        with store.read() as connection:
            found = connection.execute(
                "SELECT s.target, s.version, w.level, w.start, w.rows, w.requests, w.errors, w.latency, w.profile "
                "FROM windows w JOIN streams s ON s.id = w.stream_id ORDER BY 1, 2, 3, 4"
            ).fetchall()
        store.close()
        return found

    assert stored("together.db", together=True) == stored("alone.db", together=False)
