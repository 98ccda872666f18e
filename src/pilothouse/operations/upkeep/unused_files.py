"""Files that interrupted work left: artifacts that nothing names, and copies that were never finished."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.named_digests import named_digests
from pilothouse.system.turns import turn

LEAST_AGE = timedelta(hours=1)
"""Age below which a file is left: a job that runs may be about to name it."""
_BUSY = "a backup or an erasure is on its way, and files stay as they are meanwhile: try again"
_MOST_RECORDED = 1_000


@dataclass(frozen=True, slots=True)
class UnusedFile:
    """A file that nothing names. ``digest`` is empty of a copy that was never finished; ``age_s`` since it was last put."""

    path: Path
    digest: str
    bytes: int
    age_s: float


def list_unused(services: Services, actor: Actor, older: timedelta) -> list[UnusedFile]:
    """Files of the artifact store that no row of the registry, and no mark of an erasure, names, last put longer ago than
    ``older``. Raises NotAllowedError or InvalidInputError (``older`` is less than an hour)."""
    authorise(services, actor, Permission.REPAIR)
    _check(services, older)
    with services.registry.read() as connection:
        return list(_unused(services, connection, older))


def remove_unused(services: Services, actor: Actor, older: timedelta) -> list[UnusedFile]:
    """Remove these files, and record which. No row can come to name one meanwhile: the registry is written by nobody else, and
    a file that is put again is young again.

    Raises NotAllowedError, InvalidInputError or UnavailableError (a backup or an erasure is on its way).
    """
    authorise(services, actor, Permission.REPAIR)
    _check(services, older)
    with (
        turn(services.paths.copying_lock, _BUSY, alone=True),
        changing(services, actor, Permission.REPAIR) as change,
    ):
        found = list(_unused(services, change.connection, older))
        for file in found:
            try:
                file.path.unlink(missing_ok=True)
            except OSError as error:
                raise UnavailableError(f"{file.path} cannot be removed: {error.strerror}") from error
        if found:
            digests = [file.digest for file in found if file.digest]
            detail = {
                "files": len(found),
                "bytes": sum(file.bytes for file in found),
                "digests": digests[:_MOST_RECORDED],
            }
            change.record("files.removed", "workspace", detail)
    return found


def _check(services: Services, older: timedelta) -> None:
    if services.at is not None:
        raise InvalidInputError("files are of the present: leave --at out")
    if older < LEAST_AGE:
        raise InvalidInputError(
            "--older: found less than an hour; a job that runs may be about to name a file"
        )


def _unused(services: Services, connection: Connection, older: timedelta) -> Iterator[UnusedFile]:
    named = set(named_digests(connection))
    for mark in services.artifacts.marks():
        named |= {mark.digest, mark.left}
    now = time.time()
    candidates = [
        (path, path.name if len(path.name) == 64 else "")
        for path in services.artifacts.files()
        if path.name not in named
    ]
    for path, digest in candidates:
        try:
            status = path.stat()
        except OSError:  # another has finished or removed it
            continue
        age = now - status.st_mtime
        if age > older.total_seconds():
            yield UnusedFile(path, digest, status.st_size, age)
