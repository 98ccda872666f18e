"""States on record keep up with what is no live version, no worst ground and no new report."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fixtures.registries import raised
from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.listing import Query
from pilothouse.domain.monitoring.findings import ClosedWindow, PerformanceFinding, Window
from pilothouse.domain.monitoring.monitoring import Health, ServingState, TargetState
from pilothouse.operations.alerts import alert_explanation, alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet import health
from pilothouse.operations.fleet.processes import Pulse, note_serving_end
from pilothouse.operations.states import states
from pilothouse.operations.workspace import audits, time_machine, workspaces
from pilothouse.store import workspace
from pilothouse.system.processes import own_name
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from support import fleet_workspace, until_the_test_ends
from support.daemons import stand_for_daemon
from support.histories import History, Judged


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


@pytest.fixture
def suspected(history: History) -> History:
    """A deployment whose one window of performance has an interval below the reference, and is not significant."""
    history.put_live("delay", 1, ["ewr"])
    history.example.pass_time(minutes=5)
    history.send("delay", 1, "ewr")
    end = history.now
    history.write(("delay", "ewr"), 1, readings.DRIFT, end, Judged(True))
    history.write(("delay", "ewr"), 1, readings.PERFORMANCE, end, Judged(True, performance="doubtful"))
    with history.services.registry.transaction() as connection:
        states.refresh_model(history.services, connection, "delay")
    return history


def test_a_suspicion_reads_the_same_at_every_door_and_is_no_error(
    suspected: History, capsys: pytest.CaptureFixture[str]
) -> None:
    services, decides = suspected.services, suspected.now + timedelta(days=90)
    state = state_of(suspected, "delay", "ewr")
    why = f"below its reference, 2 more windows decide, the next on {decides:%Y-%m-%d %H:%M}"
    assert (state.health, state.why.split(":")[0]) == (Health.SUSPECTED, why.split(":")[0])
    assert state.why.startswith(f"{why}: auc 0.67 [0.64, 0.7], reference 0.71 in the window to ")
    (row,) = [r for r in health.overview(services, suspected.example.actor("vera")) if r.model == "delay"]
    assert (row.health, row.why) == (Health.SUSPECTED, f"ewr: {state.why}")

    def shown(*given: str) -> str:
        capsys.readouterr()
        root = str(suspected.example.root)
        assert failures.run(lambda: main.run(["--workspace", root, "--as", "vera", *given])) == 0
        return capsys.readouterr().out

    assert json.loads(shown("--json", "status"))["deployments"]["suspected"] == 1
    assert f"ewr: {why}" in shown("status")
    told = shown("monitor", "delay", "ewr")
    assert "suspected: below its reference, 2 more windows decide, the next on " in told
    assert "fine" not in told
    drawn = shown("monitor", "delay", "ewr", "--charts")
    assert "△ suspected 0.670 [0.640 0.700]: below its reference, 2 more windows decide" in drawn
    as_data = json.loads(shown("--json", "monitor", "delay", "ewr"))
    assert as_data["suspicion"] == {"below": True, "wanted": 2, "next_at": f"{decides:%Y-%m-%dT%H:%M:%SZ}"}
    assert [part["finding"]["value"] for part in as_data["suspected"]] == [0.67]
    found = health.states_page(services, suspected.example.actor("vera"), Query(unhealthy=True)).rows
    assert [(s.model, s.target) for s in found] == [("delay", "ewr")]


def test_states_of_an_earlier_form_are_written_anew_when_the_workspace_is_opened(suspected: History) -> None:
    """Before there was a suspicion, healthy had its number, and what is suspected now was healthy."""
    root = suspected.example.root
    with suspected.services.registry.transaction() as connection:
        for table in ("deployment_states", "model_states"):
            connection.execute(
                f"UPDATE {table} SET health = 'healthy', severity = 6 WHERE health = 'suspected'"
            )
            connection.execute(f"UPDATE {table} SET severity = 7 WHERE health = 'not deployed'")
        workspace.set_setting(connection, "form_of_states", "2")
    assert states.differing(suspected.services)
    suspected.services.close()
    opened = open_workspace(root)
    try:
        assert states.differing(opened) == []
        with opened.registry.read() as connection:
            rows = connection.execute("SELECT DISTINCT health, severity FROM deployment_states").fetchall()
        assert {(row[0], row[1]) for row in rows} == {
            (str(health), health.rank) for health in (Health.SUSPECTED, Health.NOT_DEPLOYED)
        }
    finally:
        opened.close()


def test_the_explanation_of_an_alert_calls_its_window_suspected(suspected: History) -> None:
    alert = raised(suspected.example, "performance", "ewr", effective_at=suspected.now)
    told = alert_explanation.explain_alert(suspected.services, suspected.example.actor("vera"), alert.id)
    assert [(window.significant, window.suspected) for window in told.windows] == [(False, True)]
    state = state_of(suspected, "delay", "ewr")
    assert state.health is Health.DEGRADED
    assert "quiet" not in state.why


def test_performance_without_a_reference_says_so_and_does_not_blame_the_rows(history: History) -> None:
    """Another metric in the model file, which the version's reference does not hold."""
    history.put_live("delay", 1, ["ewr"])
    history.example.pass_time(minutes=5)
    history.send("delay", 1, "ewr")
    history.write(("delay", "ewr"), 1, readings.DRIFT, history.now, Judged(True))
    window = Window(start=history.now - timedelta(hours=1), end=history.now, rows=600, judged=False)
    finding = PerformanceFinding(metric="f1", value=0.7, low=0.6, high=0.8, labelled_share=1.0)
    with history.services.telemetry.transaction() as connection:
        stream = find_stream(connection, "delay", 1, "ewr")
        assert stream is not None
        closed = ClosedWindow(window=window, findings=(finding,))
        readings.write(connection, stream.id, readings.PERFORMANCE, closed, to_us(history.now))
    with history.services.registry.transaction() as connection:
        states.refresh_model(history.services, connection, "delay")
    state = state_of(history, "delay", "ewr")
    assert state.health is Health.HEALTHY
    assert state.why.endswith("; performance not judged: there is no reference to compare it with")
