"""The daemon's page of metrics: on the hub's socket, and on TCP where integrations.toml names an address."""

import http.client
import json
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.daemon.exports.metrics_server import MetricsPage, keep_metrics
from pilothouse.daemon.thread_loop import ThreadGroup
from pilothouse.domain.confinement import confines
from pilothouse.domain.integrations.metric_table import METRICS
from pilothouse.operations.fleet import targets
from pilothouse.operations.workspace import apply_models
from pilothouse.serving.web.http_server import QuietServer
from support import wait_until
from support.certificates import made_certificate
from support.small_workspace import SmallWorkspace, make_small_workspace

TOKEN = "a-token-of-some-length"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[SmallWorkspace]:
    made = make_small_workspace(tmp_path / "w")
    made.write_model()
    try:
        yield made
    finally:
        made.services.close()


@pytest.fixture
def listening(place: SmallWorkspace) -> Iterator[ThreadGroup]:
    """The thread that listens, as the daemon runs it."""
    parts = ThreadGroup()
    wakeup = parts.wakeup()
    page = MetricsPage(place.services)
    parts.start("metrics", lambda: keep_metrics(place.services, page, wakeup))
    parts.wake = wakeup.wake  # type: ignore[attr-defined]
    yield parts
    parts.stop.set()
    assert parts.join(20) == []
    assert not parts.failed
    page.close()


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def configure(place: SmallWorkspace, parts: ThreadGroup, text: str) -> None:
    (place.root / "integrations.toml").write_text(text)
    apply_models.apply(place.services, place.admin)
    parts.wake()  # type: ignore[attr-defined]


def ask(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers["content-type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, "", error.read().decode()
    except OSError:
        return 0, "", ""


def test_it_listens_where_the_file_says_and_follows_a_change(place, listening) -> None:
    first, second = free_port(), free_port()
    configure(place, listening, f'[metrics]\nlisten = "127.0.0.1:{first}"\n')
    wait_until(lambda: ask(first)[0] == 200)
    status, kind, text = ask(first)
    assert kind.startswith("text/plain; version=0.0.4")
    assert "pilothouse_hub_waiting_batches 0" in text
    assert ask(first, "/")[0] == 404
    status, kind, text = ask(first, Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    assert text.endswith("# EOF\n")

    configure(place, listening, f'[metrics]\nlisten = "127.0.0.1:{second}"\n')
    wait_until(lambda: ask(second)[0] == 200)
    assert ask(first)[0] == 0


def test_the_token_of_the_file_is_asked_for_and_can_be_replaced(place, listening, caplog) -> None:
    port, token = free_port(), place.root / "metrics.token"
    listen = f'[metrics]\nlisten = "127.0.0.1:{port}"\ntoken_file = "metrics.token"\n'
    configure(place, listening, listen)
    wait_until(lambda: "cannot be read as a token" in caplog.text)
    token.write_text(f"{TOKEN}\n")
    configure(place, listening, listen + "deployments = 5\n")
    wait_until(lambda: ask(port)[0] == 401)
    assert ask(port, Authorization=f"Bearer {TOKEN}")[0] == 200
    token.write_text("another-token-of-some-length")
    assert ask(port, Authorization=f"Bearer {TOKEN}")[0] == 401
    token.unlink()
    assert ask(port, Authorization=f"Bearer {TOKEN}")[0] in (400, 500, 503)
    assert TOKEN not in caplog.text


def test_a_page_of_another_site_cannot_read_it(place, listening) -> None:
    port = free_port()
    configure(place, listening, f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    wait_until(lambda: ask(port)[0] == 200)
    assert ask(port, Host=f"evil.example:{port}")[0] == 403
    assert ask(port, Host=f"localhost:{port}")[0] == 200


def test_it_speaks_tls_where_the_file_names_a_certificate(place, listening, caplog) -> None:
    port = free_port()
    text = f'[metrics]\nlisten = "127.0.0.1:{port}"\ntls_certificate = "c.pem"\ntls_key = "k.pem"\n'
    configure(place, listening, text)
    wait_until(lambda: "c.pem and its key cannot be used" in caplog.text)
    certificate, key = made_certificate(datetime.now(UTC))
    (place.root / "c.pem").write_bytes(certificate)
    (place.root / "k.pem").write_bytes(key)
    listening.wake()
    trusting = ssl.create_default_context(cafile=place.root / "c.pem")
    trusting.check_hostname = False

    def asked() -> int:
        try:
            with urllib.request.urlopen(
                f"https://127.0.0.1:{port}/metrics", timeout=10, context=trusting
            ) as answer:
                return int(answer.status)
        except OSError:
            return 0

    wait_until(lambda: asked() == 200)
    assert ask(port)[0] == 0


def test_an_address_that_is_taken_is_said_once_and_tried_again(place, listening, caplog) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        configure(place, listening, f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
        wait_until(lambda: "cannot listen on" in caplog.text)
        listening.wake()
    listening.wake()
    wait_until(lambda: ask(port)[0] == 200)
    assert caplog.text.count("cannot listen on") == 1


def test_a_listener_that_dies_is_said_to_have_died_and_opened_again(
    place, listening, caplog, monkeypatch
) -> None:
    served = QuietServer.serve

    async def broken(self: QuietServer, sockets: Any = None) -> None:
        monkeypatch.setattr(QuietServer, "serve", served)
        raise RuntimeError("no loop")

    monkeypatch.setattr(QuietServer, "serve", broken)
    port = free_port()
    configure(place, listening, f'[metrics]\nlisten = "127.0.0.1:{port}"\n')

    def again() -> bool:
        listening.wake()
        return ask(port)[0] == 200

    wait_until(again)
    assert (
        f"the listener of metrics on 127.0.0.1:{port} died: RuntimeError: no loop; it is opened again"
        in caplog.text
    )


def test_scrapes_together_are_all_answered(place, listening) -> None:
    port = free_port()
    configure(place, listening, f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    wait_until(lambda: ask(port)[0] == 200)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(port)[0])) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 12


@pytest.mark.loop
@pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")
def test_a_daemon_has_its_page_on_the_hub_for_its_own_token_alone(place) -> None:
    issued = targets.issue_token(place.services, place.admin, "ewr")
    control.start_in_background(place.root, serve_targets=False)
    try:
        assert hub(place, "/metrics", issued)[0] == 401
        assert hub(place, "/metrics", "")[0] == 401
        token = place.services.paths.metrics_token
        assert token.stat().st_mode & 0o777 == 0o600
        status, text = hub(place, "/metrics", token.read_text().strip())
        assert status == 200
        assert hub(place, "/v1/desired", token.read_text().strip())[0] == 401
        for name in (metric.series for metric in METRICS if metric.of_daemon):
            assert f"\n{name}" in text, name
        assert "pilothouse_daemon_running 1" in text
        assert 'pilothouse_daemon_part_stuck{part="monitor"} 0' in text
        entries = value(text, "pilothouse_log_entries_total")
    finally:
        control.stop(place.root)
    control.start_in_background(place.root, serve_targets=False)
    try:
        _, text = hub(place, "/metrics", token.read_text().strip())
        assert value(text, "pilothouse_log_entries_total") > entries
    finally:
        control.stop(place.root)


def value(text: str, name: str) -> float:
    return float(next(line for line in text.splitlines() if line.startswith(f"{name} ")).rpartition(" ")[2])


def hub(place: SmallWorkspace, path: str, token: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("hub", timeout=20)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(place.services.paths.hub_socket))
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200 or json.loads(text)["error"]
        return answer.status, text
    finally:
        connection.close()
