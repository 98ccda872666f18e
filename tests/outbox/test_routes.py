"""Routes, groups, repeats, quiet times, silences and escalations, by the wall clock of the test."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.audit.log_anchors import AnchorKind
from pilothouse.domain.errors import ConflictError, InvalidInputError, ModelFileError, NotAllowedError
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.operations.alerts import alerts, incidents
from pilothouse.operations.authorisation import changing
from pilothouse.operations.outbox import silences, views
from pilothouse.operations.promotion import promotions
from pilothouse.operations.transparency import anchors, delivery, heads
from support.outbox_workspace import OutboxWorkspace
from support.receivers import receiving

NOWHERE = "http://127.0.0.1:9/"
"""Nothing is sent in these tests: what is made is looked at."""
NIGHTS = """
[[quiet]]
name = "nights"
timezone = "Europe/Berlin"
hours = "22:00-07:00"
"""


def test_alerts_of_a_model_are_one_message_after_the_wait(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE, wait="30s")
    place.raised()
    place.example.pass_time(seconds=20)
    place.raised(target="jfk", severity="critical")
    place.turn()
    assert place.titles() == []
    place.example.pass_time(seconds=10)
    place.turn()
    assert place.titles() == ["[critical] 2 opened of delay"]
    assert place.messages()[0].message["group"] == {"model": "delay"}


def test_news_of_a_group_wait_for_its_interval(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE)
    text = (place.example.root / "alerts.toml").read_text().replace('every = "0s"', 'every = "5m"')
    place.describe(text)
    alert = place.raised()
    place.turn()
    place.resolve(alert)
    place.raised(kind="latency")
    place.turn()
    assert len(place.titles()) == 1
    place.example.pass_time(minutes=5)
    place.turn()
    assert place.titles()[1] == "[warning] 1 resolved, 1 opened of delay"


def test_an_alert_that_nobody_acknowledges_is_told_again(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE, route='repeat = "1h"')
    first, second = place.raised(), place.raised(kind="latency")
    place.turn()
    place.example.pass_time(minutes=59)
    place.turn()
    assert len(place.titles()) == 1
    alerts.acknowledge(place.services, place.example.actor("oscar"), second.id)
    place.turn()
    for _ in range(3):
        place.example.pass_time(minutes=61)
        place.turn()
    repeats = [one for one in place.messages() if one.purpose == "repeat"]
    assert [[line["alert"] for line in one.message["lines"]] for one in repeats] == [[first.id]] * 3
    assert repeats[0].message["title"] == "[warning] still open: delay/1 on ewr: data_drift on ewr"


def test_the_first_route_that_fits_takes_it_and_labels_are_patterns(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE, route='match = { kind = ["lat*", "errors"], severity = ["critical"] }')
    place.raised(kind="latency")
    place.raised(kind="errors", severity="critical")
    place.raised(kind="data_drift", severity="critical")
    place.turn()
    assert place.titles() == ["[critical] opened: delay/1 on ewr: errors on ewr"]


def test_an_incident_that_is_acknowledged_is_told_with_each_of_its_alerts(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE)
    first, second = place.raised(features=("wind",)), place.raised(target="jfk", features=("wind",))
    place.turn()
    assert first.incident == second.incident
    assert first.incident is not None
    incidents.acknowledge(place.services, place.example.actor("oscar"), first.incident)
    place.turn()
    lines = place.messages()[-1].message["lines"]
    assert [(line["what"], line["alert"]) for line in lines] == [
        ("acknowledged", first.id),
        ("acknowledged", second.id),
    ]


def test_quiet_times_hold_warnings_back_until_they_end(place: OutboxWorkspace) -> None:
    place.example.time = datetime(2026, 5, 4, 21, tzinfo=UTC)  # 23:00 in Berlin
    place.hook(NOWHERE, route='quiet = "nights"\nrepeat = "0s"', rest=NIGHTS)
    place.raised()
    place.raised(kind="errors", severity="critical")
    place.turn()
    assert place.titles() == ["[critical] opened: delay/1 on ewr: errors on ewr"]
    (line,) = views.outbox(place.services, place.example.actor("vera")).lines
    assert (line.held_by, line.due_at) == ("quiet time nights", datetime(2026, 5, 5, 5, tzinfo=UTC))
    place.example.pass_time(hours=8)
    place.turn()
    assert place.titles()[1:] == ["[warning] opened: delay/1 on ewr: data_drift on ewr"]


def test_a_quiet_time_that_is_taken_out_holds_nothing_any_more(place: OutboxWorkspace) -> None:
    place.example.time = datetime(2026, 5, 4, 21, tzinfo=UTC)
    place.hook(NOWHERE, route='quiet = "nights"', rest=NIGHTS)
    place.raised()
    place.turn()
    place.hook(NOWHERE)
    place.turn()
    assert len(place.titles()) == 1


def test_a_silence_holds_back_what_fits_and_ends(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE)
    oscar = place.example.actor("oscar")
    made = silences.add_silence(
        place.services, oscar, {"model": ["delay"], "target": ["e*"]}, timedelta(hours=2), "works on ewr"
    )
    stays, ends = place.raised(), place.raised(kind="latency")
    place.raised(target="jfk")
    place.turn()
    assert place.titles() == ["[warning] opened: delay/1 on jfk: data_drift on jfk"]
    place.resolve(ends)
    place.turn()
    place.example.pass_time(hours=2)
    place.turn()
    assert place.titles()[1:] == ["[warning] opened: delay/1 on ewr: data_drift on ewr"]
    assert place.messages()[-1].message["lines"][0]["alert"] == stays.id
    assert views.outbox(place.services, oscar).lines == []
    with pytest.raises(ConflictError, match="over already"):
        silences.end_silence(place.services, oscar, made.id)


@pytest.mark.parametrize(
    ("matchers", "fault"),
    [
        ({"model": ["dalay"]}, "model=dalay fits nothing; there is delay"),
        ({"model": ["delay"], "target": ["us-*"]}, r"target=us-\* fits nothing; there is ewr, jfk"),
        ({"severity": ["urgent"]}, "severity=urgent fits nothing; there is critical, info, warning"),
        ({"modle": ["delay"]}, "no message has the label modle; expected one of"),
    ],
)
def test_a_silence_that_fits_nothing_there_is_is_made_anyway_alone(
    place: OutboxWorkspace, matchers: dict[str, list[str]], fault: str
) -> None:
    oscar = place.example.actor("oscar")
    hour = timedelta(hours=1)
    with pytest.raises(InvalidInputError, match=fault):
        silences.add_silence(place.services, oscar, matchers, hour, "works")
    assert silences.add_silence(place.services, oscar, matchers, hour, "works", anyway=True).id


def test_a_silence_says_what_it_fits(place: OutboxWorkspace) -> None:
    oscar = place.example.actor("oscar")
    place.raised()
    place.raised(kind="latency", target="jfk")
    for matchers, text in (
        ({"model": ["delay"]}, "it fits 2 open alerts; models: delay; targets: ewr, jfk"),
        ({"target": ["j*"]}, "it fits 1 open alert; models: delay; targets: jfk"),
        ({"severity": ["info"]}, "it fits no open alert"),
    ):
        made = silences.add_silence(place.services, oscar, matchers, timedelta(hours=1), "works")
        assert silences.reach_of(place.services, oscar, made).text == text


def test_a_webhook_secret_that_is_no_base64_is_a_fault_at_apply(place: OutboxWorkspace) -> None:
    place.secret.write_text("whsec_this is none\n")
    with pytest.raises(ModelFileError) as error:
        place.hook(NOWHERE)
    (problem,) = error.value.problems
    assert "secret_file" in problem
    assert "what follows is no base64" in problem
    assert "this is none" not in problem


def test_the_metrics_say_what_waits_and_which_channel_is_dead(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE)
    place.raised()
    place.turn()
    place.example.pass_time(minutes=20)
    with place.services.registry.read() as connection:
        found, given_up = views.figures(connection, place.example.time)
    assert given_up == 0
    assert (found["hook"].waiting, found["hook"].oldest_s, found["hook"].failing) == (1, 1_200.0, True)


def test_the_status_ends_with_22_beside_a_dead_channel(
    place: OutboxWorkspace, capsys: pytest.CaptureFixture[str]
) -> None:
    def status() -> int:
        root = str(place.example.root)
        return failures.run(lambda: main.run(["--workspace", root, "status"]))

    place.hook(NOWHERE)
    assert status() == 0
    place.raised(target="jfk")
    place.turn()
    place.example.pass_time(minutes=20)
    place.example.add_version()  # the log's newest entry says what the time is
    assert status() == 22
    assert "ALERTS DO NOT ARRIVE: hook takes nothing" in capsys.readouterr().err


def test_what_a_silence_holds_is_told_when_it_is_ended(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE)
    oscar = place.example.actor("oscar")
    made = silences.add_silence(
        place.services, oscar, {"severity": ["warning"]}, timedelta(days=1), "a quiet day"
    )
    place.raised()
    place.turn()
    assert place.titles() == []
    silences.end_silence(place.services, oscar, made.id, "it is over")
    place.turn()
    assert len(place.titles()) == 1


def test_the_end_of_an_alert_that_was_told_comes_after_the_silence(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE)
    alert = place.raised()
    place.turn()
    silences.add_silence(
        place.services, place.example.actor("oscar"), {"model": ["delay"]}, timedelta(hours=1), "works"
    )
    place.resolve(alert)
    place.turn()
    assert len(place.titles()) == 1
    place.example.pass_time(hours=1)
    place.turn()
    assert place.titles()[1] == "[warning] resolved: delay/1 on ewr: data_drift on ewr"


@pytest.mark.parametrize(
    ("matchers", "lasts", "reason", "error"),
    [
        ({}, timedelta(hours=1), "works", "expected 1 to 20"),
        ({"model": [""]}, timedelta(hours=1), "works", "expected 1 to 20 texts"),
        ({"model": ["delay"]}, timedelta(days=31), "works", "30d"),
        ({"model": ["delay"]}, timedelta(hours=1), " ", "needs a reason"),
        ({"a b": ["delay"]}, timedelta(hours=1), "works", "no label"),
    ],
)
def test_a_silence_has_labels_an_end_and_a_reason(
    place: OutboxWorkspace, matchers: dict[str, list[str]], lasts: timedelta, reason: str, error: str
) -> None:
    with pytest.raises(InvalidInputError, match=error):
        silences.add_silence(place.services, place.example.actor("oscar"), matchers, lasts, reason)
    with pytest.raises(NotAllowedError):
        silences.add_silence(
            place.services, place.example.actor("vera"), {"model": ["delay"]}, timedelta(hours=1), "works"
        )


ESCALATING = """
[[route.escalate]]
after = "30m"
to = ["second"]
"""


def escalating(place: OutboxWorkspace) -> None:
    """Tell ``second`` of what nobody has acknowledged for half an hour; by its own route it is told of nothing."""
    receiver = place.second(NOWHERE).partition("[[route]]")[0]
    place.hook(NOWHERE, route='repeat = "0s"', rest=ESCALATING + receiver)


def test_what_nobody_acknowledges_is_escalated_once_and_its_end_told_there_too(
    place: OutboxWorkspace,
) -> None:
    escalating(place)
    alert = place.raised()
    place.turn()
    place.example.pass_time(minutes=29)
    place.turn()
    assert [one.receiver for one in place.messages()] == ["hook"]
    for _ in range(3):
        place.example.pass_time(minutes=20)
        place.turn()
    second = [one for one in place.messages() if one.receiver == "second"]
    assert [one.message["title"] for one in second] == [
        "[warning] nobody has acknowledged: escalated: delay/1 on ewr: data_drift on ewr"
    ]
    place.resolve(alert)
    place.turn()
    assert sorted(one.receiver for one in place.messages() if "resolved" in one.message["title"]) == [
        "hook",
        "second",
    ]


def test_what_somebody_looks_after_is_not_escalated(place: OutboxWorkspace) -> None:
    escalating(place)
    alert = place.raised()
    place.turn()
    alerts.acknowledge(place.services, place.example.actor("oscar"), alert.id)
    place.example.pass_time(hours=2)
    place.turn()
    assert {one.receiver for one in place.messages()} == {"hook"}


def test_alerts_that_were_open_before_the_first_receiver_are_told(place: OutboxWorkspace) -> None:
    over, stays = place.raised(kind="latency"), place.raised()
    place.resolve(over)
    place.hook(NOWHERE)
    place.turn()
    assert [[line["alert"] for line in one.message["lines"]] for one in place.messages()] == [[stays.id]]


def test_a_message_of_a_receiver_that_is_gone_is_dead(place: OutboxWorkspace) -> None:
    with receiving(lambda _: 500) as hook:
        place.hook(hook.url)
        place.raised()
        place.keep()
        place.describe("")
        place.example.pass_time(minutes=1)
        place.keep()
    assert [(one.state, one.error) for one in place.messages()] == [("dead", "the receiver hook is gone")]


def test_many_alerts_at_once_lose_none(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE, wait="1s")
    for number in range(120):
        place.raised(subject=f"feature-{number}")
    place.example.pass_time(seconds=1)
    place.turn()
    place.example.pass_time(seconds=1)
    place.turn()
    lines = [line["alert"] for one in place.messages() for line in one.message["lines"]]
    assert sorted(lines) == sorted(set(lines))
    assert len(lines) == 120
    assert max(len(one.message["lines"]) for one in place.messages()) == 50


def test_an_anchor_that_takes_nothing_for_long_is_told_once_and_its_recovery(
    place: OutboxWorkspace, tmp_path: Path
) -> None:
    place.hook(NOWHERE)
    ada = place.example.actor("ada")
    folder = tmp_path / "vault"
    folder.mkdir()
    anchors.add(place.services, ada, "vault", AnchorKind.FILE, str(folder / "heads"))
    heads.sign(place.services, ada)
    folder.rmdir()
    for _ in range(4):
        delivery.deliver(place.services, DAEMON)
        place.example.pass_time(minutes=10)
    place.turn()
    assert [title.partition(":")[0] for title in place.titles()] == [
        "[critical] anchor vault does not take the audit log's heads"
    ]
    folder.mkdir()
    delivery.deliver(place.services, DAEMON)
    place.turn()
    assert place.titles()[1:] == ["[info] anchor vault takes the audit log's heads again"]


def test_what_else_happened_is_told_by_its_entry_in_the_log(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE, route='group_by = ["subject"]')
    request = promotions.request_promotion(place.services, place.example.actor("sam"), "delay/1", ["ewr"])
    with changing(place.services, DAEMON, Permission.RUN_DAEMON) as change:
        change.record(
            "job.ended", "job 7", {"status": "crashed", "error": "the process died \x1b[31m of a signal"}
        )
        change.record("job.ended", "job 8", {"status": "succeeded"})
    place.turn()
    assert place.titles() == [
        f"[info] request {request.id} waits for a decision",
        "[warning] job 7 has not succeeded: the process died �[31m of a signal",
    ]
    labels = place.messages()[0].message["lines"][0]["labels"]
    assert (labels["source"], labels["model"], labels["version"]) == ("request", "delay", "1")


def test_news_of_others_in_the_group_put_no_repeat_off(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE, route='repeat = "1h"')
    first = place.raised()
    place.turn()
    place.example.pass_time(minutes=40)
    place.raised(kind="latency")
    place.turn()
    place.example.pass_time(minutes=21)
    place.turn()
    repeats = [one for one in place.messages() if one.purpose == "repeat"]
    assert [[line["alert"] for line in one.message["lines"]] for one in repeats] == [[first.id]]


def test_a_repeat_of_many_alerts_leaves_none_out(place: OutboxWorkspace) -> None:
    place.hook(NOWHERE, route='repeat = "1h"')
    made = {place.raised(subject=f"feature-{number}").id for number in range(60)}
    place.turn()
    place.example.pass_time(minutes=61)
    place.turn()
    repeats = [one for one in place.messages() if one.purpose == "repeat"]
    assert [len(one.message["lines"]) for one in repeats] == [50, 10]
    assert {line["alert"] for one in repeats for line in one.message["lines"]} == made


def test_the_end_is_told_by_the_route_of_the_beginning_where_none_fits_any_more(
    place: OutboxWorkspace,
) -> None:
    place.hook(NOWHERE)
    alert = place.raised()
    place.turn()
    place.hook(NOWHERE, route='match = { kind = ["latency"] }')
    place.resolve(alert)
    place.turn()
    assert place.titles()[1:] == ["[warning] resolved: delay/1 on ewr: data_drift on ewr"]


def test_a_channel_through_which_nothing_is_sent_is_dead_though_no_receiver_fails(
    place: OutboxWorkspace,
) -> None:
    vera = place.example.actor("vera")
    place.hook(NOWHERE)
    place.raised()
    assert views.dead_channels(place.services, vera).text == ""
    place.example.pass_time(minutes=16)
    assert "put into no message" in views.dead_channels(place.services, vera).text
    place.turn()
    assert views.dead_channels(place.services, vera).text == ""
    place.example.pass_time(minutes=16)
    assert "1 due, and nothing sends" in views.dead_channels(place.services, vera).failing["hook"]
    assert views.outbox(place.services, vera).unsent.keys() == {"hook"}


def test_many_dead_channels_are_one_line_of_a_few_names() -> None:
    failing = {f"receiver-{number}": "it answered 500 " * 50 for number in range(40)}
    text = views.DeadChannels(failing, 7).text
    assert text.endswith("37 others take nothing · 7 messages given up")
    assert len(text) <= 3 * 80 + 80
