"""Spans of time for which the platform behind a command gave a canary its share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.time_units import to_us
from pilothouse.sqlite import Connection


@dataclass(frozen=True, slots=True)
class CanarySpan:
    """Share of a canary on a target from a time until another (None: still), in microseconds by the wall clock and by the
    events of the model there (None: nothing had come)."""

    target: str
    share: float
    since: int
    since_event: int | None
    until: int | None
    until_event: int | None


def spans(connection: Connection, rollout: int) -> list[CanarySpan]:
    """Spans of a roll-out, oldest first."""
    rows = connection.execute(
        "SELECT t.name, s.share, s.since, s.since_event, s.until, s.until_event FROM canary_spans s "
        "JOIN targets t ON t.id = s.target_id WHERE s.rollout_id = ? ORDER BY s.id",
        (rollout,),
    )
    return [CanarySpan(*row) for row in rows]


def salt_of_trial(connection: Connection, model: str, target: str) -> bytes | None:
    """Salt of the unfinished roll-out of a model on a target that a command serves, by which keys of its logs are hashed; None
    where there is none."""
    row = connection.execute(
        "SELECT r.salt FROM rollout_targets rt JOIN rollouts r ON r.id = rt.rollout_id JOIN models m ON m.id = rt.model_id "
        "JOIN targets t ON t.id = rt.target_id JOIN target_places p ON p.target_id = t.id AND p.place = 'command' "
        "WHERE rt.open = 1 AND m.name = ? AND t.name = ?",
        (model, target),
    ).fetchone()
    return bytes.fromhex(row[0]) if row else None


def follow(
    connection: Connection,
    model: str,
    target: str,
    canary: tuple[int, float] | None,
    at: datetime,
    clocks: Mapping[str, datetime],
) -> None:
    """Record that a platform gives a canary (roll-out, share) its share from now on, or no more (None). ``clocks``: newest
    event of the model on each target."""
    keys = connection.execute(
        "SELECT m.id AS model_id, t.id AS target_id FROM models m, targets t WHERE m.name = ? AND t.name = ?",
        (model, target),
    ).fetchone()
    clock = to_us(clocks[target]) if target in clocks else None
    named: dict[str, Any] = {**keys, "at": to_us(at), "clock": clock}
    open_one = connection.execute(
        "SELECT rollout_id, share FROM canary_spans WHERE model_id = :model_id AND target_id = :target_id AND until IS NULL",
        named,
    ).fetchone()
    if open_one is not None and tuple(open_one) != canary:
        connection.execute(
            "UPDATE canary_spans SET until = max(since, :at), until_event = :clock WHERE model_id = :model_id "
            "AND target_id = :target_id AND until IS NULL",
            named,
        )
        open_one = None
    if open_one is None and canary is not None:
        connection.execute(
            "INSERT INTO canary_spans (rollout_id, model_id, target_id, share, since, since_event) "
            "VALUES (:rollout, :model_id, :target_id, :share, :at, :clock)",
            {**named, "rollout": canary[0], "share": canary[1]},
        )
