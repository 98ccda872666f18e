"""Long lists of the registry: the columns that each may be filtered and sorted by (see ``sqlite.windows``)."""

import json
from collections.abc import Iterable
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.models.version_stage import VersionStage
from pilothouse.domain.monitoring.incidents import DATA, SERVING
from pilothouse.sqlite.windows import Listing, in_order, window
from pilothouse.store.promotion.request_conditions import EXPIRES, OUTDATED, state_expression

__all__ = [
    "AUDIT",
    "DEPLOYMENTS",
    "INCIDENTS",
    "JOBS",
    "VERSIONS",
    "Listing",
    "in_order",
    "requests_at",
    "window",
]

_MODEL = {"m": "JOIN models m ON m.id = {0}.model_id", "t": "JOIN targets t ON t.id = {0}.target_id"}


_MODELS, _TARGETS = ("m", "models"), ("t", "targets")
_PLACE = {"region": "t.region", "product": "t.product", "unit": "t.business_unit"}


def _joins(alias: str, *others: str) -> dict[str, str]:
    return {other: _MODEL[other].format(alias) for other in others}


JOBS = Listing(
    "jobs j",
    _joins("j", "m"),
    "j.id",
    {
        "job": "j.id", "kind": "j.kind", "model": "m.name", "status": "j.status", "step": "j.step", "by": "j.created_by",
        "progress": "j.progress", "made": "j.created_at",
        "trial": "CASE WHEN j.parent_id IS NULL THEN 'no' ELSE 'yes' END",
        "took": "coalesce(j.ended_at - j.started_at, -1)", "what": "coalesce(nullif(j.error, ''), j.reason)",
    },
    "lower(j.id || ' ' || j.kind || ' ' || j.status || ' ' || j.created_by || ' ' || coalesce(nullif(j.error, ''), j.reason))",
    "j.status NOT IN ('queued', 'running', 'succeeded', 'cancelled')",
    {"j.model_id": _MODELS},
    {"model": "models m CROSS JOIN jobs j ON j.model_id = m.id"},
)  # fmt: skip
VERSIONS = Listing(
    "version_rows v",
    _joins("v", "m"),
    "v.id",
    {
        "version": "v.number",
        "model": "m.name",
        "stage": "v.stage",
        "gates": "v.status",
        "created": "v.created_at",
    },
    "'v' || v.number",
    "v.status = 'refused'",
    {"v.model_id": _MODELS},
    {"model": "models m CROSS JOIN version_rows v ON v.model_id = m.id"},
    also=("stage",),
    words={"stage": tuple(map(str, VersionStage))},
)
DEARNESS = "i.cost_weight - 1e15 * i.cost_tier"
"""Cost of an incident as one number, for an index: no weight comes near the distance of two tiers."""
_IF_ALERT = "i.id IN (SELECT a.incident_id FROM alerts a WHERE {})"
_ON_TARGET = _IF_ALERT.format("a.target_id IN (SELECT id FROM targets WHERE COLUMN {})")
_KINDS = ", ".join(f"('{kind}')" for kind in sorted(DATA | SERVING))
_OF_KIND = f"a.kind IN (SELECT column1 FROM (VALUES {_KINDS}) WHERE column1 {{}})"  # noqa: S608 - names of our own
INCIDENTS = Listing(
    "incidents i",
    _joins("i", "m"),
    "i.id",
    {
        "inc": "i.id", "severity": "i.severity", "state": "i.state", "cause": "i.cause", "model": "m.name", "where": "i.place",
        "cost": DEARNESS,
        "since": "i.since", "alerts": "i.inside", "on": "i.assignee",
        **dict.fromkeys(("kind", "region", "product", "unit"), "''"),
    },
    "lower(i.id || ' ' || i.state || ' ' || i.severity || ' ' || i.cause || ' ' || i.cost_words || ' ' || i.assignee)",
    "i.state <> 'resolved'",
    {"i.model_id": _MODELS},
    {"model": "models m CROSS JOIN incidents i ON i.model_id = m.id"},
    always="i.merged_into IS NULL",
    tests={
        "cost": "i.cost_words {}",
        "kind": _IF_ALERT.format(_OF_KIND),
        "where": _ON_TARGET.replace("COLUMN", "name"),
        "region": _ON_TARGET.replace("COLUMN", "region"),
        "product": _ON_TARGET.replace("COLUMN", "product"),
        "unit": _ON_TARGET.replace("COLUMN", "business_unit"),
    },
    elsewhere=("lower(a.kind || ' ' || a.subject || ' ' || a.summary)", _IF_ALERT),
    also=("where",),
)  # fmt: skip
DEPLOYMENTS = Listing(
    "deployments d",
    _joins("d", "m", "t") | {"v": "JOIN versions v ON v.id = d.version_id"},
    "d.id",
    {
        "since": "d.effective_at", "until": "coalesce(d.ended_effective_at, 9223372036854775807)", "target": "t.name",
        "model": "m.name", "version": "v.number", "how": "d.kind", "by": "d.actor", "reason": "d.reason",
        "recorded": "d.recorded_at", **_PLACE,
    },
    "lower(d.kind || ' ' || d.actor || ' ' || d.reason)",
    "d.kind = 'rollback'",
    {"d.model_id": _MODELS, "d.target_id": _TARGETS},
    {
        "model": "models m CROSS JOIN deployments d ON d.model_id = m.id",
        "target": "targets t CROSS JOIN deployments d ON d.target_id = t.id",
    },
)  # fmt: skip
_ON_TARGETS = (
    "EXISTS (SELECT 1 FROM request_targets rt JOIN targets t ON t.id = rt.target_id "
    "WHERE rt.request_id = r.id AND t.name {})"
)


def requests_at(
    now: datetime, mine: Iterable[int], deployed: Iterable[int] = (), other_plan: Iterable[int] = ()
) -> Listing:
    """Promotion requests at a time: whether an open one has expired depends on it. ``mine`` are the numbers of those that
    wait for the reader; ``deployed``: of those of them that are listed among the open ones though they are closed;
    ``other_plan``: of open ones whose evidence shows another plan than the one in force."""
    closed = json.dumps([int(number) for number in deployed])
    stored = f"CASE WHEN r.id IN (SELECT value FROM json_each('{closed}')) THEN 'open' ELSE r.status END"  # noqa: S608
    plans = json.dumps([int(number) for number in other_plan])
    state = state_expression(to_us(now), plans)
    numbers = json.dumps([int(number) for number in mine])
    waits = f"CASE WHEN r.id IN (SELECT value FROM json_each('{numbers}')) THEN 'you' ELSE '' END"  # noqa: S608 - numbers
    return Listing(
        "promotion_requests r",
        _joins("r", "m") | {"v": "JOIN versions v ON v.id = r.version_id"},
        "r.id",
        {
            "request": "r.id", "model": "m.name", "version": "v.number", "targets": "''", "status": state,
            "approved": "(SELECT count(*) FROM decisions c WHERE c.request_id = r.id AND c.verdict = 'approve')",
            "by": "r.requested_by", "asked": "r.recorded_at", "expires": "r.expires_at", "reason": "r.reason",
            "waits": waits,
            "stored": "r.status" if closed == "[]" else stored,
        },
        "lower(r.id || ' ' || r.status || ' ' || r.requested_by || ' ' || r.reason)",
        f"r.status = 'open' AND ({EXPIRES} <= {to_us(now):d} OR {OUTDATED} "  # noqa: S608 - numbers
        f"OR r.id IN (SELECT value FROM json_each('{plans}')))",
        {"r.model_id": _MODELS},
        {"model": "models m CROSS JOIN promotion_requests r ON r.model_id = m.id"},
        tests={"targets": _ON_TARGETS},
        also=("targets",),
    )  # fmt: skip


_DETAIL = """replace(replace(e.detail, '":', '='), '"', '')"""
"""Detail as the log shows it, from canonical JSON: ``{alert=9,reason=a storm}``."""
AUDIT = Listing(
    "audit e",
    {},
    "e.seq",
    {
        "seq": "e.seq",
        "recorded": "e.recorded_at",
        "who": "e.actor",
        "did": "e.action",
        "to": "e.subject",
        "detail": "''",
    },
    "lower(e.actor || ' ' || e.action || ' ' || e.subject)",
    "e.action LIKE '%.failed' OR e.action LIKE '%.lost' OR e.action LIKE '%.rejected' OR e.action LIKE '%.rolled_back'",
    long=("detail", "e.detail", _DETAIL),
)
