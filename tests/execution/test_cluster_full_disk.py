"""A worker whose disk is full: a small file system of its own, really filled."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason='needs Dask: pip install "pilothouse[dask]"')

from pilothouse.confinement import probe
from pilothouse.domain.confinement import confines
from pilothouse.domain.jobs.jobs import JobStatus, StepRequest
from pilothouse.execution.cluster.runner import ClusterRunner
from pilothouse.execution.pipeline import judge
from support import wait_until
from support.dask_cluster import cluster

PACKAGES = Path(__file__).parent / "packages"
MIB = 1 << 20
pytestmark = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")


def small_disk(place: Path, size_mb: int) -> list[str]:
    """Command that execs another one which alone sees a file system of that size at a place."""
    place.mkdir()
    own = ["unshare", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    mount = f'mount -t tmpfs -o size={size_mb}m tmpfs "$0" && exec "$@"'
    return [*own, "sh", "-c", mount, str(place)]


def test_a_full_disk_of_a_worker_costs_an_attempt_and_the_next_goes_where_there_is_room(
    tmp_path: Path,
) -> None:
    if subprocess.run(
        [*small_disk(tmp_path / "try", 1), "true"], capture_output=True, check=False
    ).returncode:
        pytest.skip("no file system can be mounted here")
    jobs = tmp_path / "jobs"
    jobs.mkdir()
    state: dict[str, list[dict[str, object]]] = {}

    def ended(name: str, rows: bytes) -> tuple[JobStatus, str, str]:
        (tmp_path / "rows").write_bytes(rows)
        inputs = {"rows": str(tmp_path / "rows")}
        request = StepRequest(1, 1, "counted", str(jobs / name), {}, inputs, threads=1, memory_mb=1_000)
        exit_, result = runner.run_step(request, threading.Event(), lambda line: None)
        status, error, _ = judge(request, exit_, result)
        return status, error, exit_.worker

    with cluster(tmp_path, workers=0) as made:
        small = made.start_worker("small", under=small_disk(made.folder_of("small"), 24))
        settings = made.settings
        runner = ClusterRunner(
            settings, tmp_path, jobs=jobs, artifacts=tmp_path, steps_package="trial_steps", path=[PACKAGES]
        )
        runner.on_state = state.update
        runner.start()
        try:
            wait_until(lambda: len(state.get("workers", ())) == 1)
            status, error, worker = ended("what it makes", os.urandom(16 * MIB))
            assert status is JobStatus.DISK_FULL, error
            full = f"found no room on the disk of worker {worker} on {os.uname().nodename}: make some"
            assert error == f"counted {full}"
            assert ended("what it takes", os.urandom(64 * MIB)) == (JobStatus.DISK_FULL, error, worker)
            assert ended("what fits", os.urandom(6 * MIB)) == (JobStatus.SUCCEEDED, "", worker)
            made.start_worker("large")
            wait_until(
                lambda: any(item["address"] != worker and item["confined"] for item in state["workers"])
            )
            # the small one is given nothing for a minute, which may be over: then it costs one more attempt
            rows = os.urandom(16 * MIB)
            outcomes = [ended("again", rows)]
            if outcomes[0][2] == worker:
                outcomes.append(ended("and again", rows))
            assert outcomes[-1][:2] == (JobStatus.SUCCEEDED, "")
            assert outcomes[-1][2] != worker
            assert small.poll() is None
        finally:
            runner.stop()
