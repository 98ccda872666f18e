"""Second component of breaking the glass: what is signed, and whether that is what the policy asks for."""

from datetime import datetime

from pilothouse.domain.errors import InvalidInputError, NotAllowedError
from pilothouse.domain.identifiers import parse_reference, version_uri
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.break_glass import Emergency
from pilothouse.domain.promotion.decisions import DecisionSignature
from pilothouse.domain.promotion.glass_statements import GlassStatement, parse_glass_statement
from pilothouse.domain.promotion.statements import NAMESPACE, Component, LogHead
from pilothouse.domain.records import Version
from pilothouse.operations.authorisation import Change, authorise, changing, present, reading, reason_given
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.identity import passphrases
from pilothouse.operations.identity.passphrases import Proof
from pilothouse.operations.identity.signing_keys import check_keys, chosen
from pilothouse.operations.promotion.components import Signed, accepted, key_to_sign, usable_keys
from pilothouse.operations.promotion.request_filing import targets_to_request
from pilothouse.operations.promotion.rules_in_force import present_policy
from pilothouse.operations.promotion.statements import PrintedStatement
from pilothouse.operations.services import Services
from pilothouse.signing import agent, sshsig
from pilothouse.signing.agent import AgentKey
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit


def glass_component(
    change: Change, version: Version, emergency: Emergency, asked: Component, component: Proof | Signed | None
) -> DecisionSignature | None:
    """Second component as it is stored. Raises NotAllowedError, ConflictError or InvalidInputError where it is not what the
    policy asks for."""
    if component is None:
        if asked is not Component.NONE:
            raise NotAllowedError(_missing(asked))
        return None
    name = change.actor.name
    if isinstance(component, Proof):
        if asked.rank > Component.PASSPHRASE.rank:
            raise NotAllowedError(f"breaking the glass needs {asked.words}: a passphrase is not enough")
        passphrases.accept(change, component)
        statement = _statement(change.connection, version, emergency, name, "", change.at)
        return DecisionSignature(Component.PASSPHRASE, statement.to_bytes().decode(), change.at)
    if component.statement is None:
        raise InvalidInputError("the signature comes without its statement: name that with --statement FILE")
    check_keys(change.connection, name)
    signature = sshsig.parse(component.text)
    signature.check(component.statement, NAMESPACE)
    statement = parse_glass_statement(component.statement)
    expected = _statement(change.connection, version, emergency, name, statement.key, change.at)
    if wrong := next(statement.differences(expected), None):
        raise NotAllowedError(f"the signed statement does not fit: {wrong}")
    what = "breaking the glass"
    return accepted(change, signature, statement, component.statement, asked, what, component.text)


def _missing(asked: Component) -> str:
    if asked is Component.PASSPHRASE:
        return (
            f"breaking the glass needs {asked.words}, as each decision does: type yours when it is asked for"
        )
    return (
        f"breaking the glass needs {asked.words}, as each decision does: add --agent where you came with ssh -A, or sign what "
        "pilothouse break-glass statement prints, and name both with --statement FILE --signature FILE"
    )


def print_glass_statement(
    services: Services, actor: Actor, emergency: Emergency, key: str = ""
) -> PrintedStatement:
    """Statement to sign elsewhere, by which the actor deploys alone; that it was printed is on record.

    Raises NotFoundError, NotAllowedError, InvalidInputError (no reason) or ConflictError (live there already, several keys).
    """
    reason_given(emergency.reason, "breaking the glass")
    model = parse_reference(emergency.reference).model
    with changing(
        services, actor, Permission.BREAK_GLASS, model, emergency.targets, act="break the glass"
    ) as change:
        version = require_version(change.connection, emergency.reference)
        asked = present_policy(change.connection, version.model).signature
        keys = usable_keys(change.connection, actor.name, asked, change.at)
        fingerprint = key_to_sign(keys, actor.name, key)
        data = _statement(
            change.connection, version, emergency, actor.name, fingerprint, change.at
        ).to_bytes()
        uri = version_uri(version.model, version.number)
        change.record("statement.printed", uri, {"verdict": "break-glass", "key": fingerprint})
    return PrintedStatement(0, "break-glass", data.decode(), fingerprint)


def glass_agent_key(services: Services, actor: Actor, reference: str, socket: str) -> AgentKey:
    """Key in the agent at ``socket`` by which the actor can sign it. Raises UnavailableError or NotFoundError."""
    model = parse_reference(reference).model
    authorise(services, actor, Permission.BREAK_GLASS, model)
    return _agent_key(services, actor, reference, socket)


def sign_glass_with_agent(services: Services, actor: Actor, emergency: Emergency, socket: str) -> Signed:
    """Signature of the actor's statement by the agent at ``socket``. Raises UnavailableError (no agent, refused), NotFoundError
    (no such version, no key in it) or ConflictError (live there already)."""
    model = parse_reference(emergency.reference).model
    authorise(services, actor, Permission.BREAK_GLASS, model, emergency.targets)
    key = _agent_key(services, actor, emergency.reference, socket)
    with reading(services, actor) as connection:
        version = require_version(connection, emergency.reference)
        at = present(services, connection)
        fingerprint = key.key.fingerprint
        data = _statement(connection, version, emergency, actor.name, fingerprint, at).to_bytes()
    return Signed(agent.sign(socket, key, data, NAMESPACE), data)


def _agent_key(services: Services, actor: Actor, reference: str, socket: str) -> AgentKey:
    held = agent.keys(socket)
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        asked = present_policy(connection, version.model).signature
        usable = usable_keys(connection, actor.name, asked, present(services, connection))
    return chosen(held, usable, actor.name, in_hardware=asked is Component.HARDWARE_KEY)


def _statement(
    connection: Connection, version: Version, emergency: Emergency, name: str, key: str, at: datetime
) -> GlassStatement:
    """What is signed; ``key``: the fingerprint, empty under a passphrase. Raises ConflictError where it is live there."""
    head = audit.head(connection)
    return GlassStatement(
        model=version.model,
        version=version.number,
        artifact=version.model_digest,
        targets=tuple(sorted(targets_to_request(connection, version, emergency.targets))),
        lasts_s=int(emergency.lasts.total_seconds()),
        reason=emergency.reason.strip(),
        name=name,
        key=key,
        time=at.replace(microsecond=0),
        log=LogHead(head.count, head.hash),
    )
