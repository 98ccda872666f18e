"""Messages reach a receiver by HTTP: once, signed, tried again with the same name until it has them."""

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.composition import open_workspace
from pilothouse.daemon.message_keeper import MessageKeeper
from pilothouse.daemon.thread_loop import Wakeup
from pilothouse.domain.errors import ModelFileError
from pilothouse.operations.outbox import courier, restored, rounds, views
from pilothouse.operations.outbox.courier import Came
from pilothouse.operations.upkeep import backups, restores
from support import until_the_test_ends
from support.outbox_workspace import OutboxWorkspace, texts_of
from support.receivers import SECRET, Receiver, receiving


def test_an_alert_is_told_once_when_it_opens_and_once_when_it_ends(
    place: OutboxWorkspace, hook: Receiver
) -> None:
    alert = place.raised()
    assert place.keep() == [Came.TAKEN]
    place.resolve(alert)
    assert place.keep() == [Came.TAKEN]
    assert place.keep() == []

    opened, resolved = [one.json for one in hook.got]
    assert all(one.is_signed for one in hook.got)
    assert opened["schema"] == "pilothouse.message/1"
    assert [(line["what"], line["alert"]) for line in opened["lines"]] == [("opened", alert.id)]
    assert resolved["title"] == "[warning] resolved: delay/1 on ewr: data_drift on ewr"
    assert [one.json["id"] for one in hook.got] == hook.deliveries()


@pytest.mark.parametrize("status", [500, 404, 429, 302, None])
def test_what_is_not_taken_is_tried_again_under_the_same_name(
    place: OutboxWorkspace, status: int | None
) -> None:
    with receiving(lambda before: status if before < 3 else 200) as hook:
        place.hook(hook.url)
        place.raised()
        assert place.keep() == [Came.NOT_TAKEN]
        for pause in (2, 4, 8):
            assert place.keep() == []
            place.example.pass_time(seconds=pause)
            place.keep()
        assert len(hook.got) == 4
        assert len(set(hook.deliveries())) == 1
        assert len({one.body for one in hook.got}) == 1
        assert all(one.is_signed for one in hook.got)
    (message,) = place.messages()
    assert (message.state, message.tries) == ("sent", 4)


def test_what_fails_in_the_program_itself_is_said_and_not_met_again_at_once(
    place: OutboxWorkspace, hook: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    place.raised()
    place.turn()
    (message,) = place.messages()
    folder = place.services.paths.outbox
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / f"{message.delivery}.json").write_text('{"error": "later", "asked_s": "soon"}')
    stop = threading.Event()
    keeper = MessageKeeper(place.services, Wakeup(stop))
    try:
        for _ in range(3):
            keeper.turn()
            keeper.join(60)
    finally:
        stop.set()
    assert [record.getMessage() for record in caplog.records] == ["what is due for hook cannot be sent"]
    assert place.messages()[0].state == "waiting"
    assert hook.got == []


def test_a_receiver_that_asks_for_patience_is_given_it(place: OutboxWorkspace) -> None:
    with receiving(lambda before: (503, {"Retry-After": "120"}) if not before else 200) as hook:
        place.hook(hook.url)
        place.raised()
        place.keep()
        place.example.pass_time(seconds=119)
        assert place.keep() == []
        place.example.pass_time(seconds=1)
        assert place.keep() == [Came.TAKEN]


def test_a_clock_that_is_set_back_holds_no_message_up(place: OutboxWorkspace) -> None:
    with receiving(lambda before: 500 if before < 1 else 200) as hook:
        place.hook(hook.url)
        place.raised()
        place.turn()
        place.example.pass_time(hours=-3)
        assert place.send() == [Came.NOT_TAKEN]
        assert place.send() == [], "it is tried again after its pause"
        place.example.pass_time(hours=-3)
        assert place.send() == [Came.TAKEN]


def test_a_message_that_nobody_takes_is_a_dead_letter_and_can_be_sent_again(place: OutboxWorkspace) -> None:
    with receiving(lambda before: 500 if before < 2 else 200) as hook:
        place.hook(hook.url, receiver='gives_up = "1h"')
        place.raised()
        place.keep()
        place.example.pass_time(minutes=20)
        place.keep()
        assert (
            "hook takes nothing (it answered 500)"
            in views.dead_channels(place.services, place.example.actor("vera")).text
        )
        place.example.pass_time(hours=1)
        assert place.keep() == [Came.DEAD]
        (message,) = place.messages()
        assert (message.state, message.error) == ("dead", "it answered 500")
        views.send_again(place.services, place.example.actor("oscar"), message.id)
        assert place.keep() == [Came.TAKEN]
        assert len(set(hook.deliveries())) == 1
        assert views.dead_channels(place.services, place.example.actor("vera")).text == ""


def test_one_that_wants_no_more_is_not_asked_again(place: OutboxWorkspace) -> None:
    with receiving(lambda _: 410) as hook:
        place.hook(hook.url)
        place.raised()
        assert place.keep() == [Came.DEAD]
        assert len(hook.got) == 1
        vera = place.example.actor("vera")
        assert views.outbox(place.services, vera).health["hook"].error == "it answered 410"
        place.example.pass_time(days=2)
        assert "hook takes nothing" in views.dead_channels(place.services, vera).text


def test_another_receiver_hears_of_one_that_takes_nothing_for_long(place: OutboxWorkspace) -> None:
    with receiving(lambda _: 500) as broken, receiving() as hook:
        rest = f"""
[[receiver]]
name = "broken"
kind = "webhook"
url = "{broken.url}"
secret_file = "{place.secret}"
allow = ["127.0.0.1"]
"""
        place.hook(hook.url, rest=rest, route="")
        text = (
            (place.example.root / "alerts.toml")
            .read_text()
            .replace('to = ["hook"]', 'to = ["hook", "broken"]')
        )
        place.describe(text)
        place.raised()
        place.keep()
        for _ in range(20):
            place.example.pass_time(minutes=2)
            place.keep()
        titles = [one.json["title"] for one in hook.got]
        assert "[critical] receiver broken takes no messages: it answered 500" in titles
        broken.answer = lambda _: 200
        place.example.pass_time(minutes=20)
        place.keep()
        assert hook.got[-1].json["title"] == "[info] receiver broken takes messages again"


def test_a_private_place_is_reached_only_where_it_is_allowed(place: OutboxWorkspace) -> None:
    with receiving() as hook:
        place.hook(hook.url)
        text = (place.example.root / "alerts.toml").read_text()
        url = place.example.root.parent / "url"
        named = text.replace(f'url = "{hook.url}"', f'url_file = "{url}"')
        for host in ("127.0.0.1", "localhost", "0177.0.0.1", "2130706433", "[::ffff:127.0.0.1]"):
            url.write_text(hook.url.replace("127.0.0.1:", f"{host}:"))
            place.describe(named.replace('allow = ["127.0.0.1"]', f"# {host}"))
            place.raised(subject=host)
            place.keep()
            assert place.messages()[-1].error.startswith("its host has a loopback address"), host
        assert hook.got == []
        place.describe(text.replace("127.0.0.1:", "localhost:").replace('"127.0.0.1"', '"localhost"'))
        place.example.pass_time(minutes=1)
        place.keep()
        assert len(hook.got) == 5


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254"])
def test_an_address_that_is_not_allowed_is_a_fault_at_apply(place: OutboxWorkspace, host: str) -> None:
    place.hook("http://127.0.0.1:9/hook")
    text = (place.example.root / "alerts.toml").read_text()
    with pytest.raises(
        ModelFileError, match=r'url: its host has a .* address: name host or address in "allow"'
    ):
        place.describe(text.replace("127.0.0.1:", f"{host}:").replace('allow = ["127.0.0.1"]', ""))


def test_the_secret_is_nowhere_but_in_its_file(place: OutboxWorkspace) -> None:
    with receiving(lambda before: 500 if before < 1 else 200) as hook:
        url = place.example.root.parent / "url"
        url.write_text(f"{hook.url}/T0PS3CRET-path?token=T0PS3CRET-query")
        place.hook(hook.url)
        text = (place.example.root / "alerts.toml").read_text()
        place.describe(text.replace(f'url = "{hook.url}"', f'url_file = "{url}"'))
        place.raised()
        place.keep()
        place.example.pass_time(minutes=1)
        place.keep()
        assert hook.got[1].path == "/hook/T0PS3CRET-path?token=T0PS3CRET-query"
        url.write_text("http://127.0.0.1:1/T0PS3CRET-closed")
        place.raised(subject="other")
        place.keep()
        url.write_text("T0PS3CRET is no URL")
        place.example.pass_time(minutes=1)
        place.keep()
        url.unlink()
        place.example.pass_time(minutes=1)
        place.keep()
        assert "url cannot be read: No such file or directory" in place.messages()[-1].error
    place.services.close()
    for file, content in texts_of(place.example.root):
        assert b"T0PS3CRET" not in content, file
        assert SECRET.encode() not in content, file
        assert SECRET.removeprefix("whsec_").encode() not in content, file


def test_a_test_message_reaches_each_receiver(place: OutboxWorkspace, hook: Receiver) -> None:
    views.add_test(place.services, place.example.actor("oscar"))
    place.keep()
    assert hook.got[0].json["purpose"] == "test"
    assert place.messages()[0].gives_up_at - place.messages()[0].made_at == timedelta(minutes=5)


def test_a_restored_workspace_does_not_send_what_its_backup_held(
    place: OutboxWorkspace, tmp_path: Path
) -> None:
    with receiving(lambda _: 500) as hook:
        place.hook(hook.url)
        place.raised()
        place.keep()
        place.raised(subject="not routed yet")
        backups.backup(place.services, place.example.actor("ada"), tmp_path / "night.tar")
        restores.restore(tmp_path / "night.tar", tmp_path / "restored")
        copy = until_the_test_ends(open_workspace(tmp_path / "restored"))
        assert restored.give_up(copy) == 1
        assert restored.give_up(copy) == 0
        copy.now = place.services.now
        rounds.turn(copy)
        told_again = [one.purpose for one in courier.due_now(copy)]
        assert told_again == ["repeat"], "the alert is open, but what waited is not sent"
        assert views.dead_channels(copy, place.example.actor("vera")).dead == 1


def test_receivers_with_one_error_are_named_together() -> None:
    dead = views.DeadChannels({"pager": "it answered 500", "desk": "it answered 500", "hook": "timed out"})
    assert dead.text == "pager, desk take nothing (it answered 500) · hook takes nothing (timed out)"
