"""Outcomes find their predictions, wait for them, are folded by day, and never overwrite each other."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pilothouse.domain.formats.wire import LONGEST_CLASS, LabelReceipt, Outcome
from pilothouse.sqlite import driver
from pilothouse.sqlite.schema import definitions_of
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.intake.streams import rejected_counts
from support.flight_batches import NOW_US, batch_of, batches, flights, outcome_days, specification
from support.older_telemetry import make_form_5

APRIL = 1_364_774_400_000_000


@pytest.fixture
def store(tmp_path: Path):
    store = TelemetryStore(tmp_path / "telemetry.db")
    yield store
    store.close()


def april(rows: int):
    table = flights()
    return table[table["at_us"] >= APRIL].iloc[:rows]


def lookup(model: str, version: int) -> VersionFacts:
    return VersionFacts(specification())


def outcomes_of(rows, size: int) -> list[Outcome]:
    return [Outcome(f"ewr-1.{i // size + 1}.{i % size}", float(late)) for i, late in enumerate(rows["late"])]


def test_outcomes_are_folded_into_the_days_of_their_predictions(store: TelemetryStore) -> None:
    rows = april(3_000)
    for batch in batches(rows, 17):
        store.append(batch, lookup, NOW_US)
    assert store.add_outcomes(outcomes_of(rows, 17), NOW_US) == LabelReceipt(3_000, 0, 0)
    days = outcome_days(store)
    by_day = rows.groupby(rows["at_us"] // 86_400_000_000).size()
    assert [day.rows for _, day in days] == by_day.tolist()
    whole = outcome_profile.profile_outcomes(
        specification(), rows["score"].to_numpy(), rows["label"].tolist(), rows["late"].tolist()
    )
    summed = outcome_profile.merge_all(specification(), [day for _, day in days])
    assert outcome_profile.encode(specification(), summed) == outcome_profile.encode(specification(), whole)


def test_outcomes_wait_for_their_prediction_and_count_once(store: TelemetryStore) -> None:
    rows = april(34)
    first, second = batches(rows, 17)
    store.append(first, lookup, NOW_US)
    known = outcomes_of(rows, 17)
    assert store.add_outcomes(known, NOW_US) == LabelReceipt(17, 17, 0)
    assert store.add_outcomes(known, NOW_US) == LabelReceipt(0, 0, 0, 34)
    store.append(second, lookup, NOW_US)
    assert sum(day.rows for _, day in outcome_days(store)) == 34
    assert store.add_outcomes(known, NOW_US) == LabelReceipt(0, 0, 0, 34)


def test_another_outcome_is_a_conflict_and_the_first_stands(store: TelemetryStore) -> None:
    store.append(batch_of(april(17), 1), lookup, NOW_US)
    store.add_outcomes([Outcome("ewr-1.1.4", "1")], NOW_US)
    assert store.add_outcomes([Outcome("ewr-1.1.4", 0.0)], NOW_US) == LabelReceipt(0, 0, 1)
    ((_, day),) = outcome_days(store)
    assert day.confusion.sum(axis=1).tolist() == [0, 1]
    with store.read() as connection:
        (shown,) = rejected_counts(connection)
    assert (shown.reason, shown.example) == (
        "another outcome was there",
        "ewr-1.1.4: 1 was there, then 0 came",
    )


def test_foreign_ids_are_found_through_the_index_before_and_after(store: TelemetryStore) -> None:
    ids = [f"order/{i}" for i in range(17)]
    early = store.add_outcomes([Outcome("order/16", 1.0)], NOW_US)
    store.append(dataclasses.replace(batch_of(april(17), 1), foreign_ids=ids), lookup, NOW_US)
    late = store.add_outcomes([Outcome(name, 0.0) for name in ids[:16]], NOW_US)
    assert (early.waiting, late.joined) == (1, 16)
    ((_, day),) = outcome_days(store)
    assert day.rows == 17


def test_rows_that_were_rejected_shift_nobody_elses_outcome(store: TelemetryStore) -> None:
    rows = april(17)
    scores = rows["score"].to_numpy().copy()
    scores[0] = np.nan
    batch = dataclasses.replace(batch_of(rows, 1), scores=scores.astype("<f8").tobytes())
    store.append(batch, lookup, NOW_US)
    receipt = store.add_outcomes([Outcome("ewr-1.1.0", 1.0), Outcome("ewr-1.1.5", 1.0)], NOW_US)
    refused = {"outcome of a prediction that was rejected": 1}
    assert receipt == LabelReceipt(1, 0, 0, rejected=1, reasons=refused)
    ((_, predictions, _, rows_known, known),) = store.labelled_batches("flight-delay", "ewr", 0, NOW_US)
    assert predictions.times[rows_known[0]] == rows["at_us"].iloc[5]
    assert known == ["1"]
    with store.read() as connection:
        assert {r.reason for r in rejected_counts(connection)} == {
            "no usable score",
            "outcome of a prediction that was rejected",
        }


def test_outcomes_of_the_form_before_are_read_on_and_its_readers_finish(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    store = TelemetryStore(path)
    store.append(batch_of(april(17), 1), lookup, NOW_US)
    store.add_outcomes([Outcome("ewr-1.1.4", "1")], NOW_US)
    with store.read() as connection:
        definitions = definitions_of(connection)
    store.close()
    older = driver.connect(str(path), isolation_level=None)
    make_form_5(older)
    older.execute("BEGIN")
    assert older.execute("SELECT count(*) FROM truths").fetchone()[0] == 1

    store = TelemetryStore(path)

    assert older.execute("SELECT length(data) FROM truths").fetchone()[0] == 17 * 2
    older.close()
    ((_, _, _, rows, known),) = store.labelled_batches("flight-delay", "ewr", 0, NOW_US)
    assert (rows.tolist(), known) == ([4], ["1"])
    assert store.add_outcomes([Outcome("ewr-1.1.4", "1"), Outcome("ewr-1.1.5", "1")], NOW_US).joined == 1
    with store.read() as connection:
        assert definitions_of(connection) == definitions
    store.check()
    store.close()


def test_an_outcome_of_a_wrong_kind_is_shown(store: TelemetryStore) -> None:
    store.append(batch_of(april(17), 1), lookup, NOW_US)
    receipt = store.add_outcomes([Outcome("ewr-1.1.0", "perhaps")], NOW_US)
    assert receipt == LabelReceipt(0, 0, 0, rejected=1, reasons={"outcome of a wrong kind": 1})
    with store.read() as connection:
        (shown,) = rejected_counts(connection)
    assert shown.example == "ewr-1.1.0: 'perhaps'; expected one of 0, 1"


NOT_FINITE = (float("inf"), float("-inf"), float("nan"), 10**400, -(10**5_000), "1" * 2_000)


@pytest.mark.parametrize(
    "value", NOT_FINITE, ids=["inf", "-inf", "nan", "400 digits", "5,000 digits", "text"]
)
def test_an_outcome_that_is_not_finite_is_refused_and_does_not_wait(
    store: TelemetryStore, value: float | str
) -> None:
    store.append(batch_of(april(17), 1), lookup, NOW_US)
    receipt = store.add_outcomes([Outcome("ewr-1.1.0", value), Outcome("ewr-1.2.0", value)], NOW_US)
    assert receipt == LabelReceipt(0, 0, 0, rejected=2, reasons={"outcome of a wrong kind": 2})
    with store.read() as connection:
        (shown,) = rejected_counts(connection)
    assert shown.example.isprintable()
    assert len(shown.example) <= 200


@pytest.mark.parametrize("text", ["inf", "-Infinity", "nan", "1e999", "9" * 400, "9" * 5_000, "1_000e999"])
def test_a_text_is_the_outcome_of_a_regression_only_as_a_finite_number(tmp_path: Path, text: str) -> None:
    numbers = dataclasses.replace(specification(), classes=())
    store = TelemetryStore(tmp_path / "numbers.db")
    waiting = store.add_outcomes([Outcome("ewr-1.1.0", text[:LONGEST_CLASS])], NOW_US)
    assert waiting.waiting == 1  # what it is an outcome of is not known yet
    batch = dataclasses.replace(batch_of(april(17), 1), labels=[])
    store.append(batch, lambda model, version: VersionFacts(numbers), NOW_US)
    late = store.add_outcomes([Outcome("ewr-1.1.1", text), Outcome("ewr-1.1.2", "1e3")], NOW_US)
    assert (late.joined, late.rejected + late.without) == (1, 1)
    ((_, _, _, rows, known),) = store.labelled_batches("flight-delay", "ewr", 0, NOW_US)
    assert (rows.tolist(), list(known)) == ([2], [1_000.0])
    store.close()


def test_a_store_opened_again_knows_everything(tmp_path: Path) -> None:
    rows = april(34)
    store = TelemetryStore(tmp_path / "t.db")
    for batch in batches(rows, 17):
        store.append(batch, lookup, NOW_US)
    store.close()
    again = TelemetryStore(tmp_path / "t.db")
    assert again.add_outcomes(outcomes_of(rows, 17), NOW_US).joined == 34
    again.close()
