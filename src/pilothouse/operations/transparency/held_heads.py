"""What anchors and witnesses hold, as far as it can be seen from here, beside the log's rows."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.domain.audit.log_anchors import AnchorKind, AnchorState, Delivery, DeliveryFault, Held
from pilothouse.domain.errors import ContradictionError
from pilothouse.operations.transparency import kept_heads, senders
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, log_heads
from pilothouse.store.log.log_heads import SignedHead
from pilothouse.store.log.log_tree import Tree
from pilothouse.transparency.checkpoints import Checkpoint


def looked_at(connection: Connection, states: list[AnchorState]) -> list[AnchorState]:
    """The states with what each anchor holds, compared with the rows where it can be; with an error for each file that heads
    were sent to and that is gone."""
    tree, rows = Tree(connection), audit.head(connection).count
    origins = log_heads.origins(connection)

    def held(state: AnchorState) -> Held:
        match state.anchor.kind:
            case AnchorKind.FILE:
                return _in_file(connection, state, origins, tree, rows)
            case AnchorKind.WITNESS:
                return _by_record(log_heads.newest_cosigned(connection, state.anchor.id), state, tree, rows)
            case AnchorKind.SYSLOG:
                return _sent(connection, state, tree, rows)

    return [replace(_with_missing_file(state), held=held(state)) for state in states]


def check_file(connection: Connection, path: Path) -> None:
    """Raise ContradictionError where the newest head in a file is one that the log does not extend. A file that cannot be read
    says nothing."""
    kept = kept_heads.newest_in_file(path, log_heads.origins(connection))
    if kept is None:
        return
    rows = audit.head(connection).count
    if said := kept_heads.contradiction(kept.head.checkpoint, Tree(connection), rows):
        raise ContradictionError(said)


def _with_missing_file(state: AnchorState) -> AnchorState:
    anchor, delivery = state.anchor, state.delivery
    if anchor.kind is AnchorKind.FILE and delivery.sent_size and senders.is_missing(Path(anchor.place)):
        gone: Delivery = replace(
            delivery, error=f"{anchor.place}: {senders.GONE}", fault=DeliveryFault.UNREACHABLE
        )
        return replace(state, delivery=gone)
    return state


def _in_file(connection: Connection, state: AnchorState, origins: set[str], tree: Tree, rows: int) -> Held:
    delivery = state.delivery
    try:
        must_hold = bool(delivery.sent_size)
        kept = kept_heads.newest_in_file(Path(state.anchor.place), origins, must_hold=must_hold)
    except ContradictionError as error:
        return Held(0, None, True, str(error))
    if kept is None:
        return _sent(connection, state, tree, rows)
    head = kept.head.checkpoint
    said = kept_heads.contradiction(head, tree, rows)
    if not said and head.size < delivery.sent_size:
        said = kept_heads.taken_out_text(delivery.sent_size, head.size)
    since = delivery.sent_at if head.size == delivery.sent_size else _time(kept.time)
    return Held(head.size, since, True, said)


def _sent(connection: Connection, state: AnchorState, tree: Tree, rows: int) -> Held:
    """What it was sent, by our own record: what it holds cannot be read from here."""
    sent = state.delivery.sent_size
    found = _by_record(log_heads.of_size(connection, sent) if sent else None, state, tree, rows)
    return replace(found, is_compared=False)


def _by_record(head: SignedHead | None, state: AnchorState, tree: Tree, rows: int) -> Held:
    sent, at = state.delivery.sent_size, state.delivery.sent_at
    if head is None:
        return Held(sent, at, False, kept_heads.cut_text(sent, rows) if sent > rows else "")
    since = at if head.size == sent else head.recorded_at
    return Held(head.size, since, True, kept_heads.contradiction(_checkpoint(head), tree, rows))


def _checkpoint(head: SignedHead) -> Checkpoint:
    return Checkpoint(head.origin, head.size, head.root)


def _time(text: str) -> datetime | None:
    """The time that a file says of a head."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
