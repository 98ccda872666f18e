"""What a cluster costs and gives: steps on two workers of loopback with TLS, against Dask's own tasks, the local launcher, and
one worker. Needs the extra ``dask``; run it with the environment of ``make test-engine``.

A training is a step that waits: what is measured is what the engine adds, and how well it fills its workers, on whatever
machine.
"""

import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import show

from pilothouse.domain.jobs.jobs import StepRequest
from pilothouse.execution.cluster.runner import ClusterRunner
from pilothouse.execution.launcher_client import Launcher
from support import wait_until
from support.dask_cluster import Cluster, cluster

PACKAGES = Path(__file__).resolve().parent.parent / "execution" / "packages"
SMALL, SMALL_S = 100, 0.1
LONG, LONG_S = 4, 5.0
TRIALS, TRIAL_S = 64, 0.5


def run() -> None:
    """The three ratios of a cluster."""
    with tempfile.TemporaryDirectory() as place, cluster(Path(place), workers=2) as made:
        root = Path(place)
        runner, state = _runner(made, root)
        try:
            wait_until(lambda: len(state.get("workers", ())) == 2)
            _steps(runner, root, "warm", 4, 2, 0.0)
            ours = _steps(runner, root, "small", SMALL, 2, SMALL_S)
            plain = _dask_alone(made, root, SMALL, SMALL_S)
            ideal = SMALL * SMALL_S / 2
            show(f"engine: {SMALL} trainings of {SMALL_S} s on two workers", f"{ours:.1f} s")
            show(
                "engine: the same as tasks of Dask's own",
                f"{plain:.1f} s",
                f"ours adds {(ours - ideal) / SMALL * 1000:.0f} ms a training, Dask {(plain - ideal) / SMALL * 1000:.0f} ms",
            )
            far = _steps(runner, root, "long", LONG, 2, LONG_S)
            with Launcher(steps_package="trial_steps", path=[PACKAGES]) as home:
                _steps(home, root, "home-warm", 2, 2, 0.0)
                near = _steps(home, root, "home", LONG, 2, LONG_S)
            show(
                f"engine: {LONG} trainings of {LONG_S:.0f} s",
                f"{far:.1f} s",
                f"{far / near:.2f}× the launcher at home",
            )
            two = _steps(runner, root, "two", TRIALS, 8, TRIAL_S)
            made.kill(made.workers[1])
            wait_until(lambda: len(state.get("workers", ())) == 1)
            one = _steps(runner, root, "one", TRIALS, 8, TRIAL_S)
            show(
                f"engine: {TRIALS} trials of {TRIAL_S} s on two workers",
                f"{two:.1f} s",
                f"{one / two:.2f}× as fast as one",
            )
        finally:
            runner.stop()


def _runner(made: Cluster, root: Path) -> tuple[ClusterRunner, dict[str, list[object]]]:
    jobs = root / "jobs"
    jobs.mkdir()
    (jobs / "rows").write_bytes(bytes(1 << 20))
    state: dict[str, list[object]] = {}
    runner = ClusterRunner(
        made.settings, root, jobs=jobs, artifacts=root, steps_package="trial_steps", path=[PACKAGES]
    )
    runner.on_state = state.update
    runner.start()
    return runner, state


def _steps(runner: Launcher, root: Path, name: str, count: int, side_by_side: int, naps: float) -> float:
    """Seconds that so many steps take."""

    def one(number: int) -> None:
        folder = str(root / "jobs" / f"{name}-{number}")
        inputs = {"rows": str(root / "jobs" / "rows")}
        request = StepRequest(
            number, 1, "counted", folder, {}, inputs, {"naps": naps}, threads=1, memory_mb=500
        )
        exit_, result = runner.run_step(request, threading.Event(), lambda line: None)
        assert result is not None, exit_
        assert result.ok, result.error

    return _seconds(one, count, side_by_side)


def _dask_alone(made: Cluster, root: Path, count: int, naps: float) -> float:
    """Seconds that Dask takes for tasks that wait as long, each submitted and fetched by itself, as a job is."""
    from distributed import Client
    from distributed.security import Security

    files = {"tls_ca_file": "ca.pem", "tls_client_cert": "workspace.pem", "tls_client_key": "workspace.key"}
    security = Security(require_encryption=True, **{key: str(root / name) for key, name in files.items()})
    with Client(made.address, security=security) as client:
        return _seconds(lambda number: client.submit(time.sleep, naps, pure=False).result(), count, 2)


def _seconds(one: Callable[[int], object], count: int, side_by_side: int) -> float:
    begun = time.perf_counter()
    with ThreadPoolExecutor(side_by_side) as pool:
        list(pool.map(one, range(count)))
    return time.perf_counter() - begun


if __name__ == "__main__":
    run()
