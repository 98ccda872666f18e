"""A window whose outcomes are of one class says so, keeps its other figures, and its vanished class is a finding of data
quality."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.monitoring.findings import PerformanceFinding
from pilothouse.operations.alerts import alert_explanation, alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.ingest import ingest
from pilothouse.operations.monitoring import monitor_views
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.presentation.pages.alert_page import explanation_page
from pilothouse.statistics.performance.outcome_classes import vanished_classes
from pilothouse.statistics.profiles.outcome_profile import profile_outcomes
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import PERFORMANCE, finding_of
from support.flight_batches import specification
from support.monitored_flights import admin, make_watched, send, traffic


@pytest.fixture
def services(tmp_path: Path):
    services = make_watched(tmp_path)
    yield services
    services.close()


def send_one_class(services: Services, since_day: int, days: int) -> None:
    """Flights of which none was late."""
    send(services, "ewr", since_day, days, outcomes=False)
    rows = traffic("ewr", since_day, days)
    outcomes = [Outcome(f"ewr-v1-{since_day}.{i // 100 + 1}.{i % 100}", "0") for i in range(len(rows))]
    ingest.ingest_outcomes(services, outcomes)
    monitoring_round.evaluate_windows(services)
    assert states.differing(services) == []


def quality_alerts(services: Services):
    found = alerts.list_alerts(services, admin(services))
    return [a for a in found if a.kind == "data_quality" and a.subject == "classes"]


def test_one_class_has_no_auc_and_keeps_its_other_metrics(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    send_one_class(services, 0, 16)
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        assert stream is not None
        newest = readings.history(connection, stream.id, PERFORMANCE)[-1]
    finding = finding_of(newest, PerformanceFinding)
    assert finding.value is None
    assert finding.why == f"one class only, {newest.rows:,} outcomes: no AUROC"
    assert {"accuracy", "brier", "log_loss"} <= {metric.metric for metric in finding.others}
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    assert view.performance == ()
    assert view.undefined[-1].finding == finding
    given = ["--workspace", str(services.paths.root), "--as", "ada"]
    assert failures.run(lambda: main.run([*given, "monitor", "flight-delay", "ewr"])) == 0
    shown = capsys.readouterr().out
    assert f"{finding.why}; accuracy 0." in shown
    assert failures.run(lambda: main.run([*given, "monitor", "flight-delay", "ewr", "--charts"])) == 0
    assert f"not judged: {finding.why}" in capsys.readouterr().out
    assert failures.run(lambda: main.run([*given, "performance", "flight-delay", "ewr"])) == 0


def test_a_class_that_has_vanished_is_an_alert_until_it_is_back(services: Services) -> None:
    send_one_class(services, 0, 16)
    (alert,) = quality_alerts(services)
    assert alert.summary == "data quality on ewr: no outcome of class 1"
    assert "of the reference)" in alert.explanation
    assert "one class only" in alert.explanation
    explanation = alert_explanation.explain_alert(services, admin(services), alert.id)
    assert [w.significant for w in explanation.windows if w.fired] == [True]
    assert explanation_page(explanation)
    monitoring_round.evaluate_windows(services)
    assert len(quality_alerts(services)) == 1
    send(services, "ewr", 16, 45)
    monitoring_round.evaluate_windows(services)
    (alert,) = quality_alerts(services)
    assert alert.status == "resolved"


def test_nothing_has_vanished_where_both_classes_come(services: Services) -> None:
    send(services, "ewr", 0, 30)
    monitoring_round.evaluate_windows(services)
    assert quality_alerts(services) == []


def profile(late: list[int]):
    spec = specification()
    return profile_outcomes(spec, np.full(len(late), 0.3), ["0"] * len(late), late)


def test_a_rare_class_may_be_absent_by_chance() -> None:
    spec = specification()
    even = [profile([1] * 2 + [0] * 98) for _ in range(30)]
    assert vanished_classes(spec, profile([0] * 100), even) == ()
    assert vanished_classes(spec, profile([0] * 600), even) == ("1",)
    assert vanished_classes(spec, profile([0] * 599 + [1]), even) == ()


def test_a_class_that_comes_on_some_days_alone_takes_more_outcomes() -> None:
    spec = specification()
    by_days = [profile([0] * 100) for _ in range(29)] + [profile([1] * 60 + [0] * 40)]
    assert vanished_classes(spec, profile([0] * 600), by_days) == ()
    assert vanished_classes(spec, profile([0] * 600), []) == ()


def test_the_first_outcomes_of_the_other_class_are_enough_for_a_figure(services: Services) -> None:
    send(services, "ewr", 0, 16, outcomes=False)
    rows = traffic("ewr", 0, 16)
    names = [f"ewr-v1-0.{i // 100 + 1}.{i % 100}" for i in range(len(rows))]
    few = set(range(0, len(rows), 400))
    ingest.ingest_outcomes(services, [Outcome(name, "0") for i, name in enumerate(names) if i not in few])
    monitoring_round.evaluate_windows(services)
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    assert view.performance == ()
    ingest.ingest_outcomes(services, [Outcome(names[i], "1") for i in sorted(few)])
    later = services.now() + timedelta(hours=2)
    services.now = lambda: later
    monitoring_round.evaluate_windows(services)
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    assert len(view.performance) == len(view.revised) > 0
    assert view.undefined == ()
