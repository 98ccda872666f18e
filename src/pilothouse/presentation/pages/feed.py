"""What happened lately, in words: the entries of the audit log that somebody who comes on watch wants to know of."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pilothouse.domain.records import AuditEntry, PromotionRequest
from pilothouse.domain.safe_text import safe
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import age_text

Words = tuple[str, Tone]


def feed_table(entries: Sequence[AuditEntry], now: datetime) -> Table:
    """``2m ago  petra  approved request 8``: newest first, without what only an auditor looks for."""
    rows = []
    for entry in entries:
        told = _told(entry)
        if told is not None:
            words, tone = told
            who = Cell(safe(entry.actor), "dim")
            rows.append(
                Row(str(entry.seq), (cell(age_text(entry.recorded_at, now), "dim"), who, cell(words, tone)))
            )
    return Table(read_columns(">LATELY", "WHO ~6", "WHAT ~20"), tuple(rows), "nothing has happened yet")


def waiting_text(request: PromotionRequest, now: datetime) -> str:
    """``flight-delay v3, asked by sam 2d ago``."""
    asked = f"asked by {safe(request.requested_by)} {age_text(request.recorded_at, now)}"
    return f"{safe(request.model)} v{request.version}, {asked}"


def _told(entry: AuditEntry) -> Words | None:
    teller = _TELLERS.get(entry.action)
    return teller(entry.subject, entry.detail) if teller else None


def _plain(words: str, tone: Tone = "") -> Callable[[str, Mapping[str, Any]], Words]:
    """``words`` with the subject in it, and the reason behind where there is one."""

    def tell(subject: str, detail: Mapping[str, Any]) -> Words:
        reason = detail.get("reason") or detail.get("note") or ""
        return words.format(subject) + (f": {reason}" if reason else ""), tone

    return tell


def _alert_opened(subject: str, detail: Mapping[str, Any]) -> Words:
    tone: Tone = "bad" if detail.get("severity") == "critical" else "warn"
    return f"{subject} on {detail.get('model')}: {detail.get('summary')}", tone


def _job_ended(subject: str, detail: Mapping[str, Any]) -> Words | None:
    status = detail.get("status")
    if status in ("succeeded", "cancelled"):
        return None
    return f"{subject} {status}: {detail.get('error')}", "bad"


def _registered(subject: str, detail: Mapping[str, Any]) -> Words:
    failed = detail.get("failed_gates") or ()
    if failed:
        return f"{subject} refused by {', '.join(map(str, failed))}", "warn"
    return f"{subject} trained, passed every gate", "good"


def _asked(subject: str, detail: Mapping[str, Any]) -> Words:
    return f"asks for {detail.get('version')} on {' '.join(detail.get('targets') or ())} ({subject})", "info"


def _deployed(subject: str, detail: Mapping[str, Any]) -> Words:
    before = detail.get("before")
    return f"{subject} is live" + (f", in place of v{before}" if before else ""), "good"


def _rolled_back(subject: str, detail: Mapping[str, Any]) -> Words:
    return f"rolled back to {subject}, from v{detail.get('before')}: {detail.get('reason')}", "warn"


def _reproduced(subject: str, detail: Mapping[str, Any]) -> Words:
    same = bool(detail.get("identical"))
    return f"{subject} trained again: {'identical' if same else 'NOT identical'}", "good" if same else "bad"


_TELLERS: dict[str, Callable[[str, Mapping[str, Any]], Words | None]] = {
    "alert.opened": _alert_opened,
    "alert.acknowledged": _plain("looks after {}", "info"),
    "alert.resolved": _plain("{} resolved"),
    "automation.paused": _plain("paused all automation", "warn"),
    "automation.resumed": _plain("resumed automation", "good"),
    "daemon.started": _plain("the daemon started", "dim"),
    "daemon.stopped": _plain("the daemon stopped", "dim"),
    "deployment.made": _deployed,
    "deployment.rolled_back": _rolled_back,
    "hold.lifted": _plain("lifted the hold on {}"),
    "incident.assigned": lambda subject, detail: (
        f"{detail.get('assignee') or 'nobody'} looks after {subject}",
        "info",
    ),
    "job.ended": _job_ended,
    "model.created": _plain("applied {} for the first time"),
    "model.updated": _plain("applied a change of {}"),
    "policy.set": _plain("set the workspace's policy", "warn"),
    "promotion.not_requested": lambda subject, detail: (
        f"{subject} not asked for: {detail.get('why')}",
        "warn",
    ),
    "request.approved": _plain("approved {}", "good"),
    "request.commented": lambda subject, detail: (f"on {subject}: {detail.get('text')}", ""),
    "request.expired": _plain("{} expired", "warn"),
    "request.made": _asked,
    "request.rejected": _plain("rejected {}", "warn"),
    "request.withdrawn": _plain("withdrew {}"),
    "role.granted": lambda subject, detail: (f"made {subject} {detail.get('role')}", ""),
    "role.revoked": lambda subject, detail: (f"took {detail.get('role')} from {subject}", ""),
    "version.registered": _registered,
    "version.reproduced": _reproduced,
    "workspace.backed_up": _plain("backed up the workspace"),
}
