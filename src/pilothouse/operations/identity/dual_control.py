"""Dual control of who somebody is: where it is on, nobody binds a key to their own name alone."""

from pilothouse.domain.errors import NotAllowedError
from pilothouse.operations.authorisation import DUAL_CONTROL, Change
from pilothouse.sqlite import Connection
from pilothouse.store import workspace


def is_on(connection: Connection) -> bool:
    """True where changes of access need a second person."""
    return workspace.setting(connection, DUAL_CONTROL) == "yes"


def check_key_of_another(change: Change, name: str) -> None:
    """Raise NotAllowedError where dual control is on and the key to be added is for the actor's own name."""
    if is_on(change.connection) and change.actor.has_name(name):
        raise NotAllowedError(
            f"{change.actor.name} may not add a key of their own alone: dual control is on, so another admin adds it"
        )
