"""What strangers are given: a proof of one row, a proof that one head extends another, whom to believe, the tiles."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from pilothouse.domain.audit.log_anchors import Coverage
from pilothouse.domain.errors import IntegrityError, InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import log_keys
from pilothouse.operations.transparency.heads import quorum, sign
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, log_anchors, log_heads, log_tree
from pilothouse.store.log.log_tree import Tree
from pilothouse.system import files
from pilothouse.system.destinations import check_outside_state
from pilothouse.transparency import checkpoints, merkle, notes, policies, proofs, tiles
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.policies import Policy
from pilothouse.transparency.proofs import Proof

_FEW = 64
"""Tiles that go to the disk one by one; for more of them the whole machine's buffers are written once."""
_HEADS_LOOKED_AT = 50
"""Newest heads among which one is looked for that enough witnesses have signed."""


def policy(services: Services, actor: Actor) -> Policy:
    """Whom to believe by this workspace's settings: the keys of its log, its witnesses, and how many are enough. A stranger
    compares it with what they were given otherwise."""
    with reading(services, actor) as connection:
        return _policy(connection)


def _policy(connection: Connection) -> Policy:
    witnesses = {one.name: notes.parse_key(one.key) for one in log_anchors.in_use(connection) if one.key}
    key = log_keys.current(connection)
    return policies.at_least(quorum(connection), [key] if key else [], witnesses)


def row_proof(services: Services, actor: Actor, seq: int) -> Proof:
    """Proof that an audit row is in the log, under the newest head that enough witnesses have signed, else under the newest; a
    head is signed first where none has the row yet. The entry is the raw hash of the row.

    Raises NotFoundError (no such row) or IntegrityError (the rows are not what the head says).
    """
    with reading(services, actor) as connection:
        count = audit.head(connection).count
        newest = log_heads.newest(connection)
        key = log_keys.current(connection)
    if not 1 <= seq <= count:
        raise NotFoundError(f"there is no audit row {seq}: the log has {count}")
    if newest is None or newest.size < seq or key is None or newest.origin != key.name:
        sign(services, actor)
    with reading(services, actor) as connection:
        return _proof(connection, seq, _best_head(connection, seq))


def existing_proof(services: Services, actor: Actor, seq: int) -> Proof:
    """As ``row_proof``, and no head is signed for it: NotFoundError where none has the row yet."""
    with reading(services, actor) as connection:
        if not _is_covered(connection, seq):
            raise NotFoundError(
                f"no signed head has audit row {seq} yet: the daemon signs one, or pilothouse log checkpoint --sign"
            )
        return _proof(connection, seq, _best_head(connection, seq))


def coverage(services: Services, actor: Actor, seq: int) -> Coverage:
    """Place of an audit row in the log, and what covers it. Nothing is signed, and no file of an anchor is read: what they hold
    is what is on record. Raises NotFoundError (no such row)."""
    with reading(services, actor) as connection:
        if not 1 <= seq <= audit.head(connection).count:
            raise NotFoundError(f"there is no audit row {seq}")
        found = Coverage(seq - 1, holders=tuple(_holders(connection, seq)))
        if not _is_covered(connection, seq):
            return found
        head = _best_head(connection, seq)
        on_record = log_heads.of_size(connection, head.checkpoint.size)
        believed = _policy(connection)
        found = replace(
            found,
            head_size=head.checkpoint.size,
            head_at=on_record.recorded_at if on_record else None,
            head_root=notes.encode(head.checkpoint.root),
            cosigners=tuple(sorted(believed.cosigners(head))),
            is_enough=believed.is_met(believed.cosigners(head)),
        )
        try:
            return replace(found, hashes=len(_proof(connection, seq, head).hashes))
        except IntegrityError as error:
            return replace(found, fault=str(error))


def _is_covered(connection: Connection, seq: int) -> bool:
    key = log_keys.current(connection)
    return key is not None and bool(log_heads.covering(connection, key.name, seq, 1))


def _holders(connection: Connection, seq: int) -> Iterator[str]:
    for state in log_anchors.states(connection):
        if state.delivery.sent_size >= seq and not state.contradiction:
            yield state.anchor.name


def _proof(connection: Connection, seq: int, head: SignedCheckpoint) -> Proof:
    tree = Tree(connection)
    try:
        hashes = merkle.inclusion_proof(seq - 1, head.checkpoint.size, tree.subtree)
        proof = Proof(seq - 1, tuple(hashes), head)
        (entry,) = log_tree.entries(connection, seq - 1, 1)
        proofs.check(proof, entry, keys=_policy(connection).logs)
    except IntegrityError as error:
        raise IntegrityError(
            f"audit row {seq} cannot be proven: {error}; pilothouse audit verify --anchors says more"
        ) from None
    return proof


def _best_head(connection: Connection, size: int) -> SignedCheckpoint:
    key = log_keys.current(connection)
    assert key is not None
    believed = _policy(connection)
    found = [
        log_heads.cosigned(connection, head)
        for head in log_heads.covering(connection, key.name, size, _HEADS_LOOKED_AT)
    ]
    for head in found:
        if believed.is_met(believed.cosigners(head)):
            return head
    return found[0]


def verifier() -> str:
    """Program that verifies a proof without Pilothouse: ``verify_proof.py``."""
    return (
        resources.files("pilothouse.operations.transparency.verifier")
        .joinpath("verify_proof.py")
        .read_text("utf-8")
    )


@dataclass(frozen=True, slots=True)
class Consistency:
    """Proof that the log of ``new`` rows begins with that of ``old``."""

    old: int
    new: int
    old_root: bytes
    new_root: bytes
    hashes: tuple[bytes, ...]


def consistency(services: Services, actor: Actor, old: int, new: int | None = None) -> Consistency:
    """Proof that the log of ``new`` rows, by default of all, begins with that of ``old``. Raises InvalidInputError."""
    with reading(services, actor) as connection:
        count = audit.head(connection).count
        new = count if new is None else new
        if not 0 <= old <= new <= count:
            raise InvalidInputError(
                f"from {old} to {new}: expected two sizes in their order, {count} at most"
            )
        tree = Tree(connection)
        proof = merkle.consistency_proof(old, new, tree.subtree)
        return Consistency(old, new, tree.root(old), tree.root(new), tuple(proof))


def write_tiles(services: Services, actor: Actor, folder: Path) -> tuple[SignedCheckpoint, int]:
    """Write the tiles of the newest signed head into a folder that any web server gives, the head last; returns it and the
    number of files written. Full tiles that are there from an earlier run are not written again.

    Raises InvalidInputError (inside a workspace's state), UnavailableError, or IntegrityError where the folder holds a head
    that this log does not extend.
    """
    check_outside_state(folder)
    head = sign(services, actor)
    with reading(services, actor) as connection:
        whole, tree = log_heads.cosigned(connection, head), Tree(connection)
        checkpoint = folder / "checkpoint"
        already = _already(checkpoint, tree, head.size)
        wanted, written = list(tiles.tiles_of(head.size, already)), 0
        is_few = len(wanted) <= _FEW
        try:
            for tile in wanted:
                data = b"".join(tree.hashes(tile.level, tile.place, tile.width))
                written += _write(folder / tile.path, data, to_disk=is_few)
                if tile.level == 0:
                    found = log_tree.entries(connection, tile.place * tiles.WIDTH, tile.width)
                    written += _write(folder / tile.bundle_path, tiles.bundle(found), to_disk=is_few)
            if not is_few:
                os.sync()  # once for thousands of files: the head is not on the disk before what it stands for
            files.write_atomically(checkpoint, str(whole).encode(), 0o644)
        except OSError as error:
            raise UnavailableError(
                f"{folder} cannot be written: {error.strerror}: check folder and disk"
            ) from error
    return whole, written + 1


def _already(checkpoint: Path, tree: Tree, size: int) -> int:
    """Size of the head that the folder holds."""
    if not checkpoint.exists():
        return 0
    before = checkpoints.parse(files.read_bytes(checkpoint).decode(errors="replace")).checkpoint
    if before.size > size or tree.root(before.size) != before.root:
        raise IntegrityError(
            f"{checkpoint} is a head of {before.size:,} rows that this log does not extend: another log's folder, or rows were "
            "changed or cut off since"
        )
    return before.size


def _write(path: Path, data: bytes, *, to_disk: bool) -> int:
    if path.exists():
        if path.read_bytes() != data:
            raise IntegrityError(
                f"{path} holds other hashes than this log: another log's folder, or rows were changed since"
            )
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    if to_disk:
        files.write_atomically(path, data, 0o644)
        return 1
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.chmod(0o644)
    temporary.replace(path)
    return 1
