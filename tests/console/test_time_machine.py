"""A workspace as it was: what was live, open, signed and measured at a time, and nothing that came after."""

from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.domain.errors import ConflictError, InvalidInputError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.domain.monitoring.monitoring import Health, ServingState
from pilothouse.domain.records import AlertStatus, JobStatus, RequestStatus
from pilothouse.operations import automation_switch, catalogue
from pilothouse.operations.alerts import alerts, incidents
from pilothouse.operations.fleet import health
from pilothouse.operations.jobs import jobs
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits, time_machine
from pilothouse.telemetry.past import ModelMoment
from support import example

DAY = timedelta(days=1)


@pytest.fixture
def example_services(workspace: Path):
    with example.opened(workspace) as services:
        yield services


@pytest.fixture
def pat(example_services: Services):
    return example.person(example_services, "pat")


@pytest.fixture
def at(example_services: Services, pat):
    """Open the workspace so long before the newest moment of its story."""
    opened = []

    def open_at(before: timedelta) -> Services:
        opened.append(time_machine.open_past(example_services, pat, example.NOW - before))
        return opened[-1]

    yield open_at
    for services in opened:
        services.close()


def test_versions_requests_and_jobs_are_those_that_there_were(at, pat) -> None:
    past = at(45 * DAY)
    assert [v.number for v in catalogue.list_versions(past, pat, "flight-delay")] == [1]
    assert [r.id for r in promotions.list_requests(past, pat)] == [1]
    assert {job.status for job in jobs.list_jobs(past, pat)} == {JobStatus.SUCCEEDED}
    later = at(1 * DAY)
    assert [v.number for v in catalogue.list_versions(later, pat, "flight-delay")] == [3, 2, 1]


def test_a_request_that_was_closed_later_is_open_then(at, pat, example_services) -> None:
    example.at(example_services, example.NOW)
    promotions.withdraw(example_services, example.person(example_services, "sam"), 3, "not yet")
    assert promotions.get_request(example_services, pat, 3).status is RequestStatus.WITHDRAWN
    assert promotions.get_request(at(1.5 * DAY), pat, 3).status is RequestStatus.OPEN


def test_a_request_that_became_outdated_later_holds_then(at, pat, example_services) -> None:
    example.at(example_services, example.NOW)
    example.roll_back_silently(example_services, "flight-delay", "jfk", 3)
    (change,) = promotions.get_request(example_services, pat, 3).outdated_by
    assert (change.target, change.compared_with, change.live) == ("jfk", 1, 3)
    assert promotions.get_request(at(1 * DAY), pat, 3).outdated_by == ()


def test_what_was_live_before_a_rollout_is_live_then(at, pat, example_services) -> None:
    example.at(example_services, example.NOW)
    request = promotions.get_request(example_services, pat, 3)
    promotions.approve(example_services, pat, 3, request.evidence_digest)
    assert {d.version for d in deployments.list_deployments(example_services, pat, model="flight-delay")} == {
        3
    }
    past = at(10 * DAY)
    live = deployments.list_deployments(past, pat, model="flight-delay")
    assert {(d.version, d.ended_at) for d in live} == {(1, None)}
    assert catalogue.get_model(past, pat, "flight-delay").aliases == {"champion": 1}
    assert catalogue.get_version(past, pat, "flight-delay/1").live_on == ("ewr", "jfk")
    view = monitor_views.monitor_view(past, pat, "flight-delay", "jfk")
    assert (view.version, view.state.deployment.version) == (1, 1)
    now = monitor_views.monitor_view(example_services, pat, "flight-delay", "jfk")
    assert (now.version, now.performance[-1].version) == (3, 1), "the newest figure is of the version before"


def test_what_went_live_while_no_data_came_is_live_from_then_on(
    at, pat, example_services, monkeypatch
) -> None:
    """Its version may have been trained after the newest data of that time had come."""
    (created,) = {v.created_at for v in catalogue.list_versions(at(45 * DAY), pat, "flight-delay")}
    then = ModelMoment(to_us(created - DAY), to_us(example.NOW - 45 * DAY), begun=True)
    moments = {"flight-delay": then, "bike-demand": then}
    monkeypatch.setattr(time_machine.past, "moments", lambda *_: moments)
    past = at(45 * DAY)
    live = {d.target: d.version for d in deployments.list_deployments(past, pat, model="flight-delay")}
    states = health.target_states(past, pat, "flight-delay")
    assert live
    assert {s.target: s.serving_version or s.deployment.version for s in states if s.deployment} == live
    assert Health.NOT_DEPLOYED not in {s.health for s in states if s.target in live}


def test_a_model_that_is_held_back_is_the_same_at_every_door(at, pat, example_services, monkeypatch) -> None:
    """Its data ended long ago and came late: at the moment that the log ends with, it had come only so far."""
    then = example.NOW - 5 * DAY
    held = ModelMoment(to_us(then), to_us(then), begun=True)
    beside = ModelMoment(0, to_us(example.NOW), begun=False)  # a model that begins later moves no clock
    expected = at(5 * DAY)
    models = [model.name for model in catalogue.list_models(expected, pat)]
    monkeypatch.setattr(
        time_machine.past, "moments", lambda *_: dict.fromkeys(models, held) | {"later": beside}
    )
    past = at(0 * DAY)
    assert past.now() == then
    assert audits.show(past, pat) == audits.show(expected, pat)
    assert jobs.list_jobs(past, pat) == jobs.list_jobs(expected, pat)
    assert promotions.list_requests(past, pat) == promotions.list_requests(expected, pat)
    assert alerts.list_alerts(past, pat) == alerts.list_alerts(expected, pat)
    assert incidents.list_incidents(past, pat) == incidents.list_incidents(expected, pat)
    assert deployments.list_deployments(past, pat) == deployments.list_deployments(expected, pat)
    assert health.overview(past, pat) == health.overview(expected, pat)
    assert health.target_states(past, pat) == health.target_states(expected, pat)
    for target in ("ewr", "jfk"):
        shown = monitor_views.monitor_view(past, pat, "flight-delay", target)
        assert shown == monitor_views.monitor_view(expected, pat, "flight-delay", target)
        assert shown.event_clock is not None
        assert shown.event_clock <= then


def test_alerts_and_figures_end_with_their_windows(at, pat) -> None:
    past = at(timedelta(days=4, hours=12))
    assert [a.subject for a in alerts.list_alerts(past, pat)] == ["features", "wind"], (
        "the other two are of later windows"
    )
    view = monitor_views.monitor_view(past, pat, "flight-delay", "jfk")
    moment = example.NOW - timedelta(days=4, hours=12)
    ends = [p.window.end for p in view.performance] + [d.window.end for r in view.drift.values() for d in r]
    assert ends
    assert max(ends) <= moment
    whole = monitor_views.monitor_view(at(timedelta(0)), pat, "flight-delay", "jfk")
    assert len(whole.performance) > len(view.performance)


def test_an_alert_that_was_acknowledged_later_is_open_then(at, pat, example_services) -> None:
    example.at(example_services, example.NOW)
    olga = example.person(example_services, "olga")
    alerts.acknowledge(example_services, olga, 2, note="looking")
    assert alerts.get_alert(example_services, pat, 2).status is AlertStatus.ACKNOWLEDGED
    then = alerts.get_alert(at(1.5 * DAY), pat, 2)
    assert (then.status, then.handled_by) == (AlertStatus.OPEN, "")


def test_all_incidents_are_listed_as_they_stood(at, pat, example_services) -> None:
    example.at(example_services, example.NOW)
    olga = example.person(example_services, "olga")
    for incident in incidents.list_incidents(example_services, pat, unresolved=True):
        incidents.resolve(example_services, olga, incident.id, "mended")
    now = incidents.incidents_page(example_services, pat, Query(sort="cost", descending=True)).rows
    assert {i.status for i in now} == {AlertStatus.RESOLVED}
    for before in (timedelta(0), 1.5 * DAY, timedelta(days=4, hours=12)):
        past = at(before)
        then = incidents.incidents_page(past, pat, Query()).rows
        for state in AlertStatus:
            found = incidents.incidents_page(past, pat, Query(parse_filter(f"state={state}"))).rows
            assert [i.id for i in found] == [i.id for i in then if i.status is state]
        for name, value in (
            ("alerts", lambda i: len(i.alerts)), ("where", lambda i: ", ".join(i.targets)), ("since", lambda i: i.since),
        ):  # fmt: skip
            found = incidents.incidents_page(past, pat, Query(sort=name)).rows
            assert [i.id for i in found] == [i.id for i in sorted(then, key=lambda i: (value(i), i.id))]
        assert all(i.cost.words for i in then if i.unresolved), "what went on is looked up"
    assert {i.status for i in then} == {AlertStatus.OPEN}
    assert sum(len(i.alerts) for i in then) == 2


def test_health_is_judged_by_what_was_known_and_says_that_processes_are_not_on_record(at, pat) -> None:
    states = health.target_states(at(40 * DAY), pat, "flight-delay")
    assert {state.serving for state in states} == {ServingState.NOT_RECORDED}
    assert {state.open_alerts for state in states} == {0}
    assert len(health.overview(at(timedelta(0)), pat)) == 2


def test_the_log_ends_then_and_its_chain_holds(at, pat) -> None:
    past = at(45 * DAY)
    found = audits.verify(past, pat)
    assert found.count == max(entry.seq for entry in audits.show(past, pat, limit=10_000))
    assert found.count < audits.verify(at(timedelta(0)), pat).count


def test_nothing_can_be_changed_in_the_past(at, example_services) -> None:
    olga = example.person(example_services, "olga")
    with pytest.raises(ConflictError, match="this is the past"):
        automation_switch.pause(at(1 * DAY), olga, "x")
    assert not automation_switch.status(example_services, olga).paused


def test_steps_go_from_event_to_event(example_services, pat) -> None:
    found = time_machine.step(example_services, pat, example.NOW, -1)
    assert found is not None
    assert found.at == example.NOW - 2 * DAY
    assert found.text == "alert 4: p95 31 ms on washington, 5.3 times its baseline"
    asked = time_machine.step(example_services, pat, found.at, -1)
    assert asked is not None
    assert asked.text == "sam asks for flight-delay/3 (request 3)"
    before = time_machine.step(example_services, pat, asked.at, -1)
    assert before is not None
    assert before.at == example.NOW - 4 * DAY
    assert before.text == "alert 1: auc 0.604 on jfk, reference 0.713"
    assert time_machine.step(example_services, pat, before.at, 1) == asked
    first = time_machine.step(example_services, pat, before.at, -1)
    assert first is not None
    assert first.at == example.NOW - 5 * DAY
    assert first.text.startswith("alert 2: wind drifts on ewr: psi 0.31 of 0.12; alert 3:")
    assert time_machine.step(example_services, pat, example.NOW + 400 * DAY, 1) is None


def test_what_was_signed_is_stepped_to_when_it_can_be_seen(at, example_services, pat) -> None:
    asked = time_machine.step(example_services, pat, example.NOW - 2 * DAY, -1)
    assert asked is not None
    then = time_machine.open_past(example_services, pat, asked.at)
    just_before = time_machine.open_past(example_services, pat, asked.at - timedelta(microseconds=1))
    try:
        assert promotions.list_requests(then, pat)[0].id == 3
        assert promotions.list_requests(just_before, pat)[0].id == 2
    finally:
        then.close()
        just_before.close()


@pytest.mark.parametrize(
    ("typed", "words"),
    [("yesterday", "is not a time"), ("2030-01-01", "still to come"), ("-999999w", "not a time")],
)
def test_wrong_times_say_what_is_expected(example_services, pat, typed: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        time_machine.read_time(example_services, pat, typed)


def test_times_are_iso_or_so_long_before(example_services, pat) -> None:
    newest = time_machine.newest_event(example_services, pat)
    assert time_machine.read_time(example_services, pat, "-7d") == newest - 7 * DAY
    assert (
        time_machine.read_time(example_services, pat, "2013-07-04 14:00").isoformat()
        == "2013-07-04T14:00:00+00:00"
    )
    assert time_machine.read_time(example_services, pat, "2013-07-04T14:00+02:00").hour == 12


def test_every_table_that_names_a_model_and_a_time_is_seen_as_it_was(at, example_services) -> None:
    """A table that a later release adds must not show the future."""
    past = at(80 * DAY)
    with past.registry.read() as connection:
        views = {row[0] for row in connection.execute("SELECT name FROM sqlite_temp_schema")}
        tables = [
            row[0] for row in connection.execute("SELECT name FROM main.sqlite_schema WHERE type='table'")
        ]
        for name in tables:
            columns = {row[1] for row in connection.execute(f"PRAGMA main.table_info({name})")}
            if "model_id" in columns and columns & {"recorded_at", "created_at"}:
                assert name in views, f"{name} shows the present"
