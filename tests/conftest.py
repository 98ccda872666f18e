"""Fixtures for the whole suite."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before numpy and scikit-learn load: a worker a core, and on a busy machine threads must not spin.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Rewriting the asserts and compiling the program takes a third of a minute, and the suite starts some hundred processes.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")
IN_MEMORY = ("artifacts", "cli", "console", "docs", "operations", "sqlite", "store", "telemetry")
"""Folders whose tests may have their files in memory. Those that start jobs or serving processes may not: shared memory is
among the few places that such a process may touch, so that there it would be held back from nothing."""


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    from templates import clear_away

    clear_away()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: a story of a minute that begins last would have one core wait for the other."""

    def turn(item: pytest.Item) -> int:
        place = item.path.relative_to(ROOT / "tests").parts[0]
        if place == "loop":
            return 0
        return 1 if place == "soak" or item.get_closest_marker("loop") else 2

    items.sort(key=turn)


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of the test's own, where it can be in memory: a test waits for some dozen fsyncs, of 5 ms each on a plain disk.

    What is killed there loses no more and no less than on a disk; only a power cut would, and no test can make one.
    """
    place = request.path.relative_to(ROOT / "tests").parts[0]
    if place not in IN_MEMORY or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < 2 << 30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="ph-test-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the real data sets."""
    return ROOT / "sample_data"
