"""The environment of this process, for the record of a run: Python, platform, and packages by the names of their folders."""

import functools
import platform
import sys
from pathlib import Path
from typing import Any


@functools.cache
def environment() -> dict[str, Any]:
    """``python``, ``platform`` and ``packages`` {name: version} of the folders that this process imports from."""
    packages: dict[str, str] = {}
    for place in sys.path:
        try:
            found = sorted(Path(place or ".").glob("*.dist-info"))
        except OSError:
            continue
        for folder in found:
            name, _, version = folder.name.removesuffix(".dist-info").partition("-")
            packages.setdefault(name.lower().replace("_", "-"), version)
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": dict(sorted(packages.items())),
    }
