"""What it costs to start a step: a fork from the launcher against a fresh interpreter with the same libraries."""

import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from bench import median_s, show

from pilothouse.domain.jobs.jobs import StepRequest
from pilothouse.execution.launcher_client import Launcher

PACKAGES = Path(__file__).resolve().parent.parent / "execution" / "packages"
LIBRARIES = "import sklearn.ensemble, pandas, pyarrow.parquet"


def run() -> None:
    """Start and end of a step that does next to nothing."""
    with tempfile.TemporaryDirectory() as folder:
        launcher = Launcher(closed=[], opened=[], steps_package="trial_steps", path=[PACKAGES])
        launcher.start()
        count = 0

        def step() -> None:
            nonlocal count
            count += 1
            place = Path(folder) / str(count)
            place.mkdir()
            request = StepRequest(1, 1, "surroundings", str(place), {}, {})
            launcher.run_step(request, threading.Event(), lambda line: None)

        forked = median_s(step, 20)
        launcher.stop()
    fresh = median_s(lambda: subprocess.run([sys.executable, "-I", "-c", LIBRARIES], check=True), 5)
    show("step: start and end, forked from the launcher", f"{forked * 1000:.0f} ms")
    show(
        "step: a fresh interpreter with the libraries",
        f"{fresh * 1000:.0f} ms",
        f"{fresh / forked:.0f}× the fork",
    )
