"""Windows that were closed are computed again: late outcomes counts, older rows get windows, and nobody is alerted anew."""

from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.operations.alerts import alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.monitoring import monitor_backfills
from pilothouse.operations.monitoring.monitor_backfills import BackfilledMonitor
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, audits
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import DRIFT, PERFORMANCE, TRAFFIC
from support.monitored_flights import (
    MODEL,
    admin,
    calibrate_ahead,
    make_watched,
    on_day,
    send,
    send_outcomes,
    traffic,
    write_model,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("watched")
    services = make_watched(root)
    calibrate_ahead(services)
    services.close()
    return root


def closed(services: Services, monitor: str) -> list[readings.Reading]:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        assert stream is not None
        return readings.history(connection, stream.id, monitor)


def again(services: Services, since: int = -60, until: int = 60) -> dict[str, BackfilledMonitor]:
    found = monitor_backfills.backfill_monitoring(
        services, admin(services), "flight-delay", on_day(since), on_day(until), reason="late outcomes"
    )
    return {one.monitor: one for one in found if one.target == "ewr"}


def test_outcomes_that_came_after_their_window_was_closed_count(services: Services) -> None:
    send(services, "ewr", 0, 16, outcomes=False)
    monitoring_round.evaluate_windows(services)
    before = closed(services, PERFORMANCE)
    assert len(before) == 1
    assert not any(reading.judged for reading in before)
    known = len(alerts.list_alerts(services, admin(services)))
    send_outcomes(services, "ewr", 0, 16)
    done = again(services)[PERFORMANCE]
    after = closed(services, PERFORMANCE)
    assert [(r.id, r.start_us, r.end_us) for r in after] == [(r.id, r.start_us, r.end_us) for r in before]
    assert after[-1].judged
    assert after[-1].rows > before[-1].rows
    assert done.outcomes == {"changed": len(after)}
    assert again(services)[PERFORMANCE].outcomes == {"same": len(after)}
    monitoring_round.evaluate_windows(services)
    assert len(alerts.list_alerts(services, admin(services))) == known
    entry = audits.show(services, admin(services), text="monitoring.backfilled", limit=1)[0]
    assert entry.detail["reason"] == "late outcomes"


def test_windows_stay_as_they_are_until_the_rules_change_and_alerts_to_be_drawn_stay_so(
    services: Services,
) -> None:
    send(services, "ewr", 0, 15, change={"wind_speed": 60.0})
    monitoring_round.evaluate_windows(services)
    opened = len(alerts.list_alerts(services, admin(services)))
    assert opened
    before = closed(services, DRIFT)
    done = again(services)
    assert all(set(done[monitor].outcomes) == {"same"} for monitor in (DRIFT, PERFORMANCE, TRAFFIC))
    assert closed(services, DRIFT) == before
    with services.telemetry.transaction() as connection:
        connection.execute("UPDATE readings SET applied=0, data='[]' WHERE id=?", (before[-1].id,))
    assert again(services)[DRIFT].outcomes == {"changed": 1, "same": len(before) - 1}
    with services.telemetry.read() as connection:
        assert [reading.id for reading in readings.to_apply(connection)] == [before[-1].id]
    assert [reading.data for reading in closed(services, DRIFT)] == [reading.data for reading in before]
    assert [reading.late for reading in closed(services, DRIFT)][-1] == "asked"
    # And by the rules of today, whose windows lie closer: those of then keep their bounds.
    text = MODEL.replace('ignore = ["hour"]', 'ignore = ["hour", "wind_speed"]\nminimum_rows = 1000000')
    write_model(services.paths.root, text.replace('step = "7d"', 'step = "1d"', 1))
    apply_models.apply(services, admin(services))
    first, *_ = closed(services, DRIFT)
    assert again(services, 0, 8)[DRIFT].outcomes == {"changed": 1}
    after = closed(services, DRIFT)
    assert (after[0].start_us, after[0].end_us, after[0].rows) == (first.start_us, first.end_us, first.rows)
    assert [reading.judged for reading in after] == [False, True]
    # What rests on it and lies outside of the range is judged again by the monitor.
    monitoring_round.evaluate_windows(services)
    assert [reading.judged for reading in closed(services, DRIFT)] == [False, False]
    assert set(again(services)[DRIFT].outcomes) == {"same"}


def test_rows_older_than_any_window_get_windows_of_their_own(services: Services) -> None:
    send(services, "ewr", 14, 8)
    monitoring_round.evaluate_windows(services)
    before = closed(services, DRIFT)
    send(services, "ewr", 0, 14)
    known = len(alerts.list_alerts(services, admin(services)))
    assert again(services)[DRIFT].outcomes["new"] == 2
    after = closed(services, DRIFT)
    assert [reading.start_us for reading in after[:2]] == [
        before[0].start_us - days * DAY_US for days in (14, 7)
    ]
    assert after[0].rows == len(traffic("ewr", 0, 7))
    monitoring_round.evaluate_windows(services)
    assert len(alerts.list_alerts(services, admin(services))) == known


def test_a_range_that_is_none_is_refused(services: Services) -> None:
    with pytest.raises(InvalidInputError, match="is after"):
        monitor_backfills.backfill_monitoring(
            services, admin(services), "flight-delay", on_day(2), on_day(2) - timedelta(days=1)
        )
    assert again(services) == {}
