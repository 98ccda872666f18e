"""Second component of a decision: what is to be signed, and whether what was handed in is what the policy asks for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.domain.promotion.decisions import DecisionSignature
from pilothouse.domain.promotion.documents import digests_of
from pilothouse.domain.promotion.glass_statements import GlassStatement
from pilothouse.domain.promotion.statements import (
    NAMESPACE,
    Component,
    Declaration,
    LogHead,
    Statement,
    digest_of,
    parse_statement,
    signable_forms,
)
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import Change
from pilothouse.operations.identity import passphrases
from pilothouse.operations.identity.passphrases import Proof
from pilothouse.operations.identity.signing_keys import check_keys, key_on_record
from pilothouse.operations.services import Services
from pilothouse.signing import sshsig
from pilothouse.signing.sshsig import SshSignature
from pilothouse.sqlite import Connection
from pilothouse.store.governance import printed_statements, users
from pilothouse.store.log import audit

OLDEST = timedelta(days=1)
"""Age of a statement up to which its signature is taken."""
_AHEAD = timedelta(minutes=5)
"""How far a statement may be ahead of the log's clock, which another process may have written."""


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Passphrase as it was typed."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Signed:
    """Signature as ssh-keygen writes it, or as a paste leaves it. ``statement``: what it is over; None: one of those that were
    printed for the person."""

    text: str
    statement: bytes | None = None


SecondComponent = Passphrase | Signed


def proved(services: Services, actor: Actor, component: SecondComponent | None) -> Proof | Signed | None:
    """A passphrase is proved before the transaction: a wrong one stays on record though nothing is decided."""
    return (
        passphrases.prove(services, actor, component.text) if isinstance(component, Passphrase) else component
    )


def signed_with(signature: DecisionSignature | None) -> dict[str, object]:
    """Second component of what somebody did, in its audit row."""
    if signature is None:
        return {}
    digests = {"statement": digest_of(signature.statement.encode()), "key": signature.fingerprint}
    return {"second_component": {"kind": str(signature.kind), **digests}}


def statement_of(
    connection: Connection,
    request: PromotionRequest,
    declared: Declaration,
    name: str,
    key: str,
    at: datetime,
) -> Statement:
    """Statement on a request as it is now; ``key``: the fingerprint, empty under a passphrase."""
    head = audit.head(connection)
    return Statement(
        request=request.id,
        model=request.model,
        version=request.version,
        targets=request.targets,
        evidence=request.evidence_digest,
        policy=request.policy_digest,
        verdict=declared.verdict,
        reason=declared.reason,
        name=name,
        key=key,
        time=at.replace(microsecond=0),
        log=LogHead(head.count, head.hash),
        documents=digests_of(request.documents),
        condition=declared.condition,
    )


def usable_keys(connection: Connection, name: str, asked: Component, at: datetime) -> list[UserKey]:
    """Keys of somebody that can sign what the policy asks for, and authorities whose certificates can."""
    return [
        key
        for key in users.keys_in_force(connection, at, user=name)
        if asked is not Component.HARDWARE_KEY or key.hardware or key.kind is KeyUse.AUTHORITY
    ]


def key_to_sign(keys: Sequence[UserKey], name: str, wanted: str) -> str:
    """Fingerprint of the key that a statement names: the one that is wanted, or the only one. Raises NotFoundError or
    ConflictError."""
    own = [key for key in keys if key.kind is KeyUse.KEY]
    if wanted:
        if any(key.fingerprint == wanted for key in own) or len(own) < len(keys):
            return wanted  # of a certificate's key only the signature will tell
        raise NotFoundError(
            f"{wanted} is no key of {name} that can sign this: see pilothouse users keys {name}"
        )
    if len(own) == 1:
        return own[0].fingerprint
    if own:
        listed = ", ".join(key.fingerprint for key in own)
        raise ConflictError(f"{name} has several keys: name the one that signs with --key ({listed})")
    if keys:
        raise ConflictError(f"{name} signs with a certificate: name the fingerprint of its key with --key")
    raise NotFoundError(
        f"{name} has no key that can sign this: an admin binds one (pilothouse users keys {name} --add KEY.pub)"
    )


def checked(
    change: Change,
    request: PromotionRequest,
    declared: Declaration,
    component: Proof | Signed | None,
) -> tuple[DecisionSignature | None, Declaration]:
    """Second component of a decision as it is stored, and what is declared: a signed statement may bring reason and condition.

    Raises NotAllowedError, ConflictError or InvalidInputError, each in one line, where it is not what the policy asks for.
    """
    asked = request.rules.signature
    if component is None:
        if asked is not Component.NONE:
            raise NotAllowedError(missing_text(request, declared.verdict))
        return None, declared
    if isinstance(component, Proof):
        if asked.rank > Component.PASSPHRASE.rank:
            raise NotAllowedError(f"request {request.id} needs {asked.words}: a passphrase is not enough")
        passphrases.accept(change, component)
        statement = statement_of(change.connection, request, declared, change.actor.name, "", change.at)
        text = statement.to_bytes().decode()
        return DecisionSignature(Component.PASSPHRASE, text, change.at), declared
    return _checked_signature(change, request, declared, component)


def missing_text(request: PromotionRequest, verdict: str) -> str:
    """What to do where a decision comes without the component that it needs."""
    asked = request.rules.signature
    if asked is Component.PASSPHRASE:
        return f"request {request.id} needs {asked.words} for each decision: type yours when it is asked for"
    return (
        f"request {request.id} needs {asked.words} for each decision: add --agent where you came with ssh -A, "
        f"or sign what pilothouse statement {request.id} --{verdict} prints"
    )


def _checked_signature(
    change: Change, request: PromotionRequest, declared: Declaration, component: Signed
) -> tuple[DecisionSignature, Declaration]:
    check_keys(change.connection, change.actor.name)
    signature = sshsig.parse(component.text)
    data, statement = _signed_statement(change, request, declared.verdict, signature, component)
    name = change.actor.name
    expected = statement_of(change.connection, request, declared, name, statement.key, change.at)
    if wrong := next(statement.differences(expected), None):
        raise NotAllowedError(f"the signed statement does not fit: {wrong}")
    if declared.reason and statement.reason != declared.reason:
        raise ConflictError(
            "the reason differs from the one in the signed statement: leave it out, or sign another"
        )
    if declared.condition and statement.condition != declared.condition:
        raise ConflictError(
            "the condition differs from the one in the signed statement: leave it out, or sign another"
        )
    of = f"request {request.id}"
    stored = accepted(change, signature, statement, data, request.rules.signature, of, component.text)
    return stored, Declaration(declared.verdict, statement.reason, statement.condition)


def accepted(
    change: Change,
    signature: SshSignature,
    statement: Statement | GlassStatement,
    data: bytes,
    asked: Component,
    what: str,
    text: str,
) -> DecisionSignature:
    """Signature over a statement that says the right thing, as it is stored: by a key of the actor's that is in force, of now,
    and by one that is enough. ``what`` needs it; ``text``: as it was handed in."""
    if statement.key != signature.key.fingerprint:
        raise NotAllowedError(
            f"the statement names the key {statement.key}, and {signature.key.fingerprint} has signed it"
        )
    _check_time(change, statement)
    key = key_on_record(change, signature)
    kind = Component.HARDWARE_KEY if signature.key.in_hardware else Component.KEY
    if asked.rank > kind.rank:
        raise NotAllowedError(f"{what} needs {asked.words}: {key.fingerprint} is in a file")
    return DecisionSignature(
        kind,
        data.decode(),
        change.at,
        sshsig.by_plain_key(signature) if key.kind is KeyUse.KEY else sshsig.normalised(text),
        signature.key.fingerprint,
        key.id,
    )


def _signed_statement(
    change: Change, request: PromotionRequest, verdict: str, signature: SshSignature, component: Signed
) -> tuple[bytes, Statement]:
    """Bytes that the signature is over, with the statement in them. Raises NotAllowedError where it is over none."""
    if component.statement is not None:
        signature.check(component.statement, NAMESPACE)
        return component.statement, parse_statement(component.statement)
    printed = printed_statements.of_person(change.connection, request.id, change.actor.name, verdict)
    if not printed:
        raise NotAllowedError(
            f"no statement on request {request.id} was printed for {change.actor.name}: "
            f"print one with pilothouse statement {request.id} --{verdict}"
        )
    fault = ""
    for statement, data in _forms(printed):
        try:
            signature.check(data, NAMESPACE)
        except InvalidInputError as error:
            fault = fault or str(error)
        else:
            return data, statement
    over = (
        f"it is over none of the statements on request {request.id} that were printed for {change.actor.name}"
    )
    raise NotAllowedError(over if "not over these bytes" in fault else fault)


def _forms(printed: Sequence[bytes]) -> Iterator[tuple[Statement, bytes]]:
    for data in printed:
        statement = parse_statement(data)
        for form in signable_forms(statement):
            yield statement, form


def _check_time(change: Change, statement: Statement | GlassStatement) -> None:
    """Raise ConflictError unless the statement is of now, and of this log."""
    again = "print another one and sign that"
    if statement.time < change.at - OLDEST:
        raise ConflictError(
            f"the statement is of {statement.time:%Y-%m-%d %H:%M} UTC, more than a day old: {again}"
        )
    if statement.time > change.at + _AHEAD:
        raise ConflictError(
            f"the statement is of {statement.time:%Y-%m-%d %H:%M} UTC, which is in the future: {again}"
        )
    head = audit.head(change.connection, statement.log.count)
    if (head.count, head.hash) != (statement.log.count, statement.log.hash):
        raise ConflictError(f"the statement names another audit log than this one: {again}")
