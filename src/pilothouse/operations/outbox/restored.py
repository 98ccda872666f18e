"""The outbox of a workspace that was restored from a backup: what waited then may have been sent since, and is given up."""

from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.operations.authorisation import changing
from pilothouse.operations.services import Services
from pilothouse.store.outbox import deliveries

WHY = "the workspace was restored from a backup: it may have been sent since"


def give_up(services: Services) -> int:
    """Give up what waits in an outbox that is of a backup, once; returns the number of messages, which can be sent again."""
    mark = services.paths.restored_outbox
    if not mark.exists():
        return 0
    with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
        given_up = deliveries.give_up_all(change.connection, WHY, at=change.at)
        change.record("outbox.restored", "outbox", {"given_up": given_up})
    mark.unlink(missing_ok=True)
    return given_up
