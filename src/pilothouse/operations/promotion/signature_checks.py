"""Signatures of decisions, checked again: whoever rewrites the registry, and its log with it, cannot make them anew."""

from collections.abc import Mapping

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.domain.promotion.break_glass import BrokenGlass
from pilothouse.domain.promotion.decisions import Decision, DecisionSignature
from pilothouse.domain.promotion.glass_statements import parse_glass_statement
from pilothouse.domain.promotion.statements import NAMESPACE, parse_statement
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.authorisation import reading
from pilothouse.operations.services import Services
from pilothouse.signing import sshsig
from pilothouse.signing.sshsig import SshSignature
from pilothouse.store.governance import broken_glass, users
from pilothouse.store.promotion import requests


def examine(services: Services, actor: Actor) -> str:
    """What was examined. Raises IntegrityError that names the first decision whose signature is not over it."""
    count = 0
    with reading(services, actor) as connection:
        keys = {key.id: key for key in users.keys_of(connection)}
        for request in requests.signed(connection):
            for decision in request.decisions:
                if decision.signature is None or decision.signature.signature is None:
                    continue
                try:
                    _check(request, decision, decision.signature, keys)
                except InvalidInputError as error:
                    raise IntegrityError(
                        f"request {request.id}: the signature of {decision.actor} does not hold: {error}"
                    ) from None
                count += 1
        for glass in broken_glass.signed(connection):
            try:
                _check_glass(glass, keys)
            except InvalidInputError as error:
                raise IntegrityError(
                    f"break-glass {glass.id}: the signature of {glass.actor} does not hold: {error}"
                ) from None
            count += 1
    if not count:
        return "no decision is signed by a key"
    return "1 signature of a decision holds" if count == 1 else f"{count:,} signatures of decisions hold"


def _check(
    request: PromotionRequest, decision: Decision, stored: DecisionSignature, keys: Mapping[int, UserKey]
) -> None:
    """Raise InvalidInputError unless the signature is over this decision, by a key on record for whoever made it."""
    data = stored.statement.encode()
    signature = sshsig.parse(stored.signature or "")
    signature.check(data, NAMESPACE)
    said = parse_statement(data)
    about = (
        said.request,
        said.model,
        said.version,
        said.targets,
        said.evidence,
        said.policy,
        dict(said.documents),
    )
    if about != (
        request.id,
        request.model,
        request.version,
        request.targets,
        decision.evidence_digest,
        decision.policy_digest,
        decision.documents,
    ):
        raise InvalidInputError("its statement is about something else")
    condition = decision.condition.plain if decision.condition else None
    declared = (said.name, said.verdict, said.reason, said.condition and said.condition.plain)
    if declared != (decision.actor, decision.verdict, decision.reason, condition):
        raise InvalidInputError("its statement says something else than the decision")
    _check_key(decision.actor, stored, signature, keys)


def _check_glass(glass: BrokenGlass, keys: Mapping[int, UserKey]) -> None:
    """As ``_check``, of a deployment by breaking the glass."""
    stored = glass.signature
    assert stored is not None
    signature = sshsig.parse(stored.signature or "")
    signature.check(stored.statement.encode(), NAMESPACE)
    said = parse_glass_statement(stored.statement.encode())
    if (said.model, said.version, said.targets, said.name, said.reason) != (
        glass.model,
        glass.version,
        glass.targets,
        glass.actor,
        glass.reason,
    ):
        raise InvalidInputError("its statement is about something else")
    _check_key(glass.actor, stored, signature, keys)


def _check_key(
    name: str, stored: DecisionSignature, signature: SshSignature, keys: Mapping[int, UserKey]
) -> None:
    key = keys.get(stored.key_id or 0)
    signer = signature.key
    if key is not None and key.kind is KeyUse.AUTHORITY and signature.certificate is not None:
        signer = signature.certificate.authority
    if key is None or (key.user, key.fingerprint) != (name, signer.fingerprint):
        raise InvalidInputError("its key is not the one on record")
