"""Fixtures for the operations."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.registries import Example, make_example
from pilothouse.composition import open_workspace
from pilothouse.operations.services import Services


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    made = make_example(tmp_path / "workspace")
    yield made
    made.services.close()


@pytest.fixture
def services(prepared: Path, tmp_path: Path) -> Iterator[Services]:
    """A test's own copy of the workspace that its module has prepared."""
    root = tmp_path / "workspace"
    shutil.copytree(prepared, root)
    services = open_workspace(root)
    yield services
    services.close()
