"""A real Alertmanager: told while an alert burns, told of its end with endsAt; what is late says how things are by then."""

import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.operations.outbox import courier, views
from pilothouse.operations.outbox.courier import Came, Courier
from support.outbox_workspace import OutboxWorkspace, stopping
from support.receivers import receiving

ALERTS = """
[[receiver]]
name = "am"
kind = "alertmanager"
url = "{url}"
allow = ["127.0.0.1"]
secret_env = "PH_NO_SUCH_VARIABLE"
[[route]]
name = "all"
to = ["am"]
wait = "30s"
"""
PATIENCE_S = 600.0


def describe(place: OutboxWorkspace, url: str) -> None:
    place.describe(ALERTS.format(url=url).replace('secret_env = "PH_NO_SUCH_VARIABLE"\n', ""))


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of an Alertmanager that has just started."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        pytest.skip("no Alertmanager here: apt-get install prometheus-alertmanager")
    folder = tmp_path_factory.mktemp("alertmanager")
    config = folder / "alertmanager.yml"
    config.write_text("route: { receiver: none }\nreceivers: [{ name: none }]\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, f"--config.file={config}", f"--storage.path={folder / 'data'}",
         f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"{url}/-/ready", timeout=5).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the Alertmanager did not start"
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()


def shown(url: str) -> list[dict[str, Any]]:
    """Alerts that the Alertmanager has."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts", timeout=PATIENCE_S) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return found


def as_now(place: OutboxWorkspace) -> None:
    """The Alertmanager goes by the clock of the machine."""
    from pilothouse.operations.services import wall_clock

    place.services.now = wall_clock
    place.example.time = wall_clock()


def refresh(place: OutboxWorkspace) -> Came:
    (receiver,) = courier.alertmanagers(place.services)
    return Courier(place.services, stopping=stopping).refresh(receiver)


def test_an_alert_burns_in_a_real_alertmanager_until_it_ends(
    place: OutboxWorkspace, alertmanager: str
) -> None:
    as_now(place)
    describe(place, alertmanager)
    alert = place.raised(summary="wind drifts", subject="wind")
    assert place.keep() == [Came.TAKEN]
    (found,) = shown(alertmanager)
    labels = found["labels"]
    assert (labels["alertname"], labels["model"], labels["severity"]) == ("data_drift", "delay", "warning")
    assert found["annotations"]["summary"] == "wind drifts"
    first_end = datetime.fromisoformat(found["endsAt"].replace("Z", "+00:00"))
    assert refresh(place) is Came.TAKEN
    (again,) = shown(alertmanager)
    assert again["fingerprint"] == found["fingerprint"]
    assert datetime.fromisoformat(again["endsAt"].replace("Z", "+00:00")) > first_end
    place.resolve(alert)
    assert place.keep() == [Came.TAKEN]
    assert shown(alertmanager) == []
    assert refresh(place) is Came.TAKEN
    assert shown(alertmanager) == []


def test_what_is_late_says_how_things_are_by_then(place: OutboxWorkspace) -> None:
    with receiving(lambda before: 500 if not before else 200) as receiver:
        describe(place, receiver.url.removesuffix("/hook"))
        alert = place.raised()
        assert place.keep() == [Came.NOT_TAKEN]
        place.resolve(alert)
        place.example.pass_time(minutes=1)
        place.keep()
        assert [one.path for one in receiver.got] == ["/api/v2/alerts"] * 3
        opened, *late = [one.json[0] for one in receiver.got]
        assert opened["endsAt"] > opened["startsAt"]
        assert {one["endsAt"] for one in late} == {"2026-05-03T12:00:00.000Z"}


def test_the_end_of_an_alert_does_not_end_the_one_that_came_after_it(place: OutboxWorkspace) -> None:
    with receiving(lambda before: 500 if before == 1 else 200) as receiver:
        describe(place, receiver.url.removesuffix("/hook"))
        alert = place.raised()
        place.keep()
        place.resolve(alert)
        assert place.keep() == [Came.NOT_TAKEN]
        place.raised(effective_at=datetime.fromisoformat("2026-05-04T12:00:00+00:00"))
        place.keep()
        place.example.pass_time(minutes=1)
        place.keep()
        assert all(one.json[0]["endsAt"] > "2026-05-03T12:03" for one in receiver.got[2:])
        assert {one.state for one in place.messages()} == {"sent"}


def test_what_need_not_be_told_any_more_says_nothing_good_of_its_receiver(place: OutboxWorkspace) -> None:
    with receiving(lambda _: 500) as receiver:
        describe(place, receiver.url.removesuffix("/hook"))
        alert = place.raised()
        place.keep()
        place.resolve(alert)
        place.raised(effective_at=datetime.fromisoformat("2026-05-04T12:00:00+00:00"))
        place.example.pass_time(minutes=1)
        assert Came.LEFT_OUT in place.keep()
        health = views.outbox(place.services, place.example.actor("vera")).health["am"]
        assert health.failing_since is not None
        assert health.taken_at is None


def test_the_token_goes_with_each_request_and_a_missing_one_is_said(
    place: OutboxWorkspace, tmp_path: Path
) -> None:
    with receiving(lambda _: 200) as receiver:
        text = ALERTS.format(url=receiver.url.removesuffix("/hook"))
        place.describe(text)
        place.raised()
        place.keep()
        assert "its secret: the variable PH_NO_SUCH_VARIABLE of the daemon" in place.messages()[0].error
        token = tmp_path / "token"
        token.write_text("T0PS3CRET\n")
        place.describe(text.replace('secret_env = "PH_NO_SUCH_VARIABLE"', f'secret_file = "{token}"'))
        place.example.pass_time(minutes=1)
        place.keep()
        assert receiver.got[0].headers["Authorization"] == "Bearer T0PS3CRET"
