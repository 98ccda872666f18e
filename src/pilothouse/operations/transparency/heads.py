"""Heads of the log: signed when something was decided and every so many rows, never one that does not extend the one before."""

from datetime import datetime, timedelta

from pilothouse.domain.audit.log_anchors import LogStatus
from pilothouse.domain.errors import IntegrityError, NotFoundError
from pilothouse.domain.identity.roles import DAEMON, Actor
from pilothouse.operations.authorisation import authorise, reading
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import held_heads, log_keys
from pilothouse.operations.transparency.contradictions import fault_of
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import marks
from pilothouse.store import workspace
from pilothouse.store.log import audit, log_anchors, log_heads
from pilothouse.store.log.log_heads import SignedHead
from pilothouse.store.log.log_tree import Tree
from pilothouse.transparency import checkpoints
from pilothouse.transparency.checkpoints import Checkpoint, SignedCheckpoint
from pilothouse.transparency.notes import encode

ADDED, REMOVED, QUORUM_SET = "log.anchor_added", "log.anchor_removed", "log.quorum_set"
"""Actions of the entries about anchors."""
EVERY_ROWS = 256
"""Rows after which a head is signed where nothing was decided."""
EVERY = timedelta(hours=1)
"""Time after which one is signed where there is any new row."""
DECISIONS = (
    "request", "deployment", "model", "role", "policy", "person", "persons", "user", "key", "wrapper", "glass", "freeze",
    "hold", "legal_hold", "erasure", "workspace", "log",
)  # fmt: skip
"""What an entry is about after which a head is signed at once: the first part of its action."""
QUORUM = "log_quorum"
"""Setting: how many witnesses must have signed a head."""


def is_due(connection: Connection, now: datetime) -> bool:
    """True where a head should be signed."""
    count = audit.head(connection).count
    newest = log_heads.newest(connection)
    if newest is None or count - newest.size >= EVERY_ROWS:
        return count > 0
    if count <= newest.size:
        return False
    if now - newest.recorded_at >= EVERY:
        return True
    decided = connection.execute(
        f"SELECT 1 FROM audit WHERE seq > ? AND substr(action, 1, instr(action, '.') - 1) IN {marks(DECISIONS)} LIMIT 1",  # noqa: S608 - ours
        (newest.size, *DECISIONS),
    )
    return decided.fetchone() is not None


def sign_if_due(services: Services) -> SignedHead | None:
    """Sign the head where it is time: what the daemon does after each change."""
    with services.registry.read() as connection:
        if not is_due(connection, services.now()):
            return None
    return sign(services, DAEMON)


def sign(services: Services, actor: Actor) -> SignedHead:
    """Sign the head of all rows that there are; the newest one where it has them all. A head states what the rows say, so that
    whoever may read may have it signed.

    Raises IntegrityError where the rows do not go on from the newest signed head, NotFoundError for an empty log.
    """
    authorise(services, actor)
    key = log_keys.signing_key(services, actor)
    with services.registry.transaction() as connection:
        count, newest = audit.head(connection).count, log_heads.newest(connection)
        tree = Tree(connection)
        if newest is not None:
            _check_extends(tree, newest, count)
            if newest.size == count and newest.origin == key.name:
                return newest
        if not count:
            raise NotFoundError("the log is empty: there is nothing to sign yet")
        head = checkpoints.sign(Checkpoint(key.name, count, tree.root(count)), key)
        log_heads.put(connection, head, at=services.now())
        signed = log_heads.newest(connection)
        assert signed is not None
        return signed


def _check_extends(tree: Tree, newest: SignedHead, count: int) -> None:
    if newest.size > count:
        raise IntegrityError(
            f"no head is signed: one of {newest.size:,} rows is signed already, and the log has {count:,}: its end was cut "
            "off; pilothouse audit verify --anchors says more"
        )
    if tree.root(newest.size) != newest.root:
        raise IntegrityError(
            f"no head is signed: the first {newest.size:,} rows are not those of the newest signed head: the log was written "
            "anew; pilothouse audit verify --anchors says more"
        )


def newest(services: Services, actor: Actor) -> SignedCheckpoint:
    """The newest signed head, with the signatures of witnesses. Raises NotFoundError where none was signed yet."""
    with reading(services, actor) as connection:
        head = log_heads.newest(connection)
        if head is None:
            raise NotFoundError("no head was signed yet: pilothouse log checkpoint --sign does it")
        return log_heads.cosigned(connection, head)


def status(services: Services, actor: Actor) -> LogStatus:
    """State of the log and of its anchors. Files of anchors are looked at; no witness is asked."""
    with reading(services, actor) as connection:
        newest, least = log_heads.newest(connection), quorum(connection)
        known = [] if services.at is not None else log_anchors.states(connection)
        states = held_heads.looked_at(connection, known)
        sizes = sorted((s.delivery.sent_size for s in states if s.anchor.key), reverse=True)
        key = log_keys.current(connection)
        return LogStatus(
            origin=key.name if key else "",
            key=str(key) if key else "",
            rows=audit.head(connection).count,
            signed_size=newest.size if newest else 0,
            signed_root=encode(newest.root) if newest else "",
            signed_at=newest.recorded_at if newest else None,
            quorum=least,
            cosigned_size=sizes[least - 1] if 0 < least <= len(sizes) else 0,
            anchors=states,
            is_past=services.at is not None,
            fault=fault_of(connection, newest),
        )


def quorum(connection: Connection) -> int:
    """How many witnesses must have signed a head."""
    return int(workspace.setting(connection, QUORUM) or 0)
