"""Fixtures for the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.registries import Harbour, make_harbour


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    made = make_harbour(tmp_path / "workspace")
    yield made
    made.services.close()
