"""Proposals on record."""

import json
from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.promotion.proposals import Proposal, ProposalStatus
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import from_row, insert


def add(
    connection: Connection,
    words: Sequence[str],
    *,
    files: str | None,
    by: str,
    reason: str,
    at: datetime,
    expires_at: datetime,
) -> int:
    """Record a proposal; returns its number."""
    columns = {"words": list(words), "files": files, "proposed_by": by, "reason": reason}
    return insert(connection, "proposals", {**columns, "recorded_at": at, "expires_at": expires_at})


def decide(
    connection: Connection, number: int, status: ProposalStatus, *, by: str, reason: str, at: datetime
) -> None:
    """Close an open proposal."""
    connection.execute(
        "UPDATE proposals SET status = ?, decided_by = ?, decided_at = ?, decision_reason = ? WHERE id = ?",
        (str(status), by, to_us(at), reason, number),
    )


def listed(connection: Connection, *, number: int | None = None, open_only: bool = False) -> list[Proposal]:
    """All, or the one of a number, newest first."""
    conditions, values = where(
        {"id = ?": number, "status = ?": str(ProposalStatus.OPEN) if open_only else None}
    )
    rows = connection.execute(f"SELECT * FROM proposals {conditions} ORDER BY id DESC", values)  # noqa: S608 - conditions of our own
    return [_proposal(row) for row in rows]


def _proposal(row: Row) -> Proposal:
    return from_row(Proposal, row, words=tuple(json.loads(row["words"])))
