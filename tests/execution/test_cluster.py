"""Steps on a cluster: two workers and a scheduler as real processes on loopback, with mutual TLS."""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs Dask: pip install "pilothouse[dask]"')

from pilothouse.confinement import landlock, probe
from pilothouse.domain.confinement import confines
from pilothouse.domain.integrations.execution_settings import ExecutionSettings
from pilothouse.domain.jobs.jobs import JobStatus, ProgressLine, StepExit, StepRequest, StepResult
from pilothouse.execution.cluster import agent, connection, contract, launchers
from pilothouse.execution.cluster.runner import ClusterRunner
from pilothouse.execution.pipeline import judge
from pilothouse.system.processes import descendants
from support import wait_until
from support.dask_cluster import Cluster, cluster

PACKAGES = Path(__file__).parent / "packages"
_IMPORTS_S = 240.0
pytestmark = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")


class Place:
    """A cluster, the runner that reaches it, and what the scheduler told last."""

    def __init__(self, made: Cluster) -> None:
        self.cluster = made
        self.state: dict[str, object] = {}
        self.jobs, self.artifacts = made.folder / "jobs", made.folder / "artifacts"
        for folder in (self.jobs, self.artifacts):
            folder.mkdir()
        self.runner = ClusterRunner(
            made.settings,
            made.folder,
            jobs=self.jobs,
            artifacts=self.artifacts,
            steps_package="trial_steps",
            path=[PACKAGES],
        )
        self.runner.on_state = self._keep
        self.runner.start()

    def _keep(self, state: dict[str, object]) -> None:
        self.state = state

    @property
    def steps(self) -> list[dict[str, object]]:
        return list(self.state.get("steps", ()))  # type: ignore[call-overload]

    def request(self, name: str, step: str, **changes: object) -> StepRequest:
        plain = {"spec": {}, "inputs": {}, "timeout_s": 60, "threads": 1, "memory_mb": 1_000, **changes}
        return StepRequest(job=1, attempt=1, step=step, folder=str(self.jobs / name), **plain)  # type: ignore[arg-type]


class Run(threading.Thread):
    """A step that runs beside the test."""

    def __init__(self, place: Place, request: StepRequest) -> None:
        super().__init__()
        self.request = request
        self.cancel = threading.Event()
        self.lines: list[ProgressLine] = []
        self.exit = StepExit(None, None, 0.0, 0.0)
        self.result: StepResult | None = None
        self._place = place
        self.start()

    def run(self) -> None:
        self.exit, self.result = self._place.runner.run_step(self.request, self.cancel, self.lines.append)

    def ended(self) -> tuple[JobStatus, str]:
        self.join()
        return judge(self.request, self.exit, self.result)[:2]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with cluster(tmp_path_factory.mktemp("a cluster")) as made:
        found = Place(made)
        try:
            wait_until(lambda: len(found.state.get("workers", ())) == 2)  # type: ignore[arg-type]
            yield found
        finally:
            found.runner.stop()


@pytest.fixture
def own_place(tmp_path: Path) -> Iterator[Place]:
    """A place of the test's own, whose processes it ends or begins."""
    with cluster(tmp_path) as made:
        found = Place(made)
        try:
            wait_until(lambda: len(found.state.get("workers", ())) == 2)  # type: ignore[arg-type]
            yield found
        finally:
            found.runner.stop()


def test_a_step_takes_files_and_folders_by_digest_and_leaves_the_same_as_at_home(place: Place) -> None:
    rows = place.jobs / "rows.parquet"
    rows.write_bytes(bytes(range(256)) * 40_000)  # more than one part
    code = place.jobs / "code"
    (code / "part").mkdir(parents=True)
    (code / "part" / "train.py").write_text("x = 1\n")
    inputs = {"rows": str(rows), "model_folder": str(code)}
    run = Run(place, place.request("one", "counted", inputs=inputs))
    assert run.ended() == (JobStatus.SUCCEEDED, "")
    assert run.result is not None
    folder = place.jobs / "one"
    assert run.result.outputs == {"model": str(folder / "model")}
    assert (folder / "model").read_bytes() == rows.read_bytes()[::-1]
    assert (folder / "log.txt").read_text() == "begins\n"
    assert [line.message for line in run.lines][-1] == "counted"
    assert not run.result.record["cwd"].startswith(str(place.jobs))
    assert (run.exit.host, run.exit.reason) == (os.uname().nodename, "exited")
    assert run.exit.worker.startswith("tls://127.0.0.1:")
    asked = json.loads((folder / "request.json").read_text())
    assert asked["inputs"]["rows"] == str(rows)


@pytest.mark.parametrize(
    ("name", "fault"), [("cluster", ""), ("workspace", "TLS certificate does not match")]
)
def test_a_scheduler_whose_certificate_has_another_name_is_told_nothing(
    place: Place, tmp_path: Path, name: str, fault: str
) -> None:
    told: list[dict[str, object]] = []
    settings = replace(place.cluster.settings, scheduler_name=name)
    runner = ClusterRunner(settings, place.cluster.folder, jobs=tmp_path, artifacts=tmp_path)
    runner.on_state = told.append
    runner.start()
    try:
        wait_until(lambda: told)
    finally:
        runner.stop()
    assert told[0]["connected"] is not bool(fault)
    assert fault in str(told[0]["fault"])


def test_a_cancelled_step_ends_on_its_worker(place: Place) -> None:
    run = Run(place, place.request("cancelled", "misbehave", options={"how": "sleep"}))
    wait_until(lambda: any(line.message == "sleep" for line in run.lines))
    run.cancel.set()
    assert run.ended() == (JobStatus.CANCELLED, "cancelled during misbehave")
    assert all(worker.poll() is None for worker in place.cluster.workers)


def test_a_step_that_uses_up_its_memory_leaves_its_worker_alone(place: Place) -> None:
    slow = {"how": "allocate_slowly_in_a_child"}
    run = Run(place, place.request("hungry", "misbehave", options=slow, memory_mb=150))
    assert run.ended()[0] is JobStatus.OUT_OF_MEMORY
    assert all(worker.poll() is None for worker in place.cluster.workers)


def test_a_step_that_may_take_more_than_a_worker_has_is_refused_with_what_to_do(place: Place) -> None:
    status, error = Run(place, place.request("large", "nothing", memory_mb=9_000)).ended()
    assert status is JobStatus.FAILED
    assert "training.memory_mb, 9,000 MiB, is more than worker tls://" in error
    assert "4,096 MiB: lower it, or start workers with a larger --memory-limit" in error


def begun(place: Place) -> list[Path]:
    """Folders of the steps that have begun on a worker and have not been cleared away."""
    logs = place.cluster.folder.glob("worker-*/**/pilothouse/steps/*/own/log.txt")
    return sorted(log.parent for log in logs if log.read_text() == "begins\n")


def waiting_steps(place: Place, tmp_path: Path, count: int) -> list[Run]:
    """So many steps, each of which waits on a worker of its own until ``go`` lies in its folder."""
    (place.jobs / "rows").write_text("rows")
    changes = {"inputs": {"rows": str(place.jobs / "rows")}, "options": {"waits": True}}
    runs = [Run(place, place.request(f"{tmp_path.name}-{i}", "counted", **changes)) for i in range(count)]
    # a new worker's launcher imports the libraries first: a minute and more where many processes want the processors
    wait_until(lambda: len(begun(place)) == count or not all(run.is_alive() for run in runs), _IMPORTS_S)
    assert [run.ended() for run in runs if not run.is_alive()] == []
    return runs


def test_a_launcher_that_dies_takes_one_attempt_along(place: Place, tmp_path: Path) -> None:
    runs = waiting_steps(place, tmp_path, 2)
    first = place.cluster.workers[0].pid
    for launcher in descendants(first):
        if b"pilothouse.execution.launcher" in Path(f"/proc/{launcher}/cmdline").read_bytes():
            os.kill(launcher, 9)
            break
    wait_until(lambda: sum(run.is_alive() for run in runs) == 1)
    wait_until(lambda: len(begun(place)) == 1)  # neither ran again by itself
    (begun(place)[0] / "go").touch()
    assert sorted(run.ended()[0] for run in runs) == [JobStatus.LOST, JobStatus.SUCCEEDED]
    assert all(worker.poll() is None for worker in place.cluster.workers)


def test_a_killed_worker_is_named_and_its_attempt_goes_elsewhere_as_another(
    place: Place, tmp_path: Path
) -> None:
    third = place.cluster.start_worker("w3")
    wait_until(lambda: len(place.state.get("workers", ())) == 3)  # type: ignore[arg-type]
    runs = waiting_steps(place, tmp_path, 3)
    below = descendants(third.pid)
    place.cluster.kill(third)
    wait_until(lambda: sum(run.is_alive() for run in runs) == 2)
    (lost,) = (run for run in runs if not run.is_alive())
    status, error = lost.ended()
    assert status is JobStatus.LOST
    assert lost.exit.reason == "worker lost"
    assert error == f"counted was lost: worker {lost.exit.worker} on {lost.exit.host} went away"
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    assert len(begun(place)) == 3  # the dead worker's folder is one of them: the cluster did not run it again
    for folder in begun(place):
        (folder / "go").touch()
    inputs = {"rows": str(place.jobs / "rows")}
    again = Run(place, place.request("again", "counted", inputs=inputs))
    assert again.ended()[0] is JobStatus.SUCCEEDED
    assert again.exit.worker != lost.exit.worker
    assert [run.ended()[0] for run in runs if run is not lost] == [JobStatus.SUCCEEDED] * 2


def test_the_process_that_talks_to_the_cluster_reaches_jobs_and_certificates_and_no_database(
    tmp_path: Path,
) -> None:
    if not landlock.abi():
        pytest.skip("this kernel has no Landlock")
    state = tmp_path / "state"
    (state / "jobs").mkdir(parents=True)
    (state / "registry.db").write_bytes(b"rows")
    (tmp_path / "key").write_text("key")
    program = (
        "import argparse, pathlib, sys; from pilothouse.execution.cluster.main import _confine; state, key = sys.argv[1:];"
        "options = argparse.Namespace(isolation='require', tls=['', '', key], open=[state + '/jobs', state + '/artifacts']);"
        "assert _confine(options); pathlib.Path(key).read_text(); pathlib.Path(state, 'jobs', 'x').write_text('x');"
        "pathlib.Path(state, 'registry.db').read_bytes()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(state), str(tmp_path / "key")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "PermissionError" in ended.stderr, ended.stderr
    assert "registry.db" in ended.stderr


def test_a_lease_that_ends_before_its_step_begins_loses_the_attempt_and_fails_no_job(tmp_path: Path) -> None:
    """PH_SEED=793895849 of the kills: a scheduler came back, and nobody asked about a step for 30 s."""
    program = (
        "import pathlib, sys; from pilothouse.execution.cluster import agent, contract, launchers; agent.LEASE_S = 0.0;"
        "manner = launchers.Manner('require', 'trial_steps', (), 1.0);"
        "order = contract.Order('1', 'topic', '', {'memory_mb': 1}, {}, manner);"
        "made = agent.Agent(pathlib.Path(sys.argv[1]), 'tls://w', 100.0, 1, lambda *said: None, {}.__contains__);"
        "print(made.run(order).to_text())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    report = json.loads(ended.stdout)
    assert (report["fault"], report["result"]) == ("", None)
    request = StepRequest(1, 1, "fit", str(tmp_path), {}, {}, threads=1, memory_mb=1)
    status, error, _ = judge(request, StepExit(**report["exit"]), None)
    assert status is JobStatus.LOST
    assert error == "fit was lost: nobody asked about it for so long that its lease ended before it began"


def test_a_process_that_may_not_talk_to_the_cluster_fails_its_steps_and_says_why(tmp_path: Path) -> None:
    """An address that others reach, as if the settings' own check had let it pass: the process refuses it too."""
    unsafe = ExecutionSettings(engine="dask", scheduler="tcp://192.0.2.1:8786")
    runner = ClusterRunner(unsafe, tmp_path, jobs=tmp_path, artifacts=tmp_path, steps_package="trial_steps")
    runner.start()
    try:
        request = StepRequest(1, 1, "nothing", str(tmp_path / "one"), {}, {}, threads=1, memory_mb=100)
        exit_, result = runner.run_step(request, threading.Event(), lambda line: None)
    finally:
        runner.stop()
    status, error, _ = judge(request, exit_, result)
    assert status is JobStatus.FAILED
    assert error == (
        "nothing could not be run: no connection to the cluster: "
        "the address of the scheduler can be reached from other machines without TLS"
    )


def test_the_process_that_talks_to_the_cluster_is_named_where_it_ends_under_a_step(
    own_place: Place, tmp_path: Path
) -> None:
    (own_place.jobs / "rows").write_text("rows")
    changes = {"inputs": {"rows": str(own_place.jobs / "rows")}, "options": {"waits": True}}
    run = Run(own_place, own_place.request(tmp_path.name, "counted", **changes))
    wait_until(lambda: any(line.message == "counted" for line in run.lines))
    assert own_place.runner.pid is not None
    os.kill(own_place.runner.pid, 9)
    assert run.ended() == (
        JobStatus.LOST,
        "counted was lost: the process that talks to the cluster ended with signal 9",
    )
    assert Run(own_place, own_place.request("after it", "nothing")).ended() == (JobStatus.SUCCEEDED, "")


@pytest.fixture
def place_without_leases(tmp_path: Path) -> Iterator[Place]:
    """One worker with two threads, and memory for one step, that ends no step because nobody asks about it."""
    preload = tmp_path / "leases.py"
    preload.write_text("from pilothouse.execution.cluster import agent; agent.LEASE_S = 1e6\n")
    with cluster(tmp_path, workers=0) as made:
        made.start_worker("w1", "1536MiB", 2, "--preload", str(preload))
        found = Place(made)
        try:
            wait_until(lambda: found.state.get("workers"))
            yield found
        finally:
            found.runner.stop()


def test_an_attempt_whose_sender_is_gone_ends_at_once_and_the_next_one_runs_on_its_worker(
    place_without_leases: Place, tmp_path: Path
) -> None:
    place = place_without_leases
    (first,) = waiting_steps(place, tmp_path, 1)
    (left,) = begun(place)
    os.kill(place.runner.pid or 0, 9)
    assert first.ended()[0] is JobStatus.LOST
    second = Run(place, replace(first.request, folder=str(place.jobs / "again"), attempt=2))
    wait_until(lambda: not left.exists())
    wait_until(lambda: begun(place), _IMPORTS_S)
    (begun(place)[0] / "go").touch()
    assert second.ended() == (JobStatus.SUCCEEDED, "")
    assert not Path(first.request.folder, "result.json").exists()


def test_a_worker_whose_scheduler_is_gone_ends_with_its_steps(
    place_without_leases: Place, tmp_path: Path
) -> None:
    made = place_without_leases.cluster
    (run,) = waiting_steps(place_without_leases, tmp_path, 1)
    below = descendants(made.workers[0].pid)
    made.kill(made.scheduler)
    wait_until(lambda: made.workers[0].poll() is not None)
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in below))
    assert run.ended()[0] is JobStatus.LOST


def end(made: Cluster) -> None:
    """Kill the scheduler, and its workers, which would end by themselves."""
    for process in (made.scheduler, *(worker for worker in made.workers if worker.poll() is None)):
        made.kill(process)


def begin_again(made: Cluster, *names: str) -> None:
    """Another scheduler at the address of the one before, with new workers."""
    made.start_scheduler(int(made.address.rpartition(":")[2]))
    for name in names:
        made.start_worker(name)


def test_the_end_of_a_scheduler_costs_a_step_one_attempt(own_place: Place, tmp_path: Path) -> None:
    waiting = waiting_steps(own_place, tmp_path, 1)
    end(own_place.cluster)
    assert waiting[0].ended()[0] is JobStatus.LOST
    again = Run(own_place, own_place.request("at once again", "nothing"))
    begin_again(own_place.cluster, "w4", "w5")
    assert again.ended() == (JobStatus.SUCCEEDED, "")


def test_a_step_is_heard_of_where_the_library_reached_another_scheduler_by_itself(
    own_place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody looks whether the connection stands: the library's client alone finds the next scheduler."""
    monkeypatch.setattr(connection, "_LOOK_EVERY_S", 3_600.0)
    monkeypatch.setattr(connection, "_PATIENCE_S", _IMPORTS_S)
    made = own_place.cluster
    manner = launchers.Manner("require", "trial_steps", (), 1.0)

    async def two_steps() -> None:
        heard: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        files = tuple(str(made.folder / name) for name in ("ca.pem", "workspace.pem", "workspace.key"))
        told: list[dict[str, object]] = []
        way = connection.Connection(made.settings, files, {}, heard.put_nowait, told.append)  # type: ignore[arg-type]
        keeper = asyncio.ensure_future(way.keep())
        try:
            futures = []
            for token in ("1", "2"):
                await asyncio.wait_for(way.until_it_stands(), _IMPORTS_S)
                order = contract.Order(token, way.topic, "", {"memory_mb": 1}, {}, manner)
                futures.append(way.submit(order.to_text(), "fit", token))
                said = await asyncio.wait_for(heard.get(), _IMPORTS_S)
                assert said["token"] == token
                if token == "1":
                    await asyncio.to_thread(wait_until, lambda: told)  # the one look
                    await asyncio.to_thread(end, made)
                    with pytest.raises(Exception, match="lost the connection to the scheduler"):
                        await futures[0]
                    await asyncio.to_thread(begin_again, made, "w4", "w5")
                else:
                    await way.call(str(said["worker"]), agent.cancel, token)
                    assert contract.report_from_text(await futures[1]).exit["reason"] == "cancelled"
            assert len(told) == 1  # one look, one connection
        finally:
            keeper.cancel()
            await way.close()

    asyncio.run(two_steps())
    wait_until(lambda: len(own_place.state.get("workers", ())) == 2)  # type: ignore[arg-type]
    assert Run(own_place, own_place.request("after it", "nothing")).ended() == (JobStatus.SUCCEEDED, "")


def test_steps_wait_for_a_scheduler_that_is_away_and_say_so(place: Place) -> None:
    port = int(place.cluster.address.rpartition(":")[2])
    place.cluster.kill(place.cluster.scheduler)
    wait_until(lambda: place.state.get("connected") is False)
    run = Run(place, place.request("patient", "nothing"))
    wait_until(lambda: any("its scheduler does not answer" in line.message for line in run.lines))
    scheduler, worker = place.cluster.start_scheduler(port), place.cluster.start_worker("w4")
    try:
        assert run.ended() == (JobStatus.SUCCEEDED, "")
    finally:
        place.cluster.kill(worker)
        place.cluster.kill(scheduler)
