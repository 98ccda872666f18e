"""A workspace from a backup: every entry is checked before use, and the folder gets its name once it is complete."""

import contextlib
import hashlib
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import ConflictError, IntegrityError, NotFoundError, UnavailableError
from pilothouse.domain.formats.bounded_json import parse_json
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.records import AuditHead
from pilothouse.domain.workspace_files import WORKSPACE_FILES
from pilothouse.store import erasures
from pilothouse.store.connection import Registry
from pilothouse.store.log import audit
from pilothouse.store.models import versions
from pilothouse.store.models.used_versions import read_as_it_is
from pilothouse.system.destinations import check_outside_state
from pilothouse.system.files import sync_folder
from pilothouse.system.paths import WorkspacePaths

FORMAT = 1
MANIFEST = "manifest.json"
REGISTRY = "state/registry.db"
TELEMETRY = "state/telemetry.db"
ARTIFACTS = "state/artifacts/sha256"
MODELS = "models"

_ARTIFACT = re.compile(re.escape(ARTIFACTS) + r"/([0-9a-f]{2})/(\1[0-9a-f]{62})")
_MARK = re.compile(_ARTIFACT.pattern + r"\.erased")
_MANIFEST_LIMIT = 1 << 30
_CHUNK = 1 << 20
_BYTES_SAID = 64 << 20
"""Bytes after which it is told how many are unpacked."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a backup holds: head of its audit log, when it was made, and how many erasures it knows."""

    head: AuditHead
    made_at: str
    erasures: int


def restore(file: Path, root: Path, tell: Callable[[str], None] | None = None) -> Restored:
    """Unpack and verify a backup into ``root``, which must be empty or not exist. ``tell`` is told how far it is.

    Verified are path and digest of every file, SQLite's own check of the registry, the chain of the audit log and its head as
    the backup noted it, and the presence of every artifact that the registry names. Raises NotFoundError, ConflictError
    (``root`` is not empty), IntegrityError (not a sound backup; nothing is left in ``root`` then) or UnavailableError (disk).
    """
    if not file.is_file():
        raise NotFoundError(f"{file} does not exist: name a file that pilothouse backup wrote")
    root = root.absolute()
    say = tell or (lambda text: None)
    check_outside_state(root)
    if root.is_symlink() or (root.exists() and (not root.is_dir() or any(root.iterdir()))):
        raise ConflictError(f"{root} is not empty: restore into a new folder")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{root.name}.restoring-", dir=root.parent))
        try:
            unpacked = scratch / "workspace"
            unpacked.mkdir()
            try:
                with tarfile.open(file, "r:") as tar:
                    manifest = _unpack(file, tar, unpacked, say)
            except (tarfile.TarError, EOFError, ValueError) as error:
                _refuse(file, str(error))
            found = _verify(file, WorkspacePaths(unpacked), manifest, say)
            WorkspacePaths(unpacked).restored_outbox.touch()
            if root.exists():
                root.rmdir()
            unpacked.rename(root)
            sync_folder(root.parent)
            WorkspacePaths(root).make_folders()
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except OSError as error:
        raise UnavailableError(
            f"{root} cannot be written: {error.strerror or error}: check the disk"
        ) from error
    return found


def verify_backup(file: Path, tell: Callable[[str], None] | None = None) -> Restored:
    """Verify a backup as ``restore`` does, in a temporary folder beside it.

    Raises what ``restore`` raises.
    """
    try:
        with tempfile.TemporaryDirectory(
            prefix=f".{file.name}.verifying-", dir=file.absolute().parent
        ) as scratch:
            return restore(file, Path(scratch) / "workspace", tell)
    except OSError as error:
        raise UnavailableError(f"{file} cannot be unpacked beside it: {error.strerror or error}") from error


def _unpack(file: Path, tar: tarfile.TarFile, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    unpacked: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] | None = None
    (folder / "state").mkdir(mode=0o700)
    (folder / MODELS).mkdir()
    total = left = file.stat().st_size
    done = said = 0
    for entry in tar:
        name = entry.name
        left -= entry.size
        if left < 0:
            _refuse(file, "its entries are longer than the file itself")
        if manifest is not None:
            _refuse(file, f"{name!r} comes after its manifest")
        if not entry.isreg():
            _refuse(file, f"{name!r} is a link or a special file")
        stream = tar.extractfile(entry)
        assert stream is not None
        if name == MANIFEST:
            manifest = _read_manifest(file, stream.read(_MANIFEST_LIMIT))
            continue
        if name in unpacked or not _is_expected(name):
            _refuse(file, f"{name!r} has no place in a workspace")
        path = folder / name
        path.parent.mkdir(mode=0o700 if name.startswith("state/") else 0o755, parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with path.open("xb") as target:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                target.write(chunk)
                if done + size - said >= _BYTES_SAID:
                    said = done + size
                    say(f"{said:,} of {total:,} bytes unpacked")
        done += size
        path.chmod(_mode(name, entry.mode))
        unpacked[name] = {"bytes": size, "sha256": digest.hexdigest()}
    if manifest is None:
        _refuse(file, f"it has no {MANIFEST}, so it was cut off")
    _compare(file, manifest["files"], unpacked)
    return manifest


def _is_expected(name: str) -> bool:
    """True for names that ``backup`` writes: below ``models`` any that does not lead out of it."""
    if name in (REGISTRY, TELEMETRY, *WORKSPACE_FILES) or _ARTIFACT.fullmatch(name) or _MARK.fullmatch(name):
        return True
    parts = name.split("/")
    plain = all(part not in ("", ".", "..") for part in parts) and "\0" not in name and "\\" not in name
    return plain and name.startswith(f"{MODELS}/")


def _mode(name: str, recorded: int) -> int:
    if name.startswith(ARTIFACTS):
        return 0o444
    if name.startswith(f"{MODELS}/"):
        return 0o755 if recorded & 0o100 else 0o644
    if name in WORKSPACE_FILES:
        return 0o644
    return 0o600


def _read_manifest(file: Path, data: bytes) -> dict[str, Any]:
    try:
        plain = parse_json(data)
        version = plain["format"]
        listed = {str(name): dict(facts) for name, facts in plain["files"].items()}
        head = AuditHead(int(plain["audit"]["count"]), str(plain["audit"]["hash"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        _refuse(file, f"its {MANIFEST} is not valid")
    if version != FORMAT:
        raise UnavailableError(
            f"{file} has the format {version}, this Pilothouse knows {FORMAT}: restore it with a newer Pilothouse"
        )
    return {
        "files": listed,
        "head": head,
        "made_at": safe(str(plain.get("created_at", "an unknown time")), limit=40),
    }


def _compare(file: Path, listed: dict[str, Any], unpacked: dict[str, Any]) -> None:
    for name in sorted({*listed, *unpacked}):
        if name not in unpacked:
            _refuse(file, f"{name} is listed and missing")
        if listed.get(name) != unpacked[name]:
            _refuse(file, f"{name} is not what was backed up")
        artifact = _ARTIFACT.fullmatch(name)
        if artifact and artifact[2] != unpacked[name]["sha256"]:
            _refuse(file, f"{name} does not have the digest that it is named by")
    if REGISTRY not in unpacked:
        _refuse(file, f"it holds no {REGISTRY}")


def _verify(
    file: Path, paths: WorkspacePaths, manifest: dict[str, Any], say: Callable[[str], None]
) -> Restored:
    with read_as_it_is(paths.registry) as (connection, _):  # bringing an older one to this schema adds a row
        head = audit.head(connection)
    if head != manifest["head"]:
        _refuse(
            file, f"its audit log ends at row {head.count}, and the backup noted {manifest['head'].count}"
        )

    def upgraded(rows: int, total: int) -> None:
        say(f"{rows:,} of {total:,} rows are brought to this release")

    with contextlib.closing(Registry.upgrade(paths.registry, progress=upgraded)) as registry:
        say("the pages, references and indexes of the registry are checked")
        registry.check()
        with registry.read() as connection:
            reached = audit.BEGINNING
            while (after := audit.verify_next(connection, reached)) != reached:
                reached = after
                say(f"{reached.count:,} of {head.count:,} entries verified")
            say("the files that the registry names are looked for")
            artifacts = ArtifactStore(paths.artifacts)
            known = erasures.every(connection)
            ordered = {erasure.plan_digest for erasure in known}
            for digest in versions.artifact_digests(connection):
                left = artifacts.left_of(digest)
                if not artifacts.has(left):
                    _refuse(file, f"the registry names artifact {digest}, which is not in it")
                mark = None if left == digest else artifacts.mark(digest)
                if mark is not None and mark.plan not in ordered:
                    _refuse(file, f"artifact {digest} is replaced by another, and no erasure in it says so")
    return Restored(head, manifest["made_at"], len(known))


def _refuse(file: Path, reason: str) -> NoReturn:
    raise IntegrityError(f"{file} is not a sound backup: {reason}; nothing was restored")
