"""Schedules from the model files, and every firing with its outcome: each nominal time once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.model_spec import ScheduleSpec
from pilothouse.domain.plain import format_duration
from pilothouse.domain.records import Schedule
from pilothouse.sqlite import Connection, Row

from .values import from_us, to_us

_SELECT = (
    "SELECT s.*, m.name AS model, f.nominal_at AS last_nominal, coalesce(f.outcome, '') AS last_outcome FROM schedules s "
    "JOIN models m ON m.id = s.model_id LEFT JOIN schedule_fires f ON f.id = "
    "(SELECT id FROM schedule_fires WHERE schedule_id = s.id ORDER BY nominal_at DESC LIMIT 1) "
)


def find(connection: Connection, schedule_id: int) -> Schedule | None:
    """One schedule, or None."""
    row = connection.execute(_SELECT + "WHERE s.id = ?", (schedule_id,)).fetchone()
    return _schedule(row) if row else None


def listed(connection: Connection, model: str | None = None) -> list[Schedule]:
    """The schedules that the model files in force name."""
    rows = connection.execute(
        _SELECT + "WHERE s.active = 1 AND (? IS NULL OR m.name = ?) ORDER BY m.name, s.name", (model, model)
    )
    return [_schedule(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a schedule fires: ``cron`` in ``timezone``, or every ``every_s`` seconds from ``since`` on.

    ``since``: as it is now since then; earlier nominal times are not caught up.
    """

    cron: str | None
    every_s: int | None
    timezone: str
    since: datetime


def rule_of(connection: Connection, schedule_id: int) -> Rule:
    """The rule of a schedule that exists."""
    row = connection.execute(
        "SELECT cron, every_s, timezone, recorded_at FROM schedules WHERE id = ?", (schedule_id,)
    ).fetchone()
    return Rule(row["cron"], row["every_s"], row["timezone"], from_us(row["recorded_at"]))


def set_schedules(
    connection: Connection, model_id: int, specs: Sequence[ScheduleSpec], *, at: datetime
) -> None:
    """Bring a model's schedules up to its file. One that is gone stays in the record and fires no more."""
    connection.execute("UPDATE schedules SET active = 0 WHERE model_id = ?", (model_id,))
    for spec in specs:
        connection.execute(
            "INSERT INTO schedules (model_id, name, action, cron, every_s, timezone, recorded_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (model_id, name) DO UPDATE SET active = 1, action = excluded.action, "
            # An unchanged schedule keeps its time, so that applying a file does not move an interval's next firing.
            "recorded_at = CASE WHEN cron IS excluded.cron AND every_s IS excluded.every_s "
            "AND timezone = excluded.timezone THEN recorded_at ELSE excluded.recorded_at END, "
            "cron = excluded.cron, every_s = excluded.every_s, timezone = excluded.timezone",
            (model_id, spec.name, spec.action, spec.cron, spec.every, spec.timezone, to_us(at)),
        )


def set_paused(connection: Connection, schedule_id: int, paused: bool, *, at: datetime) -> None:
    """Pause or resume. What would have fired during the pause is not caught up."""
    connection.execute(
        "UPDATE schedules SET paused = ?, recorded_at = ? WHERE id = ?", (int(paused), to_us(at), schedule_id)
    )


def add_fire(
    connection: Connection, schedule_id: int, nominal: datetime, *, at: datetime, outcome: str
) -> None:
    """Record one firing. Raises the database's IntegrityError where this nominal time has been recorded before."""
    connection.execute(
        "INSERT INTO schedule_fires (schedule_id, nominal_at, recorded_at, outcome) VALUES (?, ?, ?, ?)",
        (schedule_id, to_us(nominal), to_us(at), outcome),
    )


def has_fired(connection: Connection, schedule_id: int, nominal: datetime) -> bool:
    """True if this nominal time has been dealt with."""
    row = connection.execute(
        "SELECT 1 FROM schedule_fires WHERE schedule_id = ? AND nominal_at = ?", (schedule_id, to_us(nominal))
    ).fetchone()
    return row is not None


def _schedule(row: Row) -> Schedule:
    return Schedule(
        id=row["id"],
        model=row["model"],
        name=row["name"],
        action=row["action"],
        expression=row["cron"] if row["cron"] is not None else f"every {format_duration(row['every_s'])}",
        timezone=row["timezone"],
        paused=bool(row["paused"]),
        last_nominal=from_us(row["last_nominal"]),
        last_outcome=row["last_outcome"],
    )
