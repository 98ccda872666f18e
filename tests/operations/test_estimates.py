"""Performance without outcomes and what changed, on real flights: an estimate at once, the measured figure beside it later."""

from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.monitoring.change_diagnosis import Change
from pilothouse.domain.monitoring.findings import ClosedWindow, EstimateFinding, PerformanceFinding
from pilothouse.operations.alerts import alerts, change_evidence, incidents
from pilothouse.operations.alerts.explaining_windows import Firing
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.ingest import ingest
from pilothouse.operations.model_files import spec_in_force
from pilothouse.operations.monitoring import monitor_backfills, monitor_views, window_closing
from pilothouse.operations.monitoring.baselines import estimator_of
from pilothouse.operations.services import Services
from pilothouse.presentation.texts import estimate_note
from pilothouse.telemetry.intake.streams import find_stream, get_stream
from pilothouse.telemetry.windows import readings, revisions
from pilothouse.telemetry.windows.readings import ESTIMATE, PERFORMANCE, finding_of
from support.flight_batches import CATEGORICAL, NUMERIC, batches
from support.monitored_flights import MODEL, admin, calibrate_ahead, make_watched, on_day, send, traffic


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without traffic, to be copied. Of its features humidity alone is judged, for real ones move by themselves."""
    root = tmp_path_factory.mktemp("estimated")
    others = [name for name in (*NUMERIC, *CATEGORICAL) if name != "humid"]
    services = make_watched(root, MODEL.replace('ignore = ["hour"]', f"ignore = {others}"))
    calibrate_ahead(services)
    services.close()
    return root


def found(services: Services, kind: str):
    return [alert for alert in alerts.list_alerts(services, admin(services)) if alert.kind == kind]


def send_without_outcomes(services: Services, target: str, days: int) -> None:
    for batch in batches(traffic(target, 0, days), 100, producer=f"{target}-quiet", target=target):
        ingest.ingest_batch(services, batch)
    monitoring_round.evaluate_windows(services)


def test_an_estimate_is_there_as_soon_as_the_window_is_over_and_outcomes_are_not(services):
    send_without_outcomes(services, "ewr", 8)
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        (reading,) = readings.history(connection, stream.id, ESTIMATE)
        assert readings.history(connection, stream.id, PERFORMANCE) == []
    figure = finding_of(reading, EstimateFinding)
    assert (reading.judged, reading.significant, reading.rows) == (True, False, len(traffic("ewr", 0, 7)))
    assert figure.metric == "auc"
    assert 0.5 < figure.low < figure.value < figure.high < 1
    assert figure.reference == pytest.approx(0.66, abs=0.1)


def test_the_estimate_lies_beside_the_realised_figure_of_the_same_window(services):
    send(services, "ewr", 0, 30)
    monitoring_round.evaluate_windows(services)
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    measured = {(p.window.start, p.window.end): p for p in view.performance}
    beside = [
        (e, measured[e.window.start, e.window.end])
        for e in view.estimated
        if (e.window.start, e.window.end) in measured
    ]
    assert len(beside) == len(measured) >= 3
    assert {e.window.rows for e, _ in beside} == {p.window.rows for _, p in beside}
    assert (
        sum(e.low <= p.value <= e.high for e, p in ((e.finding, p.finding) for e, p in beside))
        >= len(beside) - 1
    )


def test_what_is_kept_is_what_was_learnt(services):
    _, learnt, _ = estimator_of(services, "flight-delay", 1, "jfk")
    _, kept, _ = estimator_of(services, "flight-delay", 1, "jfk")
    assert (learnt.by_score.calibrated.probabilities == kept.by_score.calibrated.probabilities).all()
    assert abs(learnt.by_score.draws - kept.by_score.draws).max() < 1 / 4096


def test_outcomes_turned_round_have_moved(services):
    send(services, "ewr", 0, 23, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    (alert,) = found(services, "performance")
    assert "What changed: outcomes moved." in alert.explanation
    assert (
        change_evidence.diagnose_alert(services, alert, Firing(alert.effective_at)).change is Change.OUTCOMES
    )


def test_a_drifting_column_the_score_does_not_see_is_inputs_moved(services):
    send(services, "ewr", 0, 23, change={"humid": 400.0})
    monitoring_round.evaluate_windows(services)
    (alert,) = found(services, "data_drift")
    assert "What changed: inputs moved" in alert.explanation
    assert "humid" in alert.explanation
    diagnosis = change_evidence.diagnose_alert(services, alert, Firing(alert.effective_at))
    assert diagnosis.change is Change.INPUTS
    assert "within what the inputs explain" in diagnosis.evidence
    assert (
        "cannot be told: the band is wider than the smallest change that counts (0.01)" in diagnosis.evidence
    )


def test_missing_values_are_only_quality(services):
    send(services, "ewr", 0, 23, change={"humid": float("nan")})
    monitoring_round.evaluate_windows(services)
    (alert,) = found(services, "data_quality")
    diagnosis = change_evidence.diagnose_alert(services, alert, Firing(alert.effective_at))
    assert diagnosis.change is Change.QUALITY
    assert "humid missing" in diagnosis.evidence


def test_before_outcomes_have_come_a_drift_alert_says_so(services):
    for batch in batches(
        traffic("ewr", 0, 16).assign(humid=400.0), 100, producer="ewr-drifting", target="ewr"
    ):
        ingest.ingest_batch(services, batch)
    monitoring_round.evaluate_windows(services)
    (alert,) = found(services, "data_drift")
    assert alert.effective_at == on_day(7)  # a drift that is certain needs no second window
    assert "No outcome has come for this window yet" in alert.explanation
    assert "the estimate of auc cannot tell (its band reaches from" in alert.explanation


@pytest.mark.parametrize(("band", "costs"), [((0.45, 0.55), True), ((0.0002, 1.0), False)])
def test_a_band_that_excludes_nothing_is_no_cost_of_an_incident(services, band, costs):
    send(services, "ewr", 0, 16, change={"humid": 400.0}, outcomes=False)
    monitoring_round.evaluate_windows(services)
    low, high = band
    with services.telemetry.transaction() as connection:
        connection.execute(
            "UPDATE readings SET data=json_set(data, '$.value', 0.5, '$.low', ?, '$.high', ?) WHERE monitor='estimate'",
            (low, high),
        )
    (incident,) = incidents.list_incidents(services, admin(services))
    assert ("(estimated)" in incident.cost.words) is costs


def stored(services: Services, kind: type, monitor: str):
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        return [(r, finding_of(r, kind)) for r in readings.history(connection, stream.id, monitor)]


def back_fill(services: Services) -> dict[str, dict[str, int]]:
    """Outcomes of a back-fill of everything, by monitor."""
    results = monitor_backfills.backfill_monitoring(
        services, admin(services), "flight-delay", on_day(0), on_day(100), target="ewr", reason="a test"
    )
    return {result.monitor: result.outcomes for result in results}


def test_estimates_learn_from_the_outcomes_of_windows_before(services):
    send(services, "ewr", 0, 58)
    monitoring_round.evaluate_windows(services)
    found = stored(services, EstimateFinding, ESTIMATE)
    assert len(found) >= 7
    ends = [reading.end_us for reading, _ in found]
    for reading, finding in found:
        # an outcome comes within a day
        assert finding.record == sum(end + DAY_US <= reading.end_us for end in ends)
        assert sum(finding.weights.values()) == pytest.approx(1)
        assert finding.inputs.low < finding.inputs.value < finding.inputs.high
    assert found[-1][1].value != found[-1][1].inputs.value
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    note = estimate_note(view.estimated[-1].finding)
    assert f"weighted by how each did in {found[-1][1].record} earlier windows: " in note


def test_a_back_fill_learns_from_what_was_known_then(services):
    """An outcome that came later changes no estimate of before, and every one after."""
    send(services, "ewr", 0, 44)
    monitoring_round.evaluate_windows(services)
    before = stored(services, EstimateFinding, ESTIMATE)
    assert set(back_fill(services)[ESTIMATE]) == {"same"}
    reading, finding = stored(services, PerformanceFinding, PERFORMANCE)[-2]
    other = replace(finding, value=0.5, low=0.45, high=0.55)
    with services.telemetry.transaction() as connection:
        closed = ClosedWindow(window=reading.window, findings=(other,))
        later_us = to_us(services.now()) + 1
        assert revisions.replace(connection, reading.stream_id, PERFORMANCE, closed, later_us) == "changed"
        stream = get_stream(connection, reading.stream_id)
        then = revisions.history_as_of(
            connection, stream.id, PERFORMANCE, until_us=reading.end_us, wall_us=later_us - 1, limit=10
        )
    assert finding_of(then[-1], PerformanceFinding) == finding
    with services.registry.read() as registry:
        spec = spec_in_force(registry, "flight-delay")
    for estimated, expected in before:
        closed = window_closing.recomputed_windows(services, stream, spec, ESTIMATE, estimated.span)
        assert closed[ESTIMATE].findings == (expected,)
    send(services, "ewr", 44, 8)
    monitoring_round.evaluate_windows(services)
    newest = stored(services, EstimateFinding, ESTIMATE)[-1][1]
    assert newest.record == before[-1][1].record + 1
