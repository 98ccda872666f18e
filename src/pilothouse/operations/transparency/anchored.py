"""The log's rows against what anchors and witnesses hold: a changed row, a cut end, a log that was written anew."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pilothouse.domain.audit.log_anchors import Anchor, AnchorKind, AnchorState
from pilothouse.domain.errors import IntegrityError, InvalidInputError, PilothouseError
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import delivery, kept_heads, log_keys
from pilothouse.operations.transparency.kept_heads import Kept, read_kept
from pilothouse.operations.transparency.tree_walk import Walk
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, log_anchors, log_heads, log_tree
from pilothouse.store.log.log_heads import SignedHead
from pilothouse.transparency import checkpoints, notes
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.notes import PublicKey

_ROWS_AT_ONCE = 25_600
ON_RECORD = "the heads on record"


@dataclass(slots=True)
class Comparison:
    """What the rows were compared with, and what contradicts, a line each. ``notes`` are no contradictions."""

    rows: int = 0
    heads: int = 0
    cosignatures: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the log says of itself, and what is on record."""

    keys: Sequence[PublicKey]
    are_given: bool
    """The keys are those that somebody was given: without them it is the log that says which it has had."""
    heads: Sequence[SignedHead]
    anchors: dict[int, Anchor]
    states: Sequence[AnchorState]
    cosignatures: Sequence[tuple[int, int, str]]

    @property
    def origins(self) -> set[str]:
        return {key.name for key in self.keys}


def compare(
    services: Services,
    actor: Actor,
    *,
    kept_files: Iterable[Path] = (),
    trusted: Iterable[PublicKey] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare the rows with the heads on record, with the anchors' files and with files that somebody kept, and
    ask the witnesses. ``trusted`` are keys of the log that somebody was given: without them it is the log that says which it
    has had. Raises NotAllowedError or InvalidInputError (a file that cannot be read)."""
    found = Comparison()
    with reading(services, actor) as connection:
        known = _known(connection, list(trusted))
    kept = [*_on_record(known, found)]
    for state in known.states:
        if state.anchor.kind is AnchorKind.FILE:
            kept += _of_anchor(state, known, found)
    for path in kept_files:
        kept += _own(read_kept(path), known, str(path), found, must_hold=True)
    believed = [one for one in kept if _is_signed(one, known, found)]
    roots = _walk(services, actor, known, {one.head.checkpoint.size for one in believed}, found, progress)
    _judge(believed, roots, found)
    _ask_witnesses(services, known, found)
    return found


def _known(connection: Connection, trusted: Sequence[PublicKey]) -> _Known:
    given = [key for key in trusted if key.kind == notes.ED25519]
    return _Known(
        given or log_keys.all_keys(connection),
        bool(given),
        log_heads.all_heads(connection),
        log_anchors.all_anchors(connection),
        log_anchors.states(connection),
        log_heads.cosignatures(connection),
    )


def _on_record(known: _Known, found: Comparison) -> Iterator[Kept]:
    lines: dict[int, list[tuple[int, str]]] = {}
    for number, anchor, line in known.cosignatures:
        lines.setdefault(number, []).append((anchor, line))
    for head in known.heads:
        try:
            signed = head.signed
            if (signed.checkpoint.origin, signed.checkpoint.size, signed.checkpoint.root) != (
                head.origin,
                head.size,
                head.root,
            ):
                raise IntegrityError("its note says something else")
        except PilothouseError as error:
            found.faults.append(f"{ON_RECORD}: the one of {head.size:,} rows was changed: {error}")
            continue
        yield Kept(ON_RECORD, signed, f"{head.recorded_at:%Y-%m-%d %H:%M} UTC")
        for anchor, line in lines.get(head.id, ()):
            _check_cosignature(known.anchors.get(anchor), signed, line, found)


def _check_cosignature(anchor: Anchor | None, head: SignedCheckpoint, line: str, found: Comparison) -> None:
    name = anchor.name if anchor else "an unknown witness"
    try:
        key = notes.parse_key(anchor.key if anchor else "")
        (one,) = notes.parse_signatures(line)
        checkpoints.check_cosignature(head.note.text, one, key)
        found.cosignatures += 1
    except (PilothouseError, ValueError):
        found.faults.append(
            f"{name}: its signature under the head of {head.checkpoint.size:,} rows on record is not its own"
        )


def _of_anchor(state: AnchorState, known: _Known, found: Comparison) -> Iterator[Kept]:
    """Heads in the file of an anchor."""
    source = f"{state.anchor.name} ({state.anchor.place})"
    try:
        kept = list(
            _own(
                read_kept(Path(state.anchor.place)),
                known,
                source,
                found,
                must_hold=bool(state.delivery.sent_size),
            )
        )
    except InvalidInputError as error:
        if state.delivery.sent_size:
            found.faults.append(
                f"{source}: it was sent a head of {state.delivery.sent_size:,} rows, and is gone: {error}"
            )
        return
    newest = max((one.head.checkpoint.size for one in kept), default=0)
    if kept and newest < state.delivery.sent_size:
        found.faults.append(f"{source}: {kept_heads.taken_out_text(state.delivery.sent_size, newest)}")
    yield from kept


def _own(
    kept: Iterable[Kept], known: _Known, source: str, found: Comparison, *, must_hold: bool
) -> Iterator[Kept]:
    """Heads of this log among those of a file. Those of another log are a fault where nobody has said which key is this log's:
    a log that was made anew has another origin, and what contradicts it is under the old one."""
    others: set[str] = set()
    count = 0
    for one in kept:
        if one.head.checkpoint.origin in known.origins:
            count += 1
            yield Kept(source, one.head, one.time)
        else:
            others.add(one.head.checkpoint.origin)
    origins = ", ".join(sorted(others)[:5])
    if others and count and known.are_given:
        found.notes.append(f"{source}: heads of other logs are not compared: {origins}")
    elif others and count:
        found.faults.append(
            f"{source}: it holds heads of another log ({origins}): either this log was made anew, or the file serves two "
            "logs; name the log that you trust with --log-key"
        )
    if not count and (others or must_hold):
        whose = f", only of {origins}" if others else ""
        found.faults.append(f"{source}: it holds no head of this log{whose}")


def _is_signed(one: Kept, known: _Known, found: Comparison) -> bool:
    size = one.head.checkpoint.size
    try:
        checkpoints.check(one.head, known.keys)
    except IntegrityError as error:
        found.faults.append(
            f"{one.source}: its head of {size:,} rows is not signed by the log's key: {error}"
        )
        return False
    for anchor in known.anchors.values():
        if anchor.key and one.source != ON_RECORD:
            try:
                found.cosignatures += (
                    checkpoints.cosigned_at(one.head, notes.parse_key(anchor.key)) is not None
                )
            except IntegrityError:
                found.faults.append(
                    f"{one.source}: the signature of {anchor.name} under its head of {size:,} rows is wrong"
                )
    found.heads += 1
    return True


def _walk(
    services: Services,
    actor: Actor,
    known: _Known,
    sizes: set[int],
    found: Comparison,
    progress: Callable[[int, int], None] | None,
) -> dict[int, bytes]:
    """Roots of those sizes, computed from the rows alone; the tree on record is compared with it."""
    with reading(services, actor) as connection:
        total = audit.head(connection).count
        walk = Walk(sizes, log_tree.larger_on_record(connection))
    while True:
        with reading(services, actor) as connection:
            entries = log_tree.entries(connection, walk.size, _ROWS_AT_ONCE)
            wrong = walk.take(entries, log_tree.on_record(connection, walk.size, len(entries)))
        found.faults += [
            f"the tree on record: rows {first:,} to {last:,} are not those that it was made of"
            for first, last in wrong
        ]
        if progress is not None and entries:
            progress(walk.size, max(total, walk.size))
        if len(entries) < _ROWS_AT_ONCE:
            break
    found.rows = walk.size
    if walk.size < total:
        found.faults.append(f"audit row {walk.size + 1:,} is missing")
    return walk.roots


def _judge(kept: Sequence[Kept], roots: dict[int, bytes], found: Comparison) -> None:
    """A line for each source that contradicts, with the first of its heads that does, and from which row."""
    agreed = 0
    contradicting: dict[str, Kept] = {}
    for one in sorted(kept, key=lambda kept: kept.head.checkpoint.size):
        size = one.head.checkpoint.size
        if roots.get(size) == one.head.checkpoint.root:
            if not contradicting:
                agreed = size
        else:
            contradicting.setdefault(one.source, one)
    for source, one in contradicting.items():
        size, when = one.head.checkpoint.size, f", of {one.time}," if one.time else ""
        if size > found.rows:
            found.faults.append(f"{source}: {kept_heads.cut_text(size, found.rows, when)}")
        else:
            found.faults.append(f"{source}: {kept_heads.changed_text(size, agreed + 1, when)}")


def _ask_witnesses(services: Services, known: _Known, found: Comparison) -> None:
    """Ask each witness to sign the newest head: it refuses what does not extend what it has seen."""
    head = known.heads[-1] if known.heads else None
    for state in known.states:
        if state.anchor.kind is not AnchorKind.WITNESS or head is None:
            continue
        source = f"{state.anchor.name} ({state.anchor.place})"
        try:
            delivery.cosign(services, state.anchor, head, state.delivery.sent_size)
            found.notes.append(f"{source}: the log extends what it has seen")
        except IntegrityError as error:
            found.faults.append(f"{source}: {error}")
        except PilothouseError as error:
            found.notes.append(f"{source}: not asked: {error}")
