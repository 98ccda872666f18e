"""Tombstone of an erasure for strangers: statement, signature and key as openssl reads them, and proofs of its entries."""

import io
from collections.abc import Mapping
from pathlib import Path

from pilothouse.domain.erasure import COMPLETED, ORDERED
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.identity.roles import Actor
from pilothouse.interop import signing_keys
from pilothouse.operations import handing_out
from pilothouse.operations.authorisation import reading
from pilothouse.operations.dossier import audit_export, log_proofs
from pilothouse.operations.erasure import carrying_out
from pilothouse.operations.services import Services
from pilothouse.store.log import audit
from pilothouse.system.destinations import write_new_folder

_README = """Tombstone {number} of an erasure of a person's rows. It does not say whose.

tombstone.json      the statement: who, when, why, which files and predictions lost how many rows, digests before and after
tombstone.sig       its signature, by the key in tombstone-key.pem
audit.jsonl         the entries of the audit log that tell of it; log/ has the proofs that they are in the transparency log

openssl dgst -sha256 -verify tombstone-key.pem -signature tombstone.sig tombstone.json
{proofs}
sha256 of tombstone-key.pem, to be compared with what the workspace's operators give you another way:
{fingerprint}
"""


def export(services: Services, actor: Actor, number: int) -> dict[str, bytes]:
    """Files by name. Raises NotFoundError, NotAllowedError, or ConflictError where the erasure is not finished."""
    erasure = carrying_out.get(services, actor, number)
    if erasure.statement is None or erasure.signature is None or erasure.public_key is None:
        raise ConflictError(f"erasure {number} is not finished: pilothouse erase finish goes on with it")
    with reading(services, actor) as connection:
        entries = audit.about(connection, f"erasure {number}", (ORDERED, COMPLETED))
    lines = io.StringIO()
    audit_export.write_lines(lines, entries)
    proofs = log_proofs.log_proofs(services, actor, entries)
    key = erasure.public_key.encode()
    taken = {"key": signing_keys.fingerprint(key)}
    handing_out.record(services, actor, "tombstone.exported", f"erasure {number}", taken)
    commands = [
        f"python3 {log_proofs.VERIFIER} {name} --policy {log_proofs.POLICY} --row audit.jsonl"
        for name in sorted(proofs)
        if name.endswith(".tlog-proof")
    ]
    readme = _README.format(
        number=number, proofs="\n".join(commands), fingerprint=signing_keys.fingerprint(key)
    )
    return {
        "tombstone.json": erasure.statement.encode(),
        "tombstone.sig": bytes.fromhex(erasure.signature),
        "tombstone-key.pem": key,
        "audit.jsonl": lines.getvalue().encode(),
        **proofs,
        "README.txt": readme.encode(),
    }


def write(files: Mapping[str, bytes], folder: Path) -> None:
    """Write the files into a new or empty folder, all or none. Raises ConflictError, InvalidInputError or UnavailableError."""
    write_new_folder(files, folder)
