"""Dossier of a version as a folder: everything on record about it, signed, with what verifies it without Pilothouse."""

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from pilothouse import __version__
from pilothouse.domain.audit.dossier import Attachment, Dossier, Page
from pilothouse.domain.errors import InvalidInputError, UnavailableError
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.interop import signing_keys
from pilothouse.interop.cyclonedx import ml_bom
from pilothouse.interop.model_signing import bundle
from pilothouse.operations import handing_out
from pilothouse.operations.authorisation import authorise
from pilothouse.operations.dossier import audit_export, gathering, log_proofs, signing_key
from pilothouse.operations.dossier.plain_facts import as_json, request_facts
from pilothouse.operations.dossier.sealing import KEY, MANIFEST, seal, verifier_files
from pilothouse.operations.promotion import evidence_export
from pilothouse.operations.promotion.evidence_export import EvidenceExport
from pilothouse.operations.services import Services
from pilothouse.system.destinations import check_new_folder
from pilothouse.system.files import sha256_file

_File = tuple[bytes, str]
"""Content of a file, and what it is."""
MakePages = Callable[[Dossier], Iterable[Page]]


@dataclass(frozen=True, slots=True)
class Written:
    """A dossier that was written. ``digest`` is the sha256 of its manifest, ``fingerprint`` that of the public key."""

    name: str
    """``flight-delay-2``: how a folder for it is called."""
    folder: Path
    files: int
    digest: str
    fingerprint: str


def write_dossier(
    services: Services, actor: Actor, reference: str, folder: Path, pages: MakePages
) -> Written:
    """Write the dossier of a version into a new folder, and record who took it away. ``pages`` makes what people read of it.

    Raises InvalidInputError (the past, a folder inside the state), NotFoundError, NotAllowedError, ConflictError (the folder
    exists and is not empty) or UnavailableError (the disk, a read-only workspace without a key).
    """
    authorise(services, actor)
    if services.at is not None:
        raise InvalidInputError("a dossier is of the present: leave --at out")
    folder = folder.absolute()
    check_new_folder(folder)
    dossier = gathering.gather(services, actor, reference)
    private = signing_key.private_key(services, actor)
    exports = {
        request.id: evidence_export.export_evidence(services, actor, request.id)
        for request in dossier.requests
    }
    more = _evidence_files(exports) | _proof_files(log_proofs.log_proofs(services, actor, dossier.entries))
    dossier = replace(dossier, signatures={number: _signed(one) for number, one in exports.items()})
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
            written = _write(services, dossier, private, more, pages, Path(temporary) / "dossier")
            uri = version_uri(dossier.version.model, dossier.version.number)
            taken = {"manifest": written.digest, "key": written.fingerprint}
            handing_out.record(services, actor, "dossier.made", uri, taken)
            if folder.exists():
                folder.rmdir()
            (Path(temporary) / "dossier").rename(folder)
    except OSError as error:
        raise UnavailableError(f"{folder} cannot be written: {error.strerror}") from error
    return replace(written, folder=folder)


def send_dossier(
    services: Services, actor: Actor, reference: str, stream: IO[bytes], pages: MakePages
) -> Written:
    """As ``write_dossier``, but the folder goes into a stream as a tar, for somebody who has no files on this machine."""
    with tempfile.TemporaryDirectory(prefix="pilothouse-dossier-") as temporary:
        folder = Path(temporary) / "dossier"
        written = write_dossier(services, actor, reference, folder, pages)
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            archive.add(folder, written.name)
    return written


def _write(
    services: Services,
    dossier: Dossier,
    private: bytes,
    more: Mapping[str, _File],
    pages: MakePages,
    folder: Path,
) -> Written:
    folder.mkdir(mode=0o755)
    stem = f"{dossier.version.model}-{dossier.version.number}"
    public = signing_keys.public_part(private)
    fingerprint = signing_keys.fingerprint(public)
    dossier = replace(dossier, fingerprint=fingerprint)
    files = _Files(folder)
    _write_model(services, dossier, files, public, private)
    files.put("audit.jsonl", _entries(dossier), "entries of the audit log about it, each with its hash")
    for name, (data, what) in more.items():
        files.put(name, data, what)
    files.put_json("dossier.json", _plain(dossier), "all facts, for programs")
    files.put_json(
        "ml-bom.cdx.json", ml_bom(dossier, tool_version=__version__), "bill of materials, CycloneDX 1.6"
    )
    files.put(KEY, public, "public key of the workspace")
    for name, data in verifier_files().items():
        files.put(name, data, "verifies this folder")
    for page in pages(replace(dossier, attachments=tuple(files.written))):
        files.put(page.name, page.text.encode(), page.what)
    for name, data in seal({one.name: one.digest for one in files.written}, private).items():
        (folder / name).write_bytes(data)
    return Written(stem, folder, len(files.written) + 2, sha256_file(folder / MANIFEST), fingerprint)


class _Files:
    """Files of the folder as they are written, with their digests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Attachment] = []

    def put(self, name: str, data: bytes, what: str) -> None:
        path = self.folder / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o755 if name.endswith(".sh") else 0o644)
        self._note(name, what)

    def put_json(self, name: str, plain: Any, what: str) -> None:
        self.put(name, json.dumps(plain, indent=1, ensure_ascii=True, allow_nan=False).encode() + b"\n", what)

    def copy(self, name: str, source: Path, what: str) -> None:
        path = self.folder / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        shutil.copyfile(source, path)
        self._note(name, what)

    def _note(self, name: str, what: str) -> None:
        path = self.folder / name
        self.written.append(Attachment(name, sha256_file(path), path.stat().st_size, what))


def _write_model(services: Services, dossier: Dossier, files: _Files, public: bytes, private: bytes) -> None:
    """Copy the files of the model, and sign them together. Raises IntegrityError where one is damaged."""
    digests = _model_digests(dossier)
    for name, digest in digests.items():
        services.artifacts.read(digest)  # hashed again: a damaged file is not signed
        files.copy(name, services.artifacts.path(digest), "file of the model")
    signed = bundle(
        f"{dossier.version.model}-{dossier.version.number}",
        {name.removeprefix("model/"): digest for name, digest in digests.items()},
        public=public,
        sign=lambda data: signing_keys.sign(private, data),
    )
    files.put_json("model.sig", signed, "signature of the files in model/, OpenSSF Model Signing 1.0")


def _model_digests(dossier: Dossier) -> dict[str, str]:
    version = dossier.version
    digests = {"model/model.skops": version.model_digest, "model/schema.json": version.schema_digest}
    if version.portable is not None and version.portable.digest is not None:
        digests["model/portable.bin"] = version.portable.digest
    return digests


_OF_EVIDENCE = {
    "evidence.json": "evidence as it was decided on",
    "policy.json": "policy frozen with it",
    "break-glass.json": "statement of who deployed it alone, by breaking the glass",
    "documents.json": "documents that were attached, by their sha256",
    "decisions.json": "decisions as they are on record",
    "allowed_signers": "keys of those who decided, as of then",
    "README.txt": "how signatures are verified by hand",
}


def _evidence_files(exports: Mapping[int, EvidenceExport]) -> dict[str, _File]:
    """Evidence, statements and signatures of each request, as ``pilothouse evidence export`` writes them."""
    return {
        f"requests/{number}/{name}": (data, _OF_EVIDENCE.get(name) or _what(name))
        for number, one in exports.items()
        for name, data in one.files.items()
    }


def _what(name: str) -> str:
    if name.startswith("documents/"):
        return "document that was attached to the request"
    if name.endswith("revoked_keys"):
        return "keys that were revoked (KRL)"
    return "signature of a statement (SSHSIG)" if name.endswith(".sig") else "statement of a decision"


def _signed(export: EvidenceExport) -> tuple[str, ...]:
    """Who decided with which second component."""
    return tuple(f"{one.name}: {one.kind} {one.fingerprint}".rstrip() for one in export.decisions)


def _proof_files(proofs: Mapping[str, bytes]) -> dict[str, _File]:
    others = {log_proofs.POLICY: "whom to believe about the log", log_proofs.VERIFIER: "verifies one proof"}
    return {
        name: (data, others.get(name, "proof that the log has the entry")) for name, data in proofs.items()
    }


def _entries(dossier: Dossier) -> bytes:
    stream = io.StringIO()
    audit_export.write_lines(stream, list(dossier.entries))
    return stream.getvalue().encode()


def _plain(dossier: Dossier) -> dict[str, Any]:
    """All facts as JSON data. The evidence of requests is in files of its own, whose bytes are hashed."""
    version = dossier.version
    return {
        "form": "pilothouse-dossier/1",
        "made": {
            "at": dossier.made_at.isoformat(),
            "by": dossier.made_by,
            "with": f"pilothouse {__version__}",
        },
        "audit_head": asdict(dossier.head),
        "version": {
            "uri": version_uri(version.model, version.number),
            "digests": _model_digests(dossier),
            "stage": str(version.standing.stage),
            "created_at": version.created_at.isoformat(),
            "live_on": list(version.live_on),
            "metrics": to_plain(version.metrics),
            "gates": [{**to_plain(gate), "outcome": str(gate.outcome)} for gate in version.gates],
        },
        "inventory": as_json(dossier.inventory),
        "reviews": as_json(dossier.reviews),
        "changes": as_json(dossier.changes),
        "specification": dossier.specification,
        "run": as_json(dossier.run),
        "inputs": dossier.inputs,
        "classes": list(dossier.classes),
        "trials": list(dossier.trials),
        "importance": dossier.importance,
        "latency_us": dossier.latency_us,
        "requests": [request_facts(one) for one in dossier.requests],
        "deployments": as_json(dossier.deployments),
        "monitoring": as_json(dossier.months),
        "alerts": as_json(dossier.alerts),
        "incidents": as_json(dossier.incidents),
    }
