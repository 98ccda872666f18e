# ruff: noqa: S608 - the conditions are texts of this module
"""Stages of versions: the acts that concern the versions of a window, in one query; and whether the stages that are kept, to
sort and filter by, follow from them."""

import json
from collections import defaultdict
from collections.abc import Sequence

from pilothouse.domain.models.version_stage import Standing, VersionStage, standing_of
from pilothouse.sqlite import Connection
from pilothouse.store.promotion.request_conditions import OUTDATED, SUCCESSOR
from pilothouse.store.values import from_row

_LAST_ENDED = (
    "(SELECT e.id FROM deployments e WHERE e.version_id = v.id AND e.ended_at IS NOT NULL "
    "ORDER BY e.ended_at DESC, e.id DESC LIMIT 1)"
)
_SUCCESSOR = f"deployments d JOIN deployments n ON {SUCCESSOR} WHERE d.id = {_LAST_ENDED}"
"""The deployment ``n`` that ended the last ended one of the version ``v``."""
_END = "CASE n.kind WHEN 'rollback' THEN 'rolled back' ELSE 'replaced' END"
_REJECTION = (
    "promotion_requests q JOIN decisions c ON c.request_id = q.id AND c.verdict = 'reject' "
    "WHERE q.version_id = v.id AND q.status = 'rejected'"
)
_ACTS = f"""
WITH chosen AS MATERIALIZED (
  SELECT v.id, v.model_id, v.status, v.created_at, v.run_id FROM versions v WHERE v.id IN (SELECT value FROM json_each(?))
)
SELECT v.id AS version_id, 0 AS rank, v.status AS stage, r.started_by AS by, v.created_at AS since, NULL AS request,
  '' AS reason, 0 AS outdated FROM chosen v JOIN runs r ON r.id = v.run_id
UNION ALL
SELECT v.id, 1, 'live', d.actor, d.recorded_at, d.request_id, d.reason, 0
FROM chosen v JOIN deployments d ON d.id =
  (SELECT max(e.id) FROM deployments e WHERE e.version_id = v.id AND e.ended_at IS NULL)
UNION ALL
SELECT v.id, 1, 'requested', r.requested_by, r.recorded_at, r.id, r.reason, {OUTDATED}
FROM chosen v JOIN promotion_requests r ON r.id =
  (SELECT max(o.id) FROM promotion_requests o WHERE o.version_id = v.id AND o.status = 'open')
UNION ALL
SELECT v.id, 1, 'requested', x.made_by, x.recorded_at, x.request_id, 'its roll-out is on its way', 0
FROM chosen v JOIN rollouts x ON x.id = (SELECT max(o.id) FROM rollouts o WHERE o.version_id = v.id AND o.ended_at IS NULL)
UNION ALL
SELECT v.id, 1, 'rolled back', x.ended_by, x.ended_at, x.request_id, x.why, 0
FROM chosen v JOIN rollouts x ON x.id =
  (SELECT max(o.id) FROM rollouts o WHERE o.version_id = v.id AND o.state = 'rolled back')
UNION ALL
SELECT v.id, 1, 'rejected', c.actor, c.recorded_at, q.id, c.reason, 0 FROM chosen v, {_REJECTION}
UNION ALL
SELECT v.id, 1, {_END}, n.actor, n.recorded_at, n.request_id, n.reason, 0 FROM chosen v, {_SUCCESSOR}
UNION ALL
SELECT v.id, 1, 'retired', d.actor, d.recorded_at, d.request_id, d.reason, 0
FROM chosen v JOIN deployments d ON d.id = (SELECT min(e.id) FROM deployments e WHERE e.version_id =
  (SELECT min(l.version_id) FROM deployments l WHERE l.model_id = v.model_id AND l.version_id > v.id))
ORDER BY 1, 2
"""


def standings(connection: Connection, keys: Sequence[int]) -> dict[int, Standing]:
    """Standing of each of these versions, by its key."""
    return {key: standing_of(own) for key, own in _acts(connection, keys).items()}


def last_roll_back(connection: Connection, key: int) -> Standing | None:
    """Newest act by which a version was rolled back, whatever came of it since; None where it never was."""
    acts = _acts(connection, [key]).get(key, [])
    found = [act for act in acts if act.stage is VersionStage.ROLLED_BACK and act.since is not None]
    return max(found, key=lambda act: str(act.since), default=None)


def _acts(connection: Connection, keys: Sequence[int]) -> dict[int, list[Standing]]:
    acts: dict[int, list[Standing]] = defaultdict(list)
    for row in connection.execute(_ACTS, (json.dumps(list(keys)),)):
        acts[row["version_id"]].append(from_row(Standing, row))
    return acts


def unlike_their_acts(connection: Connection) -> list[str]:
    """Versions whose stage or place in the list is not what follows from what has become of them, as ``delay/7``."""
    rows = connection.execute(
        "SELECT m.name || '/' || s.number FROM version_standings s JOIN models m ON m.id = s.model_id "
        "LEFT JOIN version_rows r ON r.id = s.id WHERE (r.model_id, r.number, r.status, r.created_at, r.stage) "
        "IS NOT (s.model_id, s.number, s.status, s.created_at, s.stage) ORDER BY s.id"
    )
    return [row[0] for row in rows]
