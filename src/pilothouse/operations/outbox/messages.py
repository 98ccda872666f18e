"""Messages: what is written of the lines that go out together, and what an Alertmanager is told of alerts as they are now."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pilothouse.domain.formats.safe_text import one_line, safe_block
from pilothouse.domain.outbox.deliveries import Purpose
from pilothouse.domain.outbox.happenings import Happening, What
from pilothouse.domain.records import Alert, AlertStatus

SCHEMA = "pilothouse.message/1"
MOST_LINES = 50
_LONGEST_TEXT = 1_000
_LONGEST_LABEL = 200
_SEVERITIES = ("critical", "warning", "info")
_LASTS = timedelta(hours=1)
"""How long an Alertmanager shows what has no end of its own."""
_TIMES_MISSED = 4
"""An Alertmanager ends an alert itself after so many times that it was not sent again."""


def line_of(happening: Happening) -> dict[str, Any]:
    """A happening as one line of a message."""
    return {
        "what": str(happening.what),
        "kind": happening.kind,
        "severity": happening.severity,
        "title": happening.title,
        "text": safe_block(happening.text, _LONGEST_TEXT)[:_LONGEST_TEXT],
        "at": time_text(happening.at),
        "alert": happening.alert,
        "labels": {name: value[:_LONGEST_LABEL] for name, value in happening.labels.items()},
    }


def message_of(
    workspace: str, purpose: Purpose, group: Mapping[str, str], lines: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Message of lines that go out together; docs/alerts.md describes its schema."""
    worst = min((line["severity"] for line in lines), key=_SEVERITIES.index, default="info")
    return {
        "schema": SCHEMA,
        "workspace": workspace,
        "purpose": str(purpose),
        "severity": worst,
        "group": dict(group),
        "title": _title(worst, purpose, lines),
        "lines": list(lines),
    }


def _title(worst: str, purpose: Purpose, lines: Sequence[Mapping[str, Any]]) -> str:
    head = "nobody has acknowledged: " if purpose is Purpose.ESCALATION else ""
    if len(lines) == 1:
        (line,) = lines
        what = "" if line["what"] == What.HAPPENED else f"{line['what']}: "
        return f"[{worst}] {head}{what}{line['title']}"
    counts = Counter(line["what"] for line in lines)
    models = sorted({line["labels"].get("model", "") for line in lines} - {""})
    about = f" of {', '.join(models[:3])}{' and others' if len(models) > 3 else ''}" if models else ""
    return f"[{worst}] {head}{', '.join(f'{number} {what}' for what, number in counts.items())}{about}"


def alerts_now(
    alerts: Iterable[Alert], labels: Mapping[int, Mapping[str, str]], now: datetime, resend_s: int
) -> Iterator[dict[str, Any]]:
    """Alerts as the interface v2 of an Alertmanager takes them: what is open ends by itself where it is not sent again."""
    for alert in alerts:
        ends = alert.resolved_at if alert.status is AlertStatus.RESOLVED else None
        yield {
            "labels": _labels(alert.kind, labels.get(alert.id, {})),
            "annotations": {
                "summary": one_line(alert.summary, _LONGEST_TEXT),
                "description": safe_block(alert.explanation, _LONGEST_TEXT)[:_LONGEST_TEXT],
                "alert": str(alert.id),
                "status": str(alert.status),
                **({"incident": str(alert.incident)} if alert.incident else {}),
            },
            "startsAt": time_text(alert.recorded_at),
            "endsAt": time_text(ends or now + timedelta(seconds=_TIMES_MISSED * resend_s)),
        }


def happening_now(line: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What has no end of its own, as an Alertmanager takes it."""
    return {
        "labels": _labels(line["kind"], line["labels"]),
        "annotations": {"summary": line["title"]},
        "startsAt": line["at"],
        "endsAt": time_text(now + _LASTS),
    }


def _labels(name: str, labels: Mapping[str, str]) -> dict[str, str]:
    """Labels as an Alertmanager takes them: an empty one is none, and names have no other characters than these."""
    named = {
        "".join(one if one.isascii() and (one.isalnum() or one == "_") else "_" for one in label): value
        for label, value in labels.items()
        if value
    }
    return {**named, "alertname": name, "job": "pilothouse"}


def time_text(at: datetime) -> str:
    """RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
