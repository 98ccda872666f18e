"""Roll-outs on record: plans, roll-outs with their targets, arms, events and evidence."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.rollouts.plan import Plan
from pilothouse.domain.rollouts.rollout import (
    Arm,
    PlaceState,
    Rollout,
    RolloutEvent,
    RolloutState,
    RolloutTarget,
)
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.models.targets import target_ids
from pilothouse.store.values import columns_of, from_json, from_row, insert

_SELECT = (
    "SELECT r.*, m.name AS model, v.number AS version FROM rollouts r "
    "JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id "
)


# --- plans


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """Plan in force, and since when."""

    plan: Plan
    applied_by: str
    recorded_at: datetime


def plans(connection: Connection) -> dict[str, RecordedPlan]:
    """Plans in force, by name."""
    rows = connection.execute(
        "SELECT * FROM plans WHERE id IN (SELECT max(id) FROM plans GROUP BY name) AND plan IS NOT NULL ORDER BY name"
    )
    return {
        row["name"]: from_row(RecordedPlan, row, plan=_plan(row, f"the plan {row['name']}")) for row in rows
    }


def put_plan(connection: Connection, name: str, plan: Plan | None, *, by: str, at: datetime) -> None:
    """Put a plan in force under its name; None takes the name away."""
    stored = (plan.to_plain(), plan.digest) if plan else (None, None)
    columns = {"name": name, "plan": stored[0], "digest": stored[1], "applied_by": by, "recorded_at": at}
    insert(connection, "plans", columns)


def _plan(row: Row, what: str) -> Plan:
    try:
        return Plan.from_plain(from_json(row["plan"]))
    except ValueError as error:
        raise IntegrityError(
            f"the registry is damaged: {what}: {error}: restore a backup into a new folder"
        ) from None


# --- roll-outs


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRollout:
    """Roll-out to record. ``waves``: names of the targets of each wave of the plan."""

    request_id: int
    model: str
    version: int
    kind: str
    plan: Plan
    waves: Sequence[Sequence[str]]
    salt: str
    """32 hexadecimal digits."""
    first_wave: int
    made_by: str
    beside: Sequence[int] = ()
    """Numbers of the versions that its canaries try beside its own."""


def add(connection: Connection, new: NewRollout, *, at: datetime) -> int:
    """Record a roll-out with its targets, of which each remembers what is live there now; returns its number."""
    keys = connection.execute(
        "SELECT v.model_id, v.id AS version_id FROM versions v JOIN models m ON m.id = v.model_id "
        "WHERE m.name = ? AND v.number = ?",
        (new.model, new.version),
    ).fetchone()
    assert keys is not None, f"{new.model}/{new.version} is not there"
    columns = {
        **keys,
        "request_id": new.request_id,
        "kind": new.kind,
        "plan": new.plan.to_plain(),
        "plan_digest": new.plan.digest,
        "salt": new.salt,
        "wave": new.first_wave,
        "made_by": new.made_by,
        "recorded_at": at,
    }
    number = insert(connection, "rollouts", columns)
    connection.executemany(
        "INSERT INTO rollout_targets (rollout_id, model_id, target_id, wave, before_id) "
        "SELECT ?1, ?2, t.id, ?3, (SELECT d.version_id FROM deployments d WHERE d.model_id = ?2 "
        "AND d.target_id = t.id AND d.ended_at IS NULL) FROM targets t WHERE t.name = ?4",
        [
            (number, keys["model_id"], wave, target)
            for wave, targets in enumerate(new.waves)
            for target in targets
        ],
    )
    connection.executemany(
        "INSERT INTO rollout_arms (rollout_id, model_id, version_id, place) "
        "SELECT ?1, ?2, v.id, ?3 FROM versions v WHERE v.model_id = ?2 AND v.number = ?4",
        [(number, keys["model_id"], place, version) for place, version in enumerate(new.beside, 1)],
    )
    return number


def find(connection: Connection, number: int) -> Rollout | None:
    """Roll-out of that number, or None."""
    return next(iter(_rollouts(connection, "WHERE r.id = ?", (number,))), None)


def of_request(connection: Connection, request_id: int) -> Rollout | None:
    """Roll-out of a request; None where it has none."""
    return next(iter(_rollouts(connection, "WHERE r.request_id = ?", (request_id,))), None)


def listed(
    connection: Connection,
    *,
    model: str | None = None,
    unfinished: bool = False,
    limit: int = 500,
) -> list[Rollout]:
    """Roll-outs, newest first."""
    conditions, values = where({"m.name = ?": model}, *(("r.ended_at IS NULL",) if unfinished else ()))
    return _rollouts(connection, f"{conditions} ORDER BY r.id DESC LIMIT ?", (*values, limit))


def unfinished_numbers(connection: Connection) -> list[int]:
    """Numbers of the roll-outs that have not ended, oldest first."""
    return [
        row[0] for row in connection.execute("SELECT id FROM rollouts WHERE ended_at IS NULL ORDER BY id")
    ]


def unfinished_models(connection: Connection) -> list[tuple[int, str]]:
    """Number and model of each roll-out that has not ended, newest first."""
    rows = connection.execute(
        "SELECT r.id, m.name FROM rollouts r JOIN models m ON m.id = r.model_id WHERE r.ended_at IS NULL ORDER BY r.id DESC"
    )
    return [(row[0], row[1]) for row in rows]


def of_numbers(connection: Connection, numbers: Iterable[int]) -> list[Rollout]:
    """Roll-outs of these numbers, newest first."""
    return _rollouts(
        connection,
        "WHERE r.id IN (SELECT value FROM json_each(?)) ORDER BY r.id DESC",
        (canonical_json(list(numbers)),),
    )


def unfinished_on(connection: Connection, model: str, targets: Iterable[str]) -> list[Rollout]:
    """Roll-outs of a model that have not ended and have any of these targets."""
    return _rollouts(
        connection,
        "WHERE r.ended_at IS NULL AND m.name = ? AND EXISTS (SELECT 1 FROM rollout_targets rt "
        "JOIN targets t ON t.id = rt.target_id WHERE rt.rollout_id = r.id AND t.name IN (SELECT value FROM json_each(?))) "
        "ORDER BY r.id",
        (model, canonical_json(list(targets))),
    )


def rolled_back(connection: Connection, model: str) -> dict[int, int]:
    """Versions of a model that a roll-out took back, each with the newest such roll-out."""
    rows = connection.execute(
        "SELECT v.number, max(r.id) FROM rollouts r JOIN versions v ON v.id = r.version_id "
        "WHERE r.state = 'rolled back' AND r.model_id = (SELECT id FROM models WHERE name = ?) GROUP BY v.id",
        (model,),
    )
    return {row[0]: row[1] for row in rows}


def enter(connection: Connection, number: int, *, at: datetime) -> None:
    """Record that the step at which a roll-out is has begun."""
    connection.execute(
        "UPDATE rollouts SET entered_at = ?, patience_from = ? WHERE id = ?", (to_us(at), to_us(at), number)
    )


def move(connection: Connection, number: int, wave: int, step: int) -> None:
    """Put a roll-out at another step, which has not begun."""
    connection.execute(
        "UPDATE rollouts SET wave = ?, step = ?, entered_at = NULL, patience_from = NULL, released_by = '', "
        "stood_us = 0, stands_since = NULL WHERE id = ?",
        (wave, step, number),
    )


def pause(connection: Connection, number: int, why: str) -> None:
    """Let a roll-out take no step forward."""
    connection.execute("UPDATE rollouts SET state = 'paused', why = ? WHERE id = ?", (why, number))


def resume(connection: Connection, number: int, *, at: datetime) -> None:
    """Let a paused roll-out go on; the patience of its step begins anew."""
    connection.execute(
        "UPDATE rollouts SET state = 'running', why = '', patience_from = iif(entered_at IS NULL, NULL, ?) WHERE id = ?",
        (to_us(at), number),
    )


def stand(connection: Connection, number: int, *, since: datetime) -> None:
    """Record since when the step of a roll-out stands still."""
    connection.execute("UPDATE rollouts SET stands_since = ? WHERE id = ?", (to_us(since), number))


def stood(connection: Connection, number: int, us: int) -> None:
    """Record that the step of a roll-out has stood still for so many microseconds: its patience begins that much later."""
    connection.execute(
        "UPDATE rollouts SET stands_since = NULL, stood_us = stood_us + ?1, patience_from = patience_from + ?1 WHERE id = ?2",
        (us, number),
    )


def end_arm(connection: Connection, number: int, version: int, why: str, *, at: datetime) -> None:
    """Record that a version is tried no more beside a roll-out's own."""
    connection.execute(
        "UPDATE rollout_arms SET why = ?, ended_at = ? WHERE rollout_id = ? AND version_id = "
        "(SELECT v.id FROM versions v JOIN rollouts r ON r.model_id = v.model_id WHERE r.id = ?3 AND v.number = ?4)",
        (why, to_us(at), number, version),
    )


def release(connection: Connection, number: int, by: str) -> None:
    """Record that somebody lets the step end."""
    connection.execute("UPDATE rollouts SET released_by = ? WHERE id = ?", (by, number))


def end(
    connection: Connection,
    number: int,
    state: RolloutState,
    *,
    why: str,
    by: str,
    at: datetime,
    superseded_by: int | None = None,
) -> None:
    """End a roll-out for good. Its targets are put into their last states before."""
    connection.execute(
        "UPDATE rollouts SET state = ?, why = ?, ended_at = ?, ended_by = ?, superseded_by = ? WHERE id = ?",
        (str(state), why, to_us(at), by, superseded_by, number),
    )


def set_targets(
    connection: Connection,
    number: int,
    state: PlaceState,
    clocks: Mapping[str, datetime | None],
    *,
    at: datetime,
    share: float | None = None,
) -> None:
    """Put targets into a state; ``clocks`` gives each one's event clock by its name."""
    keys = target_ids(connection, clocks)
    connection.executemany(
        "UPDATE rollout_targets SET state = ?, share = ?, entered_at = ?, entered_clock = ? "
        "WHERE rollout_id = ? AND target_id = ?",
        [
            (str(state), share, to_us(at), None if clock is None else to_us(clock), number, keys[target])
            for target, clock in clocks.items()
        ],
    )


# --- events and evidence


def add_event(connection: Connection, number: int, event: RolloutEvent) -> None:
    insert(connection, "rollout_events", {"rollout_id": number, **columns_of(event)})


def events(connection: Connection, number: int) -> list[RolloutEvent]:
    """What happened to a roll-out, oldest first."""
    rows = connection.execute("SELECT * FROM rollout_events WHERE rollout_id = ? ORDER BY id", (number,))
    return [from_row(RolloutEvent, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """Statistics of one test of a step on one target. ``watermark``: how far telemetry was folded into them."""

    wave: int
    step: int
    target: str
    test: str
    statistics: dict[str, Any]
    watermark: dict[str, Any]
    folded_at: datetime


def put_evidence(connection: Connection, number: int, rows: Iterable[EvidenceRow]) -> None:
    """Write statistics and watermark together, in place of those before."""
    rows = list(rows)
    keys = target_ids(connection, {row.target for row in rows})
    connection.executemany(
        "INSERT INTO rollout_evidence (rollout_id, wave, step, target_id, test, statistics, watermark, folded_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (rollout_id, wave, step, target_id, test) DO UPDATE "
        "SET statistics = excluded.statistics, watermark = excluded.watermark, folded_at = excluded.folded_at",
        [
            (
                number,
                row.wave,
                row.step,
                keys[row.target],
                row.test,
                canonical_json(row.statistics),
                canonical_json(row.watermark),
                to_us(row.folded_at),
            )
            for row in rows
        ],
    )


def evidence(connection: Connection, number: int) -> list[EvidenceRow]:
    """Evidence of every step of a roll-out so far, in the order of the plan."""
    rows = connection.execute(
        "SELECT e.*, t.name AS target FROM rollout_evidence e JOIN targets t ON t.id = e.target_id "
        "WHERE e.rollout_id = ? ORDER BY e.wave, e.step, e.test, t.name",
        (number,),
    )
    return [from_row(EvidenceRow, row) for row in rows]


def _rollouts(connection: Connection, rest: str, values: tuple[Any, ...]) -> list[Rollout]:
    rows = connection.execute(_SELECT + rest, values).fetchall()
    targets: dict[int, list[RolloutTarget]] = defaultdict(list)
    for row in connection.execute(
        "SELECT rt.*, t.name AS target, b.number AS before FROM rollout_targets rt JOIN targets t ON t.id = rt.target_id "
        "LEFT JOIN versions b ON b.id = rt.before_id WHERE rt.rollout_id IN (SELECT value FROM json_each(?)) "
        "ORDER BY rt.wave, t.name",
        (canonical_json([row["id"] for row in rows]),),
    ):
        targets[row["rollout_id"]].append(from_row(RolloutTarget, row))
    arms: dict[int, list[Arm]] = defaultdict(list)
    for row in connection.execute(
        "SELECT a.*, v.number AS version FROM rollout_arms a JOIN versions v ON v.id = a.version_id "
        "WHERE a.rollout_id IN (SELECT value FROM json_each(?)) ORDER BY a.rollout_id, a.place",
        (canonical_json([row["id"] for row in rows]),),
    ):
        arms[row["rollout_id"]].append(from_row(Arm, row))
    return [
        from_row(
            Rollout,
            row,
            plan=_plan(row, f"the plan of roll-out {row['id']}"),
            targets=tuple(targets[row["id"]]),
            arms=tuple(arms[row["id"]]),
        )
        for row in rows
    ]
