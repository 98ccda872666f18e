"""A real serving host: processes that it forks, their ports, their ends, its own end, and what a process keeps of it."""

import contextlib
import http.client
import json
import os
import queue
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from serving_kit import ModelFile, TestHub, body_of, outputs_of, short_folder, wait_until

from pilothouse.confinement import probe
from pilothouse.daemon.serving_host import ServingHost
from pilothouse.daemon.serving_supervisor import ServingProcess, read_process_file
from pilothouse.domain.confinement import confines
from pilothouse.inference.portable.archive import to_bytes
from pilothouse.inference.portable.conversion.model import converted
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.host import Order
from pilothouse.system import controlled_process
from pilothouse.system.processes import descendants, is_alive, kill_group
from support.soak_plan import size

BODY = body_of(2)


@dataclass
class Hosted:
    """A host as the daemon has one, and the processes that were ordered."""

    folder: Path
    host: ServingHost
    ends: "queue.SimpleQueue[None]"
    ordered: dict[str, Order] = field(default_factory=dict)

    def order(self, hub: TestHub, port: int = 0, *, skops: bool = True) -> None:
        """Order a process for the hub's target."""
        folder = self.folder / hub.target
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "token").write_text(hub.token)
        log = str(folder / "serving.log")
        places = (str(hub.path), str(folder), str(folder / "token"))
        self.ordered[hub.target] = Order(hub.target, *places, "require", port, log, skops=skops)
        self.host.start(self.ordered[hub.target])

    def again(self, target: str) -> None:
        """Order the next process of a target once the last has ended, as the supervisor does."""
        while (end := self.host.take_end(target)) is None:
            self.ends.get(timeout=60)
        assert end.code == -signal.SIGKILL
        self.host.start(self.ordered[target])

    def server(self, target: str) -> ServingProcess:
        """The process of a target, once it has named itself."""
        found: list[ServingProcess] = []

        def named() -> bool:
            server = read_process_file(self.folder / target)
            if server is not None and is_alive(server.process):
                found.append(server)
            return bool(found)

        wait_until(named)
        return found[-1]

    def log(self, target: str) -> str:
        return (self.folder / target / "serving.log").read_text()


@pytest.fixture
def hosted() -> Iterator[Hosted]:
    with short_folder() as folder:
        ends: queue.SimpleQueue[None] = queue.SimpleQueue()
        made = Hosted(folder, ServingHost(folder, lambda: ends.put(None)), ends)
        try:
            yield made
        finally:
            made.host.close()
            for target in made.ordered:
                if (server := read_process_file(folder / target)) is not None:
                    kill_group(server.process, 0.0)


@pytest.fixture
def hubs() -> Iterator[Callable[[str, ModelFile], TestHub]]:
    """A hub for each target that is asked for, with a version."""
    with short_folder() as folder:
        made: list[TestHub] = []

        def make(target: str, model: ModelFile) -> TestHub:
            hub = TestHub(folder / f"{target}.sock", target)
            hub.deploy(model)
            hub.start()
            made.append(hub)
            return hub

        yield make
        for hub in made:
            hub.stop()


def ask(port: int) -> list[str]:
    """Ids of two answered rows. Raises OSError or HTTPException where the process is killed meanwhile."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v2/models/flight-delay/infer", BODY)
        response = connection.getresponse()
        body = json.loads(response.read())
        assert response.status == 200, body
        ids: list[str] = outputs_of(body)["prediction_id"]
        return ids
    finally:
        connection.close()


Hubs = Callable[[str, ModelFile], TestHub]


def until_it_answers(hosted: Hosted, target: str) -> ServingProcess:
    server = hosted.server(target)

    def answers() -> bool:
        with contextlib.suppress(AssertionError):  # 503: the version is on its way
            return bool(ask(server.port))
        return False

    wait_until(answers)
    return server


def test_connections_to_a_killed_process_wait_for_the_next_and_nothing_acknowledged_is_lost(
    hosted: Hosted, hubs: Hubs, first: ModelFile
) -> None:
    hub = hubs("ewr", first)
    hosted.order(hub)
    server = until_it_answers(hosted, "ewr")
    acknowledged: list[str] = []
    refused: list[str] = []
    stopping = threading.Event()

    def client() -> None:
        while not stopping.is_set():
            try:
                acknowledged.extend(ask(server.port))
            except ConnectionRefusedError as error:
                refused.append(repr(error))
            except AssertionError as error:  # answered, and not with 200
                refused.append(str(error))
            except (OSError, http.client.HTTPException):
                continue  # it was killed while it had this connection: not acknowledged

    clients = [threading.Thread(target=client) for _ in range(4)]
    for thread in clients:
        thread.start()
    try:
        for _ in range(size(5, 1_000)):
            seen = len(acknowledged)
            wait_until(lambda seen=seen: len(acknowledged) > seen + 100)
            process = hosted.server("ewr")
            assert process.port == server.port
            os.kill(process.process.pid, signal.SIGKILL)
            hosted.again("ewr")
        seen = len(acknowledged)
        wait_until(lambda: len(acknowledged) > seen + 100)
    finally:
        stopping.set()
        for thread in clients:
            thread.join()
    print(f"{len(acknowledged)} rows acknowledged")
    assert refused == []
    wait_until(lambda: set(acknowledged) <= set(hub.prediction_ids()))
    assert max(Counter(hub.prediction_ids()).values()) == 1
    assert len(set(acknowledged)) == len(acknowledged)


def test_two_targets_have_processes_and_ports_of_their_own(
    hosted: Hosted, hubs: Hubs, first: ModelFile
) -> None:
    hosted.order(hubs("ewr", first))
    hosted.order(hubs("jfk", first))
    ewr, jfk = until_it_answers(hosted, "ewr"), until_it_answers(hosted, "jfk")
    assert ewr.port != jfk.port
    assert ewr.process.pid != jfk.process.pid
    os.kill(ewr.process.pid, signal.SIGKILL)
    hosted.again("ewr")
    assert until_it_answers(hosted, "ewr").port == ewr.port
    assert hosted.server("jfk") == jfk


def test_processes_outlive_the_host_and_the_next_host_takes_over_the_port(
    hosted: Hosted, hubs: Hubs, first: ModelFile
) -> None:
    hosted.order(hubs("ewr", first))
    before = until_it_answers(hosted, "ewr")
    assert hosted.host.pid is not None
    os.kill(hosted.host.pid, signal.SIGKILL)
    wait_until(lambda: hosted.host.pid is None)
    assert ask(before.port)
    end = None
    while end is None:
        hosted.ends.get(timeout=60)
        end = hosted.host.take_end("ewr")
    assert end.code is None  # nobody knows
    assert is_alive(before.process)

    os.kill(before.process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(before.process))

    def ordered() -> bool:
        hosted.host.keep_warm(skops=True)
        return hosted.host.pid is not None

    wait_until(ordered)  # it waits a second after a host that died at once
    hosted.host.start(replace(hosted.ordered["ewr"], port=before.port))
    after = until_it_answers(hosted, "ewr")
    assert after.port == before.port
    hosted.host.close()
    assert ask(after.port)


def test_scikit_learn_is_imported_once_a_target_needs_it(
    hosted: Hosted, hubs: Hubs, first: ModelFile
) -> None:
    model = Predictor(first.model, InputSchema.from_bytes(first.schema))
    portable = replace(first, portable=to_bytes(converted(model.model, model.schema)))

    def maps(pid: int | None) -> str:
        return Path(f"/proc/{pid}/maps").read_text()

    hosted.order(hubs("ewr", portable), skops=False)
    server = until_it_answers(hosted, "ewr")
    for pid in (server.process.pid, hosted.host.pid):
        assert "scipy" in maps(pid)
        assert "sklearn" not in maps(pid)
        assert "pandas" not in maps(pid)
    hosted.order(hubs("jfk", first))
    other = until_it_answers(hosted, "jfk")
    for pid in (other.process.pid, hosted.host.pid):
        assert "sklearn" in maps(pid)
    assert "sklearn" not in maps(server.process.pid)
    assert ask(server.port)


def test_a_port_without_a_process_is_let_go(hosted: Hosted, hubs: Hubs, first: ModelFile) -> None:
    """Whoever asks where nothing is started any more is refused, and does not wait for ever."""
    hosted.order(hubs("ewr", first))
    server = until_it_answers(hosted, "ewr")
    os.kill(server.process.pid, signal.SIGKILL)

    def refuses() -> bool:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=1).close()
        except OSError:
            return True
        return False

    wait_until(refuses)


def test_few_processes_load_at_once(hosted: Hosted, first: ModelFile) -> None:
    """While the first ones wait for a hub that does not answer, the others are not begun."""
    targets = ["ams", "ewr", "jfk", "lga"]
    with short_folder() as folder, socket.socket(socket.AF_UNIX) as mute:
        path = folder / "hub.sock"
        mute.bind(str(path))
        mute.listen(64)
        for target in targets:
            hosted.order(TestHub(path, target))
        assert hosted.host.pid is not None
        pid = hosted.host.pid
        wait_until(lambda: sum(read_process_file(hosted.folder / t) is not None for t in targets) == 2)
        titles = [Path(f"/proc/{child}/cmdline").read_bytes() for child in descendants(pid)]
        assert sum(b"--target" in title for title in titles) == 2
    for target in targets:  # the hub is gone: those that waited go on without it
        hosted.server(target)


_NOT_ITS_OWN = """
import ctypes, json, os, signal, sys, time
from pathlib import Path
import pilothouse.serving.host as host
from pilothouse.serving.main import _give_up_all_but

def attempts(sibling):
    def attempt(act):
        try:
            return act() or "done"
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            return "denied"
    def call(name, *arguments):
        if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), name)
    return {
        "signal its sibling": attempt(lambda: os.kill(sibling, 0)),
        "signal its parent": attempt(lambda: os.kill(os.getppid(), 0)),
        "signal by descriptor": attempt(lambda: signal.pidfd_send_signal(os.pidfd_open(sibling), 0)),
        "trace": attempt(lambda: call("ptrace", 16, sibling, 0, 0)),
        "memory": attempt(lambda: open(f"/proc/{sibling}/mem", "rb").read(1) and None),
        "memory by call": attempt(lambda: call("process_vm_readv", sibling, None, 0, None, 0, 0)),
        "environment": attempt(lambda: open(f"/proc/{sibling}/environ").read() and None),
        "descriptors of others": attempt(lambda: os.listdir(f"/proc/{sibling}/fd") and None),
        "its parent's socket": attempt(lambda: os.open(f"/proc/{os.getppid()}/fd/{control}", os.O_RDWR) and None),
    }

def stand_in(listeners, assignment, offered, on_started):
    held = {int(name): os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{name}")}
    folder, parent = assignment.folder, os.getppid()
    _give_up_all_but(assignment, [1], offered)
    (folder / "up.new").write_text(str(os.getpid()))
    (folder / "up.new").rename(folder / "up")
    document = {"held": sorted(held.values()), "group": os.getpgid(0) == os.getpid() == os.getsid(0),
                "listener": os.readlink(f"/proc/self/fd/{listeners.http.fileno()}")}
    while not (folder / "sibling").exists() and os.getppid() == parent:  # a test that fails leaves none behind
        time.sleep(0.02)
    document["attempts"] = attempts(int((folder / "sibling").read_text()))
    (folder / "said.new").write_text(json.dumps(document))
    (folder / "said.new").rename(folder / "said.json")
    on_started()
    while not (folder / "end").exists() and os.getppid() == parent:
        time.sleep(0.02)

host.serve_on = stand_in
control = int(sys.argv[sys.argv.index("--control") + 1])
sys.exit(host.main())
"""


@pytest.mark.parametrize("absent", ["", "landlock", "namespaces"])
def test_a_process_keeps_nothing_of_the_host_and_reaches_neither_it_nor_its_sibling(
    hosted: Hosted, hub: TestHub, monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    monkeypatch.setenv(probe.ABSENT, absent)
    if not confines(probe.offered()):
        pytest.skip("this kernel gives too little")
    popen = controlled_process.subprocess.Popen

    def with_a_stand_in(command: list[str], **options: object) -> object:
        return popen([*command[:2], "-c", _NOT_ITS_OWN, *command[4:]], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(controlled_process.subprocess, "Popen", with_a_stand_in)
    targets = ("ewr", "jfk")
    for target in targets:
        hosted.order(TestHub(hub.path, target))
    wait_until(lambda: all((hosted.folder / target / "up").exists() for target in targets))
    pids = {target: int((hosted.folder / target / "up").read_text()) for target in targets}
    for target, sibling in zip(targets, reversed(targets), strict=True):
        (hosted.folder / target / "sibling").write_text(str(pids[sibling]))
    for target in targets:
        wait_until((hosted.folder / target / "said.json").exists)
        said = json.loads((hosted.folder / target / "said.json").read_text())
        assert set(said["attempts"].values()) == {"denied"}, said["attempts"]
        assert said["group"]
        sockets = [place for place in said["held"] if place.startswith("socket:")]
        assert sockets == [said["listener"]]
        others = {place for place in said["held"] if not place.startswith(("socket:", "/proc/"))}
        pipes = {place for place in others if place.startswith("pipe:")}
        assert len(pipes) == 1  # on which it says that it has started
        folder = hosted.folder / target
        assert others - pipes == {"/dev/null", str(folder / "serving.log"), str(folder / "lock")}
    for target in targets:
        (hosted.folder / target / "end").touch()
    for _ in targets:
        hosted.ends.get(timeout=60)
    assert {hosted.host.take_end(target).code for target in targets} == {0}  # type: ignore[union-attr]


def test_a_forked_process_is_confined_and_shown_by_its_target(
    hosted: Hosted, hubs: Hubs, first: ModelFile
) -> None:
    hosted.order(hubs("ewr", first))
    server = until_it_answers(hosted, "ewr")
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status
    shown = Path(f"/proc/{server.process.pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    assert shown[1:] == [b"-I", b"-m", b"pilothouse.serving.main", b"--target", b"ewr"]
    assert "without isolation" not in hosted.log("ewr")
