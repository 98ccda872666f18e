"""Pairs and arms of trials: counted once, joined with outcomes that come early, late or in between, and read in one order."""

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilothouse.domain.erasure import BatchRows
from pilothouse.domain.formats.wire import (
    BatchReceipt,
    Outcome,
    PairBatch,
    PredictionBatch,
    RequestTiming,
    code_texts,
    pack_numbers,
)
from pilothouse.sqlite.schema import definitions_of
from pilothouse.statistics.profiles.latency import percentile_ms
from pilothouse.telemetry import TelemetryStore, VersionFacts, schema
from pilothouse.telemetry.intake.streams import rejected_counts
from pilothouse.telemetry.past import showing
from pilothouse.telemetry.rows import erasing
from pilothouse.telemetry.trial_pairs import (
    PairCounts,
    TrialName,
    arms,
    judged_arms,
    judged_pairs,
    new_pairs,
    pair_counts,
)
from pilothouse.telemetry.trials import deletion
from support.flight_batches import NOW_US, batch_of, batches, flights, specification
from support.trial_batches import ROLLOUT, arm, in_trial, pairs_of

TRIAL = TrialName(ROLLOUT, "flight-delay", "ewr")


def sample(rows: int):
    """Flights of which each has a score of its own, and every third came late."""
    found = flights().iloc[30_000 : 30_000 + rows].copy()
    found["score"] = (np.arange(rows) * 7_919 % rows + 0.5) / rows
    found["label"] = (found["score"] > 0.5).astype(int).astype(str)
    found["late"] = (np.arange(rows) % 3 == 0).astype(int)
    return found


def lookup(model: str, version: int) -> VersionFacts | None:
    return VersionFacts(specification()) if version < 9 else None


@pytest.fixture
def store(tmp_path: Path):
    store = TelemetryStore(tmp_path / "telemetry.db")
    yield store
    store.close()


def outcomes(rows, size: int = 17, producer: str = "ewr-1") -> list[Outcome]:
    return [
        Outcome(f"{producer}.{i // size + 1}.{i % size}", str(late)) for i, late in enumerate(rows["late"])
    ]


def judged(store: TelemetryStore, after: int = 0, most: int = 50_000):
    with store.read() as connection:
        return judged_pairs(connection, TRIAL, after, most)


def test_pairs_are_read_after_a_watermark_and_seen_by_no_other_figure(store: TelemetryStore) -> None:
    rows = sample(68)
    for batch in batches(rows, 17):
        store.append(in_trial(batch), lookup, NOW_US)
    before = store.windows("flight-delay", 1, "ewr", 3_600, 0, 1 << 62)
    sent = [
        pairs_of(rows.iloc[:34], 0, [(1, 0), (2, 0)]),
        pairs_of(rows.iloc[34:], 1, [(3, 0), (4, 0)], alone=(5, 6, 7)),
    ]
    assert [store.append_pairs(batch, lookup, NOW_US) for batch in sent] == [BatchReceipt(34, 0)] * 2
    again = [store.append_pairs(batch, lookup, NOW_US) for batch in sent]
    assert again == [BatchReceipt(34, 0, duplicate=True)] * 2
    assert store.windows("flight-delay", 1, "ewr", 3_600, 0, 1 << 62)[0].rows == before[0].rows
    with store.read() as connection:
        whole = new_pairs(connection, TRIAL)
        first = new_pairs(connection, TRIAL, most=1)
        second = new_pairs(connection, TRIAL, first.watermark, most=1)
        end = new_pairs(connection, TRIAL, second.watermark)
        counts = pair_counts(connection, TRIAL)
        assert connection.execute("SELECT count(*) FROM streams").fetchone() == (1,)
    assert (first.more, second.more, whole.more, end.more) == (True, False, False, False)
    assert (whole.rows, first.rows, second.rows, end.rows) == (68, 34, 34, 0)
    assert end.watermark == second.watermark == whole.watermark
    for name in ("times", "champion_scores", "challenger_scores", "champion_labels", "challenger_labels"):
        parts = np.concatenate([getattr(first, name), getattr(second, name)])
        assert np.array_equal(getattr(whole, name), parts)
    assert np.array_equal(whole.times, rows["at_us"])
    assert np.array_equal(whole.champion_scores, rows["score"])
    assert np.array_equal(whole.challenger_scores, 1 - rows["score"].to_numpy())
    assert [whole.classes[label] for label in whole.champion_labels] == rows["label"].tolist()
    assert np.flatnonzero(whole.champion_us).tolist() == [0, 17, 34, 51]
    assert whole.challenger_us[whole.challenger_us > 0].tolist() == [300] * 4
    assert np.isnan(whole.outcomes).all()
    assert (whole.requests, whole.dropped, whole.failed, whole.unfit) == (4, 5, 6, 7)
    assert (counts.offered, counts.paired, counts.lost) == (4, 4, 0)
    store.check()


ORDERS = (
    "predictions pairs outcomes",
    "predictions outcomes pairs",
    "outcomes predictions pairs",
    "pairs predictions outcomes",
    "pairs outcomes predictions",
    "outcomes pairs predictions",
)


@pytest.mark.parametrize("order", ORDERS)
def test_outcomes_find_their_pairs_whatever_comes_first(store: TelemetryStore, order: str) -> None:
    rows = sample(68)
    for what in order.split():
        if what == "predictions":
            for batch in batches(rows, 17):
                store.append(in_trial(batch), lookup, NOW_US)
        elif what == "pairs":
            store.append_pairs(pairs_of(rows.iloc[:34], 0, [(1, 0), (2, 0)]), lookup, NOW_US)
            store.append_pairs(pairs_of(rows.iloc[34:51], 1, [(3, 0)]), lookup, NOW_US)
        else:
            for _ in range(2):
                store.add_outcomes(outcomes(rows), NOW_US)
    found = judged(store)
    assert found.rows == 51, "of the last request there is no pair"
    expected = dict(zip(rows["score"].iloc[:51], rows["late"].iloc[:51].astype(float), strict=True))
    assert dict(zip(found.champion_scores, found.outcomes, strict=True)) == expected
    assert len(expected) > 20
    at = 0
    parts = []
    while (part := judged(store, at, 1)).rows:
        parts.append(part)
        at = part.watermark
    assert len(parts) >= 2
    assert np.array_equal(np.concatenate([p.champion_scores for p in parts]), found.champion_scores)
    assert judged(store, found.watermark).rows == 0


def test_outcomes_one_by_one_are_each_judged_once(store: TelemetryStore) -> None:
    rows = sample(17)
    store.append(in_trial(batch_of(rows, 1)), lookup, NOW_US)
    store.append_pairs(pairs_of(rows.iloc[5:11], 0, [(1, 5)], size=6), lookup, NOW_US)
    at, seen = 0, []
    for outcome in outcomes(rows):
        store.add_outcomes([outcome], NOW_US)
        part = judged(store, at)
        at = part.watermark
        seen += part.champion_scores.tolist()
    assert seen == rows["score"].iloc[5:11].tolist()
    store.add_outcomes([Outcome("ewr-1.1.6", str(1 - int(rows["late"].iloc[6])))], NOW_US)
    assert judged(store, at).rows == 0, "another outcome is a conflict, and judges nothing again"


def test_arms_count_requests_errors_latencies_and_outcomes_since_the_trial_began(
    store: TelemetryStore,
) -> None:
    rows = sample(170)
    store.append(batch_of(rows.iloc[:17], 99, producer="before"), lookup, NOW_US)  # no trial yet
    for number in range(10):
        part = rows.iloc[17 * number : 17 * number + 17]
        version = 2 if number in (3, 7) else 1
        store.append(arm(part, number, version, 0.2, errors=number if version == 2 else 0), lookup, NOW_US)
    errors_alone = dataclasses.replace(
        arm(rows.iloc[:0], 500, 2, 0.2, errors=4),
        requests=[],
        categorical={name: [] for name in ("carrier", "dest")},
    )
    store.append(errors_alone, lookup, NOW_US)
    with store.read() as connection:
        found = {one.version: one for one in arms(connection, TRIAL)}
    assert {v: (one.requests, one.rows, one.errors, one.share) for v, one in found.items()} == {
        1: (8, 136, 0, 0.2),
        2: (2, 34, 14, 0.2),
    }
    assert abs(percentile_ms(found[1].latencies, 50) - 5) < 0.05
    for number in range(10):
        part = rows.iloc[17 * number : 17 * number + 17]
        version = 2 if number in (3, 7) else 1
        store.add_outcomes(
            [Outcome(f"arm-{version}.{number}.{i}", str(late)) for i, late in enumerate(part["late"])], NOW_US
        )
    with store.read() as connection:
        whole = judged_arms(connection, TRIAL)
        first = judged_arms(connection, TRIAL, most=2)
        rest = judged_arms(connection, TRIAL, first.watermark)
    assert (first.more, rest.more, len(first.times)) == (True, False, 2)
    drawn = rows.iloc[::17]  # the first row of each request
    assert np.array_equal(whole.scores, drawn["score"])
    assert np.array_equal(whole.outcomes, drawn["late"].astype(float))
    assert [whole.classes[label] for label in whole.labels] == drawn["label"].tolist()
    assert np.bincount(whole.versions).tolist() == [0, 8, 2]
    assert set(whole.shares) == {0.2}
    assert np.array_equal(np.concatenate([first.scores, rest.scores]), whole.scores)


def keyed(rows: pd.DataFrame, sequence: int, key: int) -> PredictionBatch:
    """One request of a canary under a key."""
    return dataclasses.replace(arm(rows, sequence, 2, 0.2), draws=pack_numbers([key]))


def stored_keys(store: TelemetryStore) -> list[int]:
    with store.read() as connection:
        return [row[0] for row in connection.execute("SELECT key FROM trial_keys ORDER BY key")]


def test_a_key_counts_once_as_long_as_its_trial_goes_on_and_goes_after_it(store: TelemetryStore) -> None:
    rows = sample(51)
    store.append(keyed(rows.iloc[:17], 1, 7), lookup, NOW_US)
    for is_over, left in ((False, [7]), (True, [])):
        with store.transaction() as connection:
            (trial,) = deletion.list_trials(connection)
            deletion.delete_some(connection, trial, NOW_US + 1, NOW_US, is_over=is_over)
        if not is_over:
            store.append(keyed(rows.iloc[17:34], 2, 7), lookup, NOW_US)
            with store.read() as connection:
                assert [one.draws for one in arms(connection, TRIAL)] == [1]
        assert stored_keys(store) == left


def test_an_erasure_of_a_row_takes_the_key_of_its_request_and_no_other(store: TelemetryStore) -> None:
    rows = sample(51)
    two = dataclasses.replace(
        keyed(rows.iloc[:34], 1, 0),
        requests=[RequestTiming(17, 5_000, 0), RequestTiming(17, 5_000, 0)],
        draws=pack_numbers([11, 12]),
    )
    store.append(two, lookup, NOW_US)
    store.append(keyed(rows.iloc[34:], 2, 13), lookup, NOW_US)
    with store.transaction() as connection:
        named = BatchRows("flight-delay", 2, "ewr", two.producer, 1, (20,))
        assert [one.rows for one in erasing.erase(connection, [named])] == [1]
    assert stored_keys(store) == [11, 13]


def test_a_number_of_failed_requests_is_believed_without_a_place_for_each(store: TelemetryStore) -> None:
    """The number is what a sender says: an array as long as that would end the daemon."""
    many = 2**52
    store.append(arm(sample(17), 1, 2, 0.2, errors=many), lookup, NOW_US)
    with store.read() as connection:
        (found,) = arms(connection, TRIAL)
    assert (found.errors, found.failed_draws, found.draws) == (many, many, many + 1)


def test_requests_that_were_killed_before_they_were_compared_are_counted_as_lost(
    store: TelemetryStore,
) -> None:
    rows = sample(68)
    for batch in batches(rows, 17):
        store.append(in_trial(batch), lookup, NOW_US)
    store.append_pairs(pairs_of(rows.iloc[:17], 0, [(1, 0)], alone=(1, 0, 0)), lookup, NOW_US)
    with store.read() as connection:
        counts = pair_counts(connection, TRIAL)
    assert counts == PairCounts(offered=4, paired=1, dropped=1, failed=0, unfit=0)
    assert counts.lost == 2


def test_pairs_that_cannot_be_believed_are_rejected_by_requests_and_counted(store: TelemetryStore) -> None:
    rows = sample(51)
    good = pairs_of(rows, 0, [(1, 0), (2, 0), (3, 0)])
    scores = np.frombuffer(good.challenger_scores).copy()
    scores[20] = np.nan
    bad = dataclasses.replace(good, challenger_scores=scores.tobytes())
    receipt = store.append_pairs(bad, lookup, NOW_US)
    assert receipt == BatchReceipt(34, 17)
    assert receipt.reasons == {"no usable score": 17}
    texts = ["7", *rows["label"].tolist()[1:]]
    labels = dataclasses.replace(good, sequence=1, champion_labels=code_texts(texts))
    assert store.append_pairs(labels, lookup, NOW_US).reasons == {"unknown label": 17}
    without = dataclasses.replace(
        good, sequence=3, champion_labels=code_texts([]), challenger_labels=code_texts([])
    )
    assert store.append_pairs(without, lookup, NOW_US).reasons == {"unknown label": 51}
    unknown = dataclasses.replace(good, sequence=2, challenger=9)
    assert store.append_pairs(unknown, lookup, NOW_US).reasons == {"unknown version": 51}
    assert store.append_pairs(unknown, lookup, NOW_US) == BatchReceipt(0, 51, duplicate=True)
    other = dataclasses.replace(good, event_times=bytes(8 * 51))
    assert store.append_pairs(other, lookup, NOW_US).reasons == {
        "sequence already taken by another batch": 51
    }
    with store.read() as connection:
        assert new_pairs(connection, TRIAL).rows == 68
        assert sum(one.count for one in rejected_counts(connection)) == 17 + 17 + 51 + 51 + 51
    with store.read() as connection:
        assert new_pairs(connection, TRIAL).champion_scores[:17].tolist() == rows["score"].iloc[:17].tolist()


@pytest.mark.parametrize("order", ["pairs first", "outcomes first"])
def test_pairs_of_another_targets_batches_take_no_outcome_of_them(store: TelemetryStore, order: str) -> None:
    """A prediction id names producer and sequence, and clients see it: a target may say them of batches of another's."""
    rows = sample(34)
    for batch in batches(rows, 17):
        store.append(in_trial(batch), lookup, NOW_US)
    foreign = pairs_of(rows, 0, [(1, 0), (2, 0)], target="jfk", producer="pairs-jfk")
    own = pairs_of(rows, 0, [(1, 0), (2, 0)])
    for what in ("pairs", "outcomes") if order == "pairs first" else ("outcomes", "pairs"):
        if what == "pairs":
            for batch in (foreign, dataclasses.replace(foreign, sequence=1, target="ewr", champion=3), own):
                store.append_pairs(batch, lookup, NOW_US)
        else:
            store.add_outcomes(outcomes(rows), NOW_US)
    with store.read() as connection:
        assert judged_pairs(connection, TrialName(ROLLOUT, "flight-delay", "jfk")).rows == 0
        assert connection.execute("SELECT count(DISTINCT pairs_id) FROM trial_outcomes").fetchone() == (1,)
    assert judged(store).rows == 34
    store.check()


def test_pairs_with_another_challenger_are_no_evidence_of_this_one(store: TelemetryStore) -> None:
    rows = sample(34)
    for batch in batches(rows, 17):
        store.append(in_trial(batch), lookup, NOW_US)
    store.add_outcomes(outcomes(rows), NOW_US)
    sent = pairs_of(rows.iloc[:17], 0, [(1, 0)]), pairs_of(rows.iloc[17:], 1, [(2, 0)], alone=(1, 2, 3))
    for batch in (dataclasses.replace(sent[0], challenger=3), sent[1]):
        store.append_pairs(batch, lookup, NOW_US)
    of_two = dataclasses.replace(TRIAL, challenger=2)
    with store.read() as connection:
        found = new_pairs(connection, of_two)
        assert (found.rows, found.dropped, judged_pairs(connection, of_two).rows) == (17, 1, 17)
        assert (new_pairs(connection, TRIAL).rows, judged_pairs(connection, TRIAL).rows) == (34, 34)


def test_pairs_of_classes_without_labels_are_rejected(store: TelemetryStore) -> None:
    none = code_texts([])
    sent = dataclasses.replace(
        pairs_of(sample(34), 0, [(1, 0), (2, 0)]), champion_labels=none, challenger_labels=none
    )
    receipt = store.append_pairs(sent, lookup, NOW_US)
    assert (receipt.accepted, receipt.rejected) == (0, 34)
    with store.read() as connection:
        assert new_pairs(connection, TRIAL).rows == 0


def test_a_pair_takes_few_bytes(store: TelemetryStore) -> None:
    rows = sample(4_080)
    store.append_pairs(pairs_of(rows, 0, [(n, 0) for n in range(240)]), lookup, NOW_US)
    with store.read() as connection:
        (size,) = connection.execute("SELECT length(data) FROM trial_pairs").fetchone()
    assert size / len(rows) < 40


def test_pairs_go_after_their_time_and_their_counts_stay(store: TelemetryStore) -> None:
    rows = sample(34)
    for batch in batches(rows, 17):
        store.append(in_trial(batch), lookup, NOW_US)
    for number in range(2):
        part = pairs_of(rows.iloc[17 * number : 17 * number + 17], number, [(number + 1, 0)], alone=(1, 0, 0))
        store.append_pairs(part, lookup, NOW_US + number)
    store.add_outcomes(outcomes(rows), NOW_US)
    with store.transaction() as connection:
        (trial,) = deletion.list_trials(connection)
        assert deletion.delete_some(connection, trial, NOW_US + 1, NOW_US, is_over=True).rows == 17
        assert deletion.delete_some(connection, trial, NOW_US + 1, NOW_US, is_over=True).rows == 0
        assert connection.execute("SELECT model, version, target, rows FROM deletions").fetchall() == [
            ("flight-delay", 2, "ewr", 17)
        ]
    with store.read() as connection:
        assert new_pairs(connection, TRIAL).champion_scores.tolist() == rows["score"].iloc[17:].tolist()
        assert judged_pairs(connection, TRIAL).rows == 17
        assert pair_counts(connection, TRIAL).paired == 2
    again = store.append_pairs(pairs_of(rows.iloc[:17], 0, [(1, 0)], alone=(1, 0, 0)), lookup, NOW_US)
    assert again.duplicate
    later = pairs_of(rows.iloc[:17], 2, [(1, 0)], producer="pairs-2")
    store.append_pairs(later, lookup, NOW_US)
    with store.read() as connection:
        assert judged_pairs(connection, TRIAL).rows == 34
    store.check()


@pytest.mark.parametrize("order", ["erased first", "pairs first"])
def test_pairs_of_erased_rows_go_and_their_counts_stay(store: TelemetryStore, order: str) -> None:
    rows = sample(51)
    for batch in batches(rows, 17):
        store.append(in_trial(batch), lookup, NOW_US)
    store.add_outcomes(outcomes(rows), NOW_US)

    def erase() -> None:
        named = BatchRows("flight-delay", 1, "ewr", "ewr-1", 2, (3,))
        with store.transaction() as connection:
            assert [one.rows for one in erasing.erase(connection, [named])] == [1]

    if order == "erased first":
        erase()
    for number in range(3):
        part = pairs_of(rows.iloc[17 * number : 17 * number + 17], number, [(number + 1, 0)])
        store.append_pairs(part, lookup, NOW_US)
    if order == "pairs first":
        assert judged(store).rows == 51
        erase()
    left = pd.concat([rows.iloc[:17], rows.iloc[34:]])
    with store.read() as connection:
        assert new_pairs(connection, TRIAL).champion_scores.tolist() == left["score"].tolist()
        assert pair_counts(connection, TRIAL).paired == 3
    assert judged(store).rows == 34
    store.check()


def test_outcomes_of_a_canary_go_with_an_erased_row_of_their_batch(store: TelemetryStore) -> None:
    rows = sample(34)
    for number in range(2):
        store.append(arm(rows.iloc[17 * number : 17 * number + 17], number, 1 + number, 0.2), lookup, NOW_US)
    late = [Outcome(f"arm-{1 + i // 17}.{i // 17}.{i % 17}", str(v)) for i, v in enumerate(rows["late"])]
    store.add_outcomes(late[:20], NOW_US)
    with store.transaction() as connection:
        erasing.erase(connection, [BatchRows("flight-delay", 2, "ewr", "arm-2", 1, (0,))])
    store.add_outcomes(late[20:], NOW_US)
    with store.read() as connection:
        found = judged_arms(connection, TRIAL)
    assert found.scores.tolist() == rows["score"].iloc[:1].tolist()  # one request is one draw
    store.check()


def test_the_past_shows_what_had_come_by_then(store: TelemetryStore, tmp_path: Path) -> None:
    rows = sample(34)
    hour = 3_600_000_000
    for number, batch in enumerate(batches(rows, 17)):
        store.append(in_trial(batch, 0.5), lookup, NOW_US + number * hour)
        pairs = pairs_of(rows.iloc[17 * number : 17 * number + 17], number, [(number + 1, 0)])
        store.append_pairs(pairs, lookup, NOW_US + number * hour)
    store.add_outcomes(outcomes(rows), NOW_US + 2 * hour)
    past = TelemetryStore(tmp_path / "telemetry.db", prepare=showing(1 << 62, NOW_US + hour // 2))
    with past.read() as connection:
        assert new_pairs(connection, TRIAL).rows == 17
        assert judged_pairs(connection, TRIAL).rows == judged_arms(connection, TRIAL).times.size == 0
        assert [one.requests for one in arms(connection, TRIAL)] == [1]
    past.close()
    before = TelemetryStore(tmp_path / "telemetry.db", prepare=showing(1 << 62, NOW_US - 1))
    with before.read() as connection:
        assert new_pairs(connection, TRIAL).rows == 0
        assert connection.execute("SELECT count(*) FROM trials").fetchone() == (0,)
    before.close()


CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from support.flight_batches import NOW_US, batches, flights, specification
    from support.trial_batches import in_trial, pairs_of
    from pilothouse.telemetry import TelemetryStore, VersionFacts
    store, facts = TelemetryStore(Path(sys.argv[1])), VersionFacts(specification())
    rows = flights().iloc[30_000:30_680]
    for number, batch in enumerate(batches(rows, 17)):
        store.append(in_trial(batch), lambda *_: facts, NOW_US)
        part = rows.iloc[17 * number : 17 * number + 17]
        store.append_pairs(pairs_of(part, number, [(number + 1, 0)]), lambda *_: facts, NOW_US)
        print(number, flush=True)
""")


@pytest.mark.parametrize("point", ["before the commit of pairs", "after the commit of pairs"])
def test_a_killed_taker_of_pairs_loses_none_that_it_acknowledged(tmp_path: Path, point: str) -> None:
    tests = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path / "t.db"), tests],
        env={**os.environ, "PILOTHOUSE_KILL_AT": f"{point}:7"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    acknowledged = len(done.stdout.split())
    assert acknowledged == 7
    store = TelemetryStore(tmp_path / "t.db")
    rows = flights().iloc[30_000:30_680]
    sent: list[PairBatch] = [pairs_of(rows.iloc[17 * n : 17 * n + 17], n, [(n + 1, 0)]) for n in range(40)]
    receipts = [store.append_pairs(batch, lookup, NOW_US) for batch in sent]
    there = 8 if point.startswith("after") else 7
    assert [receipt.duplicate for receipt in receipts] == [True] * there + [False] * (40 - there)
    with store.read() as connection:
        assert new_pairs(connection, TRIAL).champion_scores.tolist() == rows["score"].tolist()
    store.check()
    store.close()


def test_a_file_of_the_release_before_gets_the_tables(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        before = schema.MIGRATIONS[: schema.MIGRATIONS.index(schema.KEY_PLACES)]
        patch.setattr(schema, "MIGRATIONS", before)
        patch.setattr(
            schema.TelemetryFile,
            "schema",
            dataclasses.replace(schema.TelemetryFile.schema, version=len(before)),
        )
        old = TelemetryStore(tmp_path / "old.db")
        rows = sample(17)
        old.close()
    store, fresh = TelemetryStore(tmp_path / "old.db"), TelemetryStore(tmp_path / "fresh.db")
    with store.read() as connection, fresh.read() as other:
        assert definitions_of(connection) == definitions_of(other)
    store.append(in_trial(batch_of(rows, 1)), lookup, NOW_US)
    store.close()
    fresh.close()


def test_after_a_restore_what_comes_is_read_though_its_numbers_were_given_out_before(
    store: TelemetryStore,
) -> None:
    rows = sample(34)
    for batch in batches(rows, 17):
        store.append(in_trial(batch), lookup, NOW_US)
    store.append_pairs(pairs_of(rows.iloc[:17], 0, [(1, 0)]), lookup, NOW_US)
    with store.read() as connection:  # what was folded after the copy is not in it
        watermark = new_pairs(connection, TRIAL, 7).watermark
        judged = judged_pairs(connection, TRIAL, 7).watermark
        assert judged_arms(connection, TRIAL, 7).watermark == judged == 0
    assert watermark == 1
    store.append_pairs(pairs_of(rows.iloc[17:], 1, [(2, 0)]), lookup, NOW_US)
    with store.read() as connection:
        assert new_pairs(connection, TRIAL, watermark).rows == 17
