"""Fixtures of the Python package's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import pilothouse as ph
from support.programs import close_shared_clients, make_program_workspace
from support.small_workspace import SmallWorkspace


@pytest.fixture
def shop(tmp_path: Path) -> SmallWorkspace:
    return make_program_workspace(tmp_path / "workspace")


@pytest.fixture
def client(shop: SmallWorkspace) -> Iterator[ph.Client]:
    with ph.Client(shop.root) as client:
        yield client
    close_shared_clients()
