"""States on record keep up with what is no live version, no worst ground and no new report."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.monitoring import Health, ServingState, TargetState
from pilothouse.domain.wire import ServingReport
from pilothouse.operations.alerts import alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet import health
from pilothouse.operations.fleet.processes import Pulse, note_serving_end
from pilothouse.operations.states import states
from pilothouse.operations.workspace import audits, time_machine, workspaces
from pilothouse.system.processes import own_name
from support import fleet_workspace, until_the_test_ends
from support.daemons import stand_for_daemon
from support.histories import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(tmp_path / "workspace", random.Random(1))
    until_the_test_ends(history.example)
    return history


def state_of(history: History, model: str, target: str) -> TargetState:
    found = health.target_states(history.services, history.example.actor("vera"), model)
    return next(state for state in found if state.target == target)


def test_a_process_that_waits_for_its_first_version_is_seen(history: History) -> None:
    assert state_of(history, "delay", "lga").serving is ServingState.NOT_REPORTED
    pulse = Pulse(history.services, own_name())
    pulse.take_report(ServingReport("lga", 8080, 7, {}, {}, 0))
    assert state_of(history, "delay", "lga").serving is ServingState.ANSWERING
    note_serving_end(history.services, "lga")
    assert state_of(history, "delay", "lga").serving is ServingState.DOWN
    assert state_of(history, "delay", "lga").health is Health.NOT_DEPLOYED
    assert states.differing(history.services) == []


def test_first_events_are_noted_though_the_process_is_down(history: History) -> None:
    history.put_live("delay", 1, ["ewr"])
    note_serving_end(history.services, "ewr")
    assert [ground.health for ground in state_of(history, "delay", "ewr").grounds] == [
        Health.DOWN,
        Health.NO_DATA,
    ]
    history.send("delay", 1, "ewr")
    monitoring_round.evaluate_windows(history.services)
    assert [ground.health for ground in state_of(history, "delay", "ewr").grounds] == [
        Health.DOWN,
        Health.NOT_JUDGED,
    ]


def test_a_failure_to_load_is_dated_by_the_first_report_of_it(history: History) -> None:
    history.put_live("delay", 2, ["ewr"])
    pulse, failed_at = Pulse(history.services, own_name()), history.now
    report = ServingReport("ewr", 8080, 7, {"delay": 1}, {"delay": "no memory"}, 0)
    pulse.take_report(report)
    for _ in range(3):
        history.example.pass_time(seconds=5)
        pulse.take_report(report)
        pulse.beat()
    with history.services.registry.transaction() as connection:
        states.refresh_model(history.services, connection, "delay")
    assert failed_since(history) == failed_at
    history.example.pass_time(seconds=5)
    pulse.take_report(ServingReport("ewr", 8080, 7, {"delay": 1}, {"delay": "no such file"}, 0))
    assert failed_since(history) == failed_at + timedelta(seconds=20)
    assert states.differing(history.services) == []


def failed_since(history: History) -> datetime | None:
    (ground,) = [g for g in state_of(history, "delay", "ewr").grounds if g.health is Health.DEGRADED]
    return ground.at


def test_further_events_make_no_state_differ(history: History) -> None:
    history.put_live("delay", 1, ["ewr"])
    history.send("delay", 1, "ewr")
    monitoring_round.evaluate_windows(history.services)
    history.example.pass_time(minutes=5)
    history.send("delay", 1, "ewr")
    assert states.differing(history.services) == []
    with history.services.registry.transaction() as connection:
        connection.execute("UPDATE deployment_states SET health = 'healthy' WHERE version = 1")
    assert ("delay", "ewr") in states.differing(history.services)


def test_the_fleet_of_the_benchmarks_is_sound(tmp_path: Path) -> None:
    fleet_workspace.build(tmp_path, 4, 6, audit=50)
    services = open_workspace(tmp_path)
    stand_for_daemon(services)
    try:
        actor = workspaces.identify(services, fleet_workspace.ADMIN)
        assert states.differing(services) == []
        assert audits.verify_chain(services, actor).count > 50
        counts = health.watch(services, actor).counts
        assert sum(counts.values()) == 24
        assert set(counts) == {Health.DEGRADED, Health.NOT_JUDGED, Health.NO_DATA, Health.HEALTHY}
        assert monitoring_round.evaluate_windows(services).readings == 0
    finally:
        services.close()


def test_the_past_knows_when_the_last_event_before_it_came(history: History) -> None:
    """A silence that somebody resolved goes on until events come, also where these have come since."""
    history.put_live("delay", 1, ["ewr"])
    history.send("delay", 1, "ewr")
    history.example.pass_time(hours=2)
    monitoring_round.evaluate_windows(history.services)
    (alert,) = history.all_alerts()
    alerts.resolve(history.services, history.example.actor("oscar"), alert.id, "known")
    history.example.pass_time(minutes=5)
    silent_at = history.now
    assert state_of(history, "delay", "ewr").health is Health.NO_TRAFFIC
    history.example.pass_time(minutes=5)
    history.send("delay", 1, "ewr")
    monitoring_round.evaluate_windows(history.services)
    assert state_of(history, "delay", "ewr").health is Health.NOT_JUDGED
    past = time_machine.open_past(history.services, history.example.actor("vera"), silent_at)
    try:
        found = health.target_states(past, history.example.actor("vera"), "delay")
        assert next(s for s in found if s.target == "ewr").health is Health.NO_TRAFFIC
    finally:
        past.close()
