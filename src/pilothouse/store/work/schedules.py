"""Schedules from the model files, and every firing with its outcome: each nominal time once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from pilothouse.domain.formats.time_parsing import moment
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import ScheduleSpec
from pilothouse.domain.records import Schedule
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import marks, where
from pilothouse.store.values import from_row, insert

_SELECT = (
    "SELECT s.*, m.name AS model, f.nominal_at AS last_nominal, "
    "coalesce(o.outcome, CASE WHEN f.decision = 'run' THEN '' ELSE f.outcome END, '') AS last_outcome FROM schedules s "
    "JOIN models m ON m.id = s.model_id LEFT JOIN schedule_fires f ON f.id = "
    "(SELECT id FROM schedule_fires WHERE schedule_id = s.id ORDER BY nominal_at DESC LIMIT 1) "
    "LEFT JOIN schedule_outcomes o ON o.fire_id = f.id "
)

Decision = Literal["past", "run", "merged", "skipped"]
"""Decision about a nominal time; ``past``: made before decisions were recorded."""


class RunState(StrEnum):
    """End of a schedule's run."""

    DONE = "done"
    FAILED = "failed"


def find(connection: Connection, schedule_id: int) -> Schedule | None:
    row = connection.execute(_SELECT + "WHERE s.id = ?", (schedule_id,)).fetchone()
    return _schedule(row) if row else None


def listed(connection: Connection) -> list[Schedule]:
    """Schedules of the model files in force."""
    rows = connection.execute(f"{_SELECT} WHERE s.active = 1 ORDER BY m.name, s.name")
    return [_schedule(row) for row in rows]


@dataclass(frozen=True, slots=True)
class Rule:
    """Rule of a schedule's firings: ``cron`` in ``timezone``, every ``every_s`` seconds from ``since`` on, or once at
    ``once``.

    ``since`` is when the rule took its present form; earlier nominal times are not caught up.
    """

    cron: str | None
    every_s: int | None
    timezone: str
    since: datetime
    once: datetime | None = None
    jitter_s: int = 0
    catch_up: Literal["all", "once", "skip"] = "once"
    key: int = 0
    """Number of the schedule, which makes the jitter of two schedules different."""


def rule_of(connection: Connection, schedule_id: int) -> Rule:
    """Rule of a schedule that exists."""
    row = connection.execute("SELECT * FROM schedules WHERE id = ?", (schedule_id,)).fetchone()
    return from_row(
        Rule, row, since=from_us(row["recorded_at"]), once=from_us(row["once_at"]), key=schedule_id
    )


def set_schedules(
    connection: Connection, model_id: int, specs: Sequence[ScheduleSpec], *, at: datetime
) -> None:
    """Bring a model's schedules up to its file. One that is no longer named stays on record and does not fire."""
    connection.execute("UPDATE schedules SET active = 0 WHERE model_id = ?", (model_id,))
    for spec in specs:
        connection.execute(
            "INSERT INTO schedules (model_id, name, action, cron, every_s, once_at, timezone, jitter_s, catch_up, recorded_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (model_id, name) DO UPDATE SET active = 1, "
            "action = excluded.action, "
            # An unchanged schedule keeps its time, so that applying a file does not move an interval's next firing.
            "recorded_at = CASE WHEN cron IS excluded.cron AND every_s IS excluded.every_s AND once_at IS excluded.once_at "
            "AND timezone = excluded.timezone THEN recorded_at ELSE excluded.recorded_at END, cron = excluded.cron, "
            "every_s = excluded.every_s, once_at = excluded.once_at, timezone = excluded.timezone, "
            "jitter_s = excluded.jitter_s, catch_up = excluded.catch_up",
            (
                model_id,
                spec.name,
                spec.action,
                spec.cron,
                spec.every,
                to_us(moment(spec.at, spec.timezone)) if spec.at else None,
                spec.timezone,
                spec.jitter,
                spec.catch_up,
                to_us(at),
            ),
        )


def set_paused(connection: Connection, schedule_id: int, paused: bool, *, at: datetime) -> None:
    """Pause or resume a schedule. Firings during the pause are not caught up."""
    connection.execute(
        "UPDATE schedules SET paused = ?, recorded_at = ? WHERE id = ?", (int(paused), to_us(at), schedule_id)
    )


@dataclass(frozen=True, slots=True)
class Fire:
    """Nominal time with its decision and its outcome."""

    nominal: datetime
    decision: Decision
    reason: str
    merged_into: datetime | None
    recorded_at: datetime
    outcome: str
    """Message; empty while a run has none yet."""
    ended: RunState | None = None
    """None while a run has not ended, and where nothing was run."""


def add_fires(
    connection: Connection,
    schedule_id: int,
    decided: Sequence[tuple[datetime, Decision, str, datetime | None]],
    *,
    at: datetime,
) -> None:
    """Record decisions about nominal times: (nominal, decision, reason, merged into).

    Raises the database's IntegrityError where one has been decided before.
    """
    connection.executemany(
        "INSERT INTO schedule_fires (schedule_id, nominal_at, decision, outcome, merged_into, recorded_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (schedule_id, to_us(nominal), decision, reason, to_us(into), to_us(at))
            for nominal, decision, reason, into in decided
        ],
    )
    connection.executemany(
        "INSERT INTO schedule_open_runs (fire_id) SELECT id FROM schedule_fires WHERE schedule_id = ? AND nominal_at = ?",
        [(schedule_id, to_us(nominal)) for nominal, decision, _, _ in decided if decision == "run"],
    )


def add_outcome(
    connection: Connection,
    schedule_id: int,
    nominal: datetime,
    state: RunState,
    outcome: str,
    *,
    at: datetime,
) -> bool:
    """Record the outcome of a run; False where that was recorded before."""
    row = connection.execute(
        "DELETE FROM schedule_open_runs WHERE fire_id = "
        "(SELECT id FROM schedule_fires WHERE schedule_id = ? AND nominal_at = ?) RETURNING fire_id",
        (schedule_id, to_us(nominal)),
    ).fetchone()
    if row is None:
        return False
    columns = {"fire_id": row["fire_id"], "state": state, "outcome": outcome, "recorded_at": at}
    insert(connection, "schedule_outcomes", columns)
    return True


def open_runs(connection: Connection) -> list[tuple[Schedule, datetime]]:
    """Runs that were decided and have no outcome yet, oldest first."""
    rows = connection.execute(
        "SELECT f.schedule_id, f.nominal_at FROM schedule_open_runs r JOIN schedule_fires f ON f.id = r.fire_id "
        "ORDER BY f.nominal_at, f.id"
    ).fetchall()
    runs = [(find(connection, row["schedule_id"]), from_us(row["nominal_at"])) for row in rows]
    return [(schedule, nominal) for schedule, nominal in runs if schedule is not None]


def fires(connection: Connection, schedule_id: int, limit: int) -> list[Fire]:
    """Newest nominal times of a schedule with decision and outcome."""
    rows = connection.execute(
        _FIRES + "WHERE f.schedule_id = ? ORDER BY f.nominal_at DESC LIMIT ?", (schedule_id, limit)
    )
    return [_fire(row) for row in rows]


def count_fires(connection: Connection, schedule_id: int) -> int:
    (fires,) = connection.execute(
        "SELECT count(*) FROM schedule_fires WHERE schedule_id = ?", (schedule_id,)
    ).fetchone()
    return int(fires)


def fires_lately(connection: Connection, model: str | None, limit: int) -> list[tuple[Schedule, Fire]]:
    """Newest decisions of all schedules, newest first."""
    conditions, values = where({"m.name = ?": model})
    rows = connection.execute(
        "SELECT f.id, f.schedule_id FROM schedule_fires f JOIN schedules s ON s.id = f.schedule_id "  # noqa: S608 - conditions of our own
        f"JOIN models m ON m.id = s.model_id {conditions} ORDER BY f.id DESC LIMIT ?",
        (*values, limit),
    ).fetchall()
    numbers = [row["id"] for row in rows]
    by_number = {
        row["id"]: _fire(row)
        for row in connection.execute(_FIRES + "WHERE f.id IN " + marks(tuple(numbers)), numbers)
    }
    by_schedule = {row["schedule_id"]: find(connection, row["schedule_id"]) for row in rows}
    pairs = ((by_schedule[row["schedule_id"]], by_number[row["id"]]) for row in rows)
    return [(schedule, fire) for schedule, fire in pairs if schedule is not None]


_FIRES = (
    "SELECT f.*, o.outcome AS run_outcome, o.state AS ended "
    "FROM schedule_fires f LEFT JOIN schedule_outcomes o ON o.fire_id = f.id "
)


def _fire(row: Row) -> Fire:
    outcome = row["run_outcome"] or ("" if row["decision"] == "run" else row["outcome"])
    return from_row(Fire, row, nominal=from_us(row["nominal_at"]), reason=row["outcome"], outcome=outcome)


def _schedule(row: Row) -> Schedule:
    return from_row(Schedule, row, expression=_expression(row), next_times=())


def _expression(row: Row) -> str:
    if row["cron"] is not None:
        return str(row["cron"])
    if row["every_s"] is not None:
        return f"every {format_duration(row['every_s'])}"
    return f"once at {from_us(row['once_at']):%Y-%m-%d %H:%M} UTC"
