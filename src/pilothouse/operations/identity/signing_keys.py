"""Keys by which somebody's signature counts: which key of their agent signs, and whether one that has signed is theirs now."""

from collections.abc import Sequence

from pilothouse.domain.errors import NotAllowedError, NotFoundError
from pilothouse.domain.identity.users import KeyUse, UserKey
from pilothouse.operations.authorisation import Change
from pilothouse.signing.agent import AgentKey
from pilothouse.signing.certificates import is_certificate, parse_certificate
from pilothouse.signing.sshsig import SshSignature
from pilothouse.sqlite import Connection
from pilothouse.store.governance import users
from pilothouse.store.log import row_checks


def check_keys(connection: Connection, name: str) -> None:
    """A user, and the keys that are bound to their name."""
    row_checks.check_rows(connection, "users", "name", [name], also_named=f"the user {name} of ")
    for kind in KeyUse:
        row_checks.check_rows(connection, "user_keys", "user", [name], also_named=f"the {kind} of {name}, ")


def chosen(
    held: Sequence[AgentKey], usable: Sequence[UserKey], name: str, *, in_hardware: bool = False
) -> AgentKey:
    """First key of an agent that is one of somebody's own, else the first certificate of an authority of theirs. Raises
    NotFoundError."""
    own = {key.fingerprint for key in usable if key.kind is KeyUse.KEY}
    authorities = {key.fingerprint for key in usable if key.kind is KeyUse.AUTHORITY}
    for one in held:
        if one.key.fingerprint in own and not is_certificate(one.blob):
            return one
    for one in held:
        if not is_certificate(one.blob):
            continue
        certificate = parse_certificate(one.blob)
        is_enough = one.key.in_hardware or not in_hardware
        if certificate.authority.fingerprint in authorities and name in certificate.principals and is_enough:
            return one
    listed = ", ".join(sorted({one.key.fingerprint for one in held})) or "none"
    raise NotFoundError(
        f"the SSH agent holds no key of {name} that can sign this (it holds {listed}): see pilothouse users keys {name}"
    )


def key_on_record(change: Change, signature: SshSignature) -> UserKey:
    """Key of the actor's by which the signature counts: the one that signed, or the authority of its certificate. Raises
    NotAllowedError where there is none in force."""
    name, fingerprint = change.actor.name, signature.key.fingerprint
    certificate = signature.certificate
    if certificate is not None:
        certificate.check_unrestricted()
    in_force = users.keys_in_force(change.connection, change.at, user=name)
    found = next((k for k in in_force if k.kind is KeyUse.KEY and k.fingerprint == fingerprint), None)
    if found is not None:
        return found
    bound = any(key.kind is KeyUse.KEY for key in users.with_fingerprint(change.connection, fingerprint))
    if certificate is not None and not bound:  # no certificate brings a revoked key back, or lends somebody's
        authority = certificate.authority.fingerprint
        found = next((k for k in in_force if k.kind is KeyUse.AUTHORITY and k.fingerprint == authority), None)
        if found is not None:
            certificate.check(name, change.at)
            return found
        raise NotAllowedError(
            f"the certificate is of an authority that is not on record for {name}: {authority}"
        )
    raise NotAllowedError(_why_not(change, fingerprint))


def _why_not(change: Change, fingerprint: str) -> str:
    """Why a key does not count."""
    name, at = change.actor.name, change.at
    known = users.with_fingerprint(change.connection, fingerprint)
    own = [key for key in known if key.user == name]
    if not own:
        other = next((key.user for key in known if key.kind is KeyUse.KEY), None)
        if other is not None:
            return f"the signature is by {other}'s key, not by one of {name}'s"
        return (
            f"the key {fingerprint} is not on record for {name}: "
            f"an admin binds it (pilothouse users keys {name} --add KEY.pub)"
        )
    key = own[-1]
    if key.revoked_at is not None:
        return f"the key {fingerprint} was revoked on {key.revoked_at:%Y-%m-%d}: {key.revoked_why}"
    if key.valid_before is not None and key.valid_before <= at:
        return f"the key {fingerprint} expired at {key.valid_before:%Y-%m-%d %H:%M} UTC"
    if key.valid_after is not None and key.valid_after > at:
        return f"the key {fingerprint} is valid from {key.valid_after:%Y-%m-%d %H:%M} UTC on"
    return f"{name} is disabled, and so are their keys"
