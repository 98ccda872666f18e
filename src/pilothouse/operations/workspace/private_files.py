"""Files of a workspace that are secrets: each is its owner's alone, by mode and by owner."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from pilothouse.domain.errors import UnavailableError
from pilothouse.operations.services import Services
from pilothouse.system.paths import CLIENT_TOKENS, TLS_KEY, WorkspacePaths

_OF_A_TARGET = ("token", CLIENT_TOKENS, TLS_KEY)


def examine(services: Services) -> str:
    """What was looked at. Raises UnavailableError with the commands that mend what is open to others or somebody else's."""
    paths = services.paths
    owner = paths.state.stat().st_uid
    looked_at, faults = 0, []
    for path in _secrets(paths):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        looked_at += 1
        where = path.relative_to(paths.root)
        if status.st_uid != owner:
            command = f"chown {owner} {shlex.quote(str(path))}"
            faults.append(f"{where} belongs to another account (number {status.st_uid}): run {command}")
        if status.st_mode & 0o077:
            command = f"chmod 600 {shlex.quote(str(path))}"
            faults.append(f"{where} is open to others ({status.st_mode & 0o777:03o}): run {command}")
    if faults:
        raise UnavailableError("; ".join(faults))
    return f"{looked_at} file{'s' * (looked_at != 1)} with a secret, each its owner's alone"


def _secrets(paths: WorkspacePaths) -> Iterator[Path]:
    """Keys that sign in the workspace's name, and what lets programs in."""
    yield paths.signing_key
    yield paths.log_key
    for name in _OF_A_TARGET:
        yield from sorted(paths.serving.glob(f"*/{name}"))
