"""Evidence of a request for strangers: files by which ssh-keygen alone verifies who decided on what."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.domain.promotion.decisions import Decision
from pilothouse.domain.promotion.statements import NAMESPACE, Component
from pilothouse.domain.records import AuditEntry, PromotionRequest
from pilothouse.operations.authorisation import present, reading
from pilothouse.operations.identity.signing_keys import check_keys
from pilothouse.operations.promotion.accounted_rows import check_request
from pilothouse.operations.promotion.rules_in_force import require_with_rules
from pilothouse.operations.promotion.verification_texts import ExportedDecision, readme
from pilothouse.operations.services import Services
from pilothouse.signing.allowed_signers import AllowedSigner, allowed_signers, revocation_list
from pilothouse.signing.keys import PublicKey, parse_blob
from pilothouse.sqlite import Connection
from pilothouse.store.governance import broken_glass, users
from pilothouse.store.log import audit
from pilothouse.system.destinations import check_new_folder
from pilothouse.system.files import write_atomically

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
        check_request(connection, request)
        for decision in request.decisions:
            check_keys(connection, decision.actor)
        return _exported(connection, request, present(services, connection))


def write(exported: EvidenceExport, folder: Path) -> None:
    """Write the files into a new or empty folder. Raises ConflictError where something is in it, or InvalidInputError."""
    try:
        check_new_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInputError(f"{folder}: {error.strerror}: name a new folder") from None
    for name, data in exported.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_atomically(folder / name, data, 0o755 if name.endswith(".sh") else 0o644)


def _exported(connection: Connection, request: PromotionRequest, now: datetime) -> EvidenceExport:
    rows = audit.about(connection, f"request {request.id}", _DECISIONS)
    entries = {entry.actor: entry for entry in rows}
    keys = [key for decision in request.decisions for key in users.keys_of(connection, decision.actor)]
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
    files["allowed_signers"] = allowed_signers(_signers(request.decisions, keys), NAMESPACE).encode()
    if revoked:
        files["revoked_keys"] = revocation_list(map(_public, revoked), now)
    what = f"{request.model} version {request.version} on {', '.join(request.targets)}: {request.status}"
    if broken_glass.listed(connection, request=request.id):
        what += " by breaking the glass: one person alone, without all the approvals that its policy asks for"
    files["README.txt"] = readme(request.id, what, exported, notes).encode()
    return EvidenceExport(request, tuple(rows), files, tuple(exported))


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
    return f"{safe(decision.actor)}, {decision.verdict}, {decision.recorded_at:%Y-%m-%d %H:%M:%S} UTC, {by}{reason}"


def _record(decision: Decision, one: ExportedDecision, entry: AuditEntry | None) -> dict[str, Any]:
    row = None if entry is None else {"seq": entry.seq, "hash": entry.hash}
    plain = {
        name: value for name, value in asdict(decision).items() if name not in ("signature", "void", "person")
    }
    return {
        **plain,
        "recorded_at": decision.recorded_at.isoformat(),
        "files": one.stem if decision.signature else None,
        "component": str(decision.signature.kind) if decision.signature else None,
        "key": one.fingerprint or None,
        "revoked": one.revoked_since or None,
        "log": row,
    }


def _signers(decisions: Iterable[Decision], keys: Iterable[UserKey]) -> Iterable[AllowedSigner]:
    """Keys that were on record, and not revoked, when one of their owners decided."""
    for key in keys:
        times = [decision.recorded_at for decision in decisions if decision.actor == key.user]
        if any(key.added_at <= at and not (key.revoked_at and key.revoked_at <= at) for at in times):
            begin = max(key.added_at, key.valid_after or key.added_at)
            # whole seconds are all that is written: a part of one more is valid rather than a part less
            end = None if key.valid_before is None else key.valid_before + timedelta(microseconds=999_999)
            yield AllowedSigner(key.user, _public(key), begin, end, key.kind is KeyUse.AUTHORITY)


def _public(key: UserKey) -> PublicKey:
    return parse_blob(base64.b64decode(key.public_key))
