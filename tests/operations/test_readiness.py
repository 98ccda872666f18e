"""Waiting for a live version: what answers at its address counts, and not the report of a process that may be gone."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pilothouse.domain.errors import NotFoundError, UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.fleet.readiness import wait_until_ready
from pilothouse.operations.fleet.request_examples import addresses
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import workspaces
from pilothouse.system.leader import leadership
from support import example
from support.templates import copy_of


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    copy_of("the example's workspace", example.build, tmp_path / "workspace")
    with example.opened(tmp_path / "workspace") as services:
        yield services


@pytest.fixture
def ada(services: Services) -> Actor:
    return workspaces.identify(services, "ada")


def listens(services: Services, port: int) -> None:
    """Write what a serving process of ewr writes once it listens."""
    folder = services.paths.serving_folder("ewr")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "process.json").write_text(json.dumps({"host": "127.0.0.1", "port": port}))


@contextmanager
def serving(*statuses: int) -> Iterator[tuple[int, list[str]]]:
    """A process whose ready endpoint answers with these statuses, the last one for ever; its port and the paths asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(statuses[min(len(asked), len(statuses)) - 1])
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_the_live_version_is_asked_until_it_is_ready(services: Services, ada: Actor) -> None:
    with serving(503, 404, 200) as (port, asked):
        listens(services, port)
        wait_until_ready(services, ada, "flight-delay", "ewr", 20)
    assert asked == ["/v2/models/flight-delay/versions/1/ready"] * 3
    assert addresses(services, ada, "flight-delay", 1)[0].url.startswith(f"http://127.0.0.1:{port}/"), (
        "the port of the process that listens, before it reports"
    )


def test_a_report_of_a_process_that_is_gone_does_not_count(services: Services, ada: Actor) -> None:
    with pytest.raises(UnavailableError) as caught:
        wait_until_ready(services, ada, "flight-delay", "ewr", 0.5)
    assert str(caught.value) == (
        "flight-delay/1 does not answer on ewr at http://127.0.0.1:41001/v2/models/flight-delay/predict "
        "(connection refused), after 0.5 s: see pilothouse targets; pilothouse daemon start starts what is missing"
    )
    assert caught.value.exit_code == 7
    with leadership(services.paths.daemon_lock), pytest.raises(UnavailableError) as while_it_runs:
        wait_until_ready(services, ada, "flight-delay", "ewr", 0.5)
    assert "pilothouse daemon start" not in str(while_it_runs.value)
    assert "the daemon starts its process again within 30 s" in str(while_it_runs.value)


def test_a_process_that_never_answers_is_not_waited_for_longer(services: Services, ada: Actor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        listens(services, silent.getsockname()[1])
        with pytest.raises(UnavailableError, match=r"\(nothing within 0\.\d+ s\), after 0.6 s"):
            wait_until_ready(services, ada, "flight-delay", "ewr", 0.6)
    with serving(503) as (port, _):
        listens(services, port)
        with pytest.raises(UnavailableError, match="its ready endpoint says 503"):
            wait_until_ready(services, ada, "flight-delay", "ewr", 0.5)


def test_what_does_not_exist_is_said_at_once(services: Services, ada: Actor) -> None:
    with pytest.raises(NotFoundError, match="moon"):
        wait_until_ready(services, ada, "flight-delay", "moon", 3_600)
    with pytest.raises(NotFoundError, match="no-model"):
        wait_until_ready(services, ada, "no-model", "ewr", 3_600)


def test_what_is_not_live_is_said_after_the_wait(services: Services, ada: Actor) -> None:
    with pytest.raises(UnavailableError, match="is not live on 'washington'"):
        wait_until_ready(services, ada, "flight-delay", "washington", 0.3)
