"""Statements to sign: printed for a key elsewhere, or signed by the agent that a person's connection forwards."""

import base64
import shlex
from dataclasses import dataclass

from pilothouse.domain.errors import ConflictError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.conditions import NewCondition
from pilothouse.domain.promotion.request_rules import RequestAct
from pilothouse.domain.promotion.statements import NAMESPACE, Component, Declaration
from pilothouse.operations.authorisation import authorise, changing, clean_text, present, reading
from pilothouse.operations.identity.signing_keys import chosen
from pilothouse.operations.promotion.attached.conditions import check_conditional
from pilothouse.operations.promotion.components import Signed, key_to_sign, statement_of, usable_keys
from pilothouse.operations.promotion.promotions import open_request, reach_of
from pilothouse.operations.promotion.rules_in_force import require_with_rules
from pilothouse.operations.services import Services
from pilothouse.signing import agent
from pilothouse.signing.agent import AgentKey
from pilothouse.store.governance import printed_statements


@dataclass(frozen=True, slots=True)
class PrintedStatement:
    """Statement to sign elsewhere. ``text``: its bytes, one line without an end."""

    request: int
    verdict: str
    text: str
    key: str
    """Fingerprint of the key that signs it."""

    @property
    def command(self) -> str:
        """One line of ASCII for a shell where the key is, which no terminal changes on its way. With the ``.pub`` file alone,
        an agent there signs."""
        if self.text.isascii() and self.text.isprintable():
            source = f"printf %s {shlex.quote(self.text)}"
        else:
            source = f"echo {base64.b64encode(self.text.encode()).decode()} | base64 -d"
        return f"{source} | ssh-keygen -Y sign -n {NAMESPACE} -f ~/.ssh/id_ed25519.pub"


def print_statement(
    services: Services,
    actor: Actor,
    request_id: int,
    verdict: str,
    reason: str = "",
    key: str = "",
    condition: NewCondition | None = None,
) -> PrintedStatement:
    """Statement by which the actor decides on a request once a key of theirs has signed it; it is kept, and on record.

    Raises NotFoundError (no such request, no key), NotAllowedError or ConflictError (not to be decided, several keys).
    """
    reason = clean_text(reason, "the reason")
    act = f"{verdict} request {request_id}"
    with changing(services, actor, Permission.DECIDE, *reach_of(services, request_id), act=act) as change:
        request = open_request(change, request_id, RequestAct(verdict))
        declared = Declaration(verdict, reason, condition)
        check_conditional(change, request, declared)
        keys = usable_keys(change.connection, actor.name, request.rules.signature, change.at)
        fingerprint = key_to_sign(keys, actor.name, key)
        statement = statement_of(change.connection, request, declared, actor.name, fingerprint, change.at)
        data = statement.to_bytes()
        printed_statements.add(change.connection, request_id, actor.name, verdict, data, at=change.at)
        detail = {"verdict": verdict, "key": fingerprint, "evidence_digest": request.evidence_digest}
        change.record("statement.printed", f"request {request_id}", detail)
    return PrintedStatement(request_id, verdict, data.decode(), fingerprint)


def agent_key(services: Services, actor: Actor, request_id: int, socket: str) -> AgentKey:
    """Key in the agent at ``socket`` by which the actor can sign what the request asks for.

    Raises UnavailableError (no agent), NotFoundError (no such request, no such key in it).
    """
    authorise(services, actor, Permission.DECIDE, *reach_of(services, request_id))
    held = agent.keys(socket)
    with reading(services, actor) as connection:
        request = require_with_rules(connection, request_id)
        at = present(services, connection)
        usable = usable_keys(connection, actor.name, request.rules.signature, at)
    return chosen(held, usable, actor.name, in_hardware=request.rules.signature is Component.HARDWARE_KEY)


def sign_with_agent(
    services: Services,
    actor: Actor,
    request_id: int,
    verdict: str,
    reason: str,
    evidence_digest: str,
    socket: str,
    condition: NewCondition | None = None,
) -> Signed:
    """Signature of the actor's statement by the agent at ``socket``; ``evidence_digest``: of what the actor was
    shown, its documents too.

    Raises UnavailableError (no agent, no answer, refused), NotFoundError (no key in it) or ConflictError (other evidence).
    """
    reason = clean_text(reason, "the reason")
    key = agent_key(services, actor, request_id, socket)
    with reading(services, actor) as connection:
        request = require_with_rules(connection, request_id)
        at = present(services, connection)
        if not evidence_digest or not request.shown_digest.startswith(evidence_digest):
            raise ConflictError(
                f"request {request_id}: the evidence named is not the one on file: read it again"
            )
        declared = Declaration(verdict, reason, condition)
        data = statement_of(connection, request, declared, actor.name, key.key.fingerprint, at).to_bytes()
    return Signed(agent.sign(socket, key, data, NAMESPACE), data)
