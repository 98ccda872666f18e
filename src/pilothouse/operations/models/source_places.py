"""Places on private networks that sources by URL may lead to, as ``integrations.toml`` allows them."""

import json

from pilothouse.domain.integrations.integration_file import SETTING, integrations_from_plain
from pilothouse.sqlite import Connection
from pilothouse.store import workspace


def allowed_places(connection: Connection) -> tuple[str, ...]:
    """Hosts, addresses and networks of ``[sources] allow`` in force."""
    text = workspace.setting(connection, SETTING)
    sources = integrations_from_plain(json.loads(text)).sources if text else None
    return sources.allow if sources else ()
