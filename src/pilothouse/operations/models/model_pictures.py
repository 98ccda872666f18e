"""Pictures of a version's held-out rows, beside those of its model's champion."""

from dataclasses import dataclass

from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.model_pictures import FILE, ModelPictures, read_pictures
from pilothouse.domain.records import Version
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_model, require_version
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.work import runs

CHAMPION = "champion"


@dataclass(frozen=True, slots=True)
class VersionPictures:
    """Pictures of a version; None where its training kept none."""

    version: int
    pictures: ModelPictures | None


def pictures_of(services: Services, actor: Actor, reference: str) -> VersionPictures:
    """Pictures of the version that a reference names. Raises InvalidInputError, NotFoundError, or IntegrityError where they
    cannot be read."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        digest = _digest(connection, version)
    return VersionPictures(version.number, _read(services, digest))


def champions_pictures(services: Services, actor: Actor, reference: str) -> VersionPictures | None:
    """Pictures of the champion of the version's model; None where that is the version, or there is none, or it has none."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        number = require_model(connection, version.model).aliases.get(CHAMPION)
        if number is None or number == version.number:
            return None
        champion = require_version(connection, f"{version.model}/{number}")
        digest = _digest(connection, champion)
    pictures = _read(services, digest)
    return VersionPictures(number, pictures) if pictures is not None else None


def _digest(connection: Connection, version: Version) -> str | None:
    file = runs.files_of(connection, version.run_id).get(FILE)
    return file.digest if file is not None else None


def _read(services: Services, digest: str | None) -> ModelPictures | None:
    return read_pictures(services.artifacts.read(digest)) if digest is not None else None
