"""``make bench``: medians and ratios, each measured in one run on this machine. Nothing here is a test.

``python tests/benchmarks/bench.py [NAME …]`` runs all, or those whose name holds one of the words.
"""

import importlib
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pilothouse.system import memory

HERE = Path(__file__).resolve().parent
MODULES = (
    "jobs",
    "tables",
    "telemetry",
    "hub",
    "memory",
    "percentiles",
    "figures",
    "drift",
    "estimation",
    "estimation_record",
    "verdicts",
    "multivariate",
    "console",
    "long_lived",
    "lists",
    "fleet_writes",
    "signatures",
    "charts",
    "serving",
    "serving_hosts",
    "trials",
    "python",
)


def median_s(act: Callable[[], object], repeats: int) -> float:
    """The median of ``repeats`` runs in seconds, after one that is not counted."""
    act()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def show(what: str, value: str, against: str = "") -> None:
    """One line of the table."""
    print(f"{what:<62} {value:>16}  {against}", flush=True)


def main(words: list[str]) -> None:
    """Run the benchmarks, one module after the other."""
    sys.path[:0] = [
        str(HERE),
        str(HERE.parent),
        str(HERE.parent / "serving"),
        str(HERE.parent / "execution" / "packages"),
    ]
    importlib.import_module("support.raw_writes").allow()
    memory.hold()  # as the daemon does
    load = os.getloadavg()[0]
    print(f"python {platform.python_version()}, {os.cpu_count()} cores, load {load:.2f} at the start")
    for name in MODULES:
        if not words or any(word in name for word in words):
            importlib.import_module(f"bench_{name}").run()


if __name__ == "__main__":
    main(sys.argv[1:])
