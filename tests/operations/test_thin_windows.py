"""Windows with fewer rows than a verdict takes: judged together with those before them, and never quiet for lack of rows."""

from pathlib import Path

import numpy as np
import pytest

from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.monitoring.findings import DriftFinding, PerformanceFinding
from pilothouse.domain.records import Alert
from pilothouse.operations.alerts import alerts
from pilothouse.operations.alerts.alert_explanation import explain_alert
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.ingest import ingest
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import window_forecast
from pilothouse.operations.monitoring.distributions import feature_distribution
from pilothouse.operations.monitoring.monitor_backfills import backfill_monitoring
from pilothouse.operations.monitoring.monitor_views import monitor_view
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from pilothouse.presentation.charts.monitor_charts import heat_map, monitor_charts
from pilothouse.presentation.pages.alert_page import explanation_page
from pilothouse.presentation.pages.work_pages import feature_table
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import DRIFT, ESTIMATE, PERFORMANCE, QUALITY, Reading
from support.flight_batches import batches
from support.monitored_flights import (
    MODEL,
    admin,
    calibrate_ahead,
    deploy,
    make_watched,
    on_day,
    register,
    traffic,
    write_model,
)

A_DAY = 42
"""Rows a day: 294 a week, where a verdict takes 300."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without traffic, to be copied."""
    root = tmp_path_factory.mktemp("thin")
    services = make_watched(root)
    calibrate_ahead(services)
    services.close()
    return root


def send_thin(
    services: Services,
    since_day: int,
    days: int,
    *,
    a_day: int = A_DAY,
    version: int = 1,
    wrong: bool = False,
    change: dict[str, object] | None = None,
) -> None:
    """Ship so many flights of each day at EWR, and their outcomes."""
    rows = traffic("ewr", since_day, days)
    of_day = (rows["at_us"] - to_us(on_day(since_day))) // DAY_US
    kept = rows.groupby(of_day, group_keys=False).sample(a_day, random_state=1, replace=True)
    rows = kept.sort_values("at_us", kind="stable").reset_index(drop=True).assign(**(change or {}))
    producer = f"thin-v{version}-{since_day}"
    for batch in batches(rows, 100, producer=producer, target="ewr", version=version):
        ingest.ingest_batch(services, batch)
    outcomes = [
        Outcome(f"{producer}.{i // 100 + 1}.{i % 100}", str(1 - late if wrong else late))
        for i, late in enumerate(rows["late"])
    ]
    ingest.ingest_outcomes(services, outcomes)


def closed(services: Services, monitor: str, version: int = 1) -> list[Reading]:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", version, "ewr")
        return readings.history(connection, stream.id, monitor) if stream else []


def together(services: Services, monitor: str, version: int = 1) -> list[tuple[int, int, int, bool]]:
    """Rows, windows judged together, their rows, and whether there was a verdict."""
    windows = [reading.window for reading in closed(services, monitor, version)]
    return [(w.rows, w.together, w.judged_rows, w.judged) for w in windows]


def opened(services: Services, kind: str) -> list[Alert]:
    return [alert for alert in alerts.list_alerts(services, admin(services)) if alert.kind == kind]


def set_minimum(services: Services, rows: int) -> None:
    write_model(services.paths.root, MODEL.replace("[monitoring]", f"[monitoring]\nminimum_rows = {rows}"))
    apply_models.apply(services, admin(services))


def test_a_thin_window_is_judged_together_with_those_before_it(services: Services) -> None:
    send_thin(services, 0, 22)
    monitoring_round.evaluate_windows(services)
    alone, merged = (294, 1, 294, False), (294, 2, 588, True)
    assert together(services, DRIFT) == [alone, merged, merged]
    assert together(services, QUALITY) == [alone, merged, merged]
    second = closed(services, DRIFT)[1]
    assert second.window.start == on_day(7)  # the window keeps its own bounds
    assert second.window.since == on_day(0)


def test_a_shift_of_a_small_model_opens_an_alert_that_says_how_many_windows_it_is_of(
    services: Services,
) -> None:
    send_thin(services, 0, 15, change={"wind_speed": 60.0, "carrier": "ZZ"})
    monitoring_round.evaluate_windows(services)
    (drift,) = opened(services, "data_drift")
    assert drift.effective_at == on_day(14)
    assert "From 2013-04-01 to 2013-04-15 (2 windows together, 588 rows)" in drift.explanation
    assert "fewer than 300 rows by itself" in drift.explanation
    assert "certain by itself, as this is" in drift.explanation
    assert drift.figures["rows"] == 588
    (quality,) = opened(services, "data_quality")
    assert "(2 windows together, 588 rows)" in quality.explanation
    page = "\n".join(
        "".join(cell.text for cell in line.cells)
        for line in explanation_page(explain_alert(services, admin(services), drift.id))
    )
    assert "◀ 2 windows together, 588 rows, since 2013-04-01." in page
    assert "○ not judged: 294 of 300 rows in 7 d; minimum_rows = 200 would judge it." in page
    assert "quiet" not in page


def test_a_window_that_overlaps_another_is_significant_only_where_it_is_certain(services: Services) -> None:
    send_thin(services, 0, 36, change={"wind_speed": 60.0})
    monitoring_round.evaluate_windows(services)
    findings = [
        f for r in closed(services, DRIFT)[1:] for f in readings.findings_of(r, DriftFinding) if f.significant
    ]
    assert {f.feature for f in findings} >= {"wind_speed"}
    assert all(f.grounds.certain and f.grounds.together == 2 for f in findings)


def test_a_loss_that_takes_several_windows_is_measured_over_them(services: Services) -> None:
    set_minimum(services, 900)  # two weeks of performance hold 588 outcomes
    send_thin(services, 0, 36, wrong=True)
    monitoring_round.evaluate_windows(services)
    windows = together(services, PERFORMANCE)
    assert windows[0][1:] == (1, 294, False)  # the first are shorter
    assert windows[1][1:] == (1, 588, False)
    assert windows[3] == (588, 2, 1_176, True)
    assert together(services, ESTIMATE)[3] == (588, 2, 1_176, True)
    fourth = readings.finding_of(closed(services, PERFORMANCE)[3], PerformanceFinding)
    assert fourth.significant
    (loss,) = opened(services, "performance")
    assert "(2 windows together) the measured auc of 1,176 predictions" in loss.explanation
    assert "all but 1 % of windows" in loss.explanation


def test_windows_of_another_version_are_not_merged(services: Services) -> None:
    send_thin(services, 0, 8)
    register(services)
    deploy(services, 2, on_day(8), ("ewr",))
    send_thin(services, 8, 9, version=2)
    monitoring_round.evaluate_windows(services)
    assert together(services, DRIFT, version=2) == [(294, 1, 294, False)]


def test_a_gap_without_rows_ends_the_windows_that_are_merged(services: Services) -> None:
    send_thin(services, 0, 7)
    send_thin(services, 14, 15)
    monitoring_round.evaluate_windows(services)
    assert together(services, DRIFT) == [
        (294, 1, 294, False),
        (0, 1, 0, False),
        (294, 1, 294, False),
        (294, 2, 588, True),
    ]


def test_eight_windows_at_most_are_merged_and_still_lack_what_they_lack(services: Services) -> None:
    send_thin(services, 0, 71, a_day=5)
    monitoring_round.evaluate_windows(services)
    assert together(services, DRIFT)[-1] == (35, 8, 280, False)
    view = monitor_view(services, admin(services), "flight-delay", "ewr")
    drift = monitor_charts(view, None)[1]
    assert drift.headline.text == ("○ not judged: 280 of 300 rows in 56 d; minimum_rows = 200 would judge it")


def test_no_screen_shows_a_window_without_a_verdict_as_quiet(services: Services) -> None:
    send_thin(services, 0, 8, change={"wind_speed": 60.0})
    monitoring_round.evaluate_windows(services)
    view = monitor_view(services, admin(services), "flight-delay", "ewr")
    why = "○ not judged: 294 of 300 rows in 7 d; minimum_rows = 200 would judge it"
    assert view.drift["wind_speed"][0].finding.times_threshold > 1
    assert monitor_charts(view, "wind_speed")[1].headline.text == why
    assert heat_map(view, None).headline.text == why
    assert {row.cells[1].text for row in feature_table(view).rows} == {"○ not judged"}
    shares = feature_distribution(services, admin(services), "flight-delay", "ewr", "wind_speed")
    assert shares is not None
    assert (shares.window.judged, shares.minimum_rows) == (False, 300)


def test_a_distribution_is_of_all_windows_that_were_judged_together(services: Services) -> None:
    send_thin(services, 0, 15)
    monitoring_round.evaluate_windows(services)
    shares = feature_distribution(services, admin(services), "flight-delay", "ewr", "carrier")
    assert shares is not None
    assert shares.window_rows == 588
    assert np.isclose(sum(b.window for b in shares.bins), 1)


def test_a_back_fill_gives_the_same_figures(services: Services) -> None:
    send_thin(services, 0, 22)
    monitoring_round.evaluate_windows(services)
    before = {monitor: closed(services, monitor) for monitor in (DRIFT, QUALITY, PERFORMANCE, ESTIMATE)}
    made = backfill_monitoring(services, admin(services), "flight-delay", on_day(0), on_day(60))
    assert {outcome for monitor in made for outcome in monitor.outcomes} == {"same"}
    assert {monitor: closed(services, monitor) for monitor in before} == before
    set_minimum(services, 200)
    backfill_monitoring(services, admin(services), "flight-delay", on_day(0), on_day(60))
    assert together(services, DRIFT) == [(294, 1, 294, True)] * 3


SHORT = MODEL.replace('outcome_delay = "1d"', 'outcome_delay = "1d"\nholdout = "1h"')
"""The file with a hold-out shorter than its source, which has a hundred rows of one day."""


def test_live_traffic_foretells_what_windows_will_hold(services: Services) -> None:
    with services.registry.read() as connection:
        spec = spec_in_force(connection, "flight-delay")
    assert spec is not None
    assert window_forecast.expected_rows(services, spec) == []  # the reference holds enough rows a day
    send_thin(services, 0, 22)
    note = "on ewr a window of 7 d will hold about 290 rows of the 300 that a verdict needs: 2 are judged together"
    assert window_forecast.expected_rows(services, spec) == [note]
    write_model(services.paths.root, SHORT.replace("[monitoring]", "[monitoring]\nfire = 1"))
    (planned,) = apply_models.plan(services, admin(services))
    assert note in planned.notes
    write_model(services.paths.root, SHORT.replace("[monitoring]", "[monitoring]\nminimum_rows = 200"))
    (planned,) = apply_models.plan(services, admin(services))
    assert note not in planned.notes
