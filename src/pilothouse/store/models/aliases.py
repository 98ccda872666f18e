"""Aliases of versions: ``@champion``, ``@challenger`` and others. Their history is in the audit log."""

from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.sqlite import Connection


def aliases_of(connection: Connection, model: str) -> dict[str, int]:
    """Version number of each alias of a model."""
    rows = connection.execute(
        "SELECT a.alias, v.number FROM aliases a JOIN versions v ON v.id = a.version_id JOIN models m ON m.id = a.model_id "
        "WHERE m.name = ? ORDER BY a.alias",
        (model,),
    )
    return {row["alias"]: row["number"] for row in rows}


def aliases_by_model(connection: Connection) -> dict[str, dict[str, int]]:
    """Version number of each alias, by model."""
    rows = connection.execute(
        "SELECT m.name, a.alias, v.number FROM aliases a JOIN versions v ON v.id = a.version_id "
        "JOIN models m ON m.id = a.model_id ORDER BY m.name, a.alias"
    )
    named: dict[str, dict[str, int]] = {}
    for model, alias, number in map(tuple, rows):
        named.setdefault(model, {})[alias] = number
    return named


def move_alias(
    connection: Connection, model: str, alias: str, version: int, *, by: str, at: datetime
) -> int | None:
    """Point an alias to a version; returns the number that it pointed to before, None where it is new."""
    before = aliases_of(connection, model).get(alias)
    if before != version:
        connection.execute(
            "INSERT INTO aliases (model_id, alias, version_id, set_by, recorded_at) "
            "SELECT m.id, ?, v.id, ?, ? FROM models m JOIN versions v ON v.model_id = m.id "
            "WHERE m.name = ? AND v.number = ? "
            "ON CONFLICT (model_id, alias) DO UPDATE SET version_id = excluded.version_id, set_by = excluded.set_by, "
            "recorded_at = excluded.recorded_at",
            (alias, by, to_us(at), model, version),
        )
    return before


def drop_alias(connection: Connection, model: str, alias: str) -> int | None:
    """Remove an alias; returns the number that it pointed to, None where there was none."""
    before = aliases_of(connection, model).get(alias)
    connection.execute(
        "DELETE FROM aliases WHERE alias = ? AND model_id = (SELECT id FROM models WHERE name = ?)",
        (alias, model),
    )
    return before
