"""Tombstones as files: to be kept with the backups, so that a workspace that is restored from an older one knows them."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilothouse.domain.erasure import Erasure, Plan, facts_of, plan_from_plain
from pilothouse.domain.errors import IntegrityError, NotFoundError, UnavailableError
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.interop import signing_keys
from pilothouse.operations.services import Services
from pilothouse.system import files

_LONGEST = 64 << 20
_FORM = "pilothouse/erasure-file/1"


@dataclass(frozen=True, slots=True)
class Filed:
    """Tombstone of a file, with its plan. ``public_key`` is the one in the file, over which its signature holds: whose it is
    the file does not show."""

    plan: Plan
    statement: str
    public_key: str


def put_file(services: Services, erasure: Erasure) -> Path:
    """Write an erasure's plan and tombstone into ``erasures/`` of the workspace; the same file each time."""
    folder = services.paths.tombstones
    path = folder / f"{erasure.plan_digest[:16]}.json"
    plain = {
        "form": _FORM,
        "plan": to_plain(erasure.plan),
        "statement": erasure.statement,
        "signature": erasure.signature,
        "public_key": erasure.public_key,
    }
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        files.write_atomically(path, json.dumps(plain, sort_keys=True).encode())
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {error.strerror}: check the disk") from error
    return path


def read_files(place: Path) -> list[Filed]:
    """Tombstones of the files in a folder, of one file, or of a workspace, in the order in which they were completed.

    Raises NotFoundError (no such place) or IntegrityError (a file is not as it was signed).
    """
    folder = place / "erasures" if (place / "erasures").is_dir() else place
    paths = [place] if place.is_file() else sorted(folder.glob("*.json"))
    if not place.exists():
        raise NotFoundError(
            f"{place} does not exist: name the folder of tombstones that is kept with the backups"
        )
    found = [_read(path) for path in paths]
    return sorted(found, key=lambda filed: str(facts_of(filed.statement)["completed_at"]))


def _read(path: Path) -> Filed:
    plain: Any = files.parse_json(files.read_plain_file(path, _LONGEST), path)
    try:
        if plain["form"] != _FORM:
            raise ValueError(f"its form is {plain['form']!r}")
        statement, signature, key = plain["statement"], bytes.fromhex(plain["signature"]), plain["public_key"]
        if not signing_keys.verifies(key.encode(), statement.encode(), signature):
            raise ValueError("its signature is not over its statement")
        plan = plan_from_plain(plain["plan"])
        if facts_of(statement)["plan"] != plan.digest:
            raise ValueError("its statement is of another plan")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise IntegrityError(f"{path} is no tombstone of an erasure: {error}") from None
    return Filed(plan, statement, key)
