"""Tokens with which the serving processes of other machines come to the hub: each of one target, with an end."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.targets import LONGEST_TOKEN, RemoteToken
from pilothouse.operations.authorisation import changing, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.store.models import remote_targets, targets

_IN_FORCE = 16
"""Tokens of a target that may be in force at once."""


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """Token that was just made, with its text, which is shown once and kept nowhere."""

    record: RemoteToken
    token: str


def issue(services: Services, actor: Actor, target: str, valid: timedelta) -> IssuedToken:
    """Make a token of a target that runs on another machine, valid for that long; those of before stay in force.

    Raises NotFoundError, NotAllowedError (only admins), InvalidInputError (a time beyond a year) or ConflictError (the daemon
    serves the target itself; too many are in force).
    """
    if not timedelta(seconds=60) <= valid <= LONGEST_TOKEN:
        longest = format_duration(int(LONGEST_TOKEN.total_seconds()))
        raise InvalidInputError(f"a token is valid for a minute to {longest}")
    token = f"phr_{secrets.token_urlsafe(32)}"
    act = f"issue a remote token of {target}"
    with changing(services, actor, Permission.GRANT, targets=[target], alone=True, act=act) as change:
        key = targets.target_id(change.connection, target)
        if key is None:
            raise NotFoundError(
                f"there is no target {target!r}: describe it in targets.toml, and run pilothouse apply"
            )
        if remote_targets.place_of(change.connection, target) in ("local", "elsewhere"):
            raise ConflictError(
                f'no serving process comes for {target} from another machine: write place = "remote" into its table in '
                "targets.toml, and run pilothouse apply"
            )
        known = remote_targets.tokens(change.connection, target)
        if sum(one.state_at(change.at) == "in force" for one in known) >= _IN_FORCE:
            raise ConflictError(f"{_IN_FORCE} tokens of {target} are in force: revoke one first")
        ends_at = change.at + valid
        number = remote_targets.add_token(
            change.connection, key, digest(token), by=actor.name, at=change.at, ends_at=ends_at
        )
        change.record("remote_token.issued", target, {"token": number, "ends_at": ends_at.isoformat()})
        record = RemoteToken(number, target, actor.name, change.at, ends_at, None, None)
    return IssuedToken(record, token)


def revoke(services: Services, actor: Actor, number: int, reason: str) -> RemoteToken:
    """Revoke a token by its number: the next request with it is refused. Needs a reason.

    Raises NotFoundError, NotAllowedError, InvalidInputError or ConflictError (it is revoked already).
    """
    reason = reason_given(reason, "revoking a token")
    with services.registry.read() as connection:
        found = next((one for one in remote_targets.tokens(connection) if one.id == number), None)
    of_target = [found.target] if found is not None else None
    with changing(services, actor, Permission.GRANT, targets=of_target, alone=True) as change:
        known = {one.id: one for one in remote_targets.tokens(change.connection)}
        if number not in known:
            raise NotFoundError(f"there is no remote token {number}: pilothouse targets tokens lists them")
        if known[number].revoked_at is not None:
            raise ConflictError(f"remote token {number} of {known[number].target} is revoked already")
        remote_targets.revoke_token(change.connection, number, by=actor.name, at=change.at)
        change.record("remote_token.revoked", known[number].target, {"token": number, "reason": reason})
        return next(one for one in remote_targets.tokens(change.connection) if one.id == number)


def list_tokens(services: Services, actor: Actor, target: str | None = None) -> list[RemoteToken]:
    """Tokens of a target, or of all, the newest first; never the tokens themselves. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        return remote_targets.tokens(connection, target)


def check(services: Services, token: str) -> str | None:
    """Target of a token, as ``found`` does it."""
    known = found(services, token)
    return known.target if known is not None else None


def found(services: Services, token: str) -> remote_targets.FoundToken | None:
    """Token in force with its target, and how much that may send; None for one that is not known.

    Raises NotAllowedError, with what to do, for one that was revoked, has ended, or is of a target that the daemon serves now.
    """
    with services.registry.read() as connection:
        known = remote_targets.find_token(connection, digest(token))
    if known is None:
        return None
    renew = "an admin makes a new one with pilothouse targets token"
    if known.is_revoked:
        raise NotAllowedError(f"remote token {known.id} is revoked: {renew}")
    if services.now() >= known.ends_at:
        raise NotAllowedError(f"remote token {known.id} ended on {known.ends_at:%Y-%m-%d %H:%M} UTC: {renew}")
    if known.place == "local":
        raise NotAllowedError(f"the hub's own machine serves {known.target} now")
    if known.place == "elsewhere":
        raise NotAllowedError(
            f"something else serves {known.target} now, and hands its predictions in as logs"
        )
    return known


def digest(token: str) -> str:
    """Digest under which a token is on record. 256 random bits need no slow hash."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
