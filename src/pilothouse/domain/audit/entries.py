"""Entries of the audit log, and its head."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row of the chained log. ``hash`` covers every other field; ``rows`` is the digest of the rows it covers."""

    seq: int
    recorded_at: datetime
    actor: str
    action: str
    subject: str
    detail: dict[str, Any]
    previous: str
    hash: str
    rows: str | None = None


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Keep it elsewhere: with it a cut or rewritten log is found out."""

    count: int
    hash: str
