"""Versions on their way without a plan, found from what is unfinished: open requests, versions that load or fail, requests
half deployed. Those with a plan are objects of their own (``store/promotion/rollouts.py``)."""

from collections.abc import Sequence

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.sqlite import Connection, Row
from pilothouse.store.promotion.request_conditions import OUTDATED

_UNFINISHED = (
    # a request that waits for a decision
    f"SELECT r.id FROM promotion_requests r WHERE r.status = 'open' AND NOT {OUTDATED} "  # noqa: S608 - ours
    # a version that a serving process has yet to load, or could not load
    "UNION SELECT d.request_id FROM deployment_states s JOIN deployments d ON d.id = s.deployment_id "
    "WHERE s.serving IN ('loading', 'failed') AND d.ended_at IS NULL AND d.request_id IS NOT NULL "
    "AND NOT EXISTS (SELECT 1 FROM rollouts x WHERE x.request_id = d.request_id AND x.ended_at IS NULL) "
    # a version that is live on a part of the targets, where nothing newer has come to the others
    "UNION SELECT q.id FROM (SELECT request_id, count(*) AS live FROM deployments "
    "WHERE ended_at IS NULL AND request_id IS NOT NULL GROUP BY request_id) c "
    "JOIN promotion_requests q ON q.id = c.request_id AND q.status = 'deployed' "
    "WHERE c.live < (SELECT count(*) FROM request_targets WHERE request_id = q.id) AND EXISTS ("
    "SELECT 1 FROM request_targets p LEFT JOIN deployments l "
    "ON l.model_id = p.model_id AND l.target_id = p.target_id AND l.ended_at IS NULL WHERE p.request_id = q.id "
    "AND (l.id IS NULL OR (l.version_id <> q.version_id AND l.recorded_at < q.closed_at)))"
)


def unfinished(connection: Connection) -> list[tuple[int, str]]:
    """Number and model of each request whose roll-out is on its way, newest first."""
    rows = connection.execute(
        "SELECT q.id, m.name FROM promotion_requests q JOIN models m ON m.id = q.model_id "  # noqa: S608 - ours
        f"WHERE q.id IN ({_UNFINISHED}) ORDER BY q.id DESC"
    )
    return [(row[0], row[1]) for row in rows]


def targets_of(connection: Connection, requests: Sequence[int]) -> list[Row]:
    """A row for each target of these requests, newest request first: whether its version is live there, how it is served,
    and whether a newer one has come."""
    rows: list[Row] = connection.execute(
        "SELECT q.id AS request, q.status, m.name AS model, v.number AS version, t.name AS target, "
        "coalesce(l.version_id = q.version_id, 0) AS there, coalesce(s.serving, '') AS serving, "
        "q.closed_at IS NOT NULL AND coalesce(l.recorded_at >= q.closed_at, 0) AS moved_on "
        "FROM json_each(?) k CROSS JOIN promotion_requests q ON q.id = k.value "
        "JOIN models m ON m.id = q.model_id JOIN versions v ON v.id = q.version_id "
        "JOIN request_targets p ON p.request_id = q.id JOIN targets t ON t.id = p.target_id "
        "LEFT JOIN deployments l ON l.model_id = p.model_id AND l.target_id = p.target_id AND l.ended_at IS NULL "
        "LEFT JOIN deployment_states s ON s.model_id = p.model_id AND s.target_id = p.target_id "
        "ORDER BY q.id DESC, t.name",
        (canonical_json(list(requests)),),
    ).fetchall()
    return rows
