"""Erasures of before in a workspace that was restored from an older backup: carried out again, by the places in their plans."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pilothouse.domain.erasure import (
    APPLIED_AGAIN,
    NONE_SINCE,
    Erasure,
    facts_of,
    statement_digest,
)
from pilothouse.domain.errors import ConflictError, PilothouseError
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.records import AuditHead
from pilothouse.operations.authorisation import authorise, changing, reason_given
from pilothouse.operations.erasure import carrying_out, tombstones
from pilothouse.operations.erasure.tombstones import Filed
from pilothouse.operations.services import Services
from pilothouse.operations.workspace.erasure_checks import restored_from, signing_keys_of
from pilothouse.store import erasures
from pilothouse.store.log import audit
from pilothouse.store.models.used_versions import read_as_it_is
from pilothouse.system import files
from pilothouse.system.paths import WorkspacePaths


@dataclass(frozen=True, slots=True)
class Taken:
    """Tombstones found at a place, known here already, and carried out now (ordered, while a proposal is accepted)."""

    found: int
    known: int
    carried_out: tuple[Erasure, ...]


def take(services: Services, actor: Actor, place: Path) -> Taken:
    """Carry out the erasures whose tombstones lie at a place, as far as they are not known here; one after another.

    An order of its own is recorded for each: it says what it repeats. Under dual control one person alone repeats only what a
    key of this workspace has signed, for two have ordered that; anybody can sign a file with a key of their own. While a
    proposal is accepted they are ordered, and carried out after it. Raises NotAllowedError, NotFoundError, IntegrityError (a
    tombstone is not as it was signed), ConflictError or UnavailableError.
    """
    authorise(services, actor, Permission.ERASE)
    listed = tombstones.read_files(place)
    is_accepted = services.second is not None
    done = [] if is_accepted else carrying_out.finish(services, actor)
    known = 0
    for filed in listed:
        with services.registry.read() as connection:
            is_known = erasures.of_plan(connection, filed.plan.digest) is not None
        if is_known:
            known += 1
            continue
        ordered = _order(services, actor, filed)
        done.append(ordered if is_accepted else carrying_out.carry_out(services, actor, ordered))
    with changing(services, actor, Permission.ERASE, alone=True) as change:
        what = "ordered" if is_accepted else "carried_out"
        change.record(
            APPLIED_AGAIN, "workspace", {"tombstones": len(listed), "known": known, what: len(done)}
        )
    if not is_accepted:
        services.paths.restored.unlink(missing_ok=True)
    return Taken(len(listed), known, tuple(done))


def take_none(services: Services, actor: Actor, reason: str) -> None:
    """Record that nothing was erased between the backup and now, on somebody's word. Raises NotAllowedError, InvalidInputError
    (no reason) or ConflictError (the workspace was not restored)."""
    reason = reason_given(reason, "saying that nothing was erased since the backup")
    with changing(services, actor, Permission.ERASE) as change:
        said = restored_from(services.paths.restored)
        if said is None:
            raise ConflictError("this workspace was not restored from a backup whose erasures are open")
        change.record(NONE_SINCE, "workspace", {"restored_from": said, "reason": reason})
    services.paths.restored.unlink(missing_ok=True)


def live_workspace(given: Path | None, file: Path, head: AuditHead) -> Path | None:
    """The workspace that is named, or the nearest one above the backup's file or above here, where its audit log goes on from
    that of the backup: its tombstones are all that there are. None elsewhere."""
    above = [file.absolute().parent, *file.absolute().parents, Path.cwd(), *Path.cwd().parents]
    for folder in dict.fromkeys([given] if given is not None else above):
        registry = folder / "state" / "registry.db"
        if not registry.exists():
            continue
        with contextlib.suppress(PilothouseError), read_as_it_is(registry) as (connection, _):
            if audit.head(connection, head.count) == head:
                return folder
    return None


def note_unknown(root: Path, made_at: str) -> None:
    """Note in a restored workspace that erasures since its backup are not known in it; the doctor says so."""
    files.write_atomically(WorkspacePaths(root).restored, json.dumps({"of": made_at}).encode())


def known_text(count: int) -> str:
    """``it knows 2 erasures;``."""
    return f"it knows {count:,} erasure{'s' * (count != 1)};" if count else "it knows no erasure;"


def _order(services: Services, actor: Actor, filed: Filed) -> Erasure:
    """Order what a tombstone says. The daemon does it in a workspace that is being restored, in which nobody is yet."""
    with services.registry.read() as connection:
        is_ours = filed.public_key in signing_keys_of(connection)
    with changing(services, actor, Permission.ERASE, alone=is_ours or actor == DAEMON) as change:
        number = carrying_out.put_order(change, filed.plan, repeats=statement_digest(filed.statement))
        found = erasures.find(change.connection, number)
        assert found is not None
    return found


def tombstone_lines(erasure: Erasure) -> Iterator[tuple[str, object]]:
    """What a tombstone says, as pairs to read."""
    yield "erasure", erasure.id
    yield "ordered", f"{erasure.recorded_at:%Y-%m-%d %H:%M} UTC by {erasure.ordered_by}"
    if erasure.second:
        yield "proposed", f"by {erasure.second}"
    yield "reason", erasure.reason
    yield "named by", f"{erasure.plan.named_by}; values are stored nowhere"
    if erasure.statement is None or erasure.completed_at is None:
        yield "state", "not finished: pilothouse erase finish goes on"
        return
    yield "done", f"{erasure.completed_at:%Y-%m-%d %H:%M} UTC"
    facts = facts_of(erasure.statement)
    for file in facts["files"]:
        yield (
            file["name"],
            f"{file['rows']:,} of {file['of_rows']:,} rows; {file['digest']} left {file['left']}",
        )
    for rows in facts["predictions"]:
        place = f"predictions of {rows['model']}/{rows['version']} on {rows['target']}"
        yield (
            place,
            f"{rows['rows']:,} rows, {rows['outcomes']:,} outcomes, in {len(rows['segments']):,} segments",
        )
    for what, count in facts["elsewhere"].items():
        if count:
            yield what, count
    yield "statement", f"sha256 {statement_digest(erasure.statement)}, signed by the workspace's key"
