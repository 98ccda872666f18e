"""Targets and the tokens with which their serving processes authenticate to the hub."""

import hashlib
import secrets
from dataclasses import replace

from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.identity.roles import DAEMON, Actor, Permission
from pilothouse.domain.records import Target
from pilothouse.operations.authorisation import changing, reading
from pilothouse.operations.services import Services
from pilothouse.store.models import remote_targets, targets
from pilothouse.system.files import write_atomically

TOKEN_FILE = "token"  # noqa: S105 - the name of a file
"""Name of a token's file in the folder of a serving process."""


def list_targets(services: Services, actor: Actor) -> list[Target]:
    """All targets with their event clocks."""
    with reading(services, actor) as connection:
        stored = targets.all_targets(connection)
    clocks = services.newest_clocks()
    return [replace(target, event_clock=clocks.get(target.name)) for target in stored]


def issue_token(services: Services, actor: Actor, target: str) -> str:
    """Create a token for a target, which voids the one before; only its digest is stored. Raises NotFoundError.

    It is put into the folder of the target's serving process where that runs in this workspace, which takes it up by itself.
    Allowed to admins, and to the daemon for the serving processes that it starts.
    """
    token = f"ph_{secrets.token_urlsafe(32)}"
    permission = Permission.RUN_DAEMON if actor.name == DAEMON.name else Permission.GRANT
    act = f"issue a token of {target}"
    with changing(services, actor, permission, targets=[target], alone=True, act=act) as change:
        key = targets.target_id(change.connection, target)
        if key is None:
            raise NotFoundError(
                f"there is no target {target!r}: describe it in targets.toml, and run pilothouse apply"
            )
        targets.replace_token(change.connection, key, _digest(token), by=actor.name, at=change.at)
        change.record("token.issued", target)
    folder = services.paths.serving_folder(target)
    if folder.is_dir():
        write_atomically(folder / TOKEN_FILE, token.encode("ascii"))
    return token


def has_deployer(services: Services, target: str) -> bool:
    """True where a command of the user's brings versions to the target."""
    with services.registry.read() as connection:
        return remote_targets.place_of(connection, target) == "command"


def check_token(services: Services, token: str) -> str | None:
    """Target of a token; None for an unknown or void one."""
    with services.registry.read() as connection:
        return targets.target_of_token(connection, _digest(token))


def _digest(token: str) -> str:
    # 256 random bits need no slow hash; looking the digest up leaks nothing about the token.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
