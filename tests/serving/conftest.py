"""Fixtures of the serving tests."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from serving_kit import ModelFile, ServingProcess, TestHub, short_folder, start_serving, train


@pytest.fixture(scope="session")
def first() -> ModelFile:
    """Version 1 of flight-delay."""
    return train("flight-delay", 1, seed=1)


@pytest.fixture(scope="session")
def second() -> ModelFile:
    """Version 2 of flight-delay."""
    return train("flight-delay", 2, seed=2)


@pytest.fixture(scope="session")
def third() -> ModelFile:
    """Version 3 of flight-delay."""
    return train("flight-delay", 3, seed=3)


@pytest.fixture
def hub() -> Iterator[TestHub]:
    """A hub that listens."""
    with short_folder() as folder:
        hub = TestHub(folder / "hub.sock")
        hub.start()
        yield hub
        hub.stop()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., ServingProcess]]:
    """Start serving processes; whatever runs at the end is ended."""
    started: list[ServingProcess] = []

    def start(hub: TestHub, *arguments: str, name: str = "ewr") -> ServingProcess:
        process = start_serving(tmp_path / name, hub, *arguments)
        started.append(process)
        process.wait_for_port()
        return process

    yield start
    for process in started:
        if process.process.poll() is None:
            process.kill()
