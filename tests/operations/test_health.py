"""What the screens ask for: true to what is stored, and cheap."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.monitoring.monitoring import Health, ServingState
from pilothouse.operations.alerts import alert_explanation, alerts, incidents
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet import health, processes
from pilothouse.operations.ingest import ingest
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.promotion import deployments
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.alert_page import explanation_page
from pilothouse.presentation.tables.registry_rows import serving_text
from pilothouse.system.processes import own_name
from support.daemons import stand_for_daemon
from support.flight_batches import batch_of
from support.monitored_flights import (
    APRIL,
    admin,
    calibrate_ahead,
    deploy,
    make_watched,
    on_day,
    register,
    send,
    traffic,
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven weeks of flights: version 1 until the fifth, then version 2; the outcomes of ``jfk`` are turned round."""
    root = tmp_path_factory.mktemp("health")
    services = make_watched(root)
    calibrate_ahead(services)
    send(services, "ewr", 0, 35)
    send(services, "jfk", 0, 50, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    deploy(services, register(services), on_day(35), ("ewr",))
    send(services, "ewr", 35, 15, version=2)
    monitoring_round.evaluate_windows(services)
    services.close()
    return root


@pytest.fixture
def services(watched: Path, tmp_path: Path):
    root = tmp_path / "workspace"
    shutil.copytree(watched, root)
    services = open_workspace(root)
    stand_for_daemon(services)
    yield services
    services.close()


def report(
    services: Services, target: str, version: int, failed: dict[str, str] | None = None
) -> processes.Pulse:
    content = ServingReport(
        target, 8080, 1, {"flight-delay": version}, failed or {}, 0, {"flight-delay": 4_000}
    )
    pulse = processes.Pulse(services, own_name())
    pulse.take_report(content)
    return pulse


def test_the_overview_shows_the_sickest_target_in_words(services: Services) -> None:
    report(services, "ewr", 2)
    report(services, "jfk", 1)
    (row,) = health.overview(services, admin(services))
    assert (row.model, row.metric, row.latest) == ("flight-delay", "auc", 2)
    assert row.health is Health.CRITICAL
    assert row.why.startswith("jfk: auc ")
    assert row.open_alerts >= 1
    assert row.features == 12
    assert row.history
    assert row.performance is not None
    assert row.reference == pytest.approx(0.64, abs=0.02)
    assert health.fleet_health(services, admin(services)) is Health.CRITICAL


def test_target_states_tell_version_serving_and_windows(services: Services) -> None:
    report(services, "ewr", 1)
    states = {s.target: s for s in health.target_states(services, admin(services), "flight-delay")}
    ewr, jfk = states["ewr"], states["jfk"]
    assert ewr.deployment is not None
    assert (ewr.deployment.version, ewr.serving, ewr.serving_version) == (2, "loading", 1)
    assert ewr.region == "us-east"
    assert ewr.rows_last_window == len(traffic("ewr", 42, 7))
    assert ewr.p95_ms == pytest.approx(5.0, rel=0.01)
    assert jfk.serving == "remote"
    assert jfk.health is Health.CRITICAL


def test_a_version_that_cannot_be_loaded_and_a_silent_process_are_seen(services: Services) -> None:
    report(services, "ewr", 2, {"flight-delay": "no memory"})
    pulse = report(services, "jfk", 1)
    states = {s.target: s for s in health.target_states(services, admin(services))}
    assert serving_text(states["ewr"]) == "failed: no memory"
    assert (states["ewr"].serving, states["ewr"].serving_error) == (ServingState.FAILED, "no memory")
    assert states["ewr"].health is Health.DEGRADED
    later = services.now() + timedelta(minutes=1)
    services.now = lambda: later
    pulse.beat()
    states = {s.target: s for s in health.target_states(services, admin(services))}
    assert (states["jfk"].serving, states["jfk"].health) == (ServingState.DOWN, Health.DOWN)
    assert states["jfk"].why.startswith("answers nothing: no word of its process since ")
    row = health.overview(services, admin(services))[0]
    assert (row.health, row.counts) == (Health.DOWN, {"down": 2})
    assert row.why.startswith("ewr: answers nothing")
    report(services, "jfk", 1)
    states = {s.target: s for s in health.target_states(services, admin(services))}
    assert (states["jfk"].serving, states["jfk"].health) == (ServingState.ANSWERING, Health.CRITICAL)


def test_live_traffic_that_stops_is_stale_and_a_replay_that_ends_is_not(tmp_path: Path) -> None:
    services = make_watched(tmp_path)
    start = to_us(services.now())
    rows = traffic("ewr", 0, 1).head(20)
    ingest.ingest_batch(services, batch_of(rows.assign(at_us=range(start - 20, start)), 1))
    send(services, "jfk", 0, 1)
    services.now = lambda: from_us(start) + timedelta(hours=3)
    for target in ("ewr", "jfk"):
        report(services, target, 1)
    monitoring_round.evaluate_windows(services)
    states = {s.target: s for s in health.target_states(services, admin(services))}
    assert states["ewr"].health is Health.NO_TRAFFIC
    assert states["jfk"].health is Health.NOT_JUDGED
    services.close()


def test_the_monitor_shows_every_version_in_turn_with_its_marks(services: Services) -> None:
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    assert view.version == 2
    assert view.reference is not None
    assert view.events == len(traffic("ewr", 0, 50))
    assert view.labels_joined == view.events
    assert view.event_clock == from_us(int(traffic("ewr", 0, 50)["at_us"].max()))
    assert [r.window.start for r in view.drift["temp"]] == [on_day(7 * week) for week in range(7)]
    assert len(view.traffic) == 49
    assert {"alert", "rollback"} <= {mark.kind for mark in view.marks}
    assert [m.at for m in view.marks] == sorted(m.at for m in view.marks)
    first = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr", version=1)
    assert len(first.drift["temp"]) == 5
    assert first.events == len(traffic("ewr", 0, 35))


def test_a_day_stands_once_for_the_version_that_was_live_and_the_live_one_comes_first(
    services: Services,
) -> None:
    deploy(services, 1, on_day(50), ("ewr",))
    send(services, "ewr", 50, 8)
    monitoring_round.evaluate_windows(services)
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    days = [(row.version, row.window.start) for row in view.traffic]
    assert [version for version, _ in days].count(2) >= 14
    assert len({day for _, day in days}) == len(days), "none is of a version that was not live then"
    # the newest windows of the inputs are of both versions: those of the live one come first and are the newest
    assert view.version == 1
    for windows in view.drift.values():
        newest = view.newest(windows)
        assert newest is not None
        assert newest.version == 1


def test_the_most_drifted_feature_comes_first(services: Services) -> None:
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    newest = [found[-1].finding for found in view.drift.values()]
    ratios = [one.times_threshold for one in newest if one.significant]
    assert ratios == sorted(ratios, reverse=True)


def test_names_that_are_not_there_are_told(services: Services) -> None:
    with pytest.raises(NotFoundError, match="no target 'bos'"):
        monitor_views.monitor_view(services, admin(services), "flight-delay", "bos")
    with pytest.raises(NotFoundError, match="no model 'x'"):
        monitor_views.monitor_view(services, admin(services), "x", "ewr")


def test_before_any_event_nothing_is_made_up(tmp_path: Path) -> None:
    services = make_watched(tmp_path)
    (row,) = health.overview(services, admin(services))
    assert (row.performance, row.p95_ms, row.history) == (None, None, ())
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    assert (view.events, view.performance) == (0, ())
    assert view.marks[0].at == APRIL
    services.close()


def test_a_version_that_was_critical_is_critical_when_it_is_live_again(services: Services) -> None:
    before = next(s for s in health.target_states(services, admin(services)) if s.target == "jfk")
    assert before.health is Health.CRITICAL
    deploy(services, 2, on_day(50), ("jfk",))
    monitoring_round.evaluate_windows(services)
    replaced = next(s for s in health.target_states(services, admin(services)) if s.target == "jfk")
    assert (replaced.health, replaced.performance) == (Health.NO_DATA, None)
    unresolved = alerts.list_alerts(services, admin(services), unresolved=True)
    assert "jfk" not in {alert.target for alert in unresolved}

    (step,) = deployments.roll_back_plan(services, admin(services), "flight-delay", ["jfk"])
    assert (step.now, step.then, step.then_was_bad) == (2, 1, True)
    assert step.now_record.startswith("no data: no prediction of v2 has come yet")
    assert step.then_record.startswith("critical: auc ")
    deployments.roll_back(services, admin(services), "flight-delay", ["jfk"], "v2 is worse")

    after = next(s for s in health.target_states(services, admin(services)) if s.target == "jfk")
    assert after.health is Health.CRITICAL
    assert (after.open_alerts, after.of_then) == (before.open_alerts, True)
    assert health.overview(services, admin(services))[0].health is Health.CRITICAL
    reopened = [
        a for a in alerts.list_alerts(services, admin(services), unresolved=True) if a.target == "jfk"
    ]
    assert all("is live again" in a.joined_because for a in reopened)
    assert {a.incident for a in reopened} <= {
        i.id for i in incidents.list_incidents(services, admin(services), unresolved=True)
    }
    monitoring_round.evaluate_windows(services)
    assert next(s for s in health.target_states(services, admin(services)) if s.target == "jfk") == after


def test_an_alert_that_was_opened_again_is_explained_by_the_windows_since(services: Services) -> None:
    actor = admin(services)
    deploy(services, 2, on_day(50), ("jfk",))
    send(services, "jfk", 50, 42, version=2)
    monitoring_round.evaluate_windows(services)
    (before,) = [
        a for a in alerts.list_alerts(services, actor) if (a.target, a.kind) == ("jfk", "performance")
    ]
    deployments.roll_back(services, actor, "flight-delay", ["jfk"], "v2 is worse")
    (again,) = [a for a in alerts.list_alerts(services, actor, unresolved=True) if a.kind == "performance"]

    told = alert_explanation.explain_alert(services, actor, again.id)
    (fired,) = [window for window in told.windows if window.fired]
    assert fired.window.end == before.effective_at, (
        "the window that fired, not the newest of when it was live"
    )
    assert told.again == again.effective_at
    assert "Volume is 0 times" not in told.changed + told.alert.explanation

    send(services, "jfk", 92, 60, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    told = alert_explanation.explain_alert(services, actor, again.id)
    since = [w.window.end for w in told.windows if not w.fired]
    assert since
    assert min(since) > again.effective_at
    assert [w.window.end for w in told.windows if w.fired] == [before.effective_at]
    assert told.explained_by is not None
    assert told.explained_by.end == max(w.window.end for w in told.windows if w.significant)
    page = "\n".join("".join(cell.text for cell in line.cells) for line in explanation_page(told))
    assert "◀ fired" in page
    assert "opened again" in page

    (state,) = [s for s in health.target_states(services, actor) if s.target == "jfk"]
    assert state.performance is not None
    assert state.grounds[0].text.startswith(f"auc {state.performance.finding.value:.3g}, worse than its")
    assert "live before" not in state.why


def test_an_alert_that_was_resolved_does_not_hide_what_the_last_window_says(services: Services) -> None:
    for target in ("ewr", "jfk"):
        report(services, target, 2 if target == "ewr" else 1)
    before = next(s for s in health.target_states(services, admin(services)) if s.target == "jfk")
    assert before.open_alerts
    assert before.performance is not None
    assert before.performance.finding.significant
    for incident in incidents.list_incidents(services, admin(services), unresolved=True):
        incidents.resolve(services, admin(services), incident.id, "handed over")
    after = next(s for s in health.target_states(services, admin(services)) if s.target == "jfk")
    assert after.health is Health.DEGRADED
    assert "worse than its reference" in after.grounds[-1].text
    assert all(f"was resolved by {admin(services).name} on " in ground.text for ground in after.grounds)
    row = health.overview(services, admin(services))[0]
    assert (row.health, row.open_alerts) == (Health.DEGRADED, 0)
    assert f", though alert 5 was resolved by {admin(services).name} on " in row.why
