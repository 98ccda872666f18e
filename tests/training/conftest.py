"""Fixtures for the tests of the steps."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from steps_support import Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder in which steps run."""
    return Bench(tmp_path)
