"""Evidence of one request as a folder by itself: signed by the workspace, with what verifies it without Pilothouse."""

import hashlib
import io
import json
from dataclasses import replace

from pilothouse.domain.identity.roles import Actor
from pilothouse.interop import signing_keys
from pilothouse.operations import handing_out
from pilothouse.operations.dossier import audit_export, log_proofs, signing_key
from pilothouse.operations.dossier.plain_facts import request_facts
from pilothouse.operations.dossier.sealing import KEY, MANIFEST, seal, verifier_files
from pilothouse.operations.promotion.evidence_export import EvidenceExport, export_evidence
from pilothouse.operations.services import Services


def signed_evidence(services: Services, actor: Actor, request_id: int) -> EvidenceExport:
    """Files of a request, with the rows of its decisions, proofs that the transparency log has them, and the seal.

    Raises NotFoundError, NotAllowedError, IntegrityError where a row was changed past Pilothouse, or UnavailableError (a
    read-only workspace without a key).
    """
    exported = export_evidence(services, actor, request_id)
    private = signing_key.private_key(services, actor)
    rows = io.StringIO()
    audit_export.write_lines(rows, list(exported.entries))
    facts = json.dumps(request_facts(exported.record), indent=1, ensure_ascii=True, allow_nan=False)
    files = {
        **exported.files,
        "request.json": facts.encode() + b"\n",
        "audit.jsonl": rows.getvalue().encode(),
        **log_proofs.log_proofs(services, actor, exported.entries),
        KEY: signing_keys.public_part(private),
        **verifier_files(),
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    sealed = seal(digests, private)
    manifest = {"manifest": hashlib.sha256(sealed[MANIFEST]).hexdigest()}
    handing_out.record(services, actor, "evidence.exported", f"request {request_id}", manifest)
    return replace(exported, files={**files, **sealed})
