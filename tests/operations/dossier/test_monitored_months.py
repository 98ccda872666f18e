"""What monitors found, month by month: counted part by part, as if all had been read at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.operations.dossier import monitored_months
from pilothouse.operations.services import Services
from support import example
from support.example_telemetry import WEEKS


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Services]:
    """A workspace whose versions were watched for weeks: the wind drifts away, the metric decays."""
    example.build(tmp_path / "workspace")
    with example.opened(tmp_path / "workspace") as services:
        yield services


def test_every_window_is_counted_in_the_month_in_which_it_ended(watched: Services) -> None:
    months = monitored_months.monitored_months(watched, "flight-delay", 1)
    assert {one.target for one in months} == {"ewr", "jfk"}
    for monitor in ("performance", "drift", "traffic"):
        assert sum(one.windows for one in months if one.monitor == monitor) == 2 * WEEKS
    jfk = [one for one in months if one.target == "jfk"]
    performance = [one for one in jfk if one.monitor == "performance"]
    assert [one.month for one in performance] == sorted({one.month for one in performance})
    assert performance[-1].figures.startswith("auc 0.")
    assert performance[-1].figures.endswith(", reference 0.713")
    assert performance[-1].significant > 0
    assert [one for one in jfk if one.monitor == "drift"][-1].figures.startswith("wind in ")
    assert monitored_months.monitored_months(watched, "flight-delay", 2) == ()


def test_the_size_of_the_parts_changes_nothing(watched: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = monitored_months.monitored_months(watched, "flight-delay", 1)
    for at_once in (1, 2, WEEKS - 1, WEEKS):
        monkeypatch.setattr(monitored_months, "_AT_ONCE", at_once)
        assert monitored_months.monitored_months(watched, "flight-delay", 1) == whole
