"""Multivariate drift: queued for the newest window, its answer kept as a reading, alerts drawn from it as from any other."""

from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import ConflictError, IntegrityError, InvalidInputError, NotFoundError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.jobs.jobs import JobStatus, StepResult
from pilothouse.domain.monitoring.findings import GiveAway
from pilothouse.domain.records import Alert
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.alerts import alert_explanation, alerts
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.jobs import exports, jobs
from pilothouse.operations.monitoring import monitor_views, multivariate
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from pilothouse.telemetry.intake.streams import find_stream
from support.monitored_flights import (
    MODEL,
    admin,
    calibrate_ahead,
    make_watched,
    on_day,
    send,
    traffic,
    write_model,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("multivariate")
    services = make_watched(root)
    calibrate_ahead(services)
    send(services, "ewr", 0, 22)
    monitoring_round.evaluate_windows(services)
    services.close()
    return root


def separation(auc: float = 0.82, *, significant: bool = True, **other: object) -> dict[str, object]:
    features = [
        {"feature": "wind_speed", "drop": 0.21, "alone": 0.52},
        {"feature": "temp", "drop": 0.2, "alone": 0.51},
        {"feature": "hour", "drop": 0.001, "alone": 0.5},
    ]
    return {
        "auc": auc, "low": auc - 0.03, "high": auc + 0.03, "usual": 0.55, "threshold": 0.68, "p_value": 0.0004,
        "significant": significant, "features": features, "window_rows": 2_000, "reference_rows": 4_000,
        "null_windows": 12, **other,
    }  # fmt: skip


def run(services: Services, week: int, answer: dict[str, object]) -> None:
    """Queue the window of a week and commit an answer, as the daemon does."""
    window = (on_day(7 * week), on_day(7 * week + 7))
    multivariate.start(services, admin(services), "flight-delay", "ewr", window=window)
    claim = jobs.claim_job(services, "daemon-1", 60)
    assert claim is not None
    step = StepResult(True, record={"separation": answer, "reference": "target"})
    multivariate.record(services, claim, JobOutcome(JobStatus.SUCCEEDED, "", {"domain_classifier": step}))
    monitoring_round.evaluate_windows(services)


def joint(services: Services) -> list[Alert]:
    return [a for a in alerts.list_alerts(services, admin(services)) if a.subject == "multivariate"]


def test_two_windows_of_three_open_an_alert_that_names_what_gives_it_away(services: Services) -> None:
    run(services, 0, separation())
    assert joint(services) == []
    run(services, 1, separation(0.85))
    (alert,) = joint(services)
    assert (alert.kind, alert.features) == ("data_drift", ("wind_speed", "temp"))
    assert "AUROC 0.85 (threshold 0.68)" in alert.summary
    assert "None of them shows it alone" in alert.explanation
    told = alert_explanation.explain_alert(services, admin(services), alert.id)
    assert [w.value for w in told.windows] == [0.82, 0.85]
    assert told.telling[0] == GiveAway(feature="wind_speed", drop=0.21, alone=0.52)
    view = monitor_views.monitor_view(services, admin(services), "flight-delay", "ewr")
    assert [(m.finding.auc, m.finding.significant) for m in view.multivariate] == [(0.82, True), (0.85, True)]


def test_quiet_windows_open_nothing_and_single_columns_are_judged_apart(services: Services) -> None:
    before = {a.id for a in alerts.list_alerts(services, admin(services), unresolved=True)}
    for week in range(3):
        run(services, week, separation(0.6, significant=False))
    assert joint(services) == []
    assert {a.id for a in alerts.list_alerts(services, admin(services), unresolved=True)} == before


def test_a_reference_too_short_gives_a_figure_and_no_verdict(services: Services) -> None:
    for week in range(2):
        run(services, week, separation(0.95, usual=None, threshold=None, p_value=None))
    assert joint(services) == []
    (job, _) = jobs.list_jobs(services, admin(services), limit=2)
    assert job.result["significant"] is False


def test_a_window_of_few_rows_says_what_it_lacks(services: Services) -> None:
    write_model(services.paths.root, MODEL.replace("[monitoring]", "[monitoring]\nminimum_rows = 1000000"))
    apply_models.apply(services, admin(services))
    run(services, 0, separation(0.95))
    (job,) = jobs.list_jobs(services, admin(services), limit=1)
    assert job.result["significant"] is False
    assert " of 1,000,000 rows in 7 d; minimum_rows = " in job.result["lack"]


def test_the_newest_closed_window_is_taken_and_only_once(services: Services) -> None:
    job = multivariate.start(services, admin(services), "flight-delay", "ewr")
    assert (job.kind, job.options["end"]) == ("domain_classifier", on_day(21).isoformat())
    run_key = "schedule:1:2013-04-22"
    told = multivariate.start_scheduled(services, "flight-delay", run_key)
    assert "on ewr" in told
    assert "jfk: models:/flight-delay/1 has sent nothing on jfk yet" in told
    assert multivariate.start_scheduled(services, "flight-delay", run_key).split(";")[0] == told.split(";")[0]
    run_jobs = [j for j in jobs.list_jobs(services, admin(services)) if j.kind == "domain_classifier"]
    assert len(run_jobs) == 2


def test_a_window_that_has_its_figure_is_not_run_again(services: Services) -> None:
    run(services, 1, separation())
    with pytest.raises(ConflictError, match="has its figure already"):
        multivariate.start(services, admin(services), "flight-delay", "ewr", window=(on_day(7), on_day(14)))


@pytest.mark.parametrize(
    ("target", "window", "error"),
    [
        ("lga", None, NotFoundError),
        ("jfk", None, NotFoundError),
        ("ewr", (on_day(7), on_day(7)), InvalidInputError),
        ("ewr", (datetime(2013, 4, 1), datetime(2013, 4, 2)), InvalidInputError),  # noqa: DTZ001 - that is the fault
    ],
)
def test_what_cannot_be_compared_is_said(
    services: Services, target: str, window, error: type[Exception]
) -> None:
    with pytest.raises(error):
        multivariate.start(services, admin(services), "flight-delay", target, window=window)


@pytest.mark.parametrize(
    "answer", [{}, separation(auc=float("nan")), separation(features="all"), separation(window_rows="many")]
)
def test_an_answer_that_is_not_valid_is_refused(services: Services, answer: dict[str, object]) -> None:
    with pytest.raises(IntegrityError, match="separation"):
        run(services, 0, answer)


def test_the_rows_handed_over_are_the_windows_and_bounded(services: Services, tmp_path: Path) -> None:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
    assert stream is not None
    bounds = to_us(on_day(7)), to_us(on_day(14))
    (tmp_path / "whole").write_bytes(exports.window_rows(services, stream, *bounds, 20_000))
    table = pq.read_table(tmp_path / "whole")
    assert table.num_rows == len(traffic("ewr", 7, 7))
    assert "truth" not in table.column_names
    times = table.column("event_time").to_pylist()
    assert times == sorted(times)
    assert on_day(7) <= times[0]
    assert times[-1] < on_day(14)
    (tmp_path / "some").write_bytes(exports.window_rows(services, stream, *bounds, 500))
    assert 400 <= pq.read_table(tmp_path / "some").num_rows <= 700
    with pytest.raises(NotFoundError, match="has no rows"):
        exports.window_rows(services, stream, to_us(on_day(90)), to_us(on_day(97)), 500)
