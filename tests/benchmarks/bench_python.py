"""The Python package: its import beside the bare interpreter, and a run beside MLflow's client on its own SQLite store.

Both acknowledge what a power cut leaves: MLflow's store has a rollback journal and ours a write-ahead log, each with
``synchronous=FULL``. The two take turns, a run each, on one disk. MLflow has an environment of its own: ``make bench-python``.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from bench import show

import pilothouse as ph
from support.programs import make_program_workspace

ROOT = Path(__file__).resolve().parents[2]
MLFLOW = ROOT / ".peers" / "mlflow" / "bin" / "python"
PARAMETERS, METRICS = 50, 100
RUNS, VALUES, IMPORTS = 30, 100, 25


def run() -> None:
    """Import; then, where MLflow is installed, runs in turn."""
    imports()
    with tempfile.TemporaryDirectory() as folder, chdir(folder):  # of no repository, for both
        shop = make_program_workspace(Path(folder) / "workspace")
        with ph.Client(shop.root) as client:
            began = time.perf_counter()
            client.models()
            show("python: first call of a client", f"{(time.perf_counter() - began) * 1e3:.0f} ms")
            if not MLFLOW.exists():
                show("python: a run beside MLflow", "left out", "make bench-python installs MLflow")
                return
            with mlflow(Path(folder)) as peer:
                beside(client, peer)


def imports() -> None:
    """Interpreters with and without the import, in turn."""
    taken: dict[str, list[float]] = {"pass": [], "import pilothouse": []}
    for _ in range(IMPORTS):
        for text, times in taken.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", text], check=True)
            times.append((time.perf_counter() - began) * 1e3)
    bare, ours = (statistics.median(times) for times in taken.values())
    show(
        "python: import pilothouse",
        f"{ours:.1f} ms",
        f"{ours / bare:.2f} × the bare interpreter ({bare:.1f} ms)",
    )


def beside(client: ph.Client, peer: Callable[[str, int, int], float]) -> None:
    """Whole runs, then single values, in turn."""
    text = f"{PARAMETERS} parameters, {METRICS} metrics"
    for name in ("whole", "fluent"):
        ours, theirs = [], []
        for _ in range(RUNS):
            ours.append(timed(lambda: whole(client)))
            theirs.append(peer(name, PARAMETERS, METRICS))
        how = "client, one batch" if name == "whole" else "mlflow.start_run"
        line(f"python: a run of {text}, MLflow's {how}", ours, theirs)
    ours, theirs = [], []
    for _ in range(RUNS):
        ours.append(timed(lambda: late(client)))
        theirs.append(peer("whole", PARAMETERS, METRICS))
    line("python: the same, parameters after the beginning", ours, theirs)
    ours, theirs = [], []
    with client.run("delay") as opened:
        for step in range(VALUES):
            ours.append(timed(lambda step=step: opened.log_metric("loss", 1 / (step + 1), step)))
            theirs.append(peer("one", step, 0))
    line("python: one value of a metric", ours, theirs)


def whole(client: ph.Client) -> None:
    """A run with its parameters and metrics."""
    with client.run("delay", parameters={f"p{i}": i for i in range(PARAMETERS)}) as opened:
        opened.log_metrics({f"m{i}": i / 3 for i in range(METRICS)}, step=1)


def late(client: ph.Client) -> None:
    """The same run in four calls, as a program has it that learns its parameters once it has begun."""
    with client.run("delay") as opened:
        opened.log_parameters({f"p{i}": i for i in range(PARAMETERS)})
        opened.log_metrics({f"m{i}": i / 3 for i in range(METRICS)}, step=1)


def timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def line(what: str, ours: list[float], theirs: list[float]) -> None:
    mine, other = statistics.median(ours), statistics.median(theirs)
    show(what, f"{mine * 1e3:.2f} ms", f"{other / mine:.1f} × faster than MLflow ({other * 1e3:.1f} ms)")


@contextmanager
def mlflow(folder: Path) -> Iterator[Callable[[str, int, int], float]]:
    """MLflow's client in a process of its own; the function times an act of it."""
    script = Path(__file__).with_name("python_mlflow.py")
    process = subprocess.Popen(
        [str(MLFLOW), str(script), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    seconds, version = process.stdout.readline().split()
    show(f"python: MLflow {version}, import and first client", f"{float(seconds) * 1e3:.0f} ms")

    def ask(name: str, first: int, second: int) -> float:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{name} {first} {second}\n")
        process.stdin.flush()
        return float(process.stdout.readline())

    try:
        yield ask
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
