"""Conditions of approvals on record."""

import json
from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.promotion.conditions import IN_EFFECT, Condition, NewCondition
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of, from_row, insert

_SELECT = (
    "SELECT c.*, m.name AS model, v.number AS version, r.status FROM approval_conditions c "
    "JOIN promotion_requests r ON r.id = c.request_id JOIN models m ON m.id = r.model_id "
    "JOIN versions v ON v.id = r.version_id "
)


def add(
    connection: Connection, request_id: int, approver: str, condition: NewCondition, *, at: datetime
) -> int:
    """Record the condition of an approval that was made at this time; returns its number."""
    columns = {
        "request_id": request_id,
        "approver": approver,
        "recorded_at": at,
        **columns_of(condition),
    }
    return insert(connection, "approval_conditions", columns)


def confirm(connection: Connection, number: int, *, by: str, remark: str, at: datetime) -> None:
    """Record that it is confirmed."""
    connection.execute(
        "UPDATE approval_conditions SET confirmed_by = ?, confirmed_at = ?, remark = ? WHERE id = ?",
        (by, to_us(at), remark, number),
    )


def find(connection: Connection, number: int) -> Condition | None:
    """Condition of that number, or None."""
    row = connection.execute(f"{_SELECT} WHERE c.id = ?", (number,)).fetchone()
    return from_row(Condition, row) if row else None


def open_ones(connection: Connection) -> list[Condition]:
    """Conditions that nobody has confirmed, of requests that go out or went out, the earliest due first."""
    rows = connection.execute(
        f"{_SELECT} WHERE c.confirmed_at IS NULL AND r.status IN (SELECT value FROM json_each(?)) "  # noqa: S608 - ours
        "ORDER BY c.due, c.id",
        (json.dumps(IN_EFFECT),),
    )
    return [from_row(Condition, row) for row in rows]


def every(connection: Connection) -> list[Condition]:
    """All, newest first."""
    return [from_row(Condition, row) for row in connection.execute(f"{_SELECT} ORDER BY c.id DESC")]


def of_requests(connection: Connection, numbers: Sequence[int]) -> dict[tuple[int, str], Condition]:
    """Conditions of requests, by request and approver."""
    rows = connection.execute(
        f"{_SELECT} WHERE c.request_id IN (SELECT value FROM json_each(?))",  # noqa: S608 - ours
        (json.dumps(list(numbers)),),
    )
    found = (from_row(Condition, row) for row in rows)
    return {(one.request_id, one.approver): one for one in found}
