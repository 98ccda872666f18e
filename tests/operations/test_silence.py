"""Silence of a live target is an alert, judged by the wall clock; it ends when events have come again for a while."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations.alerts import alerts, incidents
from pilothouse.operations.alerts.incident_evidence import _usual_per_week
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet import health
from pilothouse.operations.ingest import ingest
from pilothouse.operations.services import Services
from pilothouse.store.deployed import processes
from pilothouse.system.processes import own_name
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from support.flight_batches import batch_of
from support.monitored_flights import admin, calibrate_ahead, make_watched, send, traffic


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = make_watched(tmp_path / "workspace")
    calibrate_ahead(made)
    yield made
    made.close()


def arrive(services: Services, sequence: int, target: str = "ewr") -> None:
    """Twenty events that happen as they arrive."""
    now = to_us(services.now())
    rows = traffic(target, 0, 1).head(20)
    ingest.ingest_batch(services, batch_of(rows.assign(at_us=range(now - 20, now)), sequence))


def pass_time(services: Services, **of: float) -> None:
    later = services.now() + timedelta(**of)
    services.now = lambda: later


def found(services: Services) -> list[Alert]:
    monitoring_round.evaluate_windows(services)
    return [a for a in alerts.list_alerts(services, admin(services)) if a.kind == "silence"]


def test_a_live_target_that_falls_silent_opens_an_incident_that_says_for_how_long(services: Services) -> None:
    arrive(services, 1)
    pass_time(services, minutes=59)
    assert found(services) == []
    pass_time(services, minutes=121)
    (alert,) = found(services)
    assert alert.summary == f"no event from ewr since {alert.effective_at:%Y-%m-%d %H:%M}"
    assert "1h is allowed (monitoring.silence)" in alert.explanation
    (incident,) = incidents.list_incidents(services, admin(services))
    assert incident.cause == "no event arrives"
    assert "on ewr" in incident.cost.words
    assert found(services) == [alert], "a second look opens no second one"


def test_one_event_does_not_end_it_and_an_hour_of_events_does(services: Services) -> None:
    arrive(services, 1)
    pass_time(services, hours=3)
    (alert,) = found(services)
    pass_time(services, minutes=1)
    arrive(services, 2)
    assert found(services)[0].status is AlertStatus.OPEN
    (state,) = (s for s in health.target_states(services, admin(services)) if s.target == "ewr")
    assert state.why.startswith(f"{alert.summary}; some have come since, not yet for as long as ends the")
    (incident,) = incidents.list_incidents(services, admin(services))
    assert incident.cost.words == "events come again on ewr"
    pass_time(services, minutes=61)  # silent again: it never stopped being the same one
    arrive(services, 3)
    assert [(a.id, a.status) for a in found(services)] == [(alert.id, AlertStatus.OPEN)]
    for sequence in (4, 5):
        pass_time(services, minutes=30)
        arrive(services, sequence)
    (over,) = found(services)
    assert over.status is AlertStatus.RESOLVED
    assert "events have arrived again since" in over.note


def test_a_replay_of_history_is_not_silent_when_it_is_over(services: Services) -> None:
    send(services, "jfk", 0, 2)
    pass_time(services, hours=30)
    assert found(services) == []


def test_traffic_is_live_where_events_arrive_as_they_happen(services: Services) -> None:
    model = "flight-delay"
    send(services, "jfk", 0, 2)
    assert services.live_targets(model) == set()
    arrive(services, 1)
    pass_time(services, hours=30)
    assert services.live_targets(model) == {"ewr"}


def test_what_nobody_could_have_seen_arrive_is_no_silence(services: Services) -> None:
    arrive(services, 1)
    pass_time(services, hours=8)
    with services.registry.transaction() as connection:
        processes.put_process(
            connection, "daemon", own_name(), started_at=services.now(), at=services.now(), detail={}
        )
    assert found(services) == [], "the daemon was away: what was spooled is still to come"
    pass_time(services, hours=2)
    assert len(found(services)) == 1


def test_one_that_was_resolved_by_hand_does_not_open_again_for_the_same_silence(services: Services) -> None:
    arrive(services, 1)
    pass_time(services, hours=3)
    (alert,) = found(services)
    alerts.resolve(services, admin(services), alert.id, "closed at night")
    pass_time(services, hours=3)
    assert [a.status for a in found(services)] == [AlertStatus.RESOLVED]


def test_the_state_says_no_traffic_for_it(services: Services) -> None:
    arrive(services, 1)
    pass_time(services, hours=3)
    found(services)
    (state,) = (s for s in health.target_states(services, admin(services)) if s.target == "ewr")
    assert (state.health, state.open_alerts) == (Health.NO_TRAFFIC, 1)
    (alert,) = found(services)
    assert state.why.startswith(f"no event from ewr since {alert.effective_at:%Y-%m-%d %H:%M}")


def test_a_silence_that_was_resolved_by_hand_and_goes_on_is_still_no_traffic(services: Services) -> None:
    arrive(services, 1)
    pass_time(services, hours=3)
    (alert,) = found(services)
    alerts.resolve(services, admin(services), alert.id, "closed at night")
    (state,) = (s for s in health.target_states(services, admin(services)) if s.target == "ewr")
    assert state.health is Health.NO_TRAFFIC
    assert f"though alert {alert.id} was resolved by" in state.why
    arrive(services, 2)
    found(services)
    (state,) = (s for s in health.target_states(services, admin(services)) if s.target == "ewr")
    assert state.health is Health.NOT_JUDGED


def test_what_is_usual_of_a_silent_target_is_its_own_and_not_that_of_the_window_that_was_cut_short(
    services: Services,
) -> None:
    for target in ("ewr", "jfk"):
        send(services, target, 0, 49)
    monitoring_round.evaluate_windows(services)
    with services.telemetry.transaction() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        assert stream is not None
        usual = _usual_per_week(connection, stream)
        newest = readings.history(connection, stream.id, readings.DRIFT, limit=1)[0]
        assert newest.rows
        connection.execute(
            "UPDATE readings SET rows = 3 WHERE stream_id = ? AND monitor = ? AND window_end = ?",
            (stream.id, readings.DRIFT, newest.end_us),
        )
        assert _usual_per_week(connection, stream) == pytest.approx(usual, rel=0.2)
