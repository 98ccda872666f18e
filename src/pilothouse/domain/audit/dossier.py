"""Dossier of a version: everything on record about it, as plain values that pages and files are made from."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pilothouse.domain.audit.inventory import InventoryEntry, ModelReview
from pilothouse.domain.audit.lineage import LineageNode
from pilothouse.domain.models.model_pictures import ComparedPictures
from pilothouse.domain.records import Alert, AuditEntry, AuditHead, Deployment, PromotionRequest, Run, Version


@dataclass(frozen=True, slots=True)
class Change:
    """A fact that differs from an earlier version; empty where that version lacks it."""

    group: str
    name: str
    before: str
    after: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Changes:
    """Facts that differ from the version that was approved last before this one. ``since`` is None where there was none."""

    since: int | None
    approved_at: datetime | None = None
    approved_by: tuple[str, ...] = ()
    rows: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class MonitoredMonth:
    """What a monitor found on a target in the windows that ended in a month."""

    month: str
    """``2013-06``."""
    target: str
    monitor: str
    windows: int
    judged: int
    significant: int
    rows: int
    figures: str = ""
    """The lowest and highest figure, or the features that were significant most often."""


@dataclass(frozen=True, slots=True)
class IncidentFact:
    """An incident with an alert of the version."""

    id: int
    state: str
    severity: str
    cause: str
    since: datetime
    resolved_at: datetime | None
    assignee: str
    alerts: tuple[int, ...]
    cost: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the dossier. ``what`` says in a few words what it is."""

    name: str
    digest: str
    bytes: int
    what: str


@dataclass(frozen=True, slots=True)
class Page:
    """Text of a dossier for people, as a file."""

    name: str
    text: str
    what: str


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything on record about a version."""

    made_at: datetime
    made_by: str
    head: AuditHead
    version: Version
    run: Run
    specification: dict[str, Any]
    """Model file as the run had it, as plain data."""
    inventory: InventoryEntry
    reviews: tuple[ModelReview, ...]
    classes: tuple[str, ...]
    inputs: dict[str, str]
    """Type of each feature."""
    trials: tuple[dict[str, Any], ...]
    latency_us: dict[str, float]
    importance: dict[str, float]
    changes: Changes
    lineage: LineageNode
    requests: tuple[PromotionRequest, ...] = ()
    deployments: tuple[Deployment, ...] = ()
    months: tuple[MonitoredMonth, ...] = ()
    alerts: tuple[Alert, ...] = ()
    incidents: tuple[IncidentFact, ...] = ()
    entries: tuple[AuditEntry, ...] = ()
    pictures: ComparedPictures | None = None
    """Pictures of its held-out rows."""
    attachments: tuple[Attachment, ...] = ()
    fingerprint: str = ""
    """sha256 of the public key that signed it."""
    signatures: dict[int, tuple[str, ...]] = field(default_factory=dict)
    """By request: files with statements of decisions and what signs them."""
