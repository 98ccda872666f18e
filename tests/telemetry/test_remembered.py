"""What a writer remembers of the file is what is in it, whoever writes in between and whatever fails."""

import dataclasses
from pathlib import Path

import pytest

from pilothouse.domain.formats.wire import PredictionBatch
from pilothouse.statistics.profiles import profile, profile_storage
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.intake.streams import list_streams, read_clock
from support.flight_batches import NOW_US, batch_of, flights, specification

MINUTE_US = 60_000_000


@pytest.fixture
def store(tmp_path: Path):
    store = TelemetryStore(tmp_path / "telemetry.db")
    yield store
    store.close()


def append(store: TelemetryStore, *batches: PredictionBatch) -> None:
    facts = VersionFacts(specification())
    for receipt in store.append_many(batches, lambda model, version: facts, NOW_US):
        assert receipt.rejected == 0


def dense_batches(count: int, rows: int = 400) -> list[PredictionBatch]:
    """Batches of one minute's events each, two in a row from the same minute."""
    table = flights().iloc[: count * rows]
    start = int(table["at_us"].iloc[0]) // MINUTE_US * MINUTE_US
    found = []
    for number in range(count):
        part = table.iloc[number * rows : (number + 1) * rows]
        at = start + number // 2 * MINUTE_US + number % 2 * 30_000_000
        found.append(batch_of(part.assign(at_us=at + part.index % 1_000), number))
    return found


def state(store: TelemetryStore) -> list[object]:
    """Everything that batches have led to, by level; the ids of producers and when something was received left out."""
    windows = [
        (w.start_us, w.rows, w.requests, profile_storage.encode(specification(), w.profile))
        for level in (60, 3_600, 86_400)
        for w in store.windows("flight-delay", 1, "ewr", level, 0, NOW_US)
    ]
    with store.read() as connection:
        return [windows, list_streams(connection), read_clock(connection, "flight-delay", "ewr")]


def test_two_writers_in_turn_are_as_one(store: TelemetryStore, tmp_path: Path) -> None:
    batches = dense_batches(12)
    alone = TelemetryStore(tmp_path / "alone.db")
    append(alone, *batches)
    other = TelemetryStore(store.path)
    for number, batch in enumerate(batches):
        append(other if number % 3 == 0 else store, batch)
    assert state(store) == state(other) == state(alone)
    other.close()
    alone.close()


def test_what_the_same_connection_writes_elsewhere_is_seen(store: TelemetryStore) -> None:
    first, second, third = dense_batches(3)
    append(store, first)
    with store.transaction() as connection:
        connection.execute("DELETE FROM windows")
        connection.execute("UPDATE streams SET rows = 7, last_event = last_event + 1")
        connection.execute("UPDATE clocks SET event = event + 1000000")
    append(store, second, third)
    (now,) = (found for found in state(store)[1])
    assert now.rows == 7 + second.rows + third.rows
    windows = store.windows("flight-delay", 1, "ewr", 60, 0, NOW_US)
    assert [window.rows for window in windows] == [second.rows, third.rows]


def test_a_transaction_that_fails_leaves_nothing_behind(
    store: TelemetryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = dense_batches(6)
    alone = TelemetryStore(tmp_path / "alone.db")
    append(alone, *batches[:1], *batches[3:])
    append(store, batches[0])
    with monkeypatch.context() as broken:
        broken.setattr("pilothouse.telemetry.intake.faults.reach", _fail)
        for batch in batches[1:3]:
            with pytest.raises(OSError, match="no room"):
                append(store, dataclasses.replace(batch, producer="another"))
    append(store, *batches[3:])
    assert state(store) == state(alone)
    summed = profile.merge_all(
        specification(), [w.profile for w in store.windows("flight-delay", 1, "ewr", 86_400, 0, NOW_US)]
    )
    assert summed.rows == sum(batch.rows for batch in (*batches[:1], *batches[3:]))
    alone.close()


def test_a_callers_transaction_that_is_rolled_back_leaves_nothing_behind(
    store: TelemetryStore, tmp_path: Path
) -> None:
    first, second, third = dense_batches(3)
    alone = TelemetryStore(tmp_path / "alone.db")
    append(alone, first, third)
    append(store, first)
    with pytest.raises(OSError, match="no room"):
        _append_and_fail(store, second)
    append(store, third)
    assert state(store) == state(alone)
    alone.close()


def _append_and_fail(store: TelemetryStore, batch: PredictionBatch) -> None:
    with store.transaction():
        append(store, batch)
        _fail("of the caller")


def _fail(place: str) -> None:
    raise OSError(f"no room {place}")
