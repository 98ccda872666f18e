"""Pictures of a version's held-out rows, beside those of its model's champion."""

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.model_pictures import FILE, ComparedPictures, ModelPictures, read_pictures
from pilothouse.domain.records import Version
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_model, require_version
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.work import runs

CHAMPION = "champion"
_HOLDOUT = "holdout"


def pictures_of(services: Services, actor: Actor, reference: str) -> ComparedPictures:
    """Pictures of the version that a reference names, beside its model's champion's. Raises InvalidInputError or
    NotFoundError; a file that is lost or cannot be read is named in the answer."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        number = require_model(connection, version.model).aliases.get(CHAMPION)
        other = None
        if number is not None and number != version.number:
            other = require_version(connection, f"{version.model}/{number}")
        files = [_digests(connection, one) if one is not None else (None, None) for one in (version, other)]
    return _compared(services, version, other, *files)


def pictures_between(services: Services, actor: Actor, first: str, second: str) -> ComparedPictures:
    """Pictures of one version beside those of another, in the champion's place. Raises as ``pictures_of``."""
    with reading(services, actor) as connection:
        versions = [require_version(connection, reference) for reference in (first, second)]
        files = [_digests(connection, one) for one in versions]
    return _compared(services, versions[0], versions[1], *files)


_Digests = tuple[str | None, str | None]


def _compared(
    services: Services, version: Version, other: Version | None, own: _Digests, others: _Digests
) -> ComparedPictures:
    faults: list[str] = []
    beside = _read(services, others[0], faults)
    return ComparedPictures(
        version.number,
        _read(services, own[0], faults),
        other.number if other is not None and beside is not None else None,
        beside,
        own[1] is not None and own[1] == others[1],
        "; ".join(faults),
    )


def _digests(connection: Connection, version: Version) -> _Digests:
    """Digests of a version's pictures and of its held-out rows."""
    files = runs.files_of(connection, version.run_id)
    return tuple(files[name].digest if name in files else None for name in (FILE, _HOLDOUT))  # type: ignore[return-value]


def _read(services: Services, digest: str | None, faults: list[str]) -> ModelPictures | None:
    if digest is None:
        return None
    try:
        return read_pictures(services.artifacts.read(digest))
    except PilothouseError as error:
        faults.append(str(error))
        return None
