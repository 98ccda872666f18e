"""The demo's workspace: real data, two model files, a plan, two identities who may not do each other's part."""

import os
import pwd
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.daemon import control
from pilothouse.daemon.serving_supervisor import running_servers
from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.rollouts.plan_file import PLANS_FILE
from pilothouse.operations.workspace import workspaces
from pilothouse.system.paths import WorkspacePaths

ADMIN = "olga"
SCIENTIST = "ada"
"""Trains and asks."""
APPROVER = "petra"
"""Reads the evidence and decides; keeps the watch too."""

_ROLES = {
    ADMIN: (Role.OPERATOR,),
    SCIENTIST: (Role.DATA_SCIENTIST,),
    APPROVER: (Role.APPROVER, Role.OPERATOR),
}
_DATA = ("flights.parquet", "bikeshare.parquet")


def set_up(folder: Path | None) -> Path:
    """Make the demo's workspace in ``folder`` (a new temporary one otherwise) and return it.

    Raises InvalidInputError where the folder holds anything already.
    """
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix="pilothouse-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InvalidInputError(f"{folder} is not empty: name a new folder for the demo with --workspace DIR")
    root = folder.resolve()
    data = root / "data"
    data.mkdir()
    for name in _DATA:
        shutil.copyfile(sample_data() / name, data / name)
    package = Path(__file__).parent
    shutil.copytree(package / "models", root / "models")
    shutil.copyfile(package / PLANS_FILE, root / PLANS_FILE)
    workspaces.initialise(root, ADMIN, demo=True)
    services = open_workspace(root)
    admin = workspaces.identify(services, os_user(), ADMIN)
    for name, roles in _ROLES.items():
        for role in roles:
            workspaces.grant_role(services, admin, name, role)
    return root


def os_user() -> str:
    """The user whom the kernel knows."""
    return pwd.getpwuid(os.getuid()).pw_name


def sample_data() -> Path:
    """The folder with the data sets: beside the package where installed, at the top of a checkout otherwise."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "sample_data", package.parent.parent / "sample_data"):
        if all((folder / name).exists() for name in _DATA):
            return folder
    raise UnavailableError(
        f"the sample data ({', '.join(_DATA)}) is not beside the program: install Pilothouse from a checkout"
    )


def serving_port(paths: WorkspacePaths, target: str) -> int | None:
    """Port of the target's serving process; None while there is none."""
    server = running_servers(paths).get(target)
    return server.port if server else None


def remove(root: Path) -> None:
    """End the demo's processes: first the daemon, which would start the others again."""
    control.stop(root)
    control.stop_serving(root)


def closing_text(root: Path, *, keep: bool) -> str:
    """Commands that open the console on the demo's workspace, and start its daemon or, where that was kept, end it."""
    program = "pilothouse" if shutil.which("pilothouse") else os.path.relpath(sys.argv[0])
    where = shlex.join([program, "--workspace", str(root)])
    then = (
        f"to end what runs: {where} daemon stop --serving"
        if keep
        else f"to go on serving: {where} daemon start"
    )
    return f"look round with: {where} --as {APPROVER} ({then})"
