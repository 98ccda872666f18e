"""Steps in processes of their own: what they can reach, how they end, what they leave behind."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.domain.confinement import Offered, confines
from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.jobs.jobs import JobStatus, ProgressLine, StepExit, StepRequest, StepResult
from pilothouse.execution.launcher_client import Launcher
from pilothouse.execution.pipeline import judge
from pilothouse.system.processes import descendants, name_of
from support import wait_until

PACKAGES = Path(__file__).parent / "packages"

OFFERED = probe.offered()
pytestmark = pytest.mark.skipif(not confines(OFFERED), reason="nothing confines here")


def new_launcher(**options: object) -> Launcher:
    return Launcher(steps_package="trial_steps", path=[PACKAGES], grace_s=0.3, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["with namespaces", "without namespaces"])
def launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    offered = OFFERED if request.param == "with namespaces" else replace(OFFERED, namespaces=False)
    if request.param == "with namespaces" and not offered.namespaces:
        pytest.skip("this kernel gives no namespaces")
    with new_launcher(offered=offered) as running:
        yield running


def processes_of(launcher: Launcher) -> list[int]:
    """Processes of the steps that run, by the pids that they have here."""
    assert launcher.pid is not None
    return descendants(launcher.pid)


def request_for(folder: Path, step: str, **changes: object) -> StepRequest:
    plain: dict[str, object] = {"inputs": {}, "spec": {}, "timeout_s": 60, "threads": 2, **changes}
    return StepRequest(job=1, attempt=1, step=step, folder=str(folder / step), **plain)  # type: ignore[arg-type]


def run(
    launcher: Launcher, request: StepRequest, cancel: threading.Event | None = None
) -> tuple[StepExit, StepResult | None]:
    return launcher.run_step(request, cancel or threading.Event(), lambda line: None)


def outcome(launcher: Launcher, request: StepRequest) -> tuple[JobStatus, str]:
    return judge(request, *run(launcher, request))[:2]


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "registry.db"
    path.parent.mkdir(mode=0o700)
    path.write_bytes(b"the registry")
    return path


def test_a_step_reaches_its_input_and_its_folder_and_nothing_else(
    launcher: Launcher, registry: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.parquet"
    rows.write_bytes(b"rows")
    with socket.create_server(("127.0.0.1", 0)) as server:
        options = {"registry": str(registry), "port": server.getsockname()[1], "daemon": os.getpid()}
        _, result = run(launcher, request_for(tmp_path, "reach", inputs={"rows": str(rows)}, options=options))
    assert result is not None
    assert result.ok, result.error
    attempts = result.record["attempts"]
    done = {name for name, what in attempts.items() if what == "done"}
    assert done == {"own file", "input"}, attempts
    assert registry.read_bytes() == b"the registry"
    assert rows.read_bytes() == b"rows"
    assert sorted(path.name for path in registry.parent.iterdir()) == ["registry.db"]


def test_steps_side_by_side_are_bound_to_different_processors_whatever_their_jobs(
    launcher: Launcher, tmp_path: Path
) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor")
    (tmp_path / "rows").write_text("rows")
    changes = {"inputs": {"rows": str(tmp_path / "rows")}, "options": {"waits": True}, "threads": 1}
    # jobs 2 and 4: by their numbers both would take the first of two processors
    requests = [replace(request_for(tmp_path / str(job), "counted", **changes), job=job) for job in (2, 4)]
    steps = [threading.Thread(target=run, args=(launcher, request)) for request in requests]
    for step in steps:
        step.start()
    folders = [Path(request.folder) for request in requests]
    try:
        wait_until(lambda: all((folder / "progress.jsonl").exists() for folder in folders), 60)
        alone = [bound for pid in processes_of(launcher) if len(bound := os.sched_getaffinity(pid)) == 1]
    finally:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "go").touch()
        for step in steps:
            step.join()
    assert len(alone) == 2
    assert not alone[0] & alone[1]


def test_a_step_inherits_no_descriptor_and_no_secret(
    tmp_path: Path, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "hunter2")
    with registry.open("rb") as held, new_launcher() as launcher:
        os.set_inheritable(held.fileno(), True)
        _, result = run(launcher, request_for(tmp_path, "surroundings"))
    assert result is not None
    assert result.ok, result.error
    record = result.record
    folder = tmp_path / "surroundings"
    assert {record["descriptors"].pop(name) for name in "12"} == {str(folder / "log.txt")}
    assert record["descriptors"].pop("0") == "/dev/null"
    assert [path for path in record["descriptors"].values() if "progress.jsonl" not in path] == []
    assert "hunter2" not in str(record)
    assert record["environment"]["HOME"] == str(folder)
    assert record["cwd"] == str(folder)
    assert record["leader"]
    assert (folder / "log.txt").read_text() == "printed\nfrom a shell\n"


def test_a_set_of_names_is_in_the_same_order_in_every_step_and_in_what_it_starts(tmp_path: Path) -> None:
    orders = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        with new_launcher() as launcher:
            _, result = run(launcher, request_for(tmp_path / name, "surroundings"))
        assert result is not None
        assert result.ok, result.error
        orders |= set(result.record["order"])
    assert len(orders) == 1


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("segfault", JobStatus.CRASHED, "SIGSEGV"),
        ("allocate_at_once", JobStatus.OUT_OF_MEMORY, "memory_mb, 900 MiB"),
        ("allocate_slowly_in_a_child", JobStatus.OUT_OF_MEMORY, "memory_mb, 900 MiB"),
        ("compute_in_orphans", JobStatus.OUT_OF_CPU_TIME, "cpu_time, 1 s"),
        ("user_error", JobStatus.FAILED, r"ValueError: column 'delay' is empty \(misbehave.py:\d+\)"),
        ("our_error", JobStatus.FAILED, "^data.target: not in the source$"),
        ("leave_early", JobStatus.FAILED, "SystemExit: enough"),
        ("vanish", JobStatus.FAILED, "code 9 and left no valid result"),
        ("nonsense_result", JobStatus.FAILED, "process ended early"),
    ],
)
def test_each_way_to_end_has_its_own_status(
    launcher: Launcher, tmp_path: Path, how: str, status: JobStatus, words: str
) -> None:
    cpu_s = (
        1 if status is JobStatus.OUT_OF_CPU_TIME else 60
    )  # on a slow machine 900 MiB take a second to fill
    limits = {"memory_mb": 900, "cpu_s": cpu_s, "timeout_s": 900}  # the time-out is another test's
    request = request_for(tmp_path, "misbehave", options={"how": how}, **limits)
    found, error = outcome(launcher, request)
    assert found is status, error
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(error)
    assert "\n" not in error


def test_a_step_that_takes_too_long_is_ended_and_said_so(launcher: Launcher, tmp_path: Path) -> None:
    request = request_for(tmp_path, "misbehave", options={"how": "sleep"}, timeout_s=1)
    assert outcome(launcher, request)[0] is JobStatus.TIMED_OUT


def test_cancelling_ends_everything_that_a_step_started_also_in_other_sessions(
    launcher: Launcher, tmp_path: Path
) -> None:
    request = request_for(tmp_path, "misbehave", options={"how": "stubborn"})
    cancel = threading.Event()
    found: list[tuple[StepExit, StepResult | None]] = []
    thread = threading.Thread(target=lambda: found.append(run(launcher, request, cancel)))
    thread.start()
    children = Path(request.folder) / "children"
    wait_until(lambda: children.exists() and len(children.read_text().split()) == 3)
    pids = processes_of(launcher)
    assert len(pids) >= 5
    cancel.set()
    thread.join(timeout=10)
    assert judge(request, *found[0])[0] is JobStatus.CANCELLED
    assert [pid for pid in pids if name_of(pid)] == []


def test_children_that_a_finished_step_left_behind_are_ended(launcher: Launcher, tmp_path: Path) -> None:
    _, result = run(launcher, request_for(tmp_path, "misbehave", options={"how": "leave_children"}))
    assert result is not None
    assert len(result.record["children"]) == 2
    assert processes_of(launcher) == []


def test_workers_of_joblib_die_with_their_step(launcher: Launcher, tmp_path: Path) -> None:
    if not launcher.offered.namespaces:
        pytest.skip("without shared memory of its own joblib has no worker processes")
    cancel = threading.Event()
    request = request_for(tmp_path, "workers")
    thread = threading.Thread(target=run, args=(launcher, request, cancel))
    thread.start()
    folder = Path(request.folder)
    wait_until(lambda: len(list(folder.glob("worker-*"))) == 3, timeout=30)
    pids = processes_of(launcher)
    assert len(pids) >= 5
    cancel.set()
    thread.join(timeout=10)
    assert [pid for pid in pids if name_of(pid)] == []


@pytest.mark.parametrize("round_", [1, 2])
def test_gradient_boosting_fits_in_fork_after_fork_and_the_same_each_time(
    launcher: Launcher, tmp_path: Path, round_: int
) -> None:
    lines: list[ProgressLine] = []
    answers = [
        launcher.run_step(
            request_for(tmp_path / str(i), "boosting", timeout_s=600), threading.Event(), lines.append
        )
        for i in range(2)
    ]
    assert [exit_.reason for exit_, _ in answers] == ["exited", "exited"]
    results = [result for _, result in answers if result is not None]
    assert [result.error for result in results] == ["", ""]
    assert results[0].record["scores"] == results[1].record["scores"]
    assert results[0].record["workers"] == [0, 1, 2, 3]
    assert answers[0][0].peak_memory_mb > 50
    assert any(line.message == "fitted" and line.figures == {"rows": 20_000.0} for line in lines)


def test_a_lost_daemon_takes_launcher_and_steps_with_it(tmp_path: Path) -> None:
    launcher = new_launcher()
    launcher.start()
    request = request_for(tmp_path, "misbehave", options={"how": "stubborn"})
    thread = threading.Thread(target=run, args=(launcher, request))
    thread.start()
    children = Path(request.folder) / "children"
    wait_until(lambda: children.exists() and len(children.read_text().split()) == 3)
    assert launcher.pid is not None
    family = [launcher.pid, *descendants(launcher.pid)]
    assert len(family) >= 5
    launcher._connection._socket.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
    wait_until(lambda: not [pid for pid in family if name_of(pid)])
    thread.join(timeout=5)
    launcher.stop()


def test_a_killed_launcher_is_noticed_its_steps_end_and_the_next_step_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with new_launcher() as launcher:
        request = request_for(tmp_path, "misbehave", options={"how": "stubborn"})
        found: list[tuple[StepExit, StepResult | None]] = []
        thread = threading.Thread(target=lambda: found.append(run(launcher, request)))
        thread.start()
        children = Path(request.folder) / "children"
        wait_until(lambda: children.exists() and len(children.read_text().split()) == 3)
        assert launcher.pid is not None
        family = descendants(launcher.pid)
        os.kill(launcher.pid, signal.SIGKILL)
        thread.join(timeout=10)
        assert judge(request, *found[0])[0] is JobStatus.LOST
        wait_until(lambda: not [pid for pid in family if name_of(pid)])
        _, result = run(launcher, request_for(tmp_path, "surroundings"))
        assert result is not None
        assert result.ok
    assert "the launcher of steps ended: signal 9" in caplog.text


def test_a_killed_supervisor_crashes_its_step_alone(
    launcher: Launcher, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    request = request_for(tmp_path, "misbehave", options={"how": "stubborn"})
    found: list[tuple[StepExit, StepResult | None]] = []
    thread = threading.Thread(target=lambda: found.append(run(launcher, request)))
    thread.start()
    children = Path(request.folder) / "children"
    wait_until(lambda: children.exists() and len(children.read_text().split()) == 3)
    assert launcher.pid is not None
    family = descendants(launcher.pid)
    os.kill(family[0], signal.SIGKILL)
    thread.join(timeout=10)
    assert judge(request, *found[0])[0] is JobStatus.CRASHED
    assert [pid for pid in family if name_of(pid)] == []
    assert launcher.pid is not None
    assert "step misbehave of job 1: its supervisor ended with signal 9" in caplog.text


@pytest.mark.parametrize("how", ["link_as_output", "parent_as_output"])
def test_an_output_that_points_elsewhere_is_refused(
    launcher: Launcher, registry: Path, tmp_path: Path, how: str
) -> None:
    request = request_for(tmp_path, "misbehave", options={"how": how, "registry": str(registry)})
    status, error = outcome(launcher, request)
    assert status is JobStatus.FAILED
    assert "named as an output" in error


def test_numpy_numbers_in_a_record_become_plain_ones(launcher: Launcher, tmp_path: Path) -> None:
    _, result = run(launcher, request_for(tmp_path, "misbehave", options={"how": "numpy_record"}))
    assert result is not None
    assert result.record == {"rows": 3, "share": 0.5}


@pytest.mark.parametrize("given", ["state/registry.db", "state", ".", "alias", "state/jobs"])
def test_no_step_is_given_the_workspace_s_state_as_input(tmp_path: Path, registry: Path, given: str) -> None:
    (tmp_path / "alias").symlink_to(registry)
    launcher = new_launcher(closed=[tmp_path / "state"], opened=[tmp_path / "state" / "jobs"])
    with pytest.raises(InvalidInputError, match="workspace's own state"):
        run(launcher, request_for(tmp_path, "snapshot", inputs={"source": str(tmp_path / given)}))


def test_a_step_of_another_package_cannot_be_named(launcher: Launcher, tmp_path: Path) -> None:
    status, error = outcome(launcher, request_for(tmp_path, "no_such_step"))
    assert status is JobStatus.FAILED
    assert "trial_steps.no_such_step" in error


def test_where_nothing_confines_jobs_are_refused_unless_told_otherwise() -> None:
    with pytest.raises(UnavailableError, match=r"nothing holds files, network.*--isolation warn") as caught:
        new_launcher(offered=Offered()).start()
    assert "\n" not in str(caught.value)
