"""Places on private networks that sources by URL may lead to, as ``integrations.toml`` allows them."""

import json

from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.integrations.integration_file import SETTING, Integrations, integrations_from_plain
from pilothouse.operations.authorisation import check, check_second
from pilothouse.operations.models.source_reach import Places
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace


def allowed_places(connection: Connection) -> tuple[str, ...]:
    """Hosts, addresses and networks of ``[sources] allow`` in force."""
    text = workspace.setting(connection, SETTING)
    sources = integrations_from_plain(json.loads(text)).sources if text else None
    return sources.allow if sources else ()


def places_to_look_at(
    services: Services, connection: Connection, actor: Actor, described: Integrations | None, *, applied: bool
) -> Places:
    """Those in force; and those of a file that is ``applied`` now, where the actor may put it in force: else a first file could
    come into force only without the models whose sources it allows.

    A plan asks none of the latter: it is read to decide about files that others wrote. Nor does one person alone where it takes
    two.
    """
    in_force = allowed_places(connection)
    given = described.sources.allow if described is not None and described.sources else ()
    added = tuple(one for one in given if one not in in_force)
    if applied and added and _may_put_in_force(services, connection, actor):
        return Places((*in_force, *added))
    return Places(in_force, () if applied else added)


def _may_put_in_force(services: Services, connection: Connection, actor: Actor) -> bool:
    try:
        check(connection, actor, Permission.LOOSEN)
        check_second(services, connection, actor, Permission.LOOSEN)
    except NotAllowedError:
        return False
    return True
