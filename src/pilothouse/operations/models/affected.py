"""What is affected if a data set, a commit or a version was bad: versions, where they are and were live, open requests."""

import re
from collections.abc import Iterable

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.lineage import Affected, AffectedVersion, Stay
from pilothouse.domain.records import RequestStatus, Version
from pilothouse.domain.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.catalogue import require_run, require_version
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import deployments, requests, versions

_DIGEST = re.compile(r"[0-9a-f]{7,64}")
_LIMIT = 10_000


def affected(services: Services, actor: Actor, reference: str) -> Affected:
    """``reference`` is the beginning of a digest of rows, of a source or a code folder, or of a commit (7 digits or more); or
    a version: then what shares its rows, its source or its code. Raises InvalidInputError, NotFoundError or NotAllowedError.
    """
    words = reference.strip().casefold()
    with reading(services, actor) as connection:
        if _DIGEST.fullmatch(words):
            found = versions.sharing(connection, words)
            if not found:
                raise NotFoundError(
                    f"no version has rows, a source, a commit or a code folder that begins with {words}: "
                    "take one from pilothouse lineage MODEL/NUMBER"
                )
            return Affected(words, _rows(connection, found))
        if "/" not in words and "@" not in words:
            raise InvalidInputError(
                f"{reference[:60]!r} is neither a version nor a digest: expected MODEL/NUMBER, or 7 or more digits "
                "of a digest or commit as pilothouse lineage shows them"
            )
        version = require_version(connection, reference)
        run = require_run(connection, version)
        shared: dict[int, tuple[Version, tuple[str, ...]]] = {version.id: (version, ("itself",))}
        keys = (run.snapshot.content_digest, run.snapshot.source_digest, run.code.get("folder_digest"))
        for key in filter(None, keys):
            for other, how in versions.sharing(connection, str(key)):
                before = shared.get(other.id, (other, ()))[1]
                shared[other.id] = (other, tuple(dict.fromkeys((*before, *how))))
        own = shared.pop(version.id)
        return Affected(
            version_uri(version.model, version.number),
            _rows(connection, [(own[0], ("itself",)), *(shared[key] for key in sorted(shared))]),
        )


def _rows(
    connection: Connection, found: Iterable[tuple[Version, tuple[str, ...]]]
) -> tuple[AffectedVersion, ...]:
    rows = []
    for version, how in found:
        stays = [
            Stay(d.target, d.effective_at, d.ended_effective_at)
            for d in reversed(deployments.history(connection, model=version.model, limit=_LIMIT))
            if d.version == version.number
        ]
        waiting = requests.listed(connection, status=RequestStatus.OPEN, model=version.model)
        rows.append(
            AffectedVersion(
                version.model,
                version.number,
                str(version.status),
                how,
                version.live_on,
                tuple(stays),
                tuple(r.id for r in waiting if r.version == version.number),
            )
        )
    return tuple(rows)
