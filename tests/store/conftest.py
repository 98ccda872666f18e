"""Fixtures for the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.registries import Example, make_example


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    made = make_example(tmp_path / "workspace")
    yield made
    made.services.close()
