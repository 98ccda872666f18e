"""Alerts open once for a finding; schedules fire once for a nominal time; tokens speak for their target."""

import threading
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import pytest

from fixtures.registries import START, Example
from pilothouse.domain.errors import (
    ConflictError,
    InvalidInputError,
    ModelFileError,
    NotFoundError,
    UnavailableError,
)
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.domain.records import Alert, AlertStatus, Schedule
from pilothouse.operations import automation_switch
from pilothouse.operations.alerts import alerts
from pilothouse.operations.automation import schedules
from pilothouse.operations.automation.schedule_times import check_rule, due_times, nominal_times
from pilothouse.operations.fleet import targets
from pilothouse.operations.jobs import trainings
from pilothouse.operations.workspace import apply_models, audits
from pilothouse.store.deployed.alerts import NewAlert
from pilothouse.store.work.schedules import Fire, Rule
from support.job_workspace import MODEL, SCIENTIST, actor, make_workspace, write_model


def drift(example: Example, at: datetime = START, **other: object) -> tuple[Alert, bool]:
    finding = {
        "model": "delay",
        "version": 1,
        "target": "ewr",
        "kind": "data_drift",
        "subject": "wind",
        "severity": "warning",
        "effective_at": at,
        "summary": "wind drifts",
        "explanation": "psi 0.4 over 0.2",
        "figures": {"psi": 0.4},
        **other,
    }
    return alerts.open_alert(example.services, NewAlert(**finding))  # type: ignore[arg-type]


def test_a_finding_opens_one_alert_however_often_it_is_judged(example: Example) -> None:
    example.add_version()
    first, new = drift(example)
    again, newer = drift(example, START + timedelta(days=7))

    assert (new, newer, again.id, first.status) == (True, False, first.id, AlertStatus.OPEN)
    assert drift(example, subject="load")[1]
    assert drift(example, target="jfk")[1]


def test_a_resolved_finding_can_come_back_in_a_later_window_only(example: Example) -> None:
    example.add_version()
    first, _ = drift(example)
    alerts.resolve_alert_automatically(example.services, first.id, "quiet for 3 windows")

    assert not drift(example)[1]
    assert drift(example, START + timedelta(days=7))[1]


def test_an_alert_is_acknowledged_and_resolved_by_name(example: Example) -> None:
    example.add_version()
    alert, _ = drift(example)
    operator = example.actor("oscar")

    seen = alerts.acknowledge(example.services, operator, alert.id, "on it")
    assert (seen.status, seen.handled_by) == (AlertStatus.ACKNOWLEDGED, "oscar")
    with pytest.raises(ConflictError, match="acknowledged already, by oscar"):
        alerts.acknowledge(example.services, operator, alert.id)
    done = alerts.resolve(example.services, operator, alert.id, "sensor replaced")
    assert (done.status, done.resolved_at) == (AlertStatus.RESOLVED, example.time)
    with pytest.raises(ConflictError, match="resolved already"):
        alerts.resolve(example.services, operator, alert.id, "again")
    assert alerts.list_alerts(example.services, operator, unresolved=True) == []
    assert [a.id for a in alerts.list_alerts(example.services, operator, model="delay")] == [alert.id]


def test_an_alert_about_nothing_is_refused(example: Example) -> None:
    with pytest.raises(NotFoundError, match="models:/delay/1"):
        drift(example)
    with pytest.raises(NotFoundError, match="no alert 5"):
        alerts.get_alert(example.services, example.actor("vera"), 5)


def with_schedule(example: Example, **rule: object) -> Schedule:
    example.apply(automation={"schedule": [{"name": "nightly", "action": "monitor", **rule}]})
    return schedules.list_schedules(example.services, example.actor("vera"))[0]


def fire_all(example: Example) -> list[str]:
    outcomes = [
        schedules.fire(example.services, item, lambda schedule: f"did {schedule.action}")
        for item in schedules.due(example.services)
    ]
    return [outcome for outcome in outcomes if outcome is not None]


def test_a_schedule_shows_its_next_times_and_fires_each_once(example: Example) -> None:
    made = with_schedule(example, cron="0 3 * * *", timezone="Europe/Berlin")
    assert made.next_times[0] == datetime(2026, 5, 4, 1, tzinfo=UTC)
    assert schedules.due(example.services) == []
    example.pass_time(days=1)

    due = schedules.due(example.services)
    assert [item.nominal for item in due] == [made.next_times[0]]
    assert fire_all(example) == ["did monitor"]
    assert fire_all(example) == []
    assert schedules.fire(example.services, due[0], lambda _: "twice") is None
    after = schedules.list_schedules(example.services, example.actor("vera"))[0]
    assert (after.last_nominal, after.last_outcome) == (due[0].nominal, "did monitor")


def test_times_that_passed_while_nobody_watched_are_one_run(example: Example) -> None:
    with_schedule(example, every="1h")
    example.pass_time(hours=5, minutes=10)

    assert fire_all(example) == ["did monitor"]
    assert fire_all(example) == []
    fires = fires_of(example)
    assert [fire.decision for fire in fires] == ["run", *["merged"] * 4]
    assert {fire.merged_into for fire in fires[1:]} == {fires[0].nominal}


def fires_of(example: Example) -> tuple[Fire, ...]:
    """Newest first."""
    (made,) = schedules.list_schedules(example.services, example.actor("vera"))
    return schedules.history(example.services, example.actor("vera"), made.id, limit=10_000).fires


def test_a_failed_action_is_the_outcome(example: Example) -> None:
    with_schedule(example, every="1h")
    example.pass_time(hours=1)

    def act(_: Schedule) -> str:
        raise UnavailableError("the disk is full")

    (item,) = schedules.due(example.services)
    assert schedules.fire(example.services, item, act) == "failed: the disk is full"
    assert schedules.due(example.services) == []


def test_others_write_while_an_action_takes_its_time(example: Example) -> None:
    with_schedule(example, every="1h")
    example.pass_time(hours=1)

    def act(_: Schedule) -> str:
        writer = threading.Thread(
            target=automation_switch.pause, args=(example.services, example.actor("oscar"), "meanwhile")
        )
        writer.start()
        writer.join(5)
        return "waited" if writer.is_alive() else "went on"

    (item,) = schedules.due(example.services)
    assert schedules.fire(example.services, item, act) == "went on"


def test_a_firing_that_crashed_before_its_record_is_done_again_and_has_one_effect(example: Example) -> None:
    with_schedule(example, every="1h")
    example.pass_time(hours=1)
    (item,) = schedules.due(example.services)
    started: list[int] = []

    def act(schedule: Schedule) -> str:
        key = schedules.trigger_key(schedule, item.nominal)
        options = trainings.TrainingOptions(trigger_key=key)
        started.append(trainings.start_training(example.services, DAEMON, "delay", options).id)
        if len(started) == 1:
            raise KeyboardInterrupt
        return f"job {started[-1]}"

    with pytest.raises(KeyboardInterrupt):
        schedules.fire(example.services, item, act)
    assert schedules.due(example.services) == [item]
    assert schedules.fire(example.services, item, act) == f"job {started[0]}"
    assert started == [started[0]] * 2
    assert schedules.due(example.services) == []


def test_with_automation_paused_the_time_passes_and_the_record_says_so(example: Example) -> None:
    with_schedule(example, every="1h")
    automation_switch.pause(example.services, example.actor("oscar"), "maintenance")
    example.pass_time(hours=1)

    assert fire_all(example) == []
    assert [(fire.decision, fire.reason) for fire in fires_of(example)] == [
        ("skipped", "skipped: automation is paused")
    ]
    automation_switch.resume(example.services, example.actor("oscar"))
    assert fire_all(example) == []


def test_a_paused_schedule_is_not_due_and_does_not_catch_up(example: Example) -> None:
    made = with_schedule(example, every="1h")
    operator = example.actor("oscar")
    schedules.pause_schedule(example.services, operator, made.id, "holidays")
    with pytest.raises(ConflictError, match="paused already"):
        schedules.pause_schedule(example.services, operator, made.id)
    example.pass_time(hours=3, minutes=1)
    assert schedules.due(example.services) == []

    schedules.resume_schedule(example.services, operator, made.id)

    assert schedules.due(example.services) == []
    example.pass_time(hours=1)
    assert fire_all(example) == ["did monitor"]


def test_a_schedule_that_left_the_file_fires_no_more(example: Example) -> None:
    with_schedule(example, every="1h")
    example.apply()
    example.pass_time(hours=2)

    assert schedules.due(example.services) == []
    assert schedules.list_schedules(example.services, example.actor("vera")) == []


def test_applying_a_file_again_does_not_move_an_interval(example: Example) -> None:
    made = with_schedule(example, every="1h")
    example.pass_time(minutes=50)

    assert with_schedule(example, every="1h").next_times[0] == made.next_times[0]


@pytest.mark.parametrize(
    ("cron", "since", "expected"),
    [
        # The clocks skip 02:30 on 29 March: it runs at 03:30 summer time. They repeat it on 25 October: it runs once.
        ("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=UTC), ["2026-03-29T01:30", "2026-03-30T00:30"]),
        ("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=UTC), ["2026-10-25T00:30", "2026-10-26T01:30"]),
        ("30 * * * *", datetime(2026, 10, 24, 23, 45, tzinfo=UTC), ["2026-10-25T00:30", "2026-10-25T01:30"]),
    ],
)  # fmt: skip
def test_nominal_times_across_the_change_of_the_clocks(
    cron: str, since: datetime, expected: list[str]
) -> None:
    rule = Rule(cron, None, "Europe/Berlin", since)

    found = [time.isoformat()[:16] for time in islice(nominal_times(rule, since), len(expected))]

    assert found == expected


def test_a_month_of_minutes_is_due_at_once_and_each_once() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    now = since + timedelta(days=30)

    found = due_times(Rule(None, 60, "UTC", since), since, now)

    assert (len(found), len(set(found)), found[-1]) == (30 * 24 * 60, 30 * 24 * 60, now)


@pytest.mark.parametrize(
    ("cron", "zone"), [("99 * * * *", "UTC"), ("0 3 * * mon", "Nowhere/Land"), ("0 3", "UTC")]
)
def test_a_wrong_rule_is_named(cron: str, zone: str) -> None:
    with pytest.raises(InvalidInputError, match="is not valid"):
        check_rule(cron, zone)


def test_a_model_file_with_a_wrong_rule_is_not_applied(tmp_path: Path) -> None:
    services = make_workspace(tmp_path)
    wrong = '\n[[automation.schedule]]\nname = "weekly"\ncron = "0 25 * * mon"\n'
    write_model(services.paths.root, MODEL + wrong)

    with pytest.raises(ModelFileError, match=r"model\.toml:36: automation\.schedule\[0\]: cron '0 25"):
        apply_models.apply(services, actor(services, SCIENTIST))


def test_a_token_speaks_for_its_target_until_the_next_is_issued(example: Example) -> None:
    admin = example.actor("ada")
    first = targets.issue_token(example.services, admin, "ewr")
    other = targets.issue_token(example.services, admin, "jfk")
    assert [targets.check_token(example.services, token) for token in (first, other)] == ["ewr", "jfk"]

    second = targets.issue_token(example.services, admin, "ewr")

    assert [targets.check_token(example.services, token) for token in (first, second, "", "x\ud800")] == [
        None,
        "ewr",
        None,
        None,
    ]
    stored = (
        example.services.paths.registry.read_bytes()
        + example.services.paths.registry.with_name("registry.db-wal").read_bytes()
    )
    assert second.encode() not in stored
    with pytest.raises(NotFoundError, match="no target 'lga'"):
        targets.issue_token(example.services, admin, "lga")


def test_a_head_kept_elsewhere_is_checked(example: Example) -> None:
    auditor = example.actor("aud")
    head = audits.head(example.services, auditor)
    automation_switch.pause(example.services, example.actor("oscar"), "x")

    assert audits.verify(example.services, auditor, known=f"{head.count}:{head.hash}").count == head.count + 1
    with pytest.raises(InvalidInputError, match="COUNT:HASH"):
        audits.verify(example.services, auditor, known="12")
