"""Attacks on what a step must not reach, done by real steps, on every set of layers that holds the promises."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.domain.confinement import Offered, confines
from pilothouse.domain.jobs.jobs import JobStatus, StepExit, StepRequest, StepResult
from pilothouse.execution.launcher_client import Launcher
from pilothouse.execution.pipeline import judge
from pilothouse.system.processes import descendants
from support import wait_until

PACKAGES = Path(__file__).parent / "packages"
OFFERED = probe.offered()
ALLOWED = {"input", "own file", "pair", "own priority", "child"}
"""What a step may do."""
_AS_NOBODY = """
set -e
held=$(mktemp -d); mount --bind "$1" "$held"; mount -t tmpfs none /root; mkdir -p "$1"; mount --bind "$held" "$1"
shift; exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
"""
"""Run a command as an ordinary user, to whom the folder of the interpreter is shown where it lies in root's own."""

pytestmark = pytest.mark.skipif(not confines(OFFERED), reason="nothing confines here")


@pytest.fixture(scope="module", params=["every layer", "namespaces without Landlock", "no namespaces"])
def launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    offered = {
        "every layer": OFFERED,
        "namespaces without Landlock": replace(OFFERED, landlock=0),
        "no namespaces": replace(OFFERED, namespaces=False),
    }[request.param]
    if not confines(offered) or ("namespaces" in request.param[:10] and not offered.namespaces):
        pytest.skip("this kernel gives too little")
    with Launcher(steps_package="trial_steps", path=[PACKAGES], grace_s=0.3, offered=offered) as running:
        yield running


def request_for(folder: Path, how: str, **changes: object) -> StepRequest:
    (folder / how).mkdir(exist_ok=True)
    options = {"how": how, **changes.pop("options", {})}  # type: ignore[dict-item]
    plain: dict[str, object] = {"inputs": {}, "spec": {}, "timeout_s": 120, "threads": 2, **changes}
    return StepRequest(1, 1, "attack", str(folder / how / "step"), options=options, **plain)  # type: ignore[arg-type]


def run(
    launcher: Launcher, request: StepRequest, cancel: threading.Event | None = None
) -> tuple[StepExit, StepResult | None]:
    return launcher.run_step(request, cancel or threading.Event(), lambda line: None)


def record(launcher: Launcher, request: StepRequest) -> dict[str, object]:
    _, result = run(launcher, request)
    assert result is not None
    assert result.ok, result.error
    return result.record


def outcome(launcher: Launcher, request: StepRequest) -> tuple[JobStatus, str]:
    return judge(request, *run(launcher, request))[:2]


@pytest.fixture
def targets(tmp_path: Path) -> tuple[dict[str, object], dict[str, str]]:
    """What the attempts are about: this process, a registry, an input."""
    registry, rows = tmp_path / "state" / "registry.db", tmp_path / "rows.parquet"
    registry.parent.mkdir(mode=0o700)
    registry.write_bytes(b"the registry")
    rows.write_bytes(b"rows")
    return {"stranger": os.getpid(), "registry": str(registry)}, {"rows": str(rows)}


def test_a_step_can_do_what_it_may_and_nothing_else(
    launcher: Launcher, tmp_path: Path, targets: tuple[dict[str, object], dict[str, str]]
) -> None:
    options, inputs = targets
    request = request_for(tmp_path, "try_everything", options=options, inputs=inputs)
    tried = record(launcher, request)["attempts"]
    assert isinstance(tried, dict)
    assert {name for name, what in tried.items() if what == "done"} == ALLOWED, tried
    refused = {what for name, what in tried.items() if name.startswith("call ")}
    assert refused <= {"PermissionError", "errno 38"}, tried


def test_a_step_with_a_network_opens_connections_and_nothing_else(
    launcher: Launcher,
    tmp_path: Path,
    targets: tuple[dict[str, object], dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_TESTS", "word-of-the-reader")
    with socket.create_server(("127.0.0.1", 0)) as server:
        greeter = threading.Thread(target=_greet, args=(server,))
        greeter.start()
        options, inputs = targets
        options |= {"port": server.getsockname()[1]}
        request = replace(request_for(tmp_path, "network", options=options, inputs=inputs), step="connect")
        without = replace(request_for(tmp_path, "none", options=options, inputs=inputs), step="connect")
        reading = replace(request, network=True, credentials="env:A_SECRET_OF_THE_TESTS")
        allowed = record(launcher, reading)
        greeter.join()
        refused = record(launcher, without)
    tried = allowed["attempts"]
    assert isinstance(tried, dict)
    assert {name for name, what in tried.items() if what == "done"} == {"tcp", "names"}, tried
    nothing = refused["attempts"]
    assert isinstance(nothing, dict)
    assert "done" not in nothing.values(), nothing
    assert allowed["secret"] == "word-of-the-reader"[::-1]
    assert refused["secret"] == ""
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or b"word-of-the-reader" not in path.read_bytes(), path
    assert "word-of-the-reader" not in str(allowed["environment"])


def _greet(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"hello")


def test_a_secret_that_is_not_there_ends_the_step_before_it_starts(
    launcher: Launcher, tmp_path: Path
) -> None:
    request = replace(request_for(tmp_path, "lacks"), step="connect", network=True)
    status, error = outcome(launcher, replace(request, credentials="env:NOT_THERE_IN_THE_TESTS"))
    assert status is JobStatus.FAILED
    assert "the environment of this process has no NOT_THERE_IN_THE_TESTS" in error
    everybodys = tmp_path / "everybodys"
    everybodys.write_text("word")
    everybodys.chmod(0o644)
    _, error = outcome(launcher, replace(request, credentials=f"file:{everybodys}"))
    assert f"everybody may read {everybodys}" in error


def test_nothing_is_left_for_the_next_step_in_shared_memory(launcher: Launcher, tmp_path: Path) -> None:
    left = record(launcher, request_for(tmp_path, "leave_something"))["left"]
    assert left == ("done" if launcher.offered.namespaces else "PermissionError")
    assert record(launcher, request_for(tmp_path, "look_for_something"))["read"] != "done"
    assert not Path("/dev/shm/left-by-a-step-of-the-tests").exists()


def test_a_cancel_ends_processes_that_fork_without_end_within_seconds(
    launcher: Launcher, tmp_path: Path
) -> None:
    request = request_for(tmp_path, "fork_without_end", memory_mb=100_000)
    cancel = threading.Event()
    answers: list[tuple[StepExit, StepResult | None]] = []
    thread = threading.Thread(target=lambda: answers.append(run(launcher, request, cancel)))
    thread.start()
    wait_until(lambda: (Path(request.folder) / "begun").exists(), timeout=30)
    assert launcher.pid is not None
    wait_until(lambda: len(descendants(launcher.pid or 0)) > 10, timeout=30)
    cancelled = time.monotonic()
    cancel.set()
    thread.join(timeout=60)
    assert time.monotonic() - cancelled < 10
    assert judge(request, *answers[0])[0] is JobStatus.CANCELLED
    assert descendants(launcher.pid) == []


def test_a_step_runs_no_more_than_a_thousand_processes(launcher: Launcher, tmp_path: Path) -> None:
    status, error = outcome(
        launcher, request_for(tmp_path, "many_processes", memory_mb=100_000, timeout_s=120)
    )
    assert status is JobStatus.FAILED
    # where the number is the user's, the kernel refuses to fork before
    assert "more than 1,000 processes at once" in error or "BlockingIOError" in error
    assert descendants(launcher.pid or 0) == []


def test_shared_memory_counts_as_memory_of_the_job(launcher: Launcher, tmp_path: Path) -> None:
    status, error = outcome(launcher, request_for(tmp_path, "fill_shared_memory", memory_mb=300))
    if launcher.offered.namespaces:
        assert status is JobStatus.OUT_OF_MEMORY, error
    else:
        assert "PermissionError" in error


def test_a_process_that_hides_its_memory_counts_in_full(launcher: Launcher, tmp_path: Path) -> None:
    status, error = outcome(launcher, request_for(tmp_path, "hide_and_fill", memory_mb=300, timeout_s=30))
    assert status is JobStatus.OUT_OF_MEMORY, error


def test_page_tables_count_as_memory_of_the_job(launcher: Launcher, tmp_path: Path) -> None:
    request = request_for(tmp_path, "fill_page_tables", memory_mb=220)
    status, error = outcome(launcher, request)
    assert status is JobStatus.OUT_OF_MEMORY, error


@pytest.mark.parametrize("how", ["fill_folder", "fill_files_without_a_name", "fill_empty_files"])
def test_a_folder_is_bounded(launcher: Launcher, tmp_path: Path, how: str) -> None:
    status, error = outcome(launcher, request_for(tmp_path, how, folder_mb=5, timeout_s=50))
    assert (status, "more than 5 MiB" in error) == (JobStatus.FAILED, True), error


def test_a_result_that_code_left_before_it_ended_the_process_is_none(
    launcher: Launcher, tmp_path: Path
) -> None:
    status, error = outcome(launcher, request_for(tmp_path, "write_result_and_leave"))
    assert (status, "process ended early" in error) == (JobStatus.FAILED, True), error


def test_a_child_cannot_write_over_the_result_of_its_step(launcher: Launcher, tmp_path: Path) -> None:
    request = request_for(tmp_path, "result_of_a_child")
    _, result = run(launcher, request)
    assert result is None or not result.ok or result.record == {"forged": False}


def test_a_launcher_short_of_descriptors_fails_the_step_and_goes_on(
    launcher: Launcher, tmp_path: Path
) -> None:
    assert run(launcher, request_for(tmp_path, "look_for_something"))[1] is not None
    pid = launcher.pid
    assert pid is not None
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    open_now = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    for spare in range(4):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (open_now + spare, before[1]))
        (tmp_path / str(spare)).mkdir()
        status, error = outcome(launcher, request_for(tmp_path / str(spare), "look_for_something"))
        assert "\n" not in error
        assert spare or (status is JobStatus.FAILED and "Too many open files" in error), error
        assert descendants(pid) == []
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    assert record(launcher, request_for(tmp_path, "leave_something"))
    assert launcher.pid == pid


@pytest.mark.parametrize("version", range(1, 7))
def test_each_version_of_landlock_holds_together_with_seccomp(
    version: int, tmp_path: Path, targets: tuple[dict[str, object], dict[str, str]]
) -> None:
    offered = Offered(landlock=version, seccomp=True)
    if OFFERED.landlock < version or not OFFERED.seccomp:
        pytest.skip("this kernel gives less")
    assert confines(offered)
    options, inputs = targets
    folder = tmp_path / "step"
    folder.mkdir()
    done = subprocess.run(
        [
            *(sys.executable, str(PACKAGES / "trial_steps" / "attack.py")),
            *map(json.dumps, (asdict(offered), str(folder), options, inputs)),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    tried = json.loads(done.stdout)
    assert {name for name, what in tried.items() if what == "done"} == ALLOWED, tried


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Folder that every user may write; those of pytest are their owner's alone."""
    folder = Path(tempfile.mkdtemp(prefix="ph-open-", dir="/tmp"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="this is an ordinary user")
def test_an_ordinary_user_is_held_by_the_same(open_folder: Path) -> None:
    if not shutil.which("unshare") or not shutil.which("setpriv"):
        pytest.skip("unshare and setpriv are missing")
    folder = str(open_folder)
    launcher = Path(__file__).with_name("test_launcher.py")
    fits = (
        "gradient_boosting_fits_in_fork_after_fork_and_the_same_each_time",
        "workers_of_joblib_die_with_their_step",
    )
    chosen = [__file__, *(f"{launcher}::test_{name}" for name in fits)]
    tests = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-n", "0", *chosen]
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", _AS_NOBODY, "--", sys.base_prefix, *tests],
        capture_output=True,
        text=True,
        timeout=600,
        cwd="/",
        env={**os.environ, "TMPDIR": folder, "PYTEST_DEBUG_TEMPROOT": folder, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]
    assert " passed" in done.stdout
