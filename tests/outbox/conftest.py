"""Fixtures of the outbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.outbox_workspace import OutboxWorkspace
from support.receivers import Receiver, receiving


@pytest.fixture
def place(tmp_path: Path) -> OutboxWorkspace:
    return OutboxWorkspace(tmp_path / "workspace")


@pytest.fixture
def hook(place: OutboxWorkspace) -> Iterator[Receiver]:
    """A receiver that takes everything, described in the workspace as ``hook``."""
    with receiving() as receiver:
        place.hook(receiver.url)
        yield receiver
