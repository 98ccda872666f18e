"""Examination of erasures: tombstones are signed and in the log, files are replaced as they say, and no row is back."""

import json
from pathlib import Path

from pilothouse.domain.erasure import COMPLETED, Erasure, facts_of, statement_digest
from pilothouse.domain.errors import IntegrityError, UnavailableError
from pilothouse.interop import signing_keys
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import erasures
from pilothouse.store.log import audit
from pilothouse.telemetry.rows import erasing


def examine(services: Services) -> str:
    """What holds, in a line. Raises IntegrityError (a tombstone, a file or a row is not as it should be) or UnavailableError
    (an erasure is not finished, or one of before a restore may not be known)."""
    with services.registry.read() as connection:
        listed = erasures.every(connection)
        for erasure in listed:
            if erasure.is_complete:
                _check_tombstone(connection, erasure)
        known = {
            (file.digest, file.left): erasure.plan_digest
            for erasure in listed
            for file in erasures.files_of(connection, erasure.id)
        }
    unfinished = [erasure.id for erasure in listed if not erasure.is_complete]
    if unfinished:
        raise UnavailableError(
            f"erasure {unfinished[0]} is ordered and not finished: run pilothouse erase finish"
        )
    _check_files(services, known)
    _check_rows(services, listed)
    if (said := restored_from(services.paths.restored)) is not None:
        raise UnavailableError(
            f"restored from {said}: rows that were erased later may be here again; run pilothouse erase take PLACE with the "
            "tombstones that were kept, or pilothouse erase take --none where there were none"
        )
    if not listed:
        return "none"
    rows = sum(len(file.rows) for erasure in listed for file in erasure.plan.files)
    predictions = sum(len(batch.offsets) for erasure in listed for batch in erasure.plan.batches)
    return (
        f"{len(listed):,} tombstone{'s' * (len(listed) != 1)}, signed and in the log; {rows:,} rows of stored files and "
        f"{predictions:,} predictions are gone"
    )


def restored_from(path: Path) -> str | None:
    """What a restored workspace says of its backup while erasures of later are not known in it; None elsewhere."""
    try:
        plain = json.loads(path.read_text())
        return f"a backup of {plain['of']}"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return "a backup"


def signing_keys_of(connection: Connection) -> set[object]:
    """Public parts of the keys by which this workspace has signed, as its log names them."""
    return {entry.detail.get("public") for entry in audit.of_actions(connection, "signing_key.made")}


def _check_tombstone(connection: Connection, erasure: Erasure) -> None:
    assert erasure.statement is not None
    name, facts = f"tombstone {erasure.id}", facts_of(erasure.statement)
    key = (erasure.public_key or "").encode()
    try:
        is_signed = signing_keys.verifies(
            key, erasure.statement.encode(), bytes.fromhex(erasure.signature or "")
        )
    except ValueError:
        is_signed = False
    if not is_signed:
        raise IntegrityError(f"{name} does not have a signature of its key: it is not what was signed")
    if erasure.public_key not in signing_keys_of(connection):
        raise IntegrityError(f"{name} is signed by a key that the audit log does not name")
    if erasure.plan.digest != erasure.plan_digest or facts["plan"] != erasure.plan_digest:
        raise IntegrityError(f"{name} is of another plan than the one on record")
    said = [entry.detail for entry in audit.about(connection, f"erasure {erasure.id}", (COMPLETED,))]
    if [one.get("tombstone") for one in said] != [statement_digest(erasure.statement)]:
        raise IntegrityError(f"{name} is not the one that the audit log tells of")
    listed = {(file["digest"], file["left"], file["rows"], file["of_rows"]) for file in facts["files"]}
    on_record = {
        (file.digest, file.left, file.rows, file.of_rows)
        for file in erasures.files_of(connection, erasure.id)
    }
    if listed != on_record:
        raise IntegrityError(f"{name}: the files on record are not those that it names")


def _check_files(services: Services, known: dict[tuple[str, str], str]) -> None:
    for mark in services.artifacts.marks():
        if known.get((mark.digest, mark.left)) != mark.plan:
            raise IntegrityError(
                f"artifact {mark.digest} is replaced by {mark.left}, and no tombstone on record says so: somebody took it away "
                "past Pilothouse; restore a backup"
            )
    for digest, left in known:
        if services.artifacts.has(digest):
            raise IntegrityError(
                f"artifact {digest} has lost rows by a tombstone, and its file is back: delete "
                f"{services.artifacts.path(digest)}"
            )
        if services.artifacts.mark(digest) is None:
            raise IntegrityError(f"artifact {digest}: the mark of its erasure is gone; restore a backup")
        services.artifacts.path(services.artifacts.left_of(left))


def _check_rows(services: Services, listed: list[Erasure]) -> None:
    with services.reading_telemetry() as connection:
        if connection is None:
            return
        for erasure in listed:
            if count := erasing.still_there(connection, erasure.plan.batches):
                raise IntegrityError(
                    f"{count:,} predictions of tombstone {erasure.id} are stored again: somebody changed telemetry.db past "
                    "Pilothouse; run pilothouse erase plan and apply for them"
                )
