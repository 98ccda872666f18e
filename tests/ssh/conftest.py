"""A workspace behind a real sshd."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.operations.identity import ssh_lines
from support.ssh_door import Door, make_workspace
from support.sshd import running_sshd


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    """A door by AuthorizedKeysCommand, with the very lines that Pilothouse prints."""
    root = tmp_path / "workspace"
    services = make_workspace(root)
    (tmp_path / "keys").mkdir()
    try:
        with running_sshd(tmp_path / "sshd", *ssh_lines.sshd_config(root)) as sshd:
            yield Door(services, sshd, tmp_path / "keys")
    finally:
        services.close()
