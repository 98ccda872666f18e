"""Files that a version's training code logged with MLflow, with the places that they have in a run that is sent."""

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.imported.names import path_fault
from pilothouse.operations.authorisation import authorise, reading
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.services import Services
from pilothouse.store.work import runs

LARGEST_TOGETHER = 256 << 20
MOST_FILES = 1_000
_ASIDE = "logged"
"""Folder of files whose own place is another's."""
_NO_FOLDER = re.compile(r"[^\w.\- ]")
_FAULTS = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class LoggedFiles:
    """Files by their paths in the run, each with what reads it, which raises IntegrityError; digest of their archive, empty
    where there are none."""

    digest: str = ""
    files: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


@contextmanager
def logged_files(
    services: Services, actor: Actor, reference: str, prefixes: Mapping[str, str], taken: str
) -> Iterator[LoggedFiles]:
    """Files of a version's training code. ``prefixes``: of each logged run by its id, what begins the names of all that is from
    it; ``taken``: the folder of the run that is the version's own. Raises NotAllowedError, NotFoundError or IntegrityError."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        kept = runs.files_of(connection, version.run_id)
    authorise(services, actor, Permission.EXPORT, version.model)
    if "mlflow_files" not in kept:
        yield LoggedFiles()
        return
    digest = kept["mlflow_files"].digest
    file, _ = services.artifacts.open_verified(digest)
    with file:
        try:
            archive = zipfile.ZipFile(file)
        except _FAULTS as error:
            raise _unreadable(reference, error) from None
        # the user's code has run where the archive was made
        entries = [one for one in archive.infolist() if not one.is_dir() and not path_fault(one.filename)]
        if len(entries) > MOST_FILES or sum(one.file_size for one in entries) > LARGEST_TOGETHER:
            raise _unreadable(reference, "it is larger than what is kept")
        places: dict[str, zipfile.ZipInfo] = {}
        for one in entries:
            place = place_of(one.filename, prefixes, taken)
            places[f"{_ASIDE}/{one.filename}" if place in places else place] = one
        yield LoggedFiles(
            digest, {path: partial(_read, reference, archive, one) for path, one in sorted(places.items())}
        )


def place_of(name: str, prefixes: Mapping[str, str], taken: str) -> str:
    """Path in the run that is sent, of a file that MLflow's client has kept under ``EXPERIMENT/RUN/artifacts/…``, or a logged
    model's under ``EXPERIMENT/models/MODEL/artifacts/…``."""
    match name.split("/"):
        case [_, "models", model, "artifacts", *rest] if rest:
            place = ["models", model, *rest]
        case [_, run, "artifacts", *rest] if rest and run in prefixes:
            folders = [_NO_FOLDER.sub("_", one) for one in prefixes[run].split("/")]
            place = [*(one for one in folders if one.strip(".")), *rest]
        case parts:
            place = [_ASIDE, *parts]
    return "/".join([_ASIDE, *place] if place[0] == taken else place)


def _read(reference: str, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    try:
        return archive.read(entry)
    except _FAULTS as error:
        raise _unreadable(reference, error) from None


def _unreadable(reference: str, why: object) -> IntegrityError:
    return IntegrityError(f"the files that {reference} logged with MLflow cannot be read: {why}")
