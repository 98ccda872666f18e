"""Workspaces that are built once in a process, and copied for each test that wants one."""

import atexit
import shutil
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path

_BUILT: dict[Hashable, Path] = {}


def copy_of(key: Hashable, build: Callable[[Path], None], root: Path) -> None:
    """Put into ``root`` what ``build(folder)`` makes, which has to leave nothing open there. Once for each ``key``."""
    if key not in _BUILT:
        folder = Path(tempfile.mkdtemp(prefix="ph-built-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # where no pytest is, as in a benchmark
        build(folder / "workspace")
        _BUILT[key] = folder / "workspace"
    shutil.copytree(_BUILT[key], root, dirs_exist_ok=True)


def clear_away() -> None:
    """Remove what was built. A worker of pytest ends without ``atexit``."""
    for built in _BUILT.values():
        shutil.rmtree(built.parent, ignore_errors=True)
    _BUILT.clear()
