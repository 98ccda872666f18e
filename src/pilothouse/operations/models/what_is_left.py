"""What is left of files with rows after erasures: the one path on which the marks of files are followed."""

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import IntegrityError
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import erasures


def left_of(services: Services, digest: str) -> str:
    """Digest of what is left of a file with rows after all erasures; its own where it has lost nothing. Raises IntegrityError
    where a mark says so and no order on record does: a mark is a file, which can be laid there past Pilothouse."""
    if services.artifacts.left_of(digest) == digest:
        return digest
    with services.registry.read() as connection:
        return left_by(services.artifacts, connection, digest)


def left_by(artifacts: ArtifactStore, connection: Connection, digest: str) -> str:
    """The same with the registry of a connection."""
    left = artifacts.left_of(digest)
    while digest != left:
        mark = artifacts.mark(digest)
        if mark is None or not erasures.is_ordered(connection, digest, mark.left, mark.plan):
            raise IntegrityError(
                f"artifact {digest} is replaced, and no erasure on record says so: pilothouse doctor says more"
            )
        digest = mark.left
    return left
