"""Proofs for a dossier that the decisions about a version are in the transparency log."""

from collections.abc import Iterable

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.records import AuditEntry
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import proofs

PROVEN = (
    "request.approved",
    "request.refused",
    "request.completed",
    "glass.broken",
    "glass.reviewed",
    "model.reviewed",
    "erasure.ordered",
    "erasure.completed",
)
"""Actions of the entries that are proven: what people decided."""
POLICY, VERIFIER = "log/policy", "log/verify_proof.py"


def log_proofs(services: Services, actor: Actor, entries: Iterable[AuditEntry]) -> dict[str, bytes]:
    """A ``tlog-proof`` for each entry that tells of a decision, whom to believe, and what verifies them, as files by name.

    None where there is no such entry, or where the workspace is read-only and no head has the entry yet. Raises IntegrityError.
    """
    proven = [entry for entry in entries if entry.action in PROVEN]
    try:
        files = {
            f"log/entry-{entry.seq}.tlog-proof": str(proofs.row_proof(services, actor, entry.seq)).encode()
            for entry in proven
        }
    except UnavailableError:
        return {}
    if not files:
        return {}
    return {
        **files,
        POLICY: str(proofs.policy(services, actor)).encode(),
        VERIFIER: proofs.verifier().encode(),
    }
