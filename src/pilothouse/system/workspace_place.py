"""The folder of the workspace that a command or a program means, and the user who asks."""

import hashlib
import os
import pwd
import re
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.system.processes import boot_id

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|[^/]+@[^/]+:")
"""How addresses begin that are no folder: ``https://…``, ``ssh://…``, ``user@host:…``."""


def find_workspace(given: Path | None) -> Path:
    """The workspace named, that of the environment, or the nearest one upwards. Raises NotFoundError."""
    if given is None and os.environ.get("PILOTHOUSE_WORKSPACE"):
        given = Path(os.environ["PILOTHOUSE_WORKSPACE"])
    if given is not None:
        if not (given / "state" / "registry.db").exists():
            raise NotFoundError(
                f"{given} is not a workspace: it has no state/registry.db; make one with pilothouse init"
            )
        return given.resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "state" / "registry.db").exists():
            return folder
    raise NotFoundError(
        f"no workspace in {here} or above it: name one with --workspace DIR, make one with pilothouse init, "
        "or look round with pilothouse demo"
    )


def check_local(place: str) -> None:
    """Raise InvalidInputError where a text is the address of a workspace on another machine."""
    if _REMOTE.match(place):
        raise InvalidInputError(
            f"{place[:80]!r} is not a folder of this machine: a program opens no workspace of another one; run it there, or "
            "use the commands over SSH (docs/ssh.md)"
        )


def instance_of(folder: Path) -> str:
    """A name of a folder, 32 hexadecimal digits: the same by whatever path it is reached, another for a copy of it, and another
    after each start of the machine."""
    found = folder.stat()
    return hashlib.sha256(f"{boot_id()} {found.st_dev} {found.st_ino}".encode()).hexdigest()[:32]


def os_user() -> str:
    """The user's name by the kernel; the environment is not consulted, since it can be set to anything."""
    return pwd.getpwuid(os.getuid()).pw_name
