"""Spans as OTLP over HTTP takes them in JSON (opentelemetry-proto 1): ids in hexadecimal, 64-bit numbers as text."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pilothouse.domain.formats.safe_text import one_line

INTERNAL, SERVER = 1, 2
_OK, _ERROR = 1, 2
_LONGEST = 2_000

Value = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Span:
    """Span of a trace. ``parent``: empty for the first one. ``error``: empty where it succeeded."""

    trace: str
    id: str
    name: str
    start: datetime
    end: datetime
    parent: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    events: Sequence[tuple[datetime, str]] = ()
    error: str = ""
    kind: int = INTERNAL

    def to_plain(self) -> dict[str, Any]:
        return {
            "traceId": self.trace,
            "spanId": self.id,
            **({"parentSpanId": self.parent} if self.parent else {}),
            "name": one_line(self.name, _LONGEST),
            "kind": self.kind,
            "startTimeUnixNano": _nanoseconds(self.start),
            "endTimeUnixNano": _nanoseconds(max(self.start, self.end)),
            "attributes": _attributes(self.attributes),
            "events": [
                {"timeUnixNano": _nanoseconds(at), "name": one_line(text, _LONGEST)}
                for at, text in self.events
            ],
            "status": {"code": _ERROR, "message": one_line(self.error, _LONGEST)}
            if self.error
            else {"code": _OK},
        }


def traces(spans: Iterable[Span], resource: Mapping[str, Value], release: str) -> dict[str, Any]:
    """Body of a request. ``resource``: attributes of what made the spans."""
    scope = {"name": "pilothouse", "version": release}
    of_scope = {"scope": scope, "spans": [span.to_plain() for span in spans]}
    return {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [of_scope]}]}


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": _value(value)}
        for key, value in values.items()
        if not isinstance(value, float) or math.isfinite(value)
    ]


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    return {"stringValue": one_line(value, _LONGEST)}


def _nanoseconds(at: datetime) -> str:
    return str((at - datetime.fromtimestamp(0, at.tzinfo)) // timedelta(microseconds=1) * 1_000)
