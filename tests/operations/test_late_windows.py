"""Windows whose outcomes or predictions come late are judged again by themselves; what was found before stays on record."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pilothouse.cli import failures, main
from pilothouse.composition import open_workspace
from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.domain.monitoring.findings import EstimateFinding, PerformanceFinding
from pilothouse.operations.alerts import alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.ingest import ingest
from pilothouse.operations.monitoring import late_windows, monitor_views, window_closing
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.workspace import time_machine
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import late_days, readings
from pilothouse.telemetry.windows.readings import DRIFT, ESTIMATE, PERFORMANCE, QUALITY, TRAFFIC, finding_of
from support.flight_batches import batches
from support.monitored_flights import (
    admin,
    calibrate_ahead,
    make_watched,
    on_day,
    send,
    send_outcomes,
    traffic,
)
from support.templates import copy_of


def watched(folder: Path) -> Services:
    def build(template: Path) -> None:
        built = make_watched(template)
        calibrate_ahead(built)
        built.close()

    copy_of("watched and calibrated", build, folder)
    return open_workspace(folder)


@pytest.fixture
def services(tmp_path: Path):
    services = watched(tmp_path / "watched")
    yield services
    services.close()


def closed(services: Services, monitor: str = PERFORMANCE) -> list[readings.Reading]:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        assert stream is not None
        return readings.history(connection, stream.id, monitor)


def evaluate(services: Services) -> None:
    monitoring_round.evaluate_windows(services)
    assert monitoring_round.is_caught_up(services)
    assert states.differing(services) == []


def on(day: int) -> int:
    return to_us(on_day(day))


def figures(services: Services) -> list[float | None]:
    return [finding_of(reading, PerformanceFinding).value for reading in closed(services)]


def test_a_history_and_then_its_outcomes_give_what_both_together_give(
    services: Services, tmp_path: Path
) -> None:
    send(services, "ewr", 0, 30, outcomes=False)
    evaluate(services)
    assert set(figures(services)) == {None}
    send_outcomes(services, "ewr", 0, 30)
    evaluate(services)
    found = closed(services)
    assert None not in figures(services)
    assert found[0].late == "outcomes"
    evaluate(services)  # a round without anything new changes nothing
    assert closed(services) == found
    together = watched(tmp_path / "together")
    send(together, "ewr", 0, 30)
    evaluate(together)
    assert [(r.start_us, r.data) for r in closed(together)] == [(r.start_us, r.data) for r in found]
    together.close()


def test_what_was_found_before_stays_on_record(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    send(services, "ewr", 0, 16, outcomes=False)
    evaluate(services)
    send_outcomes(services, "ewr", 0, 16)
    evaluate(services)
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    (revised,) = view.revised
    assert (revised.monitor, revised.before.rows, revised.figure_before) == (PERFORMANCE, 0, None)
    assert not revised.before.judged
    assert revised.after.judged
    assert revised.figure_after == view.performance[0].finding.value
    assert (revised.after.revision, revised.after.late) == (1, "outcomes")
    given = ["--workspace", str(services.paths.root), "--as", "ada", "monitor", "flight-delay", "ewr"]
    assert failures.run(lambda: main.run(given)) == 0
    assert "outcomes came late" in capsys.readouterr().out
    assert failures.run(lambda: main.run([*given, "--json"])) == 0
    assert json.loads(capsys.readouterr().out)["revised"][0]["after"]["late"] == "outcomes"


def test_the_past_shows_what_was_found_then(services: Services) -> None:
    send(services, "ewr", 0, 16, outcomes=False)
    evaluate(services)
    before = closed(services)
    later = services.now() + timedelta(days=3)
    services.now = lambda: later
    send_outcomes(services, "ewr", 0, 16)
    evaluate(services)
    after = closed(services)
    assert before != after
    past = time_machine.open_past(services, admin(services), on_day(16) - timedelta(minutes=1))
    try:
        with past.reading_telemetry() as connection:
            assert connection is not None
            stream = find_stream(connection, "flight-delay", 1, "ewr")
            assert stream is not None
            assert readings.history(connection, stream.id, PERFORMANCE)[: len(before)] == before
    finally:
        past.close()


def test_an_alert_from_late_outcomes_says_so(services: Services) -> None:
    send(services, "ewr", 0, 30, outcomes=False)
    evaluate(services)
    assert not [a for a in alerts.list_alerts(services, admin(services)) if a.kind == "performance"]
    send_outcomes(services, "ewr", 0, 30, wrong=True)
    evaluate(services)
    (alert,) = [a for a in alerts.list_alerts(services, admin(services)) if a.kind == "performance"]
    assert "This comes late: the window was judged again when outcomes of it came" in alert.explanation
    evaluate(services)
    assert len([a for a in alerts.list_alerts(services, admin(services)) if a.kind == "performance"]) == 1


def test_an_alert_ends_once_late_outcomes_show_nothing(services: Services) -> None:
    send(services, "ewr", 0, 30, outcomes=False)
    rows = traffic("ewr", 0, 30)
    against = (rows["score"] > rows["score"].median()) != (rows["late"] == 1)
    told = [Outcome(f"ewr-v1-0.{i // 100 + 1}.{i % 100}", str(rows["late"][i])) for i in rows.index[against]]
    ingest.ingest_outcomes(services, told)
    evaluate(services)
    opened = [a for a in alerts.list_alerts(services, admin(services)) if a.kind == "performance"]
    assert [a.status for a in opened] == ["open"]
    send_outcomes(services, "ewr", 0, 30)
    evaluate(services)
    send(services, "ewr", 30, 22)
    evaluate(services)
    opened = [a for a in alerts.list_alerts(services, admin(services)) if a.kind == "performance"]
    assert [a.status for a in opened] == ["resolved"]


def test_an_alert_says_the_newest_revision_of_its_window(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    send(services, "ewr", 0, 30, outcomes=False)
    rows = traffic("ewr", 0, 30)
    against = (rows["score"] > rows["score"].median()) != (rows["late"] == 1)
    told = [Outcome(f"ewr-v1-0.{i // 100 + 1}.{i % 100}", str(rows["late"][i])) for i in rows.index[against]]
    ingest.ingest_outcomes(services, told)
    evaluate(services)
    (first,) = [a for a in alerts.list_alerts(services, admin(services)) if a.kind == "performance"]
    later = services.now() + timedelta(days=3)
    services.now = lambda: later
    send_outcomes(services, "ewr", 0, 30)
    evaluate(services)
    (newest,) = [r for r in closed(services) if r.end_us == to_us(first.effective_at)]
    assert newest.revision
    figure = f"{finding_of(newest, PerformanceFinding).value:.3g}"
    alert = alerts.get_alert(services, admin(services), first.id)
    assert figure in alert.summary
    assert alert.summary != first.summary
    assert f"the alert opened with: {first.summary}" in alert.explanation
    for command in (["status"], ["targets"], ["alerts"], ["incident", str(first.incident)]):
        given = ["--workspace", str(services.paths.root), "--as", "ada", *command, "--json"]
        assert failures.run(lambda given=given: main.run(given)) in (0, 10)  # 10: the model is not healthy
        out = capsys.readouterr().out
        for earlier in (f"at first {first.summary}", f"the alert opened with: {first.summary}"):
            out = out.replace(earlier, "")
        assert (command, first.summary in out) == (command, False)
    evaluate(services)
    assert alerts.get_alert(services, admin(services), first.id) == alert
    past = time_machine.open_past(services, admin(services), on_day(30) - timedelta(hours=1))
    try:
        then = alerts.get_alert(past, admin(services), first.id)
        assert (then.summary, then.explanation) == (first.summary, first.explanation)
        assert (then.figures, then.features) == (first.figures, first.features)
    finally:
        past.close()


def outcomes_of(since_day: int, days: int) -> list[Outcome]:
    late = traffic("ewr", since_day, days)["late"]
    return [Outcome(f"ewr-v1-{since_day}.{i // 100 + 1}.{i % 100}", str(v)) for i, v in enumerate(late)]


@pytest.mark.parametrize(("every", "again"), [(33, True), (400, False)])
def test_few_late_outcomes_wait_an_hour_and_the_last_of_them_for_nothing(
    services: Services, every: int, again: bool
) -> None:
    send(services, "ewr", 0, 22, outcomes=False)
    outcomes = outcomes_of(0, 22)
    held_back = outcomes[::every]
    ingest.ingest_outcomes(services, [o for i, o in enumerate(outcomes) if i % every])
    evaluate(services)
    before = closed(services)
    assert ingest.ingest_outcomes(services, held_back).joined == len(held_back)
    monitoring_round.evaluate_windows(services)
    assert closed(services)[: len(before)] == before
    later = services.now() + timedelta(hours=1, seconds=1)
    services.now = lambda: later
    evaluate(services)
    after = closed(services)[: len(before)]
    assert (after != before) == again
    assert {reading.late for reading in after} == ({"outcomes"} if again else {""})


def test_late_predictions_are_judged_in_their_windows(services: Services) -> None:
    rows = traffic("ewr", 0, 16)
    first = rows[rows.index % 3 > 0]
    for batch in batches(first, 100, producer="ewr-a", target="ewr", version=1):
        ingest.ingest_batch(services, batch)
    evaluate(services)
    before = closed(services, DRIFT)
    for batch in batches(rows[rows.index % 3 == 0], 100, producer="ewr-b", target="ewr", version=1):
        ingest.ingest_batch(services, batch)
    evaluate(services)
    after = closed(services, DRIFT)
    assert [r.id for r in after] == [r.id for r in before]
    assert [r.rows for r in after] == [len(traffic("ewr", 0, 7)), len(traffic("ewr", 7, 7))]
    assert {r.late for r in after} == {"rows"}
    assert sum(r.rows for r in closed(services, TRAFFIC)) == len(traffic("ewr", 0, 15))


@pytest.mark.parametrize("at_once", [500, 1])
def test_rows_older_than_any_window_get_windows_without_an_alert(
    services: Services, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(late_windows, "EARLIER_AT_ONCE", at_once)
    send(services, "ewr", 21, 8)
    evaluate(services)
    (before, *_) = closed(services, DRIFT)
    send(services, "ewr", 0, 21, change={"wind_speed": 60.0})
    while not monitoring_round.is_caught_up(services):
        monitoring_round.evaluate_windows(services)
    after = closed(services, DRIFT)
    measured = closed(services)
    assert [r.start_us for r in measured[:3]] == [on(0), on(0), on(7)]
    assert [r.end_us for r in measured[:3]] == [on(7), on(14), on(21)]
    assert None not in figures(services)
    assert [r.start_us for r in after[:3]] == [before.start_us - 7 * n * DAY_US for n in (3, 2, 1)]
    assert after[0].significant
    found = alerts.list_alerts(services, admin(services))
    assert not [a for a in found if a.effective_at < on_day(22)]


def test_outcomes_that_come_while_a_window_is_judged_are_not_lost(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(services, "ewr", 0, 16, outcomes=False)
    judge = window_closing.closed_windows
    sent = []

    def slow(given, stream, spec, monitor, grid, span):  # type: ignore[no-untyped-def]
        found = judge(given, stream, spec, monitor, grid, span)
        if monitor == PERFORMANCE and not sent:
            sent.append(send_outcomes(services, "ewr", 0, 16))
        return found

    monkeypatch.setattr(window_closing, "closed_windows", slow)
    monitoring_round.evaluate_windows(services)
    evaluate(services)
    assert sent
    assert None not in figures(services)


def test_a_window_that_nothing_came_late_for_is_not_noted(services: Services) -> None:
    send(services, "ewr", 0, 16)
    evaluate(services)
    with services.telemetry.read() as connection:
        assert late_days.due(connection, to_us(datetime.max.replace(tzinfo=on_day(0).tzinfo))) == []
    assert {r.revision for r in closed(services)} == {0}


def test_a_long_catch_up_is_cut_into_rounds(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    send(services, "ewr", 0, 40, outcomes=False)
    evaluate(services)
    monkeypatch.setattr(late_windows, "_DAYS_AT_ONCE", 9)
    send_outcomes(services, "ewr", 0, 40)
    rounds = 0
    while not monitoring_round.is_caught_up(services):
        monitoring_round.evaluate_windows(services)
        rounds += 1
        assert rounds < 10
    assert rounds > 1
    assert None not in figures(services)
    monkeypatch.undo()
    together = watched(services.paths.root.parent / "together")
    send(together, "ewr", 0, 40)
    evaluate(together)
    assert [(r.start_us, r.data) for r in closed(together)] == [
        (r.start_us, r.data) for r in closed(services)
    ]
    together.close()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_order_in_which_a_history_comes_does_not_matter(
    services: Services, tmp_path: Path, seed: int
) -> None:
    order = random.Random(seed)
    weeks = list(range(0, 49, 7))
    rest = weeks[1:]
    order.shuffle(rest)
    for week in (0, *rest):
        send(services, "ewr", week, 7, outcomes=False)
        if order.random() < 0.5:
            evaluate(services)
    order.shuffle(weeks)
    for week in weeks:
        send_outcomes(services, "ewr", week, 7)
        if order.random() < 0.5:
            monitoring_round.evaluate_windows(services)
    evaluate(services)
    together = watched(tmp_path / "together")
    for week in range(0, 49, 7):
        send(together, "ewr", week, 7)
    evaluate(together)
    for monitor in (DRIFT, QUALITY, TRAFFIC, ESTIMATE, PERFORMANCE):
        in_order = {(r.start_us, r.end_us): r.data for r in closed(together, monitor)}
        found = {(r.start_us, r.end_us): r.data for r in closed(services, monitor)}
        if (
            monitor == ESTIMATE
        ):  # what it makes of outcomes is by those that were known when the window was closed
            found, in_order = (
                {at: from_inputs(data) for at, data in part.items()} for part in (found, in_order)
            )
        assert found == in_order, monitor
    together.close()


def from_inputs(data: str) -> MetricValue | None:
    """What inputs and scores alone say in a reading of an estimate."""
    return msgspec.json.decode(data, type=EstimateFinding).inputs
