"""The clean process from which the proofs fork their children: started once, ended with the run."""

from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker

import pytest

from soak import cut


@pytest.fixture(scope="session", autouse=True)
def fork_server() -> Iterator[None]:
    """Running before the first proof, which would be told otherwise that it leaves a process behind."""
    cut.context()
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    resource_tracker._resource_tracker._stop()  # type: ignore[attr-defined]
