"""Stored prediction: one row that a version answered, with what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredPrediction:
    """``label`` is empty for a regression, ``outcome`` None where it is not known. ``trace_id`` (32 hexadecimal digits) and
    ``parent_id`` (16, the span of the caller) are empty where the request carried no trace context."""

    id: str
    model: str
    version: int
    target: str
    event_at: datetime
    received_at: datetime
    score: float
    label: str
    outcome: float | str | None
    trace_id: str
    parent_id: str
    features: Mapping[str, float | str | None]
