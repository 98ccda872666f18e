"""Fixtures for the tests of the steps."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from steps_support import Bench

from pilothouse.domain.jobs.jobs import StepResult


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A folder in which steps run."""
    return Bench(tmp_path)


@pytest.fixture(scope="session")
def usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StepResult]:
    """The model as it is, trained and evaluated once. Its files are for reading."""
    return Bench(tmp_path_factory.mktemp("usual")).evaluated()
