"""Whom a request is answered by, and how it is told that nobody is there yet."""

from types import SimpleNamespace

import pytest

from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.formats.wire import DesiredVersion
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.versions.kept_versions import KEPT_S, MOST_KEPT, KeptVersions, Versions
from pilothouse.serving.versions.live_versions import LoadedVersion, Roster

DESIRED = {"delay": DesiredVersion("delay", 3, "a" * 64, "b" * 64)}


@pytest.mark.parametrize(
    ("roster", "said"),
    [
        (Roster(), "not known yet; try again"),
        (Roster(True, DESIRED), "model delay is not loaded: it is being loaded; try again"),
        (Roster(True, DESIRED, failed={"delay": "version 3: no such artifact"}), "no such artifact"),
    ],
)
def test_what_is_to_be_served_and_is_not_there_yet_is_unavailable(roster: Roster, said: str) -> None:
    with pytest.raises(UnavailableError, match=said):
        roster.find("delay", None)


def loaded(model: str, number: int) -> LoadedVersion:
    schema = InputSchema(model, "regression", (), "at", (InputColumn("a", "number"),))
    version = DesiredVersion(model, number, "a" * 64, "b" * 64)
    return LoadedVersion(version, SimpleNamespace(schema=schema), (), 0)  # type: ignore[arg-type]


def test_a_version_of_before_is_kept_for_ten_minutes_one_a_model() -> None:
    now = [0.0]
    times = KeptVersions(lambda: now[0])
    one, two, three = (loaded("delay", number) for number in (1, 2, 3))
    assert times.after_swap({}, None, one) == {}
    kept = times.after_swap({}, one, two)
    assert kept == {"delay": one}
    now[0] = 500.0
    assert times.remaining(kept) is kept
    kept = times.after_swap(kept, two, three)
    assert kept == {"delay": two}
    now[0] = 500.0 + KEPT_S - 1
    # the same version, loaded anew from its portable form, is no swap
    assert times.after_swap(kept, three, three) is kept
    roster = Roster(True, DESIRED, {"delay": three}, kept)
    assert roster.find("delay", "2") is two
    assert roster.find("delay", None) is three
    now[0] = 500.0 + KEPT_S
    assert times.remaining(kept) == {}


def test_few_versions_of_before_are_kept_of_all_models_and_the_oldest_goes_first() -> None:
    times = KeptVersions(lambda: 0.0)
    kept: Versions = {}
    for i in range(MOST_KEPT + 2):
        kept = times.after_swap(kept, loaded(f"m{i}", 1), loaded(f"m{i}", 2))
    assert sorted(kept) == [f"m{i}" for i in range(2, MOST_KEPT + 2)]


def test_what_is_not_served_here_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="there is no model other here; served: delay"):
        Roster(True, DESIRED).find("other", None)
