"""Hours of sparse streams packed at rest: what is read is the same to the bit, whatever comes before, between and after."""

import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import DAY_S, DAY_US, HOUR_S, HOUR_US
from pilothouse.domain.formats.wire import PredictionBatch
from pilothouse.operations.upkeep import compaction
from pilothouse.statistics.encoding import pack_plain
from pilothouse.statistics.profiles import latency, latency_packs, profile, profile_packs, profile_storage
from pilothouse.statistics.profiles.latency import LatencyProfile
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.intake import rollup, window_packs
from pilothouse.telemetry.intake.streams import arrivals_after, find_stream, list_streams
from pilothouse.telemetry.past import showing
from pilothouse.telemetry.rows import retention
from pilothouse.telemetry.rows.columns import decode_features, decode_predictions
from support.flight_batches import NOW_US, batch_of, columns_of, flights, specification

START_US = NOW_US - NOW_US % DAY_US - 40 * DAY_US
STREAM = ("flight-delay", 1, "ewr")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[str], TelemetryStore]]:
    stores = []

    def make(name: str) -> TelemetryStore:
        stores.append(TelemetryStore(tmp_path / f"{name}.db"))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def sent_at(times_us: list[int], sequence: int, **options: Any) -> PredictionBatch:
    first = sequence * 37 % 20_000
    rows = flights().iloc[first : first + len(times_us)]
    return batch_of(rows.assign(at_us=np.array(times_us)), sequence, **options)


def append(store: TelemetryStore, *sent: PredictionBatch, minutes: bool = False) -> None:
    facts = VersionFacts(specification(), minutes=minutes)
    store.append_many(sent, lambda model, version: facts, NOW_US)


def pack(store: TelemetryStore) -> None:
    """All that may be packed, one transaction a step."""
    with store.read() as connection:
        streams = list_streams(connection)
    for stream in streams:
        with store.read() as connection:
            days = window_packs.due(connection, stream.id)
        while days:
            with store.transaction() as connection:
                known = store.specification(connection, stream.id)
                days = days[window_packs.pack(connection, known, stream.id, days) :]


def bits(part: Profile | LatencyProfile) -> list[Any]:
    values = [getattr(part, name) for name in part.__slots__]
    return [v.tobytes() if isinstance(v, np.ndarray) else v for v in values]


def answers(store: TelemetryStore) -> list[Any]:
    """All that readers of windows are told, to the bit."""
    found: list[Any] = []
    for level in (60, HOUR_S, DAY_S):
        for w in store.windows(*STREAM, level, 0, 1 << 62):
            found.append(
                (level, w.start_us, w.rows, w.requests, w.errors, bits(w.latencies), bits(w.profile))
            )
        asked = store.latencies(*STREAM, level, 0, 1 << 62)
        found.append((asked.starts_us.tolist(), asked.requests.tolist(), asked.percentiles.tobytes()))
    with store.read() as connection:
        stream = find_stream(connection, *STREAM)
        if stream is None:  # as of a time before its first event
            return found
        found.append((stream.rows, stream.last_event_us))
        for level in (HOUR_S, DAY_S):
            for first in range(START_US, START_US + 30 * DAY_US, 9 * HOUR_US):
                end = first + 2 * DAY_US
                found.append(rollup.count_rows(connection, stream.id, level, first, end))
    return found


def answers_of(store: TelemetryStore) -> list[Any]:
    try:
        return answers(store)
    finally:
        store.close()


def packs(store: TelemetryStore, which: str = "1") -> int:
    with store.read() as connection:
        return int(connection.execute(f"SELECT count(*) FROM window_packs WHERE {which}").fetchone()[0])


def history(seed: int) -> list[PredictionBatch]:
    """Batches of some weeks: sparse, with gaps, bursts, errors without rows, rows that come late."""
    chance = random.Random(seed)
    sent, hour = [], 0
    for sequence in range(150):
        hour += chance.choice((0, 1, 1, 1, 2, 7, 30 if chance.random() < 0.2 else 1))
        at = START_US + max(0, hour - (chance.randrange(200) if chance.random() < 0.1 else 0)) * HOUR_US
        rows = chance.choice((1, 1, 1, 2, 5, 40))
        times = [at + chance.randrange(HOUR_US) for _ in range(rows)]
        calls = (900, 700) if chance.random() < 0.3 else (0, 0)
        sent.append(sent_at(times, sequence, latency_us=chance.randrange(1, 90_000), calls=calls))
        if chance.random() < 0.1:
            sent[-1] = dataclasses.replace(sent[-1], errors=chance.randrange(1, 4))
    return sent


@pytest.mark.parametrize("seed", range(3))
def test_readers_are_told_the_same_with_and_without_packs(opened: Any, seed: int) -> None:
    plain, packed = opened("plain"), opened("packed")
    sent, most, parts, chance = history(seed), 0, 0, random.Random(seed)
    while sent:
        some = sent[: chance.choice((2, 5, 15))]
        sent, is_folded = sent[len(some) :], chance.random() < 0.7
        for store in (plain, packed):
            append(store, *some)
            if is_folded:
                store.fold_windows()
        if chance.random() < 0.5:
            pack(packed)
            most = max(most, packs(packed))
            parts += packs(packed, "open_rows IS NOT NULL")
    assert most
    assert parts, "hours of a day that is not over are packed too"
    assert answers(plain) == answers(packed)
    pack(packed)
    assert answers(plain) == answers(packed)
    for hours in (90, 301):  # as of times in the middle of days, and of packs
        as_of = showing(START_US + hours * HOUR_US + 5, NOW_US)
        shown = [answers_of(TelemetryStore(store.path, prepare=as_of)) for store in (plain, packed)]
        assert shown[0] == shown[1]
        assert shown[0] != answers(plain)


def test_a_day_that_is_packed_takes_late_events_and_is_packed_again(opened: Any) -> None:
    store = opened("t")
    hours = [START_US + hour * HOUR_US for hour in range(8 * 24)]
    append(store, *(sent_at([at], number) for number, at in enumerate(hours)))
    store.fold_windows()
    before = answers(store)
    pack(store)
    assert packs(store) == 1
    assert answers(store) == before
    append(store, sent_at([hours[30] + 5, hours[30] + 7], 900))
    assert packs(store) == 0
    assert [w.rows for w in store.windows(*STREAM, HOUR_S, hours[29], hours[32])] == [1, 3, 1]
    store.fold_windows()
    before = answers(store)
    pack(store)
    assert packs(store) == 1
    assert answers(store) == before


def test_hours_of_a_day_that_is_not_over_are_packed_and_the_day_when_it_is(opened: Any) -> None:
    plain, packed = opened("plain"), opened("packed")
    for hour in range(28):
        for store in (plain, packed):
            append(store, sent_at([START_US + hour * HOUR_US], hour))
            store.fold_windows()
        pack(packed)
        if hour == 17:
            assert packs(packed, "open_rows IS NOT NULL") == 1
            for store in (plain, packed):  # late, for a packed hour
                append(store, sent_at([START_US + 3 * HOUR_US + 5], 900))
            assert packs(packed) == 0
        if hour % 5 > 2:
            continue
        assert answers(packed) == answers(plain)
        as_of = showing(START_US + hour * HOUR_US // 2, NOW_US)
        shown = [answers_of(TelemetryStore(store.path, prepare=as_of)) for store in (plain, packed)]
        assert shown[0] == shown[1]
    assert packs(packed, "open_rows IS NULL") == 1
    assert packs(packed, "open_rows IS NOT NULL") == 0, "of the second day no three hours have passed"


def test_a_day_between_packed_days_gets_a_pack_of_its_own(opened: Any) -> None:
    store = opened("t")
    days = [START_US + day * DAY_US for day in (0, 1, 3, 4)]
    append(store, *(sent_at([at], number) for number, at in enumerate(days)))
    while store.fold_windows():
        continue
    pack(store)
    append(store, sent_at([days[1] + DAY_US], 900))  # opens none: its day had no hours
    for number in range(5, 9):
        append(store, sent_at([START_US + number * DAY_US], 900 + number))
        while store.fold_windows():
            continue
        before = answers(store)
        pack(store)
        assert answers(store) == before
    with store.read() as connection:
        counts = connection.execute("SELECT counts FROM window_packs").fetchall()
    starts = [start for (data,) in counts for start in window_packs._counts(data)[0].tolist()]
    assert len(starts) == len(set(starts)) == 7, (
        "each hour lies in one pack, and those of the two newest days in none"
    )


def test_packs_grow_day_by_day_up_to_their_bound(opened: Any) -> None:
    store = opened("t")
    for day in range(25):
        times = [START_US + day * DAY_US + hour * HOUR_US for hour in range(24)]
        append(store, *(sent_at([at], day * 24 + number) for number, at in enumerate(times)))
        store.fold_windows()
        pack(store)
    with store.read() as connection:
        spans = connection.execute("SELECT first, last FROM window_packs ORDER BY first").fetchall()
        (left,) = connection.execute("SELECT count(*) FROM windows WHERE level=3600").fetchone()
    assert [(last - first) // HOUR_US + 1 for first, last in spans] == [240, 240, 117]
    assert left == 3, (
        "of the newest day, which is not over, the hours of the last two hours and what is less than three"
    )


def test_dense_days_and_minutes_stay_as_they_are(opened: Any) -> None:
    store = opened("t")
    dense = [START_US + number * DAY_US // 3_000 for number in range(9_000)]
    append(store, *(sent_at(dense[first : first + 1_000], first) for first in range(0, 9_000, 1_000)))
    store.fold_windows()
    pack(store)
    assert packs(store) == 0
    other = opened("minutes")
    times = [START_US + hour * HOUR_US for hour in range(96)]
    append(other, *(sent_at([at], number) for number, at in enumerate(times)), minutes=True)
    while other.fold_windows():
        continue
    pack(other)
    assert packs(other) == 0


def test_a_day_that_would_not_come_back_to_the_bit_stays(opened: Any) -> None:
    store = opened("t")
    times = [START_US + hour * HOUR_US for hour in range(4 * 24)]
    append(store, *(sent_at([at], number) for number, at in enumerate(times)))
    store.fold_windows()
    with store.transaction() as connection:  # as no release writes it
        connection.execute("UPDATE windows SET errors=1 WHERE level=86400 AND start=?", (START_US + DAY_US,))
    before = answers(store)
    pack(store)
    assert answers(store) == before
    with store.read() as connection:
        kept = connection.execute("SELECT start FROM windows WHERE level=86400 AND profile IS NOT NULL")
        assert [start for (start,) in kept] == [START_US + DAY_US]


def test_days_that_stay_hold_up_no_other_stream(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened("t")
    times = [START_US + day * DAY_US for day in range(9)]
    for number, at in enumerate(times):
        append(store, sent_at([at], number), sent_at([at], number, producer="other", target="jfk"))
    while store.fold_windows():
        continue
    with store.transaction() as connection:  # as no release writes it
        connection.execute("UPDATE windows SET errors=1 WHERE level=86400 AND stream_id=1")
    monkeypatch.setattr(compaction, "_TURN_S", -1.0)  # a step a turn
    monkeypatch.setattr(compaction, "_DAYS_AT_ONCE", 3)
    services: Any = SimpleNamespace(telemetry=store)
    turns = 1
    while compaction.at_rest(services):
        turns += 1
        assert turns < 20
    with store.read() as connection:
        packed = connection.execute("SELECT DISTINCT stream_id FROM window_packs").fetchall()
    assert packed == [(2,)]


def test_a_damaged_pack_is_said(opened: Any) -> None:
    store = opened("t")
    times = [START_US + hour * HOUR_US for hour in range(4 * 24)]
    append(store, *(sent_at([at], number) for number, at in enumerate(times)))
    store.fold_windows()
    pack(store)
    with store.transaction() as connection:
        connection.execute("UPDATE window_packs SET profiles = substr(profiles, 1, length(profiles) - 40)")
    with pytest.raises(IntegrityError, match="damaged"):
        store.windows(*STREAM, HOUR_S, 0, 1 << 62)


def test_a_turned_bit_is_said_and_never_read_as_figures(opened: Any) -> None:
    store, chance = opened("t"), random.Random(1)
    times = [START_US + hour * HOUR_US for hour in range(3 * 24)]
    append(
        store,
        *(
            sent_at([at], number, latency_us=900 + number, calls=(900 * (number % 2), 700))
            for number, at in enumerate(times)
        ),
    )
    store.fold_windows()
    pack(store)
    with store.read() as connection:
        known = store.specification(connection, 1)
        packed = connection.execute("SELECT counts, latencies, profiles FROM window_packs").fetchone()
        windows = connection.execute(
            "SELECT latency, profile FROM windows WHERE profile IS NOT NULL LIMIT 2"
        ).fetchall()
        segment = connection.execute("SELECT predictions, features FROM segments LIMIT 1").fetchone()
    asked, contents = zip(*windows, strict=True)

    def hours(counts: bytes, latencies: bytes, profiles: bytes) -> list[Any]:
        return [
            (start, bits(hour.latencies), hour.profile and bits(hour.profile))
            for start, hour in window_packs.decode(known, counts, latencies, profiles)
        ]

    reads: list[tuple[Callable[..., Any], tuple[bytes, ...]]] = [
        (hours, packed),
        *((lambda data: bits(latency.decode(data)), (data,)) for data in asked),
        *((lambda data: latency.percentiles_ms([data], (50, 99)).tobytes(), (data,)) for data in asked),
        *((lambda data: bits(profile_storage.decode(known, data)), (data,)) for data in contents),
        (lambda data: vars(decode_predictions(data)).__str__(), segment[:1]),
        (lambda data: str(decode_features(data)), segment[1:]),
    ]
    said = 0
    for read, parts in reads:
        before = read(*parts)
        for _ in range(150):
            turned = [bytearray(part) for part in parts]
            part = chance.choice(turned)
            part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
            try:
                assert read(*map(bytes, turned)) == before
            except IntegrityError:
                said += 1
    assert said > 0.98 * 150 * len(reads), "but for flags of a frame, all is covered"
    no_counts = pack_plain("H", (0,), [np.arange(2)] * 3)
    with pytest.raises(IntegrityError, match="counts are missing"):
        window_packs._counts(no_counts)


@pytest.mark.parametrize("many", [1, 2, 90])
def test_profiles_of_any_size_come_back_from_a_pack(many: int) -> None:
    chance, known, rows = np.random.default_rng(many), specification(), flights()
    parts = [profile.empty_profile(known)] if many == 2 else []
    for _ in range(many):
        some = rows.iloc[chance.integers(len(rows), size=chance.integers(1, 60))].copy()
        some.loc[some.index[0], ["seats", "temp"]] = np.nan
        some.loc[some.index[-1], "temp"] = 1e300
        numeric, categorical = columns_of(some)
        parts.append(profile.profile_rows(known, numeric, categorical, some["score"].to_numpy()))
    back = profile_packs.decode(known, profile_packs.encode(known, parts))
    assert [bits(part) for part in back] == [bits(part) for part in parts]
    asked = [
        latency.profile_latencies(chance.integers(0, 10**9, size=n), [1] * n, (np.full(n, 7), np.full(n, 5)))
        for n in chance.integers(0, 9, size=many)
    ]
    again = latency_packs.decode(latency_packs.encode(asked))
    assert [bits(part) for part in again] == [bits(part) for part in asked]


def test_merged_segments_say_when_each_of_their_rows_arrived(opened: Any) -> None:
    store, facts = opened("t"), VersionFacts(specification())
    chance = random.Random(7)
    for number in range(60):  # each an hour after the one before; some bring events of days ago
        event = START_US + (number - (30 if chance.random() < 0.2 else 0)) * HOUR_US
        store.append(sent_at([event], number), lambda model, version: facts, START_US + number * HOUR_US + 9)

    def arrivals() -> list[list[int]]:
        with store.read() as connection:
            return [
                arrivals_after(connection, 1, START_US + event * HOUR_US, START_US + arrived * HOUR_US)
                for event in range(-31, 60, 7)
                for arrived in range(0, 60, 7)
            ]

    before = arrivals()
    assert [len(before[0]), len(before[-1])] == [60, 3]
    with store.transaction() as connection:
        for group in list(retention.mergeable(connection, 1)):
            merged = retention.merge_segments(connection, group)
            assert merged is not None
            assert retention.put_merged(connection, merged)
        assert connection.execute("SELECT count(*) FROM segments").fetchone()[0] < 30
    assert arrivals() == before
