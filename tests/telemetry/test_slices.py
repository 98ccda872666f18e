"""Outcomes cut by features: the same rows as the whole, at a bounded number of values."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pilothouse.domain.formats.wire import Outcome
from pilothouse.statistics.profiles import outcome_profile
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.outcomes import slices
from support.flight_batches import NOW_US, batches, flights, specification

APRIL = 1_364_774_400_000_000
CUT = ("carrier", "hour", "dest", "temp", "nothing")


@pytest.fixture
def store(tmp_path: Path):
    store = TelemetryStore(tmp_path / "telemetry.db")
    yield store
    store.close()


def lookup(model: str, version: int) -> VersionFacts:
    return VersionFacts(specification(), slices=CUT)


def rows_of_april(count: int) -> pd.DataFrame:
    table = flights()
    return table[table["at_us"] >= APRIL].iloc[:count]


def outcomes_of(rows: pd.DataFrame, size: int) -> list[Outcome]:
    return [Outcome(f"ewr-1.{i // size + 1}.{i % size}", float(late)) for i, late in enumerate(rows["late"])]


def kept(store: TelemetryStore) -> dict[tuple[str, str], list[outcome_profile.OutcomeProfile]]:
    with store.read() as connection:
        return slices.read(connection, specification(), 1, 0, NOW_US)


@pytest.mark.parametrize("early", [False, True], ids=["after", "before their predictions"])
def test_slices_hold_every_joined_row_once(store: TelemetryStore, early: bool) -> None:
    rows = rows_of_april(1_500)
    known = outcomes_of(rows, 17)
    if early:
        store.add_outcomes(known, NOW_US)
    for batch in batches(rows, 17):
        store.append(batch, lookup, NOW_US)
    if not early:
        store.add_outcomes(known[:700], NOW_US)
        store.add_outcomes(known, NOW_US)
    found = kept(store)
    assert {feature for feature, _ in found} == {"carrier", "hour", "dest"}
    for feature in ("carrier", "hour", "dest"):
        days = [day for (name, _), parts in found.items() if name == feature for day in parts]
        assert sum(day.rows for day in days) == 1_500, feature
    carrier = rows["carrier"].mode()[0]
    own = rows[rows["carrier"] == carrier]
    exact = outcome_profile.profile_outcomes(
        specification(), own["score"].to_numpy(), own["label"].tolist(), own["late"].tolist()
    )
    summed = outcome_profile.merge_all(specification(), found["carrier", carrier])
    assert np.array_equal(summed.confusion, exact.confusion)
    assert summed.sums == exact.sums


def test_the_number_of_values_is_bounded(store: TelemetryStore) -> None:
    rows = rows_of_april(3_000)
    for batch in batches(rows, 500):
        store.append(batch, lookup, NOW_US)
    store.add_outcomes(outcomes_of(rows, 500), NOW_US)
    values = {value for feature, value in kept(store) if feature == "dest"}
    assert len(values) == slices.LARGEST + 1
    assert slices.OTHER in values


def test_nothing_is_cut_where_nothing_is_asked_for(store: TelemetryStore) -> None:
    rows = rows_of_april(170)
    for batch in batches(rows, 17):
        store.append(batch, lambda model, version: VersionFacts(specification()), NOW_US)
    store.add_outcomes(outcomes_of(rows, 17), NOW_US)
    assert kept(store) == {}
