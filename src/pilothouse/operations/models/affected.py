"""Effects of a bad data set, commit or version: versions, the targets they are or were live on, open requests."""

import re
from collections.abc import Iterable

from pilothouse.domain.audit.lineage import Affected, AffectedVersion, Stay
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import RequestStatus, Version
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments
from pilothouse.store.models import versions
from pilothouse.store.promotion import requests

_DIGEST = re.compile(r"[0-9a-f]{7,64}")


def affected(services: Services, actor: Actor, reference: str) -> Affected:
    """Versions that share a digest, or the rows, source or code of a version, with the version itself first.

    ``reference`` is a version, or the first 7 or more digits of the digest of rows, a source, a commit or a code folder.
    Raises InvalidInputError, NotFoundError or NotAllowedError.
    """
    prefix = reference.strip().casefold()
    with reading(services, actor) as connection:
        if _DIGEST.fullmatch(prefix):
            sharing = versions.sharing(connection, prefix)
            if not sharing:
                raise NotFoundError(
                    f"no version has rows, a source, a commit or a code folder that begins with {prefix}: "
                    "take one from pilothouse lineage MODEL/NUMBER"
                )
            return Affected(prefix, _rows(connection, sharing))
        if "/" not in prefix and "@" not in prefix:
            raise InvalidInputError(
                f"{reference[:60]!r} is neither a version nor a digest: expected MODEL/NUMBER, or 7 or more digits "
                "of a digest or commit as pilothouse lineage shows them"
            )
        version = require_version(connection, reference)
        run = require_run(connection, version)
        shared: dict[int, tuple[Version, tuple[str, ...]]] = {}
        keys = (run.snapshot.content_digest, run.snapshot.source_digest, run.code.get("folder_digest"))
        for key in filter(None, keys):
            for other, reasons in versions.sharing(connection, str(key)):
                before = shared.get(other.id, (other, ()))[1]
                shared[other.id] = (other, tuple(dict.fromkeys((*before, *reasons))))
        shared.pop(version.id, None)
        return Affected(
            version_uri(version.model, version.number),
            _rows(connection, [(version, ("itself",)), *(shared[key] for key in sorted(shared))]),
        )


def _rows(
    connection: Connection, sharing: Iterable[tuple[Version, tuple[str, ...]]]
) -> tuple[AffectedVersion, ...]:
    rows = []
    for version, reasons in sharing:
        stays = [
            Stay(d.target, d.effective_at, d.ended_effective_at)
            for d in deployments.of_version(connection, version.id)
        ]
        asked = requests.of_version(connection, version.id)
        rows.append(
            AffectedVersion(
                version.model,
                version.number,
                version.standing.stage,
                reasons,
                version.live_on,
                tuple(stays),
                tuple(r.id for r in reversed(asked) if r.status is RequestStatus.OPEN),
            )
        )
    return tuple(rows)
