"""Fixtures for the whole suite."""

import os
import sys
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first: a story of a minute that begins last would have one core wait for the other."""

    def turn(item: pytest.Item) -> int:
        place = item.path.relative_to(ROOT / "tests").parts[0]
        if place == "loop":
            return 0
        return 1 if place == "soak" or item.get_closest_marker("loop") else 2

    items.sort(key=turn)


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the real data sets."""
    return ROOT / "sample_data"
