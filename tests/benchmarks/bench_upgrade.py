"""Cost of bringing a registry with a long audit log to this release: its first opening.

``PYTHONPATH=tests python tests/benchmarks/bench_upgrade.py [ROWS]``; medians of three openings, each in a process of its own.
"""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from bench import show

from pilothouse.system.paths import WorkspacePaths
from support import older_registry

_OPEN = """
import json, resource, sys, time
from pathlib import Path
from pilothouse.composition import open_workspace
told = [time.monotonic()]
begun, cpu = time.monotonic(), time.process_time()
open_workspace(Path(sys.argv[1]), progress=lambda *_: told.append(time.monotonic())).close()
told.append(time.monotonic())
print(json.dumps({
    "wall": told[-1] - begun, "cpu": time.process_time() - cpu,
    "silence": max(after - before for before, after in zip(told, told[1:])),
    "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        made = WorkspacePaths(Path(folder) / "made")
        made.make_folders()
        with pytest.MonkeyPatch.context() as patch:
            older_registry.make(made.registry, rows, patch)
        runs = [opened(made.root, Path(folder) / "copy") for _ in range(3)]
    figures = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    show(
        f"a registry of the release before, {rows:,} audit rows, opened the first time",
        f"{figures['wall']:.1f} s",
    )
    show("CPU time of that", f"{figures['cpu']:.1f} s")
    show("the longest time without a word of progress", f"{figures['silence']:.1f} s")
    show("memory at its peak", f"{figures['peak']:.0f} MB")


def opened(made: Path, copy: Path) -> dict[str, float]:
    shutil.copytree(made, copy)
    done = subprocess.run(
        [sys.executable, "-c", _OPEN, str(copy)], capture_output=True, text=True, check=True
    )
    shutil.rmtree(copy)
    found: dict[str, float] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    main()
