"""What a training ran on: Python, platform, the exact version of every package, the libraries' threads."""

import platform
import sys
from importlib import metadata
from typing import Any


def environment() -> dict[str, Any]:
    """Plain data: ``python``, ``platform``, ``packages`` {name: version}, ``threads`` {library: threads}."""
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    packages = {
        str(found.name).lower().replace("_", "-"): found.version
        for found in metadata.distributions()
        if found.name
    }
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items())),
        "threads": {str(pool["internal_api"]): int(pool["num_threads"]) for pool in threadpool_info()},
    }
