"""Environment of a training: Python, platform, the exact version of every package, the libraries' threads, the processor."""

import platform
import sys
from importlib import metadata
from typing import Any

from pilothouse.system.cpu import cpu_features


def environment() -> dict[str, Any]:
    """Plain data for the record: ``python``, ``platform``, ``packages`` {name: version}, ``threads`` {library: threads}, and
    ``cpu``, the features that decide how floats are added."""
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    # ``Distribution.metadata`` reads its file at every access: once is enough for name and version.
    facts = [distribution.metadata for distribution in metadata.distributions()]
    packages = {
        str(fact["Name"]).lower().replace("_", "-"): fact["Version"] for fact in facts if fact["Name"]
    }
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items())),
        "threads": {str(pool["internal_api"]): int(pool["num_threads"]) for pool in threadpool_info()},
        "cpu": sorted(cpu_features()),
    }
