"""The registry's long lists: what each may be filtered and sorted by (see ``sqlite.windows``)."""

from pilothouse.sqlite.windows import Listing, in_order, window

__all__ = [
    "ALERTS",
    "AUDIT",
    "DEPLOYMENTS",
    "INCIDENTS",
    "JOBS",
    "RUNS",
    "VERSIONS",
    "Listing",
    "in_order",
    "marks",
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
        "took": "coalesce(j.ended_at - j.started_at, -1)", "what": "coalesce(nullif(j.error, ''), j.reason)",
    },
    "lower(j.id || ' ' || j.kind || ' ' || j.status || ' ' || j.created_by || ' ' || coalesce(nullif(j.error, ''), j.reason))",
    "j.status NOT IN ('queued', 'running', 'succeeded', 'cancelled')",
    {"j.model_id": _MODELS},
    {"model": "models m CROSS JOIN jobs j ON j.model_id = m.id"},
)  # fmt: skip
RUNS = Listing(
    "runs r",
    _joins("r", "m"),
    "r.id",
    {
        "run": "r.id", "model": "m.name", "by": "r.started_by", "started": "r.started_at", "took": "r.duration_s",
        "memory": "r.peak_memory_mb", "reason": "r.reason",
    },
    "lower(r.id || ' ' || r.started_by || ' ' || r.reason)",
    "0",
    {"r.model_id": _MODELS},
    {"model": "models m CROSS JOIN runs r ON r.model_id = m.id"},
)  # fmt: skip
VERSIONS = Listing(
    "versions v",
    _joins("v", "m"),
    "v.id",
    {"version": "v.number", "model": "m.name", "gates": "v.status", "created": "v.created_at"},
    "lower('v' || v.number || ' ' || v.status)",
    "v.status = 'refused'",
    {"v.model_id": _MODELS},
)
ALERTS = Listing(
    "alerts a",
    _joins("a", "m", "t"),
    "a.id",
    {
        "alert": "a.id", "status": "a.status", "severity": "a.severity", "model": "m.name", "target": "t.name",
        "kind": "a.kind", "subject": "a.subject", "since": "a.effective_at", "summary": "a.summary", **_PLACE,
    },
    "lower(a.id || ' ' || a.status || ' ' || a.severity || ' ' || a.kind || ' ' || a.subject || ' ' || a.summary)",
    "a.status <> 'resolved'",
    {"a.model_id": _MODELS, "a.target_id": _TARGETS},
)  # fmt: skip
_OF_INCIDENT = "FROM alerts a WHERE a.incident_id = i.id"
_HAS_ALERT = "EXISTS (SELECT 1 FROM alerts a WHERE a.incident_id = i.id AND {})"
_ON_TARGET = _HAS_ALERT.format("a.target_id IN (SELECT id FROM targets WHERE COLUMN {})")
INCIDENTS = Listing(
    "incidents i",
    _joins("i", "m"),
    "i.id",
    {
        "inc": "i.id", "model": "m.name", "on": "i.assignee",
        "severity": f"(SELECT CASE WHEN max(a.severity = 'critical') THEN 'critical' ELSE 'warning' END {_OF_INCIDENT})",
        "state": "(SELECT CASE WHEN max(a.status = 'open') THEN 'open' WHEN max(a.status = 'acknowledged') THEN 'acknowledged' "
        f"ELSE 'resolved' END {_OF_INCIDENT})",
        "since": f"(SELECT min(a.effective_at) {_OF_INCIDENT})", "alerts": f"(SELECT count(*) {_OF_INCIDENT})",
        "cause": f"(SELECT min(a.summary) {_OF_INCIDENT})",
        "where": "(SELECT min(t.name) FROM alerts a JOIN targets t ON t.id = a.target_id WHERE a.incident_id = i.id)",
        **dict.fromkeys(("kind", "region", "product", "unit"), "''"),
    },
    "lower(a.kind || ' ' || a.subject || ' ' || a.summary)",
    "i.id IN (SELECT a.incident_id FROM alerts a WHERE a.status IN ('open', 'acknowledged'))",
    {"i.model_id": _MODELS},
    always="i.merged_into IS NULL",
    tests={
        "severity": _HAS_ALERT.format("a.severity {}"),
        "cause": _HAS_ALERT.format("a.summary {}"),
        "kind": _HAS_ALERT.format("a.kind {}"),
        "where": _ON_TARGET.replace("COLUMN", "name"),
        "region": _ON_TARGET.replace("COLUMN", "region"),
        "product": _ON_TARGET.replace("COLUMN", "product"),
        "unit": _ON_TARGET.replace("COLUMN", "business_unit"),
    },
    through="i.id IN (SELECT a.incident_id FROM alerts a WHERE {})",  # few say it: one scan of an index of the texts
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
)  # fmt: skip
AUDIT = Listing(
    "audit e",
    {},
    "e.seq",
    {"seq": "e.seq", "recorded": "e.recorded_at", "who": "e.actor", "did": "e.action", "to": "e.subject"},
    "lower(e.actor || ' ' || e.action || ' ' || e.subject)",
    "e.action LIKE '%.failed' OR e.action LIKE '%.lost' OR e.action LIKE '%.rejected' OR e.action LIKE '%.rolled_back'",
)


def marks(numbers: tuple[int, ...]) -> str:
    """``(?, ?, ?)`` for an IN."""
    return f"({', '.join('?' * len(numbers))})"
