"""The monitor's round on real flights: windows by the event clock, alerts that say why, retraining, restarts."""

import gc
import shutil
import signal
import subprocess
import sys
import textwrap
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.jobs.triggers import Hindrance
from pilothouse.domain.monitoring.findings import DriftFinding, TrafficFinding
from pilothouse.domain.records import Alert, AlertStatus
from pilothouse.operations import automation_switch
from pilothouse.operations.alerts import alerts
from pilothouse.operations.alerts.retraining_notes import retrainings
from pilothouse.operations.automation import monitoring_round, triggers
from pilothouse.operations.ingest import ingest
from pilothouse.operations.jobs import jobs
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, workspaces
from pilothouse.store.deployed import processes
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from pilothouse.telemetry.windows.readings import DRIFT, PERFORMANCE, TRAFFIC
from support.flight_batches import batch_of
from support.monitored_flights import (
    MODEL,
    admin,
    calibrate_ahead,
    deploy,
    make_watched,
    on_day,
    register,
    send,
    traffic,
    write_model,
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace without traffic, to be copied."""
    root = tmp_path_factory.mktemp("watched")
    services = make_watched(root)
    calibrate_ahead(services)
    services.close()
    return root


def closed(services: Services, monitor: str, version: int = 1, target: str = "ewr") -> list[readings.Reading]:
    with services.telemetry.read() as connection:
        stream = find_stream(connection, "flight-delay", version, target)
        return readings.history(connection, stream.id, monitor) if stream else []


def found(services: Services, kind: str) -> list[Alert]:
    return [alert for alert in alerts.list_alerts(services, admin(services)) if alert.kind == kind]


def test_drift_windows_close_when_the_clock_has_passed_their_end(services: Services) -> None:
    send(services, "ewr", 0, 7)
    monitoring_round.evaluate_windows(services)
    assert closed(services, DRIFT) == []
    send(services, "ewr", 7, 1)
    assert not monitoring_round.is_caught_up(services)
    monitoring_round.evaluate_windows(services)
    (reading,) = closed(services, DRIFT)
    assert (reading.start_us, reading.end_us) == (to_us(on_day(0)), to_us(on_day(7)))
    assert reading.rows == len(traffic("ewr", 0, 7))
    assert monitoring_round.is_caught_up(services)
    assert monitoring_round.evaluate_windows(services).readings == 0


def test_performance_waits_for_outcomes(services: Services) -> None:
    rows = traffic("ewr", 0, 9)
    for number, day in enumerate(range(9)):
        part = rows[rows["at_us"] // DAY_US == to_us(on_day(day)) // DAY_US]
        ingest.ingest_batch(services, batch_of(part, number + 1))
    monitoring_round.evaluate_windows(services)
    assert closed(services, PERFORMANCE) == []
    late = traffic("ewr", 9, 1)
    ingest.ingest_batch(services, batch_of(late, 100))
    monitoring_round.evaluate_windows(services)
    (reading,) = closed(
        services, PERFORMANCE
    )  # a day later than its outcomes were due: closed with what there is
    assert (reading.rows, reading.judged) == (0, False)


def test_a_drifting_target_gets_one_alert_that_names_the_features_and_says_why(services: Services) -> None:
    send(services, "ewr", 0, 22, change={"wind_speed": 60.0, "carrier": "ZZ"})
    monitoring_round.evaluate_windows(services)
    (drift,) = found(services, "data_drift")
    assert drift.target == "ewr"
    assert "carrier" in drift.summary
    assert "wind_speed" in drift.explanation
    assert drift.figures["drifted"] >= 2
    assert drift.effective_at == on_day(7)  # so far out that one window is enough
    assert "significant in the only window judged so far" in drift.explanation
    assert "certain by itself" in drift.explanation
    (quality,) = found(services, "data_quality")
    assert "carrier unseen" in quality.summary


def test_stationary_features_are_judged_over_the_last_three_windows_together(services: Services) -> None:
    send(services, "ewr", 0, 29)
    monitoring_round.evaluate_windows(services)
    windows = [
        {name for f in readings.findings_of(r, DriftFinding) for name in f.statistics}
        for r in sorted(closed(services, DRIFT), key=lambda r: r.end_us)
    ]
    assert ["lasting_ks" in names for names in windows] == [False, False, True, True]
    assert ["recent_ks" in names for names in windows] == [False, False, False, True]


def test_ignored_features_are_measured_and_never_alert(services: Services) -> None:
    write_model(services.paths.root, MODEL.replace('ignore = ["hour"]', 'ignore = ["hour", "wind_speed"]'))
    apply_models.apply(services, admin(services))
    send(services, "jfk", 0, 15, change={"wind_speed": 60.0})
    monitoring_round.evaluate_windows(services)
    assert all("wind_speed" not in alert.explanation for alert in found(services, "data_drift"))
    figures = [
        f for r in closed(services, DRIFT, target="jfk") for f in readings.findings_of(r, DriftFinding)
    ]
    assert {f.significant for f in figures if f.feature == "wind_speed"} == {False}


def test_lost_performance_opens_one_critical_alert_and_starts_one_training_for_all_targets(
    services: Services,
) -> None:
    for target in ("ewr", "jfk"):
        send(services, target, 0, 23, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    opened = found(services, "performance")
    assert {alert.target for alert in opened} == {"ewr", "jfk"}
    assert {alert.severity for alert in opened} == {"critical"}
    assert all(alert.figures["value"] < alert.figures["reference"] for alert in opened)
    (job,) = [j for j in jobs.list_jobs(services, admin(services)) if j.created_by == "daemon"]
    assert {alert.retrain_job for alert in opened} == {job.id}
    notes = retrainings(services, admin(services), "flight-delay")
    assert {note.job for note in notes if note.window_end_us == to_us(on_day(7))} == {job.id}
    assert job.options["as_of"] == services.event_clock("ewr").isoformat() or (
        job.options["as_of"] == services.event_clock("jfk").isoformat()
    )
    refused = [note for note in notes if note.job is None]
    assert all("has not ended yet" in note.reason for note in refused)
    events, total = triggers.list_events(services, admin(services), model="flight-delay")
    assert total == len(events) == len(notes)
    assert {event.trigger for event in events} == {"alerts"}
    assert {event.job for event in events if event.status == "started"} == {job.id}
    assert {event.reason for event in events if event.job is None} == {note.reason for note in refused}
    newest, total = triggers.list_events(services, admin(services), limit=1)
    assert (newest, total) == (events[:1], len(notes))


def test_a_retraining_knows_the_day_of_the_change_and_waits_until_it_can_be_learnt(
    services: Services,
) -> None:
    short = MODEL.replace('performance_window = "14d"', 'performance_window = "4d"')
    write_model(services.paths.root, short.replace('performance_step = "7d"', 'performance_step = "4d"'))
    apply_models.apply(services, admin(services))
    send(services, "ewr", 0, 16)
    send(services, "ewr", 16, 6, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    assert found(services, "performance")
    notes = retrainings(services, admin(services), "flight-delay")
    assert {note.hindrance for note in notes} == {Hindrance.TOO_SOON}
    assert f"since the change of {on_day(16):%Y-%m-%d} are known for fewer than 6 days" in notes[0].reason
    send(services, "ewr", 22, 8, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    (job,) = [j for j in jobs.list_jobs(services, admin(services)) if j.created_by == "daemon"]
    assert datetime.fromisoformat(job.options["changed_at"]) == on_day(16)


def test_days_since_a_change_are_counted_as_a_training_splits_them(services: Services) -> None:
    """The newest outcome is of shortly before midnight of the sixth day: six days are known, not 5.96."""
    short = MODEL.replace('performance_window = "14d"', 'performance_window = "3d"')
    write_model(services.paths.root, short.replace('performance_step = "7d"', 'performance_step = "3d"'))
    apply_models.apply(services, admin(services))
    send(services, "ewr", 0, 21)
    send(services, "ewr", 21, 7, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    (job,) = [j for j in jobs.list_jobs(services, admin(services)) if j.created_by == "daemon"]
    assert datetime.fromisoformat(job.options["changed_at"]) == on_day(21)
    known_until = datetime.fromisoformat(job.options["as_of"]) - timedelta(days=1)
    assert timedelta(days=5) < known_until - on_day(21) < timedelta(days=6)


def test_paused_automation_starts_nothing_and_says_so_until_it_is_resumed(services: Services) -> None:
    olga = workspaces.identify(services, "olga")
    automation_switch.pause(services, olga, "audit week")
    send(services, "ewr", 0, 16, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    notes = retrainings(services, admin(services), "flight-delay")
    assert {(note.job, note.reason) for note in notes} == {(None, "automation is paused: audit week")}
    automation_switch.resume(services, olga)
    monitoring_round.evaluate_windows(services)
    notes = retrainings(services, admin(services), "flight-delay")
    assert len([note for note in notes if note.job is not None]) == 1


@pytest.mark.parametrize(("seconds_ago", "is_over"), [(86_399, True), (86_400, False)])
def test_an_alert_starts_no_training_beyond_the_days_budget(
    services: Services, seconds_ago: int, is_over: bool
) -> None:
    now = services.now()
    services.now = lambda: now
    write_model(services.paths.root, MODEL + "budget_per_day = 1\n")
    apply_models.apply(services, admin(services))
    with services.registry.transaction() as connection:
        connection.execute(
            "INSERT INTO jobs (kind, model_id, spec_id, status, created_by, reason, trigger_key, created_at, ended_at) "
            "SELECT 'train', model_id, spec_id, 'failed', 'daemon', 'new data', 'trigger:1', ?, 1 FROM jobs LIMIT 1",
            (to_us(now) - seconds_ago * 1_000_000,),
        )
    send(services, "ewr", 0, 16, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    notes = retrainings(services, admin(services), "flight-delay")
    assert notes
    reasons = {note.reason for note in notes if note.job is None}
    assert ("the budget of 1 trainings in 24 hours is used up" in reasons) == is_over
    assert any(note.job is not None for note in notes) != is_over


def test_a_new_version_resolves_the_alerts_of_the_old_one_and_gets_windows_of_its_own(
    services: Services,
) -> None:
    send(services, "ewr", 0, 16, wrong_outcomes=True)
    monitoring_round.evaluate_windows(services)
    second = register(services)
    deploy(services, second, on_day(16))
    send(services, "ewr", 16, 8, version=second)
    monitoring_round.evaluate_windows(services)
    (old,) = found(services, "performance")
    assert old.status is AlertStatus.RESOLVED
    assert closed(services, DRIFT, second)[0].start_us == to_us(on_day(16))
    last_of_first = closed(services, DRIFT)[-1]
    assert last_of_first.end_us == to_us(on_day(21))  # closed with what it had
    assert last_of_first.rows == len(traffic("ewr", 14, 2))
    send(services, "ewr", 24, 20, version=second)
    monitoring_round.evaluate_windows(services)
    assert closed(services, DRIFT)[-1] == last_of_first  # nothing more comes of a version that is gone


def test_an_alert_resolves_after_quiet_windows(services: Services) -> None:
    send(services, "jfk", 0, 15, change={"wind_speed": 60.0})
    monitoring_round.evaluate_windows(services)
    (alert,) = found(services, "data_drift")
    assert alert.status is AlertStatus.OPEN
    features = ["hour", "distance", "dest", "carrier", "temp", "dewp", "humid", "seats", "plane_year"]
    quiet = MODEL.replace('ignore = ["hour"]', f"ignore = {features}".replace("'", '"'))
    write_model(services.paths.root, quiet)
    apply_models.apply(services, admin(services))
    send(services, "jfk", 15, 22)
    monitoring_round.evaluate_windows(services)
    (alert,) = found(services, "data_drift")
    assert alert.status is AlertStatus.RESOLVED
    assert alert.handled_by == "daemon"


def test_latency_is_judged_against_the_baseline_of_the_machine(services: Services) -> None:
    with services.registry.transaction() as connection:
        report = ServingReport("ewr", 1, 1, {"flight-delay": 1}, {}, 0, {"flight-delay": 2_000})
        processes.put_report(connection, report, at=services.now())
    rows = traffic("ewr", 0, 5)
    for number in range(0, len(rows), 8):
        ingest.ingest_batch(services, batch_of(rows.iloc[number : number + 8], number, latency_us=9_000))
    monitoring_round.evaluate_windows(services)
    (alert,) = found(services, "latency")
    assert alert.subject == "p95"
    assert alert.figures["factor"] == pytest.approx(4.5, rel=0.02)
    assert [r.significant for r in closed(services, TRAFFIC)] == [True] * 4


def test_a_slow_machine_is_no_fault_of_the_model_but_a_ground_of_its_state(services: Services) -> None:
    with services.registry.transaction() as connection:
        report = ServingReport("ewr", 1, 1, {"flight-delay": 1}, {}, 0, {"flight-delay": 2_000})
        processes.put_report(connection, report, at=services.now())
    rows = traffic("ewr", 0, 5)
    for number in range(0, len(rows), 8):
        part = rows.iloc[number : number + 8]
        # the calls took 8 ms, of which the processor computed what took 1.6 ms when the version was loaded
        ingest.ingest_batch(services, batch_of(part, number, latency_us=9_000, calls=(8_000, 1_600)))
    monitoring_round.evaluate_windows(services)
    assert found(services, "latency") == []
    assert [r.significant for r in closed(services, TRAFFIC)] == [False] * 4
    finding = readings.finding_of(closed(services, TRAFFIC)[-1], TrafficFinding)
    assert (finding.machine_slow, finding.slowdown) == (True, 5.0)
    with services.registry.read() as connection:
        (state,) = connection.execute(
            "SELECT grounds FROM deployment_states WHERE target_id = (SELECT id FROM targets WHERE name = 'ewr')"
        ).fetchone()
    assert "the machine is slow, not the model: p95 9" in state
    assert "5.0 times" in state


def test_damage_in_one_stream_stops_no_other(services: Services) -> None:
    second = register(services)
    send(services, "ewr", 0, 8)
    send(services, "jfk", 0, 8, version=second)
    deploy(services, second, on_day(0), ("jfk",))
    with services.telemetry.transaction() as connection:
        stream = find_stream(connection, "flight-delay", 1, "ewr")
        connection.execute("UPDATE windows SET profile = x'00' WHERE stream_id=?", (stream.id,))
    with pytest.raises(IntegrityError, match="stored statistics"):
        monitoring_round.evaluate_windows(services)
    assert len(closed(services, DRIFT, second, "jfk")) == 1
    gc.collect()  # the error's traceback holds a cursor, and SQLite keeps a file open for it


CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    from pilothouse.composition import open_workspace
    from pilothouse.operations.automation import monitoring_round, triggers
    services = open_workspace(Path(sys.argv[1]))
    print("ready", flush=True)
    while not monitoring_round.is_caught_up(services):
        monitoring_round.evaluate_windows(services)
    print("done", flush=True)
""")


def run_child(root: Path) -> "subprocess.Popen[str]":
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(root)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == "ready"
    return child


def everything(root: Path) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], int]:
    services = open_workspace(root)
    with services.telemetry.read() as connection:
        kept = list(
            connection.execute(
                "SELECT stream_id, monitor, window_start, window_end, rows, judged, significant, applied, data FROM readings "
                "ORDER BY stream_id, monitor, window_end"
            )
        )
    listed = alerts.list_alerts(services, admin(services))
    told = sorted((a.target, a.kind, a.effective_at, a.summary, str(a.status)) for a in listed)
    trainings = len([j for j in jobs.list_jobs(services, admin(services)) if j.created_by == "daemon"])
    services.close()
    return kept, told, trainings


def test_a_monitor_that_is_killed_again_and_again_finds_each_window_exactly_once(
    services: Services, tmp_path: Path
) -> None:
    send(services, "ewr", 0, 36, wrong_outcomes=True, change={"wind_speed": 60.0})
    services.close()
    undisturbed, killed = tmp_path / "undisturbed", services.paths.root
    shutil.copytree(killed, undisturbed)
    assert run_child(undisturbed).wait(60) == 0
    for count in (1, 6, 15):
        child = run_child(killed)
        wait_for_readings(killed, count, child)
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert run_child(killed).wait(60) == 0
    assert everything(killed) == everything(undisturbed)


def wait_for_readings(root: Path, count: int, child: "subprocess.Popen[str]") -> None:
    from pilothouse.telemetry import TelemetryStore
    from support import wait_until

    store = TelemetryStore(root / "state" / "telemetry.db")

    def there() -> bool:
        with store.read() as connection:
            written = connection.execute("SELECT count(*) FROM readings").fetchone()[0]
        return written >= count or child.poll() is not None

    wait_until(there, timeout=30, interval=0.001)
    store.close()
