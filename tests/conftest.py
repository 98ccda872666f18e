"""Fixtures for the whole suite."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault(
    "GOMP_SPINCOUNT", "1000"
)  # before scikit-learn loads: on a busy machine threads must not spin

sys.path.insert(0, str(Path(__file__).parent))

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """The folder with the real data sets."""
    return ROOT / "sample_data"
