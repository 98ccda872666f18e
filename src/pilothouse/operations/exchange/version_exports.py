"""What exports of versions share: a version tried in a confined step, and the entry of who took which bytes away."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.evaluation import ComparedRows
from pilothouse.domain.records import Run, Version
from pilothouse.operations import handing_out
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.jobs.step_records import compared_in
from pilothouse.operations.services import Services
from pilothouse.operations.workspace.upgrades import Trials
from pilothouse.store.models.used_versions import UsedVersion, used_versions

EXPORTED = "version.exported"


@dataclass(frozen=True, slots=True)
class Tried:
    """A version, what the step says of it, and its files by name."""

    version: Version
    run: Run
    used: UsedVersion
    record: Mapping[str, Any]
    outputs: Mapping[str, str]
    compared: Sequence[ComparedRows]


class Export(Protocol):
    """A version in another form, and how many rows that answers otherwise."""

    @property
    def model(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def differing(self) -> int: ...


def try_export(services: Services, actor: Actor, tries: Trials, reference: str, step: str) -> Tried:
    """Carry out the step on the version. Raises NotAllowedError, NotFoundError (no hold-out with which to compare) or
    InvalidInputError (the step failed)."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        (used,) = used_versions(connection, version.id)
        run = require_run(connection, version)
    name = f"{used.model}/{used.number}"
    if not used.holdout_digest:
        raise NotFoundError(
            f"{name}: no sample of it is stored, so that nothing could be compared; train it again"
        )
    result, error = tries.run(step, used)
    if result is None:
        raise InvalidInputError(f"{name}: {error}")
    compared = compared_in(step, result.record.get("compared"))
    return Tried(version, run, used, result.record, result.outputs, compared)


def hand_out(services: Services, actor: Actor, export: Export, form: str, files: Mapping[str, bytes]) -> None:
    """Record who takes a version away, in which form, and the digests of its files. Raises NotAllowedError."""
    detail = {"form": form, "files": digests_of(files), "differing": export.differing}
    handing_out.record(services, actor, EXPORTED, version_uri(export.model, export.version), detail)


def digests_of(files: Mapping[str, bytes]) -> dict[str, str]:
    """sha256 of each file by its name."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
