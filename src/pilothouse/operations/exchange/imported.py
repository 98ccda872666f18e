"""What was imported, read for whoever may look."""

from collections.abc import Sequence

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.identifiers import parse_reference
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.imported.views import AliasSpan, ImportedModel, ImportedRun, ImportedVersion
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.models import imported


def list_models(services: Services, actor: Actor) -> Sequence[ImportedModel]:
    """Imported models by name."""
    with reading(services, actor) as connection:
        return imported.models(connection)


def list_versions(services: Services, actor: Actor, model: str) -> Sequence[ImportedVersion]:
    """Versions of an imported model, the newest first. Raises NotFoundError."""
    with reading(services, actor) as connection:
        _check_known(connection, model)
        return list(imported.versions(connection, model))


def get_version(
    services: Services, actor: Actor, reference: str
) -> tuple[ImportedVersion, ImportedRun | None]:
    """Imported version ``MODEL/NUMBER`` or ``MODEL@alias``, and its run. Raises NotFoundError, InvalidInputError."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        return version, imported.find_run(connection, version.origin, version.run)


def list_runs(services: Services, actor: Actor, limit: int) -> tuple[Sequence[ImportedRun], int]:
    """Runs that belong to no imported version, the newest first, without curves; and how many there are."""
    with reading(services, actor) as connection:
        return imported.other_runs(connection, limit)


def alias_history(services: Services, actor: Actor, model: str) -> Sequence[AliasSpan]:
    """Every meaning of every alias of an imported model. Raises NotFoundError."""
    with reading(services, actor) as connection:
        _check_known(connection, model)
        return imported.alias_history(connection, model)


def require_version(connection: Connection, reference: str) -> ImportedVersion:
    """Imported version of a reference. An alias is one of the other registry. Raises NotFoundError, InvalidInputError."""
    model, mark, alias = reference.strip().removeprefix("models:/").partition("@")
    if mark:
        _check_known(connection, model)
        now = {
            one.alias: one.number for one in imported.alias_history(connection, model) if one.ended_at is None
        }
        if alias not in now:
            raise NotFoundError(
                f"{model} had no alias {alias[:80]!r} at its last import: pilothouse import aliases {model}"
            )
        number = now[alias]
    else:
        parsed = parse_reference(reference)
        if parsed.number is None:
            raise InvalidInputError(
                f"{reference[:80]!r} names no version: expected MODEL/NUMBER or MODEL@ALIAS"
            )
        model, number = parsed.model, parsed.number
        _check_known(connection, model)
    found = imported.find_version(connection, model, number)
    if found is None:
        raise NotFoundError(f"{model} has no imported version {number}: pilothouse import list {model}")
    return found


def _check_known(connection: Connection, model: str) -> None:
    names = [one.name for one in imported.models(connection)]
    if model not in names:
        raise NotFoundError(
            f"no imported model {model[:80]!r}: pilothouse import list shows those that are there"
        )
