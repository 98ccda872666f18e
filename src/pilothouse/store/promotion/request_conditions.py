"""Conditions on open promotion requests as SQL, each in one place: when one is outdated, and for whom it waits.

A request is the row ``r`` of ``promotion_requests``. The conditions read indexes alone, never the evidence.
"""

_LIVE = "LEFT JOIN deployments d ON d.model_id = rt.model_id AND d.target_id = rt.target_id AND d.ended_at IS NULL"
_GONE = "NOT EXISTS (SELECT 1 FROM model_targets mt WHERE mt.model_id = rt.model_id AND mt.target_id = rt.target_id)"
_CHANGED = f"(d.version_id IS NOT rt.incumbent_id OR {_GONE})"

OUTDATED = f"EXISTS (SELECT 1 FROM request_targets rt {_LIVE} WHERE rt.request_id = r.id AND {_CHANGED})"  # noqa: S608 - ours
"""An open request is outdated: on one of its targets another version is live than its evidence compares with, or the model
file names the target no more."""

CHANGED_TARGETS = (
    "SELECT rt.request_id, t.name AS target, c.number AS compared_with, l.number AS live, d.recorded_at AS since, "  # noqa: S608 - ours
    f"{_GONE} AS gone FROM promotion_requests r JOIN request_targets rt ON rt.request_id = r.id {_LIVE} "
    "JOIN targets t ON t.id = rt.target_id LEFT JOIN versions c ON c.id = rt.incumbent_id "
    "LEFT JOIN versions l ON l.id = d.version_id "
    f"WHERE r.id IN (SELECT value FROM json_each(?)) AND r.status = 'open' AND {_CHANGED} ORDER BY t.name"
)
"""Changes that outdate open requests, whose numbers are bound as JSON: a row for each target."""

_OWN = (
    "coalesce(e.request_id, (SELECT o.request_id FROM deployments o WHERE o.version_id = e.version_id "
    "AND o.target_id = e.target_id AND o.id < e.id AND o.request_id IS NOT NULL ORDER BY o.id DESC LIMIT 1)) = r.id"
)
"""A deployment ``e`` is the request's own: made by it, or by a roll-back to what it had deployed. What another request
deployed of the same version is that one's."""
_LAST = (
    "d.id = (SELECT max(e.id) FROM deployments e WHERE e.version_id = r.version_id AND e.target_id = rt.target_id "  # noqa: S608 - ours
    f"AND {_OWN})"
)
SUCCESSOR = (
    "n.id = (SELECT min(s.id) FROM deployments s WHERE s.target_id = d.target_id AND +s.model_id = d.model_id "
    "AND s.id > d.id)"
)
"""The deployment ``n`` that ended the deployment ``d``. Unary plus: a model may be on 100,000 targets, a target never has so
many models."""
_ENDED = (
    "request_targets rt JOIN deployments d ON d.ended_at IS NOT NULL AND "
    f"{_LAST} JOIN deployments n ON {SUCCESSOR}"
)
"""A target ``rt`` of a deployed request on which the last deployment ``d`` of its version was ended by another one, ``n``."""
_HOW = "CASE n.kind WHEN 'rollback' THEN 'rolled back' ELSE 'replaced' END"
_LIVE_SOMEWHERE = (
    "EXISTS (SELECT 1 FROM request_targets l JOIN deployments e ON e.model_id = l.model_id AND e.target_id = l.target_id "  # noqa: S608 - ours
    f"AND e.ended_at IS NULL WHERE l.request_id = r.id AND e.version_id = r.version_id AND {_OWN})"
)

ENDED_TARGETS = (
    f"SELECT rt.request_id, t.name AS target, {_HOW} AS how, v.number AS live, n.actor AS by, n.recorded_at AS at, "  # noqa: S608 - ours
    f"NOT {_LIVE_SOMEWHERE} AS everywhere FROM promotion_requests r CROSS JOIN {_ENDED} "
    "JOIN targets t ON t.id = rt.target_id JOIN versions v ON v.id = n.version_id "
    "WHERE r.id IN (SELECT value FROM json_each(?)) AND r.status = 'deployed' AND rt.request_id = r.id ORDER BY n.id, t.name"
)
"""Targets on which the version of deployed requests, whose numbers are bound as JSON, is live no more."""
_END = f"(SELECT {_HOW} FROM {_ENDED} WHERE rt.request_id = r.id ORDER BY n.id DESC LIMIT 1)"  # noqa: S608 - ours

_EXPIRES_NOW = (
    "(SELECT json_extract(s.spec, '$.promotion.expires') FROM model_specs s WHERE s.model_id = r.model_id "
    "ORDER BY s.id DESC LIMIT 1)"
)
EXPIRES = f"min(r.expires_at, r.recorded_at + 1000000 * coalesce({_EXPIRES_NOW}, 1000000000))"
"""Time at which an open request expires: by the policy that is frozen in it, or sooner by the model file in force."""

WAITS = (
    "r.status = 'open' AND r.model_id IN (SELECT m.id FROM models m WHERE m.name IN (SELECT value FROM json_each(:models))) "  # noqa: S608 - ours
    "AND r.expires_at > :now "
    f"AND NOT {OUTDATED} AND {EXPIRES} > :now"
)
"""A request waits for the approval of somebody who may decide on ``:models`` (names as JSON), at the time ``:now``, unless
something of theirs or in the rules in force stands in the way: ``domain/promotion/request_rules.py`` (``obstacle_to``) says
the same of one request."""

DECIDED = (
    "EXISTS (SELECT 1 FROM decisions c WHERE c.request_id = r.id "
    "AND lower(c.actor) IN (SELECT value FROM json_each(:names)))"
)
"""The person of these ``:names`` (folded, as JSON) has decided on a request: it waits for them only to be completed."""
APPROVALS = "(SELECT count(*) FROM decisions a WHERE a.request_id = r.id AND a.verdict = 'approve')"

OWN = (
    "(lower(r.requested_by) IN (SELECT value FROM json_each(:names)) "
    "OR lower(r.trained_by) IN (SELECT value FROM json_each(:names)) "
    "OR EXISTS (SELECT 1 FROM request_authors a WHERE a.request_id = r.id "
    "AND lower(a.name) IN (SELECT value FROM json_each(:names))))"
)
"""The person of these ``:names`` has a part in what a request asks for."""


_WENT_OUT = "coalesce((SELECT o.state FROM rollouts o WHERE o.request_id = r.id AND o.ended_at IS NOT NULL), r.status)"
"""How the roll-out of an approved request ended; ``approved`` while it has not."""


def state_expression(now_us: int, other_plan: str = "[]") -> str:
    """SQL of the state in which a request is shown: as ``domain/promotion/request_rules.py`` (``state_of``) says.
    ``other_plan``: numbers of the open requests whose evidence shows another plan than the one in force, as JSON."""
    return (
        f"CASE WHEN r.status = 'deployed' AND NOT {_LIVE_SOMEWHERE} THEN coalesce({_END}, r.status) "  # noqa: S608 - ours
        f"WHEN r.status = 'approved' THEN {_WENT_OUT} WHEN r.status <> 'open' THEN r.status "
        f"WHEN r.expires_at <= {now_us:d} OR {EXPIRES} <= {now_us:d} THEN 'expired' "
        f"WHEN {OUTDATED} OR r.id IN (SELECT value FROM json_each('{other_plan}')) THEN 'outdated' ELSE 'open' END"
    )
