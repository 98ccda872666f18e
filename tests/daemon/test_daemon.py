"""Real daemons: started, asked, killed; jobs through all their ends; serving processes that outlive them."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.domain.confinement import confines, describe
from pilothouse.domain.doctor import end_text
from pilothouse.domain.errors import ConflictError, NotFoundError, UnavailableError
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.operations.fleet import processes
from pilothouse.operations.jobs import jobs
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import apply_models, audits
from pilothouse.store.deployed import processes as stored
from pilothouse.system.leader import leader
from pilothouse.system.processes import descendants, is_alive, kill_group, name_of
from support import wait_until
from support.small_workspace import SmallWorkspace, make_small_workspace

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]


@pytest.fixture
def small_workspace(tmp_path: Path) -> Iterator[SmallWorkspace]:
    made = make_small_workspace(tmp_path / "w")
    try:
        yield made
    finally:
        control.stop(made.root)
        control.stop_serving(made.root)
        made.services.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallWorkspace]:
    """A workspace and its daemon, for tests that leave both in order: half the time of such a test goes into a start."""
    made = make_small_workspace(tmp_path_factory.mktemp("shared") / "w")
    try:
        control.start_in_background(made.root, serve_targets=False)
        yield made
    finally:
        control.stop(made.root)
        made.services.close()


@pytest.fixture
def running(shared: SmallWorkspace) -> SmallWorkspace:
    """The shared workspace, with data on which no other test has trained."""
    shared.renew()
    return shared


def test_a_daemon_starts_is_known_refuses_a_second_and_stops(small_workspace: SmallWorkspace) -> None:
    assert not processes.daemon_state(small_workspace.services).running
    name = control.start_in_background(small_workspace.root)
    state = processes.daemon_state(small_workspace.services)
    assert (state.running, state.pid) == (True, name.pid)
    assert state.isolation == describe(probe.offered())
    with pytest.raises(ConflictError, match=f"runs already, pid {name.pid}"):
        control.start_in_background(small_workspace.root)
    family = [name.pid, *descendants(name.pid)]
    assert len(family) >= 2
    assert small_workspace.services.paths.hub_socket.stat().st_mode & 0o777 == 0o600
    assert control.stop(small_workspace.root)
    assert [pid for pid in family if name_of(pid)] == []
    assert not small_workspace.services.paths.hub_socket.exists()
    assert not processes.daemon_state(small_workspace.services).running
    assert not control.stop(small_workspace.root)
    actions = [entry.action for entry in audits.show(small_workspace.services, small_workspace.admin)]
    actions = [action for action in actions if action != "log.key_made"]  # with the first head
    assert actions[:2] == ["daemon.stopped", "daemon.started"]


def test_a_daemon_that_takes_long_to_start_is_left_to_do_so(small_workspace: SmallWorkspace) -> None:
    with pytest.raises(
        UnavailableError, match="is still starting after 0 s and goes on: pilothouse daemon status"
    ):
        control.start_in_background(small_workspace.root, serve_targets=False, timeout_s=0.0)
    wait_until(lambda: control.hub_answers(small_workspace.services.paths.hub_socket))
    assert processes.daemon_state(small_workspace.services).mode == "require"
    assert control.stop(small_workspace.root)
    actions = [entry.action for entry in audits.show(small_workspace.services, small_workspace.admin)]
    assert "daemon.ended" not in actions
    assert "when it stopped as asked" in end_text(processes.daemon_state(small_workspace.services))


def test_a_daemon_that_cannot_start_says_why(tmp_path: Path, small_workspace: SmallWorkspace) -> None:
    with pytest.raises(NotFoundError, match="not a workspace"):
        control.start_in_background(tmp_path)
    small_workspace.services.paths.registry.chmod(0o666)
    with pytest.raises(UnavailableError, match="chmod 600"):
        control.start_in_background(small_workspace.root)


def test_damaged_telemetry_is_told_by_the_start_and_not_after_it(small_workspace: SmallWorkspace) -> None:
    telemetry = small_workspace.services.paths.telemetry
    telemetry.write_bytes(b"no database" * 1_000)
    telemetry.chmod(0o600)
    with pytest.raises(UnavailableError, match=r"telemetry\.db is damaged"):
        control.start_in_background(small_workspace.root)
    told = [json.loads(line) for line in small_workspace.services.paths.daemon_log.read_text().splitlines()]
    assert [(line["level"], "telemetry.db is damaged" in line["message"]) for line in told] == [
        ("critical", True)
    ]
    assert not processes.daemon_state(small_workspace.services).running


def test_each_way_that_a_job_ends_is_told(running: SmallWorkspace) -> None:
    good = running.ended(running.train().id)
    assert (good.status, good.error, good.version) == (JobStatus.SUCCEEDED, "", 1)
    folder = running.services.paths.step_folder(good.id, 1, 1, "fit")
    messages = {"log.txt", "progress.jsonl", "request.json", "result.json"}
    wait_until(lambda: {entry.name for entry in folder.iterdir()} == messages)
    head = "import os, signal, time\n\ndef fit(X, y, parameters, seed):\n"
    bodies = {
        "raise ValueError('no wind')": (
            JobStatus.USER_EXCEPTION,
            "train.py line 5 in fit: ValueError: no wind",
        ),
        "os.kill(os.getpid(), signal.SIGSEGV)": (
            JobStatus.CRASHED,
            "SIGSEGV: Segmentation fault in train.py line 5",
        ),
        "bytearray(8 << 30)": (JobStatus.OUT_OF_MEMORY, "memory_mb"),
        "time.sleep(60)": (JobStatus.TIMED_OUT, "training.timeout"),
    }
    for body, (status, words) in bodies.items():
        limits = 'function = "train.py:fit"\nmemory_mb = 2000'
        running.write_model(limits, code=f"{head}    print('on it')\n    {body}\n")
        path = running.root / "models" / "delay" / "model.toml"
        if status is JobStatus.TIMED_OUT:
            path.write_text(path.read_text().replace('"60s"', '"2s"'))
            apply_models.apply(running.services, running.admin)
        job = running.ended(running.train().id)
        assert job.status is status, job.error
        assert words in job.error
        assert "on it" in jobs.read_log(running.services, running.scientist, job.id)[0]
        for step in ("00-snapshot", "01-fit"):  # no row of a failed attempt stays
            left = running.services.paths.job_folder(job.id) / "1" / step
            wait_until(lambda left=left: {entry.name for entry in left.iterdir()} <= messages)


def test_a_running_job_is_cancelled_within_a_moment(running: SmallWorkspace) -> None:
    code = "import time\n\ndef fit(X, y, parameters, seed):\n    print('sleeps')\n    time.sleep(60)\n"
    running.write_model('function = "train.py:fit"', code=code)
    job = running.train()
    wait_until(
        lambda: "sleeps" in jobs.read_log(running.services, running.scientist, job.id)[0],
        timeout=30,
    )
    jobs.cancel_job(running.services, running.scientist, job.id)
    assert running.ended(job.id, timeout=5).status is JobStatus.CANCELLED


@pytest.mark.parametrize("end", ["killed", "stopped"])
def test_a_job_of_a_daemon_that_ends_leaves_no_orphan_and_is_run_by_the_next(
    small_workspace: SmallWorkspace, end: str
) -> None:
    code = (
        "import os, time\nfrom sklearn.ensemble import HistGradientBoostingClassifier\n\n"
        "def fit(X, y, parameters, seed):\n"
        "    if os.path.basename(os.path.dirname(os.getcwd())) == '1':\n        print('sleeps')\n        time.sleep(60)\n"
        "    return HistGradientBoostingClassifier(max_iter=8).fit(X, y)\n"
    )
    small_workspace.write_model('function = "train.py:fit"', code=code)
    daemon = control.start_in_background(small_workspace.root, serve_targets=False)
    job = small_workspace.train()
    wait_until(
        lambda: "sleeps" in jobs.read_log(small_workspace.services, small_workspace.scientist, job.id)[0],
        timeout=30,
    )
    family = [daemon.pid, *descendants(daemon.pid)]
    if end == "killed":
        os.kill(daemon.pid, signal.SIGKILL)
    else:
        assert control.stop(small_workspace.root)
    wait_until(lambda: not [pid for pid in family if name_of(pid)])
    assert not processes.daemon_state(small_workspace.services).running
    handed_over = JobStatus.RUNNING if end == "killed" else JobStatus.QUEUED
    assert small_workspace.job(job.id).status is handed_over
    control.start_in_background(small_workspace.root, serve_targets=False)
    again = small_workspace.ended(job.id, timeout=30)
    assert (again.status, again.attempt, again.version) == (JobStatus.SUCCEEDED, 2, 1)
    assert again.failures == (1 if end == "killed" else 0)
    assert again.result["reused"] == {"snapshot": "attempt 1"}
    log = small_workspace.services.paths.daemon_log.read_text()
    assert (f"the daemon before, pid {daemon.pid}, ended without saying so" in log) == (end == "killed")


def _approved(small_workspace: SmallWorkspace) -> None:
    job = small_workspace.ended(small_workspace.train().id)
    assert job.status is JobStatus.SUCCEEDED, job.error
    reference = f"models:/delay/{job.version}"
    request = promotions.request_promotion(small_workspace.services, small_workspace.scientist, reference)
    wait_until(lambda: running_servers(small_workspace.services.paths), timeout=30)
    promotions.approve(
        small_workspace.services, small_workspace.approver, request.id, request.evidence_digest
    )


def _loaded(small_workspace: SmallWorkspace) -> int | None:
    with small_workspace.services.registry.read() as connection:
        record = stored.reports(connection).get("ewr")
    return record.report.loaded.get("delay") if record else None


def _answers(port: int) -> bool:
    tensors = [
        {"name": name, "shape": [1], "datatype": "FP64", "data": [value]}
        for name, value in (("wind", 12.0), ("load", 0.5))
    ]
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/v2/models/delay/infer",
        json.dumps({"inputs": tensors}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return "prediction_id" in answer.read().decode()
    except OSError:
        return False


def test_serving_follows_an_approval_outlives_the_daemon_and_is_started_again_when_killed(
    small_workspace: SmallWorkspace,
) -> None:
    paths = small_workspace.services.paths
    daemon = control.start_in_background(small_workspace.root)
    _approved(small_workspace)
    wait_until(lambda: _loaded(small_workspace) == 1, timeout=20)
    first = running_servers(paths)["ewr"]
    assert _answers(first.port)
    assert (paths.serving_folder("ewr") / "token").stat().st_mode & 0o777 == 0o600

    os.kill(daemon.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(daemon))
    assert _answers(first.port)
    control.start_in_background(small_workspace.root)
    waited = threading.Event()
    waited.wait(1.5)
    assert running_servers(paths)["ewr"] == first

    os.kill(first.process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(first.process))
    wait_until(lambda: "ewr" in running_servers(paths), timeout=20)
    second = running_servers(paths)["ewr"]
    assert second.process != first.process
    assert second.port == first.port
    wait_until(lambda: _answers(second.port), timeout=20)

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (small_workspace.root / "targets.toml").write_text(f'[[target]]\nname = "ewr"\nport = {port}\n')
    apply_models.apply(small_workspace.services, small_workspace.admin)
    os.kill(second.process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(second.process))
    wait_until(lambda: "ewr" in running_servers(paths), timeout=20)
    third = running_servers(paths)["ewr"]
    assert third.port == port

    daemon = leader(paths.daemon_lock)
    assert daemon is not None
    (host,) = _hosts_of(daemon.pid)
    wait_until(lambda: _answers(third.port), timeout=20)
    os.kill(host, signal.SIGKILL)
    wait_until(lambda: "the serving host ended: signal 9" in paths.daemon_log.read_text())
    assert _answers(third.port)
    wait_until(lambda: [pid for pid in _hosts_of(daemon.pid) if pid != host])
    os.kill(third.process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(third.process))
    wait_until(lambda: _answers(third.port), timeout=20)
    fourth = running_servers(paths)["ewr"]
    assert (fourth.process != third.process, fourth.port) == (True, third.port)

    assert control.stop(small_workspace.root)
    assert is_alive(fourth.process)
    assert _answers(fourth.port)
    assert control.stop_serving(small_workspace.root) == ["ewr"]
    assert not is_alive(fourth.process)


def _hosts_of(daemon: int) -> list[int]:
    """Pids of the serving hosts below a daemon."""
    found = []
    for pid in descendants(daemon):
        with contextlib.suppress(FileNotFoundError):
            if b"pilothouse.serving.host" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def test_a_standby_takes_over_after_a_kill(small_workspace: SmallWorkspace) -> None:
    paths = small_workspace.services.paths
    first = control.start_in_background(small_workspace.root, serve_targets=False)
    second = control.start_in_background(small_workspace.root, serve_targets=False, standby=True)
    try:
        assert leader(paths.daemon_lock) == first
        wait_until(lambda: len(descendants(second.pid)) > 0)  # its launcher: it is warm
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: leader(paths.daemon_lock) == second and control.hub_answers(paths.hub_socket))
    finally:
        kill_group(second, 5.0)


def test_a_standby_that_is_told_to_stop_goes_without_having_led(running: SmallWorkspace) -> None:
    second = control.start_in_background(running.root, standby=True)
    os.kill(second.pid, signal.SIGTERM)
    wait_until(lambda: not is_alive(second))
    actions = [entry.action for entry in audits.show(running.services, running.admin)]
    assert actions.count("daemon.started") == 1


def test_a_daemon_that_drains_lets_the_job_end_and_begins_no_other(small_workspace: SmallWorkspace) -> None:
    code = (
        "import time\nfrom pathlib import Path\nfrom sklearn.ensemble import HistGradientBoostingClassifier\n\n"
        "def fit(X, y, parameters, seed):\n    print('waits in', Path(__file__).parent)\n"
        "    while not (Path(__file__).parent / 'go').exists():\n        time.sleep(0.02)\n"
        "    return HistGradientBoostingClassifier(max_iter=8).fit(X, y)\n"
    )
    small_workspace.write_model('function = "train.py:fit"', code=code)
    daemon = control.start_in_background(small_workspace.root, serve_targets=False)
    first = small_workspace.train()

    def log() -> str:
        return jobs.read_log(small_workspace.services, small_workspace.scientist, first.id)[0]

    wait_until(lambda: "waits in" in log(), timeout=30)
    second = small_workspace.train()
    os.kill(daemon.pid, control.DRAIN)
    wait_until(lambda: "no job is begun any more" in small_workspace.services.paths.daemon_log.read_text())
    assert is_alive(daemon)
    copied = next(line for line in log().splitlines() if "waits in" in line).rpartition(" ")[2]
    (Path(copied) / "go").touch()  # beside the copy of the code that runs
    wait_until(lambda: not is_alive(daemon), timeout=30)
    assert small_workspace.job(first.id).status is JobStatus.SUCCEEDED
    assert small_workspace.job(second.id).status is JobStatus.QUEUED


def test_a_service_manager_hears_that_it_is_ready_well_and_stopping(
    small_workspace: SmallWorkspace, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1500000"}
        command = [sys.executable, "-I", "-m", "pilothouse.daemon.main", "--root", str(small_workspace.root)]
        child = subprocess.Popen([*command, "--no-serving"], env=environment)
        try:
            said = [manager.recv(200).decode().splitlines()[0] for _ in range(3)]
            child.terminate()
            while said[-1] != "STOPPING=1":
                said.append(manager.recv(200).decode().splitlines()[0])
            assert child.wait(20) == 0
        finally:
            child.kill()
            child.wait()
    assert said[:3] == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]
