"""What is told to receivers: alerts as they open, change and end, and other entries of the log that somebody should hear of."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.registered import Target

if TYPE_CHECKING:
    from pilothouse.domain.records import Alert

ESCALATED = "alert.escalated"
RECEIVER_FAILING, RECEIVER_RECOVERED = "receiver.failing", "receiver.recovered"
MESSAGE_DEAD = "message.dead"
ANCHOR_FAILING, ANCHOR_RECOVERED = "anchor.failing", "anchor.recovered"
SITE_CONTRADICTS, SITE_FAILING, SITE_RECOVERED = "site.contradicts", "site.failing", "site.recovered"
TRIGGER_FAILING, TRIGGER_RECOVERED = "trigger.failing", "trigger.recovered"
_LONGEST_TITLE = 300


class What(StrEnum):
    """What a line of a message tells."""

    OPENED = "opened"
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    STILL_OPEN = "still open"
    RESOLVED = "resolved"
    HAPPENED = "happened"
    """Of something that has no end of its own."""


@dataclass(frozen=True, slots=True)
class Happening:
    """What one line of a message says. ``labels`` are what routes and silences match."""

    what: What
    kind: str
    severity: str
    title: str
    at: datetime
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    text: str = ""
    alert: int | None = None


@dataclass(frozen=True, slots=True)
class _Notice:
    """How an entry of the log that is about no alert is told."""

    kind: str
    severity: str
    title: Callable[[str, Mapping[str, Any]], str]
    told: Callable[[Mapping[str, Any]], bool] = lambda detail: True


def _text(detail: Mapping[str, Any], key: str) -> str:
    return str(detail.get(key) or "")


def _said(detail: Mapping[str, Any], key: str) -> str:
    """``: text``, or nothing."""
    text = _text(detail, key)
    return f": {text}" if text else ""


NOTICES: Mapping[str, _Notice] = {
    "job.ended": _Notice(
        "job",
        "warning",
        lambda subject, detail: f"{subject} has not succeeded{_said(detail, 'error')}",
        lambda detail: detail.get("status") not in ("succeeded", "cancelled"),
    ),
    "rollout.paused": _Notice(
        "rollout", "warning", lambda subject, detail: f"{subject} is paused{_said(detail, 'why')}"
    ),
    "rollout.aborted": _Notice(
        "rollout", "info", lambda subject, detail: f"{subject} was aborted{_said(detail, 'why')}"
    ),
    "rollout.completed": _Notice(
        "rollout", "info", lambda subject, detail: f"{subject} is completed{_said(detail, 'why')}"
    ),
    "hub.door_failed": _Notice(
        "hub",
        "critical",
        lambda _, detail: f"the hub does not listen on {_text(detail, 'listen')}{_said(detail, 'error')}",
    ),
    "hub.door_opened": _Notice(
        "hub",
        "info",
        lambda _, detail: f"the hub listens on {_text(detail, 'listen')} again",
        lambda detail: bool(detail.get("was")),
    ),
    "hub.refused": _Notice(
        "hub",
        "warning",
        lambda subject, detail: f"the hub refuses what {subject} sends{_said(detail, 'error')}",
    ),
    "request.made": _Notice("request", "info", lambda subject, _: f"{subject} waits for a decision"),
    "glass.broken": _Notice(
        "glass",
        "critical",
        lambda subject, detail: f"the glass was broken for {subject}{_said(detail, 'reason')}",
    ),
    "workspace.read_only": _Notice(
        "workspace", "critical", lambda _, detail: f"the workspace is read-only{_said(detail, 'reason')}"
    ),
    "workspace.writable": _Notice(
        "workspace", "info", lambda _, detail: f"the workspace is writable again{_said(detail, 'reason')}"
    ),
    "rows.disagreed": _Notice(
        "log",
        "critical",
        lambda *_: "rows of the registry were changed past Pilothouse: pilothouse audit verify",
    ),
    ANCHOR_FAILING: _Notice(
        "log",
        "critical",
        lambda subject, detail: f"{subject} does not take the audit log's heads{_said(detail, 'error')}",
    ),
    ANCHOR_RECOVERED: _Notice(
        "log", "info", lambda subject, _: f"{subject} takes the audit log's heads again"
    ),
    SITE_CONTRADICTS: _Notice(
        "site", "critical", lambda subject, detail: f"{subject} contradicts itself{_said(detail, 'said')}"
    ),
    SITE_FAILING: _Notice(
        "site",
        "warning",
        lambda subject, detail: f"{subject} is {_text(detail, 'standing')}{_said(detail, 'said')}",
    ),
    SITE_RECOVERED: _Notice("site", "info", lambda subject, _: f"{subject} is current again"),
    TRIGGER_FAILING: _Notice(
        "trigger",
        "warning",
        lambda subject, detail: f"trigger {subject} cannot look at its source{_said(detail, 'error')}",
    ),
    TRIGGER_RECOVERED: _Notice(
        "trigger", "info", lambda subject, _: f"trigger {subject} looks at its source again"
    ),
    RECEIVER_FAILING: _Notice(
        "receiver", "critical", lambda subject, detail: f"{subject} takes no messages{_said(detail, 'error')}"
    ),
    MESSAGE_DEAD: _Notice(
        "receiver",
        "warning",
        lambda subject, detail: f"{subject} did not get a message{_said(detail, 'error')}",
    ),
    RECEIVER_RECOVERED: _Notice("receiver", "info", lambda subject, _: f"{subject} takes messages again"),
}
"""Entries of the log that are told, by their action."""

OF_ALERTS: Mapping[str, What] = {
    "alert.opened": What.OPENED,
    "alert.reopened": What.OPENED,
    "alert.acknowledged": What.ACKNOWLEDGED,
    "incident.acknowledged": What.ACKNOWLEDGED,
    ESCALATED: What.ESCALATED,
    "alert.resolved": What.RESOLVED,
}
"""Entries of the log about alerts that are told, by their action."""

TOLD = frozenset(NOTICES) | frozenset(OF_ALERTS)
"""Actions of the entries that are told."""


def of_alert(alert: "Alert", what: What, at: datetime, target: Target | None) -> Happening:
    """What is told of an alert, with the text that it has now."""
    labels = {
        **(dict(target.labels) if target else {}),
        **(_place(target) if target else {}),
        "source": "alert",
        "kind": alert.kind,
        "severity": alert.severity,
        "model": alert.model,
        "version": str(alert.version),
        "target": alert.target,
        "subject": alert.subject,
    }
    title = f"{alert.model}/{alert.version} on {alert.target}: {alert.summary}"
    return Happening(
        what,
        alert.kind,
        alert.severity,
        one_line(title, _LONGEST_TITLE),
        at,
        labels,
        alert.explanation,
        alert.id,
    )


def _place(target: Target) -> dict[str, str]:
    place = {
        "region": target.region,
        "product": target.product,
        "unit": target.business_unit,
        "environment": target.environment,
    }
    return {name: value for name, value in place.items() if value}


def of_entry(action: str, subject: str, detail: Mapping[str, Any], at: datetime) -> Happening | None:
    """What is told of an entry of the log that is about no alert; None where nothing is."""
    notice = NOTICES.get(action)
    if notice is None or not notice.told(detail):
        return None
    labels = {"source": notice.kind, "kind": action, "severity": notice.severity, "subject": subject}
    model, _, version = str(detail.get("version") or "").removeprefix("models:/").rpartition("/")
    known = {"model": detail.get("model") or model, "version": version, "target": detail.get("target")}
    labels |= {label: str(value) for label, value in known.items() if value}
    title = one_line(notice.title(subject, detail), _LONGEST_TITLE)
    return Happening(What.HAPPENED, action, notice.severity, title, at, labels)
