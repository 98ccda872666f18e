"""Nothing that comes in breaks the store, is lost without a word, or fills the disk."""

import dataclasses
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilothouse.domain.formats.wire import (
    CodedTexts,
    Outcome,
    PackedTimings,
    PredictionBatch,
    code_texts,
    pack_timings,
)
from pilothouse.domain.jobs.triggers import Hindrance
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.intake import streams
from pilothouse.telemetry.intake.streams import EXAMPLES_A_REASON, rejected_counts
from pilothouse.telemetry.outcomes import outcome_matching
from pilothouse.telemetry.schema import _FIRST
from pilothouse.telemetry.windows import readings
from support.flight_batches import NOW_US, batch_of, batches, flights, outcome_days, specification
from support.templates import copy_of

TESTS = str(Path(__file__).resolve().parent.parent)


def facts() -> VersionFacts:
    return VersionFacts(specification())


@pytest.fixture
def store(tmp_path: Path):
    store = TelemetryStore(tmp_path / "telemetry.db")
    yield store
    store.close()


def empty_store(folder: Path) -> TelemetryStore:
    """A new store, made once and copied: making its file is most of what an example costs."""

    def build(made: Path) -> None:
        made.mkdir()
        TelemetryStore(made / "t.db").close()

    copy_of("an empty store", build, folder)
    return TelemetryStore(folder / "t.db")


def append(store: TelemetryStore, *sent: PredictionBatch):
    return store.append_many(sent, lambda model, version: facts() if version < 9 else None, NOW_US)


def packed(batch: PredictionBatch) -> PredictionBatch:
    """As a serving process of this release ships it."""
    return dataclasses.replace(
        batch,
        categorical={name: code_texts(list(column)) for name, column in batch.categorical.items()},
        labels=code_texts(list(batch.labels)),
        requests=pack_timings(list(batch.requests)),
    )


def content(store: TelemetryStore) -> list[Any]:
    return [
        [(w.start_us, w.rows, w.requests, w.errors, w.profile.counts.tolist(), w.profile.positions.tolist())
         for w in store.windows("flight-delay", 1, "ewr", level, 0, NOW_US)]
        for level in (60, 3_600, 86_400)
    ]  # fmt: skip


def shown(store: TelemetryStore) -> dict[str, int]:
    with store.read() as connection:
        return {found.reason: found.count for found in rejected_counts(connection)}


def rows_from(first: int, rows: int):
    return flights().iloc[30_000 + first : 30_000 + first + rows]


def test_plain_and_packed_batches_one_by_one_and_together_are_the_same(tmp_path: Path) -> None:
    sent = list(batches(rows_from(0, 2_000), 170))
    stores = [TelemetryStore(tmp_path / f"{i}.db") for i in range(3)]
    for batch in sent:
        append(stores[0], batch)
        append(stores[1], packed(batch))
    append(stores[2], *map(packed, sent))
    while stores[1].fold_windows():
        continue
    assert content(stores[0]) == content(stores[1]) == content(stores[2])
    assert [append(stores[0], packed(batch))[0].duplicate for batch in sent] == [True] * len(sent)
    for one in stores:
        one.check()
        one.close()


def test_minutes_of_dense_traffic_add_up_and_late_events_reach_every_level(store: TelemetryStore) -> None:
    rows = rows_from(0, 6_000)
    start = 1_380_000_000_000_000
    rows = rows.assign(at_us=start + np.arange(6_000) * 2_000_000)  # 30 a minute
    rows.iloc[:4_000, rows.columns.get_loc("at_us")] = start + np.arange(4_000) * 100_000  # 600 a minute
    sent = [packed(batch) for batch in batches(rows, 1_000)]
    append(store, *sent[:3])
    store.fold_windows()
    append(store, sent[5])
    store.fold_windows()
    append(store, sent[3], sent[4])  # late
    for _ in range(2):
        minutes, hours, days = content(store)
        assert sum(w[1] for w in hours) == sum(w[1] for w in days) == 6_000
        assert sum(sum(w[4]) for w in days) == sum(sum(w[4]) for w in hours)
        assert 0 < sum(w[1] for w in minutes) <= 6_000
        store.fold_windows()


def test_two_models_on_one_target_have_clocks_of_their_own(store: TelemetryStore) -> None:
    rows = rows_from(0, 34)
    old = rows.assign(at_us=rows["at_us"] - 400 * 86_400_000_000)
    append(store, batch_of(rows, 1), batch_of(old, 1, producer="other", model="older"))
    assert shown(store) == {}
    first, second = store.clock("ewr", "flight-delay"), store.clock("ewr", "older")
    assert first is not None
    assert second is not None
    assert (first - second).days == 400
    assert store.clock("ewr") == first


def test_outcomes_speak_of_their_own_targets_predictions(store: TelemetryStore) -> None:
    store.add_outcomes([Outcome("ewr-1.1.0", "1"), Outcome("ewr-1.1.1", "1")], NOW_US, "jfk")
    append(store, batch_of(rows_from(0, 17), 1))
    assert store.add_outcomes([Outcome("ewr-1.1.2", "1")], NOW_US, "jfk").joined == 0
    assert shown(store) == {"outcome from another target": 3}
    assert store.add_outcomes([Outcome("ewr-1.1.0", "1")], NOW_US, "ewr").joined == 1


def test_rejections_are_counted_for_good_and_kept_in_bounds(store: TelemetryStore) -> None:
    bad = [
        dataclasses.replace(batch_of(rows_from(0, 17), i), version=9) for i in range(3 * EXAMPLES_A_REASON)
    ]
    for first in range(0, len(bad), 50):
        append(store, *bad[first : first + 50])
    store.add_outcomes([Outcome("ewr-1.0.0", 1.0)] * 10, NOW_US)
    with store.read() as connection:
        (kept,) = connection.execute(
            "SELECT count(*) FROM rejected WHERE reason='unknown version'"
        ).fetchone()
        assert EXAMPLES_A_REASON <= kept <= EXAMPLES_A_REASON + 1
    assert shown(store)["unknown version"] == 17 * len(bad)


def test_outcomes_wait_in_bounds(store: TelemetryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcome_matching, "WAITING_AT_MOST", 5)
    receipt = store.add_outcomes([Outcome(f"x/{i}", 1.0) for i in range(8)], NOW_US)
    assert receipt.waiting == 5
    assert shown(store) == {"too many outcomes wait": 3}


SAID = {
    "automation is paused": Hindrance.PAUSED,
    "automation is paused: audit week": Hindrance.PAUSED,
    "automation is paused by olga: audit week": Hindrance.PAUSED,
    "training job 7 of this model has not ended yet": Hindrance.RUNNING,
    "promotion request 3 of this model waits for a decision": Hindrance.UNDECIDED,
    "a retraining started 3.0 days of event time ago; the cool-down is 28 days": Hindrance.COOLING_DOWN,
    "the budget of 2 retrainings in 30 days of event time is used up": Hindrance.OVER_BUDGET,
    "the budget of 6 trainings in 24 hours is used up": Hindrance.OVER_BUDGET,
    "models/flight-delay/model.toml: cannot be read: gone": Hindrance.REFUSED,
    "training job 7 started as of 2013-05-01 00:00": None,
}
"""What the first releases said of a wish for a retraining, and what it means."""


def test_a_file_of_the_first_release_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilothouse.sqlite import driver
    from pilothouse.statistics.encoding import pack as first_frame
    from pilothouse.telemetry.rows import columns

    rows = rows_from(0, 17)
    batch = batch_of(rows, 1)
    path = tmp_path / "old.db"
    connection = driver.connect(str(path), isolation_level=None)
    for statement in _FIRST.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id={int.from_bytes(b'PHT1')}")
    connection.execute("PRAGMA user_version=1")
    connection.execute(
        "INSERT INTO specifications VALUES (1,?,?)", (specification().digest, specification().to_bytes())
    )
    last = int(rows["at_us"].max())
    connection.execute(
        "INSERT INTO streams VALUES (1,'flight-delay',1,'ewr',1,NULL,?,?,?,17,0)",
        (int(rows["at_us"].min()), last, NOW_US),
    )
    connection.execute("INSERT INTO producers VALUES (1,'ewr-1')")
    times = np.frombuffer(batch.event_times, "<i8")
    head = columns._FirstHead(
        np.diff(times, prepend=0).tobytes(), batch.scores, b"", batch.labels, [], [(17, 5_000, NOW_US)]
    )
    body = columns._FirstBody(list(batch.numeric), b"".join(batch.numeric.values()), batch.categorical)
    blobs = [columns.compress(msgspec.msgpack.encode(one), 3) for one in (head, body)]
    from pilothouse.telemetry.intake.intake import _checksum

    connection.execute(
        "INSERT INTO batches VALUES (1,1,1,1,?,17,0,?,?,?,?,?)",
        (_checksum(batch), int(times.min()), last, NOW_US, *blobs),
    )
    connection.execute("INSERT INTO clocks VALUES ('ewr',?,?,NULL,0)", (last, NOW_US))
    connection.execute("INSERT INTO rejected VALUES (1,5,'why',3,'m',1,'ewr','p',1,'e',NULL)")
    connection.executemany(
        "INSERT INTO retrainings VALUES (NULL,?,'flight-delay',1,'ewr','performance',9,9,?,?,9)",
        [(number, None if found else 7, words) for number, (words, found) in enumerate(SAID.items())],
    )
    empty = first_frame(
        "L", {"requests": 0, "rows": 0, "total": 0, "longest": 0}, {"buckets": times[:0], "counts": times[:0]}
    )
    connection.execute("INSERT INTO windows VALUES (1,86400,0,0,0,0,?,NULL)", (empty,))
    connection.close()
    path.chmod(0o600)
    store = TelemetryStore(path)
    assert append(store, packed(batch))[0].duplicate
    assert store.add_outcomes([Outcome("ewr-1.1.3", "1")], NOW_US).joined == 1
    ((_, predictions, features, known_rows, known),) = store.labelled_batches("flight-delay", None, 0, NOW_US)
    assert predictions.labels == list(batch.labels)
    assert features.categorical["carrier"].texts() == list(batch.categorical["carrier"])
    assert (known_rows.tolist(), known) == ([3], ["1"])
    assert shown(store) == {"why": 3}
    assert store.clock("ewr", "flight-delay") == store.clock("ewr")
    with store.read() as connection:
        notes = readings.retraining_notes(connection, "flight-delay")
    assert {note.reason: note.hindrance for note in notes} == SAID
    store.check()
    store.close()


TEXTS = st.lists(st.none() | st.text(max_size=3), max_size=4)
CODED = st.builds(CodedTexts, TEXTS, st.binary(max_size=9))
COLUMN = st.binary(max_size=24) | st.builds(
    lambda n, v: np.full(n, v).tobytes(), st.integers(0, 4), st.floats()
)
NAMES = st.sampled_from([*flights().columns[:1], "distance", "hour", "carrier", "dest", "x"])
TIMES = st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=4).map(
    lambda t: np.array(t, "<i8").tobytes()
)
BATCH = st.builds(
    PredictionBatch,
    producer=st.sampled_from(["p", "q"]),
    sequence=st.integers(0, 50),
    target=st.sampled_from(["ewr", "jfk"]),
    model=st.sampled_from(["flight-delay", "other"]),
    version=st.sampled_from([1, 2, 9]),
    rows=st.integers(0, 4),
    event_times=TIMES | COLUMN,
    scores=COLUMN,
    numeric=st.dictionaries(NAMES, COLUMN, max_size=3),
    categorical=st.dictionaries(NAMES, TEXTS | CODED, max_size=3),
    labels=st.lists(st.sampled_from(["0", "1", "x"]), max_size=4) | CODED,
    requests=st.just([])
    | st.builds(PackedTimings, TIMES | COLUMN, TIMES | COLUMN, TIMES)
    | st.builds(PackedTimings, TIMES, TIMES, TIMES, TIMES | COLUMN, TIMES | COLUMN),
    errors=st.integers(0, 3),
    foreign_ids=st.just([]) | st.lists(st.text(max_size=3), max_size=4),
)
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(
    sent=st.lists(BATCH, max_size=4),
    outcomes=st.lists(st.builds(Outcome, st.text(max_size=6), st.floats() | st.text(max_size=2)), max_size=3),
)
def test_no_batch_and_no_outcome_breaks_the_store(tmp_path_factory, sent, outcomes) -> None:
    store = empty_store(tmp_path_factory.mktemp("fuzz"))
    try:
        before = 0
        for batch, receipt in zip(sent, append(store, *sent), strict=True):
            assert 0 <= receipt.accepted <= batch.rows
            if not receipt.duplicate:
                assert receipt.accepted + receipt.rejected == batch.rows
                before += receipt.rejected
        assert sum(n for reason, n in shown(store).items() if "column dropped" not in reason) == before
        store.add_outcomes(outcomes, NOW_US)
        store.check()
    finally:
        store.close()


@FEW
@given(data=st.data())
def test_a_good_batch_that_was_damaged_on_its_way_is_counted_or_refused(tmp_path_factory, data) -> None:
    whole = packed(batch_of(rows_from(0, 5), 1))
    plain = msgspec.to_builtins(whole, builtin_types=(bytes,))
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(plain)))
        plain[key] = data.draw(
            st.none() | st.integers(-5, 5) | st.binary(max_size=50) | st.just({}) | st.just([])
        )
    raw = msgspec.msgpack.encode(plain)
    raw = raw[: data.draw(st.integers(0, len(raw)))] if data.draw(st.booleans()) else raw
    store = empty_store(tmp_path_factory.mktemp("damaged"))
    try:
        batch = msgspec.msgpack.decode(raw, type=PredictionBatch)
    except msgspec.DecodeError:
        return  # refused, and counted, by the hub
    else:
        (receipt,) = append(store, batch)
        assert receipt.accepted + receipt.rejected == max(batch.rows, 0)
    finally:
        store.close()


CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from support.flight_batches import NOW_US, batches, flights, specification
    from pilothouse.domain.formats.wire import Outcome
    from pilothouse.telemetry import TelemetryStore, VersionFacts
    store, facts = TelemetryStore(Path(sys.argv[1])), VersionFacts(specification())
    print("open", flush=True)
    sent = list(batches(flights().iloc[30_000:34_000], 17))
    first, group = int(sys.argv[3]), int(sys.argv[4])
    for i in range(first, len(sent), group):
        store.append_many(sent[i : i + group], lambda model, version: facts, NOW_US)
        store.add_outcomes([Outcome(f"ewr-1.{b.sequence}.0", "1") for b in sent[i : i + group]], NOW_US)
        print(min(i + group, len(sent)), flush=True)
        store.fold_windows()
""")


def run_until_killed(path: Path, first: int, group: int, kill_at: str = "", after: int = 0) -> int:
    """How many batches were acknowledged before the process was killed, or ended."""
    environment = {"PILOTHOUSE_KILL_AT": kill_at} if kill_at else {}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(path), TESTS, str(first), str(group)],
        stdout=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert child.stdout is not None
    said = first
    for count, line in enumerate(child.stdout):
        said = first if line == "open\n" else int(line)
        if after and count >= after:
            child.send_signal(signal.SIGKILL)
            after = 0
    child.wait()
    if kill_at:
        assert child.returncode == -signal.SIGKILL
    return said


def check_whole(path: Path, acknowledged: int) -> None:
    sent = list(batches(flights().iloc[30_000:34_000], 17))
    store = TelemetryStore(path)
    receipts = append(store, *sent)
    assert all(receipt.duplicate for receipt in receipts[:acknowledged])
    store.add_outcomes([Outcome(f"ewr-1.{batch.sequence}.0", "1") for batch in sent], NOW_US)
    reference = TelemetryStore(path.with_suffix(".reference"))
    append(reference, *sent)
    assert content(store) == content(reference)
    assert sum(day.rows for _, day in outcome_days(store)) == len(sent)
    with store.read() as connection:
        assert streams.find_stream(connection, "flight-delay", 1, "ewr").rows == 4_000
    store.check()
    store.close()
    reference.close()


@pytest.mark.parametrize(
    "place",
    ["before the commit of a batch:2", "after the commit of a batch:2", "before the commit of outcomes:1"],
)
def test_killed_at_a_named_place_nothing_acknowledged_is_lost(tmp_path: Path, place: str) -> None:
    acknowledged = run_until_killed(tmp_path / "t.db", 0, 20, kill_at=place)
    assert acknowledged < 236
    check_whole(tmp_path / "t.db", acknowledged)


def soak(folder: Path, kills: int, seed: int = 0) -> None:
    """Kill the writing process again and again at random moments; each file ends whole, with every row once."""
    rng = random.Random(seed)
    done = turn = 0
    while done < kills:
        path, acknowledged = folder / f"{turn}.db", 0
        while acknowledged < 236 and done < kills:
            acknowledged = run_until_killed(
                path, acknowledged, rng.choice((1, 5, 30)), after=rng.randint(1, 12)
            )
            done += 1
        check_whole(path, acknowledged)
        turn += 1


def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    soak(tmp_path, kills=3)
