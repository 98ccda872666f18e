"""Places on private networks that sources by URL may lead to, as ``integrations.toml`` allows them."""

import json

from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.integrations.integration_file import SETTING, Integrations, integrations_from_plain
from pilothouse.operations.authorisation import as_now, permits
from pilothouse.sqlite import Connection
from pilothouse.store import workspace


def allowed_places(connection: Connection) -> tuple[str, ...]:
    """Hosts, addresses and networks of ``[sources] allow`` in force."""
    text = workspace.setting(connection, SETTING)
    sources = integrations_from_plain(json.loads(text)).sources if text else None
    return sources.allow if sources else ()


def places_at_apply(connection: Connection, actor: Actor, described: Integrations | None) -> tuple[str, ...]:
    """Those in force, and those of a file that is about to be applied where the actor may put it in force: else a first file
    could come into force only without the models whose sources it allows."""
    in_force = allowed_places(connection)
    given = described.sources.allow if described is not None and described.sources else ()
    may = set(given) - set(in_force) and permits(connection, as_now(connection, actor), Permission.LOOSEN)
    return (*in_force, *given) if may else in_force
