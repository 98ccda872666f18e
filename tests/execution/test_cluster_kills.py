"""A cluster of which a worker, the scheduler or the process that talks to it is killed at random, while jobs run on it.

Every job is tried until an attempt succeeds, as the daemon does. None may be lost, none may have two results, and no process
may be left. The short form kills three times; PH_CLUSTER_KILLS=NUMBER more often, PH_SEED=NUMBER draws others.
"""

import os
import random
import threading
import time
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs Dask: pip install "pilothouse[dask]"')

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines
from pilothouse.domain.jobs.jobs import JobStatus, StepRequest
from pilothouse.execution.cluster.runner import ClusterRunner
from pilothouse.execution.pipeline import judge
from pilothouse.system.processes import descendants
from support import wait_until
from support.dask_cluster import Cluster, cluster

PACKAGES = Path(__file__).parent / "packages"
KILLS = int(os.environ.get("PH_CLUSTER_KILLS", "3"))
SEED = int(os.environ.get("PH_SEED", "0")) or random.randrange(1, 1 << 30)
SIDE_BY_SIDE = 3
MOST_ATTEMPTS = 30
PATIENCE_S = 60.0 + 30.0 * KILLS

pytestmark = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")


class Jobs(threading.Thread):
    """One slot: jobs one after the other, each tried until it succeeds, until told to stop."""

    def __init__(self, runner: ClusterRunner, folder: Path, slot: int, stop: threading.Event) -> None:
        super().__init__()
        self.runner, self.folder, self.slot, self.stop = runner, folder, slot, stop
        self.done: list[Path] = []
        self.lost: list[Path] = []
        self.wrong: list[str] = []
        self.start()

    def run(self) -> None:
        number = 0
        while not self.stop.is_set() and not self.wrong:
            number += 1
            rows = self.folder / f"rows-{self.slot}-{number}"
            rows.write_text(f"rows of job {number} of slot {self.slot}")
            for attempt in range(1, MOST_ATTEMPTS + 1):
                own = self.folder / f"job-{self.slot}-{number}-{attempt}"
                request = StepRequest(
                    job=number,
                    attempt=attempt,
                    step="counted",
                    folder=str(own),
                    spec={},
                    inputs={"rows": str(rows)},
                    options={"naps": 0.3},
                    threads=1,
                    memory_mb=500,
                )
                exit_, result = self.runner.run_step(request, threading.Event(), lambda line: None)
                status, error, _ = judge(request, exit_, result)
                if status is JobStatus.SUCCEEDED:
                    if (own / "model").read_bytes() != rows.read_bytes()[::-1]:
                        self.wrong.append(f"{own} has the result of another job")
                    self.done.append(own)
                    break
                if status is not JobStatus.LOST:
                    self.wrong.append(f"{own}: {status}: {error}")
                    break
                self.lost.append(own)
            else:
                self.wrong.append(f"job {number} of slot {self.slot} was lost {MOST_ATTEMPTS} times")


def test_no_job_is_lost_none_is_done_twice_and_nothing_is_left(tmp_path: Path) -> None:
    draw, stop = random.Random(SEED), threading.Event()
    print(f"PH_SEED={SEED}")
    with cluster(tmp_path) as made:
        folder = tmp_path / "jobs"
        folder.mkdir()
        runner = ClusterRunner(
            made.settings,
            tmp_path,
            jobs=folder,
            artifacts=tmp_path,
            steps_package="trial_steps",
            path=[PACKAGES],
        )
        runner.start()
        slots = [Jobs(runner, folder, slot, stop) for slot in range(SIDE_BY_SIDE)]
        try:
            below = _kill(made, runner, slots, draw)
            before = sum(len(slot.done) for slot in slots)
            wait_until(lambda: _wrong(slots) or sum(len(slot.done) for slot in slots) > before, PATIENCE_S)
        finally:
            stop.set()
            for slot in slots:
                slot.join()
            runner.stop()
    assert not _wrong(slots)
    done = [own for slot in slots for own in slot.done]
    lost = [own for slot in slots for own in slot.lost]
    print(f"{KILLS} kills: {len(done)} jobs done, {len(lost)} attempts lost")
    assert len(set(done)) == len(done)
    # a result that came late was not taken: one attempt of each job has one
    of_job: dict[str, list[Path]] = {}
    for own in folder.glob("job-*-*-*/result.json"):
        of_job.setdefault(own.parent.name.rpartition("-")[0], []).append(own)
    assert {job: len(results) for job, results in of_job.items() if len(results) > 1} == {}
    wait_until(lambda: not [pid for pid in below if _is_ours(pid)])


def _kill(made: Cluster, runner: ClusterRunner, slots: list[Jobs], draw: random.Random) -> set[int]:
    """Kill, put a new one in its place, and wait until jobs go on. Returns all processes that were below those killed."""
    below: set[int] = set()
    for _ in range(KILLS):
        before = sum(len(slot.done) for slot in slots)
        wait_until(lambda b=before: _wrong(slots) or sum(len(s.done) for s in slots) > b, PATIENCE_S)  # type: ignore[misc]
        threading.Event().wait(draw.random())  # at whatever moment of a step
        what = draw.choice(("worker", "worker", "scheduler", "connection"))
        alive = [worker for worker in made.workers if worker.poll() is None]
        below |= {pid for worker in alive for pid in descendants(worker.pid)}
        if what == "connection" and runner.pid is not None:
            os.kill(runner.pid, 9)
        elif what == "scheduler":
            port = int(made.address.rpartition(":")[2])
            made.kill(made.scheduler)
            for worker in alive:  # without their scheduler they end by themselves
                made.kill(worker)
            made.start_scheduler(port)
            for number in range(2):
                made.start_worker(f"{time.monotonic_ns()}-{number}")
        else:
            made.kill(draw.choice(alive))
            made.start_worker(f"{time.monotonic_ns()}")
    return below


def _wrong(slots: list[Jobs]) -> list[str]:
    return [text for slot in slots for text in slot.wrong]


def _is_ours(pid: int) -> bool:
    """True for a launcher or a step that still runs."""
    try:
        return b"pilothouse" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
