"""Portable forms of versions: the newest row of a version counts, and none ever changes."""

import json
from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.models.evaluation import PortableForm
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of, from_row, insert


def add(connection: Connection, model_id: int, version_id: int, form: PortableForm, *, at: datetime) -> int:
    """Record the portable form of a version, or why it has none; returns the row's key."""
    columns = {"model_id": model_id, "version_id": version_id, **columns_of(form), "recorded_at": at}
    return insert(connection, "portable_models", columns)


def of_versions(connection: Connection, keys: Sequence[int]) -> dict[int, PortableForm]:
    """Newest form of each of these versions; those of which nothing is on record are left out."""
    rows = connection.execute(
        "SELECT p.* FROM portable_models p WHERE p.version_id IN (SELECT value FROM json_each(?)) AND p.id = "
        "(SELECT max(n.id) FROM portable_models n WHERE n.version_id = p.version_id)",
        (json.dumps(list(keys)),),
    )
    return {row["version_id"]: from_row(PortableForm, row) for row in rows}


def of_live_versions(connection: Connection) -> list[tuple[str, int, PortableForm | None]]:
    """Model, number and newest form of each version that is live anywhere; None where nothing is on record."""
    rows = connection.execute(
        "SELECT DISTINCT v.id, m.name, v.number FROM deployments d JOIN versions v ON v.id = d.version_id "
        "JOIN models m ON m.id = v.model_id WHERE d.ended_at IS NULL ORDER BY m.name, v.number"
    ).fetchall()
    forms = of_versions(connection, [row["id"] for row in rows])
    return [(row["name"], row["number"], forms.get(row["id"])) for row in rows]


def targets_without(connection: Connection) -> frozenset[str]:
    """Targets on which a version without a portable form is live, or asked for."""
    rows = connection.execute(
        "SELECT DISTINCT t.name FROM (SELECT target_id, version_id FROM deployments WHERE ended_at IS NULL UNION "
        "SELECT r.target_id, p.version_id FROM request_targets r JOIN promotion_requests p ON p.id = r.request_id "
        "WHERE r.open = 1) u JOIN targets t ON t.id = u.target_id "
        "WHERE NOT EXISTS (SELECT 1 FROM portable_models f WHERE f.version_id = u.version_id AND f.digest IS NOT NULL)"
    )
    return frozenset(row["name"] for row in rows)
