"""The supervisor knows which targets need a process, asks for them only after a change, and starts again what has ended."""

import json
import os
import random
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control, serving_supervisor
from pilothouse.daemon.serving_supervisor import ServingSupervisor, _last_line, running_servers
from pilothouse.domain.errors import UnavailableError
from pilothouse.execution.launcher_client import Isolation
from pilothouse.operations.fleet import health
from pilothouse.operations.promotion import promotions
from pilothouse.sqlite import Connection
from pilothouse.store.models import targets
from pilothouse.system.processes import is_alive, own_name
from support import until_the_test_ends, wait_until
from support.histories import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = History(tmp_path / "workspace", random.Random(1))
    until_the_test_ends(history.example)
    return history


def test_targets_in_use_and_of_open_requests_get_a_process(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = until_the_test_ends(ServingSupervisor(history.services, "warn"))
    looked: list[str] = []

    def look_at(target: str, care: object) -> float:
        looked.append(target)
        return 1.0

    monkeypatch.setattr(supervisor, "_look_at", look_at)
    assert (supervisor.look(), looked) == (1.0, [])
    history.put_live("delay", 1, ["ewr"])
    promotions.request_promotion(
        history.services, history.example.actor("sam"), "delay/2", ["ewr", "lga"], reason="better"
    )
    supervisor.look()
    assert looked == ["ewr", "lga"]


def test_nothing_is_asked_of_the_registry_while_it_does_not_change(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = until_the_test_ends(ServingSupervisor(history.services, "warn"))
    monkeypatch.setattr(supervisor, "_look_at", lambda target, care: 1.0)
    history.put_live("delay", 1, ["ewr"])
    read, reads = history.services.registry.read, []

    @contextmanager
    def counted() -> Iterator[Connection]:
        reads.append(1)
        with read() as connection:
            yield connection

    monkeypatch.setattr(history.services.registry, "read", counted)
    for _ in range(5):
        supervisor.look()
    assert len(reads) == 1
    history.put_live("delay", 2, ["jfk"])
    reads.clear()
    for _ in range(5):
        supervisor.look()
    assert len(reads) == 1


class Supervised:
    """A supervisor with a real host, which looks when the test says so, by the test's clock."""

    def __init__(self, history: History, isolation: Isolation) -> None:
        self.history, self.now = history, 0.0
        self.told = threading.Event()
        self.supervisor = ServingSupervisor(history.services, isolation, lambda: self.now)
        self.supervisor.wake = self.told.set

    def close(self) -> None:
        self.supervisor.close()
        control.stop_serving(self.history.services.paths.root, grace_s=0.0)

    def log(self, target: str) -> str:
        path = self.history.services.paths.serving_folder(target) / "serving.log"
        return path.read_text() if path.exists() else ""

    def look_after_an_end(self) -> float:
        assert self.told.wait(60)
        self.told.clear()
        return self.supervisor.look()

    def why(self, target: str) -> str:
        states = health.target_states(self.history.services, self.history.example.actor("vera"), "delay")
        return next(state.why for state in states if state.target == target)


def test_a_process_that_ends_at_once_again_and_again_backs_off_and_its_cause_is_on_record(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(probe.ABSENT, "namespaces seccomp landlock")
    history.put_live("delay", 1, ["ewr"])
    supervised = until_the_test_ends(Supervised(history, "require"))
    supervised.supervisor.look()
    pauses, starts = [], 1
    for _ in range(6):
        supervised.look_after_an_end()
        starts_again_in = supervised.supervisor._cared["ewr"].not_before - supervised.now
        pauses.append(round(starts_again_in, 3))
        assert (
            "answers nothing: its process does not start: jobs and models cannot be confined"
            in supervised.why("ewr")
        )
        if starts_again_in:  # before its time nothing is started
            assert supervised.log("ewr").count("cannot be confined") == starts
            supervised.now += starts_again_in - 0.05
            assert supervised.supervisor.look() == pytest.approx(0.05)
            supervised.now += 0.06
            supervised.supervisor.look()
        starts += 1
    assert pauses == [0.0, 0.2, 0.4, 0.8, 1.6, 3.2]
    assert "\x1b" not in supervised.why("ewr")


def test_a_process_whose_port_of_before_is_taken_gets_another(history: History) -> None:
    """One that a configured port does not bind."""
    history.put_live("delay", 1, ["ewr"])
    folder = history.services.paths.serving_folder("ewr")
    folder.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gone = {**asdict(own_name()), "started": 1}
        (folder / "process.json").write_text(json.dumps({"process": gone, "port": port}))
        supervised = until_the_test_ends(Supervised(history, "warn"))
        supervised.supervisor.look()
        supervised.look_after_an_end()
        assert f"cannot listen on 127.0.0.1:{port}" in supervised.why("ewr")
        wait_until(lambda: "ewr" in running_servers(history.services.paths))
        assert running_servers(history.services.paths)["ewr"].port != port


def test_a_process_that_ran_and_is_killed_is_started_again_at_once_by_another_host_too(
    history: History,
) -> None:
    history.put_live("delay", 1, ["ewr"])
    paths = history.services.paths
    first = until_the_test_ends(Supervised(history, "warn"))
    first.supervisor.look()
    wait_until(lambda: "ewr" in running_servers(paths))
    before = running_servers(paths)["ewr"]
    first.supervisor.close()
    assert is_alive(before.process)

    second = until_the_test_ends(Supervised(history, "warn"))
    second.supervisor.look()  # it finds the process, and is woken by its end
    assert not second.told.is_set()
    os.kill(before.process.pid, signal.SIGKILL)
    second.look_after_an_end()
    wait_until(lambda: "ewr" in running_servers(paths))
    after = running_servers(paths)["ewr"]
    assert after.process != before.process
    assert after.port == before.port
    assert second.why("ewr").startswith("answers nothing")


def test_a_process_that_is_refused_for_its_token_file_keeps_its_port_and_starts_once_that_is_mended(
    history: History,
) -> None:
    history.put_live("delay", 1, ["ewr"])
    paths = history.services.paths
    supervised = until_the_test_ends(Supervised(history, "warn"))
    supervised.supervisor.look()
    wait_until(lambda: "ewr" in running_servers(paths))
    supervised.supervisor.look()
    before = running_servers(paths)["ewr"]
    tokens = paths.serving_folder("ewr") / "client-tokens"
    tokens.write_text("short\n")
    supervised.told.clear()
    os.kill(before.process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(before.process))
    ends: list[str] = []
    for _ in range(4):
        supervised.look_after_an_end()
        supervised.now += 1.0  # longer than these pauses
        supervised.supervisor.look()
        if "has ended" in supervised.why("ewr"):
            ends.append(supervised.why("ewr").removesuffix(" (and 1 more)"))
    assert set(ends) == {"answers nothing: its process has ended (signal 9)"}
    assert "its process does not start" in supervised.why("ewr")
    supervised.told.wait(60)
    supervised.supervisor.look()  # the last one has ended; the next has to wait
    wait_until(lambda: _refuses(before.port))  # the host holds the port no longer
    tokens.write_text("a-token-of-one-client\n")
    supervised.supervisor.look()
    wait_until(lambda: "ewr" in running_servers(paths))
    assert running_servers(paths)["ewr"].port == before.port


def test_files_that_a_target_names_are_brought_to_its_process_and_again_once_they_change(
    history: History,
) -> None:
    history.put_live("delay", 1, ["ewr"])
    services, paths = history.services, history.services.paths
    tokens, grpc_port = paths.root / "tokens", free_port()
    with services.registry.transaction() as connection:
        (ewr,) = [target for target in targets.all_targets(connection) if target.name == "ewr"]
        described = replace(ewr, client_tokens="tokens", grpc_port=grpc_port)
        targets.put_target(connection, described, at=services.now())
    supervised = until_the_test_ends(Supervised(history, "warn"))
    for _ in range(2):  # it is not started without its tokens, and why is on record
        supervised.supervisor.look()
        supervised.now += 40.0
    assert "ewr" not in running_servers(paths)
    assert f"its process does not start: {tokens} cannot be read" in supervised.why("ewr")
    tokens.write_text("a-token-of-one-client\n")
    supervised.supervisor.look()
    wait_until(lambda: "ewr" in running_servers(paths))
    supervised.supervisor.look()
    folder = paths.serving_folder("ewr")
    assert json.loads((folder / "process.json").read_text())["grpc_port"] == grpc_port
    assert (folder / "client-tokens").read_text() == "a-token-of-one-client\n"
    tokens.write_text("a-token-of-another\n")
    supervised.supervisor.look()
    assert (folder / "client-tokens").read_text() == "a-token-of-another\n"
    tokens.unlink()  # what is in force stays so
    supervised.supervisor.look()
    assert (folder / "client-tokens").read_text() == "a-token-of-another\n"


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port: int = probing.getsockname()[1]
        return port


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=60).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_end_that_the_registry_does_not_take_holds_no_start_up_and_is_on_record_later(
    history: History, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(probe.ABSENT, "namespaces seccomp landlock")
    history.put_live("delay", 1, ["ewr"])
    supervised = until_the_test_ends(Supervised(history, "require"))
    supervised.supervisor.look()
    taken: list[str] = []

    def refuse(services: object, target: str, cause: str, end: str) -> None:
        raise UnavailableError("the disk is full")

    monkeypatch.setattr(serving_supervisor, "note_serving_end", refuse)
    for _ in range(2):
        supervised.look_after_an_end()
        supervised.now += 1.0
        supervised.supervisor.look()  # the next one is started all the same
    assert [record.message for record in caplog.records if "the disk is full" in record.message] == [
        "the end of a serving process is not on record yet: the disk is full"
    ]
    monkeypatch.setattr(
        serving_supervisor, "note_serving_end", lambda s, target, cause, end: taken.append(cause)
    )
    supervised.supervisor.look()
    assert len(taken) == 1
    assert "cannot be confined" in taken[0]


def test_the_cause_of_an_end_is_the_last_line_of_the_log_and_safe_to_print(tmp_path: Path) -> None:
    """Not what a process before it said."""
    log = tmp_path / "serving.log"
    log.write_text("cannot listen on 127.0.0.1:1\nno \x1b[31mmemory\n\n")
    assert "memory" in _last_line(log, 0)
    assert "\x1b" not in _last_line(log, 0)
    assert _last_line(log, log.stat().st_size) == ""
    assert _last_line(tmp_path / "none.log", 0) == ""
    logged = "2026-11-28 21:28:58,608 ERROR pilothouse.serving cannot listen on 127.0.0.1:1: Address already in use\n"
    log.write_text(logged)
    assert _last_line(log, 0) == "cannot listen on 127.0.0.1:1: Address already in use"
