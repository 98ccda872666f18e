"""The parent of a serving process on another machine, as real processes: who answers when which of the two dies."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.system.processes import is_alive, name_of
from support import leftovers, wait_until
from support.remote_places import FarProcess, RemoteHub, make_remote_hub, serve_far

DYING = """
import os, signal, sys
from pathlib import Path
from pilothouse.serving import standby
from pilothouse.serving.assignment import Assignment
from pilothouse.serving.delivery.credential import Credential
from pilothouse.serving.delivery.hub_address import HubAddress
from pilothouse.serving.web.listening import Address, listen_on

standby._FIRST_PAUSE_S, standby._HELD_S = 60.0, 0.0
folder = Path(sys.argv[1])
listeners = listen_on(Address())

def serve(started):
    started()
    print(listeners.http.getsockname()[1], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)

assignment = Assignment("far", HubAddress(), folder, Credential(folder / "token"))
sys.exit(standby.Standby(listeners, assignment, serve).run())
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[RemoteHub]:
    with leftovers.shared("socket:"):
        made = make_remote_hub(tmp_path)
        made.open()
        yield made
        made.close()


@pytest.fixture
def far(hub: RemoteHub, tmp_path: Path) -> Iterator[FarProcess]:
    made = serve_far(tmp_path / "far", hub.url, hub.authority, token=hub.token().token)
    made.wait_until_ready()
    yield made
    if made.process.poll() is None:
        made.kill()


def pid_of(far: FarProcess) -> int:
    return int(json.loads((far.folder / "process.json").read_bytes())["process"]["pid"])


def test_a_process_that_dies_is_followed_by_one_at_its_port_and_no_connection_is_refused(
    far: FarProcess,
) -> None:
    first = pid_of(far)
    assert first != far.process.pid
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{first}").exists())
    assert far.predict()[0] == 200  # the connection waits for it
    assert pid_of(far) not in (first, far.process.pid)
    assert "ended (signal 9): it is started again" in far.log.read_text()
    assert far.end() == 0
    assert not (far.folder / "process.json").exists()


def test_a_process_dies_with_its_parent_and_leaves_folder_and_port_to_the_next(
    hub: RemoteHub, far: FarProcess
) -> None:
    child, port = name_of(pid_of(far)), far.port
    assert child is not None
    far.kill()
    after = serve_far(far.folder, hub.url, hub.authority, "--port", str(port))
    try:
        after.wait_until_ready()
        assert not is_alive(child)
        assert after.port == port
    finally:
        assert after.end() == 0


def test_while_processes_die_again_and_again_requests_are_told_when_to_come_back(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DYING, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            port = int(process.stdout.readline())
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("POST", "/v2/models/delay/infer", b"{}")
            answer = connection.getresponse()
            assert (answer.status, answer.getheader("Retry-After")) == (503, "1")
            assert "is started again" in json.loads(answer.read())["error"]
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
