"""A small stream with a sudden change, through the whole product: the short form of ``make bench-streams``."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from stream_cases import short
from stream_play import Played, play
from stream_scores import count_alerts, first_gain, metric_of

from pilothouse.domain.formats.time_units import from_us
from pilothouse.telemetry.windows.readings import PERFORMANCE

pytestmark = pytest.mark.loop


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The stream, to its end."""
    return play(short(), tmp_path_factory.mktemp("stream") / "workspace")


def test_the_alert_opens_with_the_first_or_second_window_that_holds_the_change(played: Played) -> None:
    changed = played.case.changed_at
    assert changed is not None
    alert = next(alert for alert in played.alerts if alert.kind == "performance")
    windows = [
        r for r in played.readings[1, PERFORMANCE] if changed < from_us(r.end_us) <= alert.effective_at
    ]
    assert 1 <= len(windows) <= 2
    counts = count_alerts(played)
    assert (counts.right, counts.late, counts.false, counts.missed) == (1, 0, 0, 0)


def test_the_retraining_knows_the_day_and_learns_more_than_half_of_what_can_be_learnt(played: Played) -> None:
    gain = first_gain(played)
    assert gain is not None
    assert gain.days_off is not None
    assert abs(gain.days_off) <= 2
    assert gain.live, gain.status
    share = gain.share(played.case.task)
    assert share is not None
    assert share > 0.5


def test_what_is_served_is_what_the_live_version_says(played: Played) -> None:
    """Every row of the stream was answered once, and by the version that was live on its day."""
    case = played.case
    rows = case.frame[case.frame["at"] >= case.live_from]
    assert len(played.served) == len(rows)
    for version, day in played.live_since.items():
        first = played.served.loc[played.served["version"] == version, "at"].min()
        assert timedelta(0) <= first - (case.live_from + timedelta(days=day)) < timedelta(days=1)
    held = played.versions[1].holdout
    recorded = played.versions[1].version.metric("auc")
    assert recorded is not None
    assert metric_of("binary", held) == pytest.approx(recorded.value, abs=1e-3)
