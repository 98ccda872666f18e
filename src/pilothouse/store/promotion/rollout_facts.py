"""Facts on record that the next act of a roll-out follows from: what is live, how it is served, alerts, ends of processes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.monitoring.monitoring import ServingState
from pilothouse.domain.records import Alert
from pilothouse.sqlite import Connection
from pilothouse.store.deployed.processes import ANSWERS, DOWN
from pilothouse.store.values import from_row


@dataclass(frozen=True, slots=True)
class ServedPlace:
    """Target of a roll-out as the registry has it. ``fault``: why its process could not load what is live; empty where it
    could. ``kind``: local, remote, command, or elsewhere."""

    target: str
    live: int | None
    serving: ServingState
    fault: str
    kind: str


def places(connection: Connection, number: int) -> list[ServedPlace]:
    """Targets of a roll-out, by name."""
    rows = connection.execute(
        "SELECT t.name AS target, v.number AS live, coalesce(s.serving, 'remote') AS serving, "
        "coalesce(json_extract(p.failed, '$.' || json_quote(m.name)), '') AS fault, coalesce(tp.place, 'local') AS kind "
        "FROM rollout_targets rt JOIN targets t ON t.id = rt.target_id JOIN models m ON m.id = rt.model_id "
        "LEFT JOIN deployments d ON d.model_id = rt.model_id AND d.target_id = rt.target_id AND d.ended_at IS NULL "
        "LEFT JOIN versions v ON v.id = d.version_id "
        "LEFT JOIN deployment_states s ON s.model_id = rt.model_id AND s.target_id = rt.target_id "
        "LEFT JOIN target_places tp ON tp.target_id = rt.target_id "
        "LEFT JOIN serving_reports p ON p.target_id = rt.target_id WHERE rt.rollout_id = ? ORDER BY t.name",
        (number,),
    )
    return [from_row(ServedPlace, row) for row in rows]


_AGAINST = (
    "SELECT a.*, a.incident_id AS incident, m.name AS model, v.number AS version, t.name AS target "
    "FROM rollout_targets rt JOIN rollouts r ON r.id = rt.rollout_id JOIN alerts a ON a.model_id = rt.model_id "
    "AND a.target_id = rt.target_id AND a.status <> 'resolved' AND a.recorded_at > rt.entered_at "
    "JOIN models m ON m.id = a.model_id JOIN versions v ON v.id = a.version_id JOIN targets t ON t.id = a.target_id "
    "WHERE rt.rollout_id = :number AND a.kind IN (SELECT value FROM json_each(:kinds)) "
    "AND NOT EXISTS (SELECT 1 FROM alerts b WHERE b.model_id = a.model_id AND b.target_id = a.target_id "
    "AND b.version_id = rt.before_id AND b.kind = a.kind AND b.subject = a.subject "
    "AND (b.status <> 'resolved' OR b.resolved_at >= rt.entered_at) AND NOT (a.kind = 'performance' AND coalesce("
    "(a.figures ->> '$.low' > b.figures ->> '$.high' AND a.figures ->> '$.value' > a.figures ->> '$.reference') OR "
    "(a.figures ->> '$.high' < b.figures ->> '$.low' AND a.figures ->> '$.value' < a.figures ->> '$.reference'), FALSE))) "
)


def alerts_against(connection: Connection, number: int, kinds: Iterable[str]) -> list[Alert]:
    """Alerts of these kinds of a roll-out's version that opened on a target since it was live there by the roll-out, and that
    nobody has resolved; without those that the version before has had there too since then or shortly before, but for one of a
    performance whose whole interval is worse than that of the version before: oldest first.
    One that its going live has opened again was known to whoever asked for the version anew."""
    rows = connection.execute(
        f"{_AGAINST} AND a.version_id = r.version_id AND rt.state IN ('live', 'canary') ORDER BY a.id",
        {"number": number, "kinds": canonical_json(list(kinds))},
    )
    return [from_row(Alert, row) for row in rows]


def alerts_against_arm(
    connection: Connection, number: int, version: int, kinds: Iterable[str]
) -> list[Alert]:
    """The same of a version that the canaries of a roll-out try beside its own."""
    rows = connection.execute(
        f"{_AGAINST} AND v.number = :version AND rt.state = 'canary' ORDER BY a.id",
        {"number": number, "version": version, "kinds": canonical_json(list(kinds))},
    )
    return [from_row(Alert, row) for row in rows]


def process_ends(connection: Connection, target: str, since: datetime, until: datetime) -> int:
    """How often a target's serving process has ended from a time until another, as the log has it. Of one on another machine
    nobody sees the end: that nothing was heard of it is its connection's fault as well, and does not count."""
    (count,) = connection.execute(
        "SELECT count(*) FROM audit WHERE subject = ?1 AND action = ?2 AND recorded_at > ?3 AND recorded_at <= ?4 "
        "AND (detail <> '{}' OR NOT EXISTS (SELECT 1 FROM target_places p JOIN targets t ON t.id = p.target_id "
        "WHERE t.name = ?1))",
        (target, DOWN, to_us(since), to_us(until)),
    ).fetchone()
    return int(count)


def down_since(connection: Connection, target: str, since: datetime) -> datetime | None:
    """Since when a target's serving process, which the daemon saw end after a time, has not come up though the daemon that runs
    now starts it; None where it has answered since, or where only its reports stayed away."""
    row = connection.execute(
        "SELECT max(recorded_at, coalesce((SELECT started_at FROM processes WHERE name = 'daemon'), 0)) AS since, action, "
        "detail ->> '$.end' AS end, detail ->> '$.cause' AS cause FROM audit "
        "WHERE subject = ? AND +action IN (?, ?) AND recorded_at > ? ORDER BY seq DESC LIMIT 1",
        (target, DOWN, ANSWERS, to_us(since)),
    ).fetchone()
    if row is None or row["action"] != DOWN or not (row["end"] or row["cause"]):
        return None
    return from_us(int(row["since"]))
