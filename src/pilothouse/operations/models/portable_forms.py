"""Portable forms of versions that were registered without one: recorded later, with an audit row."""

from dataclasses import dataclass

from pilothouse.domain.errors import ConflictError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.evaluation import PortableForm
from pilothouse.domain.records import Version
from pilothouse.operations.authorisation import changing
from pilothouse.operations.catalogue import require_model, require_version
from pilothouse.operations.services import Services
from pilothouse.store.models import portable_models


@dataclass(frozen=True, slots=True)
class Converted:
    """What a conversion made of a version's skops file (``inference.portable.packaging.packaged``)."""

    data: bytes | None
    reason: str
    rows: int
    made_with: dict[str, str]


def record_form(services: Services, actor: Actor, reference: str, converted: Converted) -> Version:
    """Record what became of a conversion; serving processes take the form up at once.

    ``converted`` was compared with the version's own skops file, to the bit, in a confined process. Raises NotAllowedError,
    NotFoundError, or ConflictError where the version has a portable form.
    """
    digest = services.artifacts.put_bytes(converted.data) if converted.data is not None else None
    form = PortableForm(
        digest, len(converted.data or b""), converted.reason, converted.rows, converted.made_with
    )
    with changing(services, actor, Permission.CONVERT) as change:
        version = require_version(change.connection, reference)
        if version.portable is not None and version.portable.digest is not None:
            raise ConflictError(f"{version.model}/{version.number} has a portable form, which stays as it is")
        model = require_model(change.connection, version.model)
        portable_models.add(change.connection, model.id, version.id, form, at=change.at)
        detail = {"portable_digest": digest, "reason": form.reason, "rows": form.rows, **form.made_with}
        change.record("version.converted", version_uri(version.model, version.number), detail)
        return require_version(change.connection, reference)
