"""Fixtures for the whole suite."""

import gc
import io
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from support import OPENED, PATIENCE_S, close_opened, leftovers, raw_writes, wait_for_nothing
from support.templates import clear_away

raw_writes.allow()

# Before numpy and scikit-learn load: a worker a core, and on a busy machine threads must not spin.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # steps and serving processes set their own
# Rewriting the asserts and compiling the program takes a third of a minute, and the suite starts some hundred processes.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


ROOT = Path(__file__).resolve().parent.parent
MEMORY = leftovers.SHARED_MEMORY
_SELDOM = 100
"""So many collections of younger objects before one of all: ten times Python's own."""
_DEAD_BEFORE: set[str] = set()
"""What others had left in shared memory before this run."""
IN_MEMORY = ("artifacts", "cli", "console", "docs", "operations", "sqlite", "store", "telemetry")
"""Folders whose tests may have their files in memory. Those that start jobs or serving processes may not: shared memory is
among the few places that such a process may touch, so that there it would be held back from nothing."""


def pytest_configure(config: pytest.Config) -> None:
    """A run has a name, which all its processes carry, and a folder for temporary files."""
    if not hasattr(config, "workerinput"):
        os.environ.setdefault(
            "PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir()
        )  # where ``tmp_path`` lies, and stays
        os.environ[leftovers.RUN] = uuid.uuid4().hex[:12]
        os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="ph-run-")
        _DEAD_BEFORE.update(leftovers.shared_memory_of_the_dead())


def pytest_unconfigure(config: pytest.Config) -> None:
    """What was built goes."""
    clear_away()
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """The suite fails where a process, or a file outside the tests' own folders, is left at its end."""
    if hasattr(session.config, "workerinput"):
        return
    clear_away()
    left = leftovers.processes_of(os.environ[leftovers.RUN])
    left += sorted(leftovers.shared_memory_of_the_dead() - _DEAD_BEFORE)
    left += [str(path) for path in MEMORY.glob(f"{_in_memory()}*")]
    # The folder of a hub's socket stays for the next daemon of its workspace. What multiprocessing has, it removes at the
    # exit of a process, which a worker of pytest does not come to.
    passing = ("pilothouse-", "pymp-")
    left += [str(path) for path in Path(os.environ["TMPDIR"]).iterdir() if not path.name.startswith(passing)]
    if left:
        print("\nleft behind:", *left, sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _in_memory() -> str:
    """How the names of this run's folders in memory begin."""
    return f"ph-test-{os.environ[leftovers.RUN]}-"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: a story of a minute that begins last would have one core wait for the other."""

    def turn(item: pytest.Item) -> int:
        place = item.path.relative_to(ROOT / "tests").parts[0]
        if place == "loop":
            return 0
        return 1 if place == "soak" or item.get_closest_marker("loop") else 2

    items.sort(key=turn)


def pytest_collection_finish() -> None:
    """What was imported and collected stays to the end: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _SELDOM)


@pytest.fixture(scope="session", autouse=True)
def nothing_left_behind_by_the_run() -> Iterator[None]:
    """As ``nothing_left_behind``, for what fixtures of modules and of the run hold."""
    import pyarrow.csv

    pyarrow.csv.read_csv(io.BytesIO(b"a\n1\n"))  # Arrow opens a pipe of its own with the first, for good
    before = leftovers.held()
    yield
    gc.collect()  # a pool's threads end with the pool, the hub's for one
    _check_left_behind(before)


@pytest.fixture(autouse=True)
def nothing_left_behind(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """A test that leaves a descriptor, a thread or a process behind fails, and says which.

    What a module's or the run's fixtures open in their own folders meanwhile is theirs.
    """
    own = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    before, opened = leftovers.held(), len(OPENED)
    yield
    close_opened(opened)
    _check_left_behind(before, tmp_path_factory.getbasetemp(), own)


def _check_left_behind(before: leftovers.Held, shared: Path | None = None, own: Path | None = None) -> None:
    def left() -> list[str]:
        return leftovers.held().since(before, shared, own)

    if left():  # a process or a thread may be about to end, or only garbage holds a file
        gc.collect()
        wait_for_nothing(left, PATIENCE_S)


@pytest.fixture
def tmp_path(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A folder of the test's own, where it can be in memory: a test waits for some dozen fsyncs, of 5 ms each on a plain disk.

    What is killed there loses no more and no less than on a disk; only a power cut would, and no test can make one.
    """
    place = request.path.relative_to(ROOT / "tests").parts[0]
    if place not in IN_MEMORY or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < 2 << 30:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix=_in_memory(), dir=MEMORY, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the real data sets."""
    return ROOT / "sample_data"
