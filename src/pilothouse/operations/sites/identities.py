"""The workspace's identity: it travels with the files, and a copy that is to be a workspace of its own is given another one."""

from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.operations.authorisation import changing, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import log_keys
from pilothouse.store import workspace

RENEWED = "workspace.identity_renewed"
"""Action of the entry of a new identity; its detail has the one before."""


def identity(services: Services, actor: Actor) -> str:
    """The identity, 32 hexadecimal digits. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        return workspace.identity(connection)


def renew(services: Services, actor: Actor, reason: str) -> str:
    """Give a copy an identity and a key of the log of its own; returns the identity. Whoever follows it follows it anew.

    Raises NotAllowedError, InvalidInputError (no reason) or UnavailableError (the key cannot be written).
    """
    reason = reason_given(reason, "a new identity")
    with changing(services, actor, Permission.SET_POLICY) as change:
        before = workspace.identity(change.connection)
        made = workspace.add_identity(change.connection, by=actor.name, at=change.at)
        change.record(RENEWED, "workspace", {"workspace": made, "before": before, "reason": reason})
    log_keys.renew(services, actor, made)
    return made
