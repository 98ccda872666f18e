"""A workspace for programs: two versions of ``delay``, the first live on ``ewr``, and this account as a data scientist."""

import subprocess
import sys
from pathlib import Path

from pilothouse.api import shared
from pilothouse.composition import open_workspace
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.workspace import workspaces
from pilothouse.system.workspace_place import os_user
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace
from support.templates import copy_of


def make_program_workspace(root: Path) -> SmallWorkspace:
    """Make the workspace in ``root``."""
    copy_of("programs", _build, root)
    return make_small_workspace_open(root)


def make_small_workspace_open(root: Path) -> SmallWorkspace:
    """The workspace in ``root``, opened until the test ends."""
    from support import until_the_test_ends

    services = until_the_test_ends(open_workspace(root))
    return SmallWorkspace(
        root, services, *(workspaces.identify(services, name) for name in ("ada", "sam", "pat"))
    )


def _build(root: Path) -> None:
    shop = make_small_workspace(root)
    workspaces.grant_role(shop.services, shop.admin, os_user(), Role.DATA_SCIENTIST)
    for number in (1, 2):
        register(shop, number)
    promote(shop, 1)
    shop.services.close()


def close_shared_clients() -> None:
    """Close the clients that the package's functions share."""
    for client in shared._CLIENTS.values():
        client.close()
    shared._CLIENTS.clear()


def program(text: str, root: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process of its own, ``PILOTHOUSE_WORKSPACE`` being ``root``."""
    import os

    environment = {**os.environ, "PILOTHOUSE_WORKSPACE": str(root)}
    return subprocess.run(
        [sys.executable, "-c", text, *more],
        env=environment,
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
