"""Mail and chat by apprise, to servers on loopback, in a process of its own."""

import importlib.util
from pathlib import Path

import pytest

from pilothouse.operations.outbox.courier import Came
from pilothouse.sending.by_apprise import EXTRA
from support.outbox_workspace import OutboxWorkspace, texts_of
from support.receivers import receiving, taking_mail

IS_THERE = importlib.util.find_spec("apprise") is not None
needs_apprise = pytest.mark.skipif(not IS_THERE, reason="apprise is not installed: make test-alerts")
MAIL = """
[[receiver]]
name = "mail"
kind = "apprise"
url_file = "{file}"
[[route]]
name = "all"
to = ["mail"]
wait = "0s"
every = "0s"
"""


@pytest.fixture
def url(place: OutboxWorkspace, tmp_path: Path) -> Path:
    """File that holds the receiver's URL."""
    place.describe(MAIL.format(file=tmp_path / "url"))
    return tmp_path / "url"


@pytest.mark.skipif(IS_THERE, reason="apprise is installed")
def test_without_apprise_the_extra_is_named_and_the_message_waits(place: OutboxWorkspace, url: Path) -> None:
    url.write_text("json://127.0.0.1:9/T0PS3CRET")
    place.raised()
    assert place.keep() == [Came.NOT_TAKEN]
    assert place.messages()[0].error == EXTRA


@needs_apprise
def test_mail_arrives_with_every_line_as_text(place: OutboxWorkspace, url: Path) -> None:
    with taking_mail() as (port, mails):
        url.write_text(
            f"mailto://localhost:{port}?from=pilothouse@a.example&to=oscar@b.example&mode=insecure"
        )
        place.raised(explanation="psi <b>0.4</b>\nover 0.2")
        assert place.keep() == [Came.TAKEN]
    (mail,) = mails
    head, _, body = mail.partition("\r\n\r\n")
    assert "Subject: [warning] opened: delay/1 on ewr: data_drift on ewr" in head
    assert "To: oscar@b.example" in head
    assert "WARNING opened: delay/1 on ewr: data_drift on ewr (alert 1)\r\npsi <b>0.4</b>\r\nover 0.2" in body


@needs_apprise
@pytest.mark.parametrize("answer", [500, None])
def test_what_apprise_could_not_send_is_tried_again(
    place: OutboxWorkspace, url: Path, answer: int | None
) -> None:
    with receiving(lambda before: answer if not before else 200) as receiver:
        url.write_text(f"json://127.0.0.1:{receiver.port}/T0PS3CRET")
        place.raised()
        assert place.keep() == [Came.NOT_TAKEN]
        assert place.messages()[0].error == "apprise says that it was not taken"
        place.example.pass_time(minutes=1)
        assert place.keep() == [Came.TAKEN]
        assert receiver.got[1].json["type"] == "warning"
    place.services.close()
    for file, content in texts_of(place.example.root):
        assert b"T0PS3CRET" not in content, file


@needs_apprise
def test_a_url_that_apprise_does_not_know_is_said_and_not_shown(place: OutboxWorkspace, url: Path) -> None:
    url.write_text("nosuch://T0PS3CRET")
    place.raised()
    place.keep()
    assert place.messages()[0].error == "apprise does not know its URL"
