"""What a cluster costs and gives: steps on two workers of loopback with TLS, against Dask's own tasks, the local launcher, and
one worker. Needs the extra ``dask``: ``make bench-engine``, some minutes on a machine that does nothing else.

Small trainings are fits of scikit-learn. A round has as many alone, as bare tasks of Dask that call the same function on the
same workers, and as steps; rounds take turns, and medians of their wall and processor time are shown. The
processor time is of all processes: this one, the connection's, the scheduler, the workers and all that they start.

``bench_engine.py [steps|long|trials] …`` runs those parts; all of them without a word.
"""

import io
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "execution" / "packages"))

from bench import show
from trial_steps.small_fit import fitted

from pilothouse.domain.jobs.jobs import StepRequest
from pilothouse.execution.cluster.runner import ClusterRunner
from pilothouse.execution.launcher_client import Launcher
from pilothouse.system.processes import family_below
from support import wait_until
from support.dask_cluster import Cluster, cluster

PACKAGES = Path(__file__).resolve().parent.parent / "execution" / "packages"
ROUNDS, A_ROUND, TREES = 6, 10, 25
LONG_ROUNDS, LONG_TREES_S = 3, 5.0
TRIALS, TRIAL_TREES = 64, 75


def run(words: list[str]) -> None:
    """The ratios of a cluster."""
    if unknown := set(words) - {"steps", "long", "trials"}:
        sys.exit(f"{', '.join(sorted(unknown))}: expected steps, long or trials")
    load = os.getloadavg()[0]
    show("engine: processes that want a processor before, and processors", f"{load:.1f}", f"{os.cpu_count()}")
    with tempfile.TemporaryDirectory() as place, _cluster(Path(place)) as (made, runner, state):
        root = Path(place)
        legs = _Legs(made, runner, root)
        try:
            legs.warm()
            for word, part in (("steps", _steps), ("long", _long), ("trials", _trials)):
                if not words or word in words:
                    begun = time.perf_counter()
                    part(legs, made, state)
                    show(f"engine: the part {word} took", f"{time.perf_counter() - begun:.0f} s")
        finally:
            legs.close()
    show("engine: processes that want a processor after", f"{os.getloadavg()[0]:.1f}")


class _Legs:
    """The ways in which the same trainings are run."""

    def __init__(self, made: Cluster, runner: ClusterRunner, root: Path) -> None:
        from distributed import Client
        from distributed.security import Security

        files = {
            "tls_ca_file": "ca.pem",
            "tls_client_cert": "workspace.pem",
            "tls_client_key": "workspace.key",
        }
        security = Security(require_encryption=True, **{key: str(root / name) for key, name in files.items()})
        self._runner, self._root, self._count = runner, root, 0
        self._client = Client(made.address, security=security, set_as_default=False)
        # a worker's steps yield to nobody but whom the worker yields to, so neither do these
        self._home = Launcher(steps_package="trial_steps", path=[PACKAGES], niceness=0)
        self._home.start()
        self._rows = _rows()
        (root / "jobs" / "rows").write_bytes(self._rows)
        # a worker of ours has the rows from the first step on, so Dask's have them before too
        self._there = self._client.scatter(self._rows, broadcast=True)
        self.one_thread = ThreadPoolExecutor(1)

    def warm(self) -> None:
        for leg in (self.ours, self.dask, self.home):
            _side_by_side(leg(TREES), 6, 2)

    def close(self) -> None:
        self._client.close()
        self._home.stop()

    def alone(self, trees: int) -> Callable[[int], None]:
        """Fit in this process, with nothing around it."""
        return lambda number: len(fitted(self._rows, number, trees)) and None

    def dask(self, trees: int) -> Callable[[int], None]:
        def one(number: int) -> None:
            assert self._client.submit(fitted, self._there, number, trees, pure=False).result()

        return one

    def ours(self, trees: int) -> Callable[[int], None]:
        return lambda number: self._step(self._runner, number, trees)

    def home(self, trees: int) -> Callable[[int], None]:
        return lambda number: self._step(self._home, number, trees)

    def _step(self, runner: Launcher, number: int, trees: int) -> None:
        self._count += 1
        folder = str(self._root / "jobs" / f"step-{self._count}-{number}")
        inputs = {"rows": str(self._root / "jobs" / "rows")}
        request = StepRequest(
            number, 1, "small_fit", folder, {}, inputs, {"trees": trees}, threads=1, memory_mb=500
        )
        exit_, result = runner.run_step(request, threading.Event(), lambda line: None)
        assert result is not None, exit_
        assert result.ok, result.error


def _steps(legs: _Legs, made: Cluster, state: dict[str, list[object]]) -> None:
    ways = {"alone": legs.alone, "dask": legs.dask, "ours": legs.ours}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    cpus: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            side_by_side = 1 if name == "alone" else 2
            wall, cpu = _side_by_side(way(TREES), A_ROUND, side_by_side)
            walls[name].append(wall / A_ROUND * side_by_side)
            cpus[name].append(cpu / A_ROUND)
    wall = {name: statistics.median(taken) * 1_000 for name, taken in walls.items()}
    cpu = {name: statistics.median(taken) * 1_000 for name, taken in cpus.items()}
    show(
        f"engine: a fit alone, of {ROUNDS * A_ROUND}",
        f"{wall['alone']:.0f} ms",
        f"{cpu['alone']:.0f} ms of processor",
    )
    for name, what in (("dask", "as a bare task of Dask"), ("ours", "as a step on the cluster")):
        show(
            f"engine: the same {what}, two at a time",
            f"{wall[name]:.0f} ms",
            f"{cpu[name]:.0f} ms of processor; beyond the fit {wall[name] - wall['alone']:.0f} and "
            f"{cpu[name] - cpu['alone']:.0f} ms",
        )
    show(
        "engine: a step against a bare task",
        f"{wall['ours'] / wall['dask']:.2f}×",
        f"{cpu['ours'] / cpu['dask']:.2f}× of processor; beyond the fit {_beyond(wall):.1f}× and {_beyond(cpu):.1f}×",
    )


def _beyond(taken: dict[str, float]) -> float:
    return (taken["ours"] - taken["alone"]) / (taken["dask"] - taken["alone"])


def _long(legs: _Legs, made: Cluster, state: dict[str, list[object]]) -> None:
    wall, _ = _side_by_side(legs.alone(TREES), 4, 1)
    trees = round(TREES * LONG_TREES_S / (wall / 4))
    far, near = [], []
    for _ in range(LONG_ROUNDS):
        far.append(_side_by_side(legs.ours(trees), 2, 2)[0])
        near.append(_side_by_side(legs.home(trees), 2, 2)[0])
    ratio = statistics.median(a / b for a, b in zip(far, near, strict=True))
    show(
        f"engine: two trainings of {trees} trees at a time",
        f"{statistics.median(far):.1f} s",
        f"{ratio:.2f}× the launcher at home",
    )


def _trials(legs: _Legs, made: Cluster, state: dict[str, list[object]]) -> None:
    two, two_cpu = _side_by_side(legs.ours(TRIAL_TREES), TRIALS, 8)
    made.kill(made.workers[1])
    wait_until(lambda: len(state.get("workers", ())) == 1)
    one, one_cpu = _side_by_side(legs.ours(TRIAL_TREES), TRIALS, 8)
    made.start_worker("again")
    wait_until(lambda: len(state.get("workers", ())) == 2)
    again, again_cpu = _side_by_side(legs.ours(TRIAL_TREES), TRIALS, 8)
    show(
        f"engine: {TRIALS} trials of {TRIAL_TREES} trees on two workers",
        f"{two:.1f} s",
        f"{one / two:.2f}× as fast as one; {two_cpu:.0f} and {one_cpu:.0f} s of processor",
    )
    show(
        "engine: the same with a worker that was just started",
        f"{again:.1f} s",
        f"{one / again:.2f}×, {again_cpu:.0f} s",
    )


@contextmanager
def _cluster(root: Path) -> Iterator[tuple[Cluster, ClusterRunner, dict[str, list[object]]]]:
    """Two workers that can import the trainings, and a runner that reaches them."""
    os.environ["PYTHONPATH"] = str(PACKAGES)
    (root / "jobs").mkdir()
    state: dict[str, list[object]] = {}
    with cluster(root, workers=2) as made:
        runner = ClusterRunner(
            made.settings,
            root,
            jobs=root / "jobs",
            artifacts=root,
            steps_package="trial_steps",
            path=[PACKAGES],
        )
        runner.on_state = state.update
        runner.start()
        try:
            wait_until(lambda: len(state.get("workers", ())) == 2)
            yield made, runner, state
        finally:
            runner.stop()


def _rows() -> bytes:
    table = np.random.default_rng(0).normal(size=(2_000, 9))
    table[:, -1] = table[:, 0] + table[:, 1] > 0
    held = io.BytesIO()
    np.save(held, table)
    return held.getvalue()


def _side_by_side(one: Callable[[int], object], count: int, side_by_side: int) -> tuple[float, float]:
    """Seconds of the clock and of processors that so many calls take."""
    begun, used = time.perf_counter(), _cpu_s()
    with ThreadPoolExecutor(side_by_side) as pool:
        list(pool.map(one, range(count)))
    return time.perf_counter() - begun, _cpu_s() - used


def _cpu_s() -> float:
    """Processor time of this process and of all that it has started."""
    return time.process_time() + family_below(os.getpid()).cpu_s


if __name__ == "__main__":
    run(sys.argv[1:])
