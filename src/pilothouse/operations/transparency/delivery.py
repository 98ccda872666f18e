"""Heads go out by themselves: the newest one to each anchor that does not have it, with retries and a state on record."""

from pathlib import Path

from pilothouse.domain.audit.log_anchors import (
    Anchor,
    AnchorKind,
    AnchorState,
    Delivery,
    DeliveryFault,
    news_of,
)
from pilothouse.domain.errors import (
    ContradictionError,
    IntegrityError,
    InvalidInputError,
    PilothouseError,
    UnavailableError,
)
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.outbox.happenings import ANCHOR_FAILING, ANCHOR_RECOVERED
from pilothouse.operations.authorisation import authorise, changing
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import held_heads, senders
from pilothouse.store.log import log_anchors, log_heads
from pilothouse.store.log.log_heads import SignedHead
from pilothouse.store.log.log_tree import Tree
from pilothouse.store.outbox import settings as alert_settings
from pilothouse.transparency import checkpoints, merkle, notes
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.notes import Signature
from pilothouse.transparency.witness_requests import Request


def deliver(services: Services, actor: Actor, *, at_once: bool = False) -> list[AnchorState]:
    """Send the newest signed head to each anchor that is due, witnesses first so that files hold their signatures too; to all
    that do not have it with ``at_once``. Returns the states of those that were tried; failures are in them."""
    authorise(services, actor)
    with services.registry.read() as connection:
        head = log_heads.newest(connection)
        states = log_anchors.states(connection)
    if head is None:
        return []
    tried = []
    for state in sorted(states, key=lambda one: one.anchor.kind is not AnchorKind.WITNESS):
        due = state.delivery.is_due(head.size, services.now())
        if due or (at_once and (state.delivery.sent_size < head.size or state.delivery.failures)):
            tried.append(_deliver_to(services, state, head))
    return tried


def seconds_to_next(services: Services) -> float | None:
    """Seconds after which a failed anchor is to be tried again; None where all have what there is."""
    with services.registry.read() as connection:
        failing = any(state.delivery.failures for state in log_anchors.states(connection))
    return 2.0 if failing else None


def _deliver_to(services: Services, state: AnchorState, head: SignedHead) -> AnchorState:
    anchor, before = state.anchor, state.delivery
    line = ""
    try:
        if anchor.kind is AnchorKind.WITNESS:
            line = str(cosign(services, anchor, head, before.sent_size))
        else:
            with services.registry.read() as connection:
                whole = log_heads.cosigned(connection, head)
            message = senders.line_of(whole, services.now())
            if anchor.kind is AnchorKind.FILE:
                with services.registry.read() as connection:
                    held_heads.check_file(connection, Path(anchor.place))
                senders.append_line(
                    Path(anchor.place),
                    message,
                    is_first=not before.sent_size,
                    after_failure=bool(before.failures),
                )
            else:
                senders.send_to_syslog(anchor.place, message)
        after = before.sent(head.size, services.now())
    except PilothouseError as error:
        after = before.failed(str(error), services.now(), _fault(error))
    _put(services, AnchorState(anchor, after), before, head, line)
    return AnchorState(anchor, after)


def _fault(error: PilothouseError) -> DeliveryFault:
    if isinstance(error, ContradictionError):
        return DeliveryFault.CONTRADICTS
    is_refusal = isinstance(error, InvalidInputError | IntegrityError)
    return DeliveryFault.REFUSED if is_refusal else DeliveryFault.UNREACHABLE


def _put(services: Services, tried: AnchorState, before: Delivery, head: SignedHead, line: str) -> None:
    """Record what came of a try. Where receivers are described, the log is told that an anchor has taken nothing for long or
    contradicts, and of its recovery."""
    anchor, after = tried.anchor, tried.delivery
    is_grave = news_of(before, after)
    with services.registry.transaction() as connection:
        log_anchors.put_delivery(connection, anchor.id, after)
        if line:
            log_heads.put_cosignature(connection, head.id, anchor.id, line, at=services.now())
        if is_grave is not None and alert_settings.in_force(connection) is not None:
            with changing(services, DAEMON, Permission.RUN_DAEMON, even_read_only=True) as change:
                detail = {"error": after.error, "fault": str(after.fault or "")} if is_grave else {}
                change.record(
                    ANCHOR_FAILING if is_grave else ANCHOR_RECOVERED, f"anchor {anchor.name}", detail
                )


def cosign(services: Services, anchor: Anchor, head: SignedHead, known: int = 0) -> Signature:
    """Signature of a witness under a head; ``known`` is the size that it has seen last, as far as is known here.

    Raises ContradictionError where it has seen what this log does not extend, UnavailableError where it does not answer, or
    InvalidInputError where it does not know this log, or its answer is none.
    """
    old = min(known, head.size)
    for _ in range(2):  # the second time with the size that it has seen
        answer = senders.ask_witness(anchor.place, _request(services, head, old))
        if answer.status == 200:
            return _checked(anchor, head, answer.text)
        if answer.status != 409:
            break
        seen = checkpoints.number(answer.text.strip())
        if seen > head.size:
            raise ContradictionError(
                f"it has signed a head of {seen:,} rows and this log's has {head.size:,}: rows {head.size + 1:,} to {seen:,} "
                "were cut off, or a backup was restored in place"
            )
        old = seen
    said = answer.text.strip().partition("\n")[0]
    if answer.status == 422:
        raise ContradictionError(
            f"it has signed a head of {old:,} rows that this log does not begin with: a row among the first {old:,} was "
            "changed, or the log was written anew"
        )
    if answer.status in (403, 404):
        raise InvalidInputError(f"it does not know this log by its origin and key ({answer.status}: {said})")
    raise UnavailableError(f"it answered {answer.status}: {said}")


def _request(services: Services, head: SignedHead, old: int) -> Request:
    with services.registry.read() as connection:
        proof = merkle.consistency_proof(old, head.size, Tree(connection).subtree)
    return Request(old, tuple(proof), head.signed)


def _checked(anchor: Anchor, head: SignedHead, text: str) -> Signature:
    key = notes.parse_key(anchor.key)
    signed = head.signed
    whole = SignedCheckpoint(signed.checkpoint, notes.Note(signed.note.text, notes.parse_signatures(text)))
    for one in whole.note.signatures:
        if one.is_of(key):
            checkpoints.check_cosignature(signed.note.text, one, key)
            return one
    raise InvalidInputError(f"its answer has no signature of {key.name}: another witness answers there")
