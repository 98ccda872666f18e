"""Evidence of a request for strangers: files by which ssh-keygen alone verifies who decided on what."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.domain.promotion.break_glass import BrokenGlass
from pilothouse.domain.promotion.conditions import wording
from pilothouse.domain.promotion.decisions import Decision
from pilothouse.domain.promotion.documents import current
from pilothouse.domain.promotion.statements import NAMESPACE, Component
from pilothouse.domain.records import AuditEntry, PromotionRequest
from pilothouse.operations.authorisation import present, reading
from pilothouse.operations.identity.signing_keys import check_keys
from pilothouse.operations.promotion.accounted_rows import check_request
from pilothouse.operations.promotion.break_glass import judged
from pilothouse.operations.promotion.rules_in_force import require_with_rules
from pilothouse.operations.promotion.verification_texts import ExportedDecision, readme
from pilothouse.operations.services import Services
from pilothouse.signing.allowed_signers import AllowedSigner, allowed_signers, revocation_list
from pilothouse.signing.keys import PublicKey, parse_blob
from pilothouse.sqlite import Connection
from pilothouse.store.governance import users
from pilothouse.store.log import audit
from pilothouse.system.destinations import write_new_folder

_BROKEN = "glass.broken"
_DECISIONS = ("request.approved", "request.refused")


@dataclass(frozen=True, slots=True)
class EvidenceExport:
    """Files by name, and the decisions in them."""

    record: PromotionRequest
    entries: tuple[AuditEntry, ...]
    """Rows of the audit log in which it was decided."""
    files: Mapping[str, bytes]
    decisions: tuple[ExportedDecision, ...]


def export_evidence(services: Services, actor: Actor, request_id: int) -> EvidenceExport:
    """Files of a request and its decisions, which nothing vouches for yet.

    Raises NotFoundError, or IntegrityError where a row of them was changed past Pilothouse.
    """
    with reading(services, actor) as connection:
        request = require_with_rules(connection, request_id)
        request = replace(request, glass=next(iter(judged(connection, request=request_id)), None))
        check_request(connection, request)
        for name in _signers_of(request):
            check_keys(connection, name)
        exported = _exported(connection, request, present(services, connection))
    return replace(exported, files={**exported.files, **_document_files(services, request)})


def write(exported: EvidenceExport, folder: Path) -> None:
    """Write the files into a new or empty folder, all or none. Raises ConflictError where something is in it, InvalidInputError
    or UnavailableError."""
    write_new_folder(exported.files, folder)


def _exported(connection: Connection, request: PromotionRequest, now: datetime) -> EvidenceExport:
    rows = audit.about(connection, f"request {request.id}", _DECISIONS)
    entries = {entry.actor: entry for entry in rows}
    if request.glass:
        rows += audit.about(connection, f"break-glass {request.glass.id}", (_BROKEN,))
    keys = [key for name in _signers_of(request) for key in users.keys_of(connection, name)]
    keys = list({key.id: key for key in keys}.values())
    revoked = [key for key in keys if key.revoked_at is not None]
    files: dict[str, bytes] = {
        "evidence.json": canonical_json(request.evidence).encode(),
        "policy.json": canonical_json(request.policy.to_plain()).encode(),
    }
    exported, notes, records = [], [], []
    for number, decision in enumerate(request.decisions, 1):
        entry = entries.get(decision.actor)
        one = _decision(decision, f"decision-{number}", revoked)
        notes.append(f"{number}. {_note(decision, one)}")
        records.append(_record(decision, one, entry))
        if decision.signature is not None:
            exported.append(one)
            files[f"{one.stem}.json"] = decision.signature.statement.encode()
            if one.revoked_before:
                files[one.revoked_before] = revocation_list(
                    map(_public, _revoked_by(revoked, one.recorded_at)), one.recorded_at
                )
            if decision.signature.signature is not None:
                files[f"{one.stem}.sig"] = decision.signature.signature.encode()
    files["decisions.json"] = (canonical_json(records) + "\n").encode()
    files |= _glass_files(request.glass)
    files["allowed_signers"] = allowed_signers(_signers(_signers_of(request), keys), NAMESPACE).encode()
    if revoked:
        files["revoked_keys"] = revocation_list(map(_public, revoked), now)
    what = f"{request.model} version {request.version} on {', '.join(request.targets)}: {request.status}"
    if request.glass:
        what += " by breaking the glass: one person alone, without all the approvals that its policy asks for"
    files["README.txt"] = readme(request.id, what, exported, notes).encode()
    return EvidenceExport(request, tuple(rows), files, tuple(exported))


def _signers_of(request: PromotionRequest) -> dict[str, list[datetime]]:
    """When somebody signed anything about a request, by their names."""
    times: dict[str, list[datetime]] = {}
    for decision in request.decisions:
        times.setdefault(decision.actor, []).append(decision.recorded_at)
    if request.glass:
        times.setdefault(request.glass.actor, []).append(request.glass.recorded_at)
    return times


def _glass_files(glass: BrokenGlass | None) -> dict[str, bytes]:
    """Statement of who broke the glass, and its signature."""
    signature = glass.signature if glass else None
    if signature is None:
        return {}
    files = {"break-glass.json": signature.statement.encode()}
    return files | ({"break-glass.sig": signature.signature.encode()} if signature.signature else {})


def _document_files(services: Services, request: PromotionRequest) -> dict[str, bytes]:
    """Documents under their digests, which no reader takes for a program, and what is on record of each."""
    if not request.documents:
        return {}
    newest = current(request.documents)
    listed = [
        {
            "document": one.name,
            "file": one.file,
            "bytes": one.size,
            "sha256": one.digest,
            "attached_by": one.attached_by,
            "recorded_at": one.recorded_at.isoformat(),
            "replaced": one not in newest,
        }
        for one in request.documents
    ]
    files = {f"documents/{one.digest}": services.artifacts.read(one.digest) for one in request.documents}
    return {"documents.json": (canonical_json(listed) + "\n").encode(), **files}


def _revoked_by(revoked: Iterable[UserKey], at: datetime) -> list[UserKey]:
    return [key for key in revoked if key.revoked_at is not None and key.revoked_at <= at]


def _decision(decision: Decision, stem: str, revoked: Sequence[UserKey]) -> ExportedDecision:
    signature = decision.signature
    key_id = signature.key_id if signature else None
    gone = next((key for key in revoked if key.id == key_id), None)
    before = signature is not None and signature.key_id and _revoked_by(revoked, decision.recorded_at)
    return ExportedDecision(
        stem,
        decision.actor,
        decision.verdict,
        signature.kind.words if signature else Component.NONE.words,
        (signature.fingerprint if signature else None) or "",
        decision.recorded_at,
        f"{stem}.revoked_keys" if before else "",
        f"on {gone.revoked_at:%Y-%m-%d} ({safe(gone.revoked_why, 200)})" if gone else "",
    )


def _note(decision: Decision, one: ExportedDecision) -> str:
    by = f"{one.kind} {one.fingerprint}".rstrip()
    reason = f": {safe(decision.reason, 4_000)}" if decision.reason else ""
    reason += f"; on condition: {safe(wording(decision.condition), 4_000)}" if decision.condition else ""
    return f"{safe(decision.actor)}, {decision.verdict}, {decision.recorded_at:%Y-%m-%d %H:%M:%S} UTC, {by}{reason}"


def _record(decision: Decision, one: ExportedDecision, entry: AuditEntry | None) -> dict[str, Any]:
    row = None if entry is None else {"seq": entry.seq, "hash": entry.hash}
    plain = {
        name: value
        for name, value in asdict(decision).items()
        if name not in ("signature", "void", "person", "condition")
    }
    return {
        **plain,
        "condition": decision.condition.plain if decision.condition else None,
        "recorded_at": decision.recorded_at.isoformat(),
        "files": one.stem if decision.signature else None,
        "component": str(decision.signature.kind) if decision.signature else None,
        "key": one.fingerprint or None,
        "revoked": one.revoked_since or None,
        "log": row,
    }


def _signers(signed: Mapping[str, Sequence[datetime]], keys: Iterable[UserKey]) -> Iterable[AllowedSigner]:
    """Keys that were on record, and not revoked, when one of their owners decided."""
    for key in keys:
        times = signed.get(key.user, ())
        if any(key.added_at <= at and not (key.revoked_at and key.revoked_at <= at) for at in times):
            begin = max(key.added_at, key.valid_after or key.added_at)
            # whole seconds are all that is written: a part of one more is valid rather than a part less
            end = None if key.valid_before is None else key.valid_before + timedelta(microseconds=999_999)
            yield AllowedSigner(key.user, _public(key), begin, end, key.kind is KeyUse.AUTHORITY)


def _public(key: UserKey) -> PublicKey:
    return parse_blob(base64.b64decode(key.public_key))
