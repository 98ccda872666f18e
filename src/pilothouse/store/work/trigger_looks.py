"""Newest look of each trigger at its source."""

from collections.abc import Mapping

from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.jobs.triggers import Look
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where

Trigger = tuple[str, str]
"""Model and name of a trigger."""


def newest(connection: Connection, model: str | None = None) -> dict[Trigger, Look]:
    """Looks that are on record, of all models or of one."""
    conditions, values = where({"m.name = ?": model})
    rows = connection.execute(
        "SELECT m.name, l.trigger, l.looked_at, l.fault, l.failures, l.failing_since, l.every_s FROM trigger_looks l "  # noqa: S608 - ours
        f"JOIN models m ON m.id = l.model_id {conditions}",
        values,
    )
    return {
        (name, trigger): Look(
            from_us(looked), fault, failures, None if since is None else from_us(since), every_s
        )
        for name, trigger, looked, fault, failures, since, every_s in rows
    }


def put(connection: Connection, looks: Mapping[Trigger, Look]) -> None:
    """Put looks on record in place of those before."""
    connection.executemany(
        "INSERT INTO trigger_looks (model_id, trigger, looked_at, fault, failures, failing_since, every_s) "
        "SELECT id, ?, ?, ?, ?, ?, ? FROM models WHERE name = ? "
        "ON CONFLICT (model_id, trigger) DO UPDATE SET looked_at = excluded.looked_at, fault = excluded.fault, "
        "failures = excluded.failures, failing_since = excluded.failing_since, every_s = excluded.every_s",
        [
            (trigger, to_us(look.at), look.fault, look.failures, to_us(look.since), look.every_s, model)
            for (model, trigger), look in looks.items()
        ],
    )
