"""Deployments by breaking the glass, with the reviews of others."""

import json
from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.promotion.break_glass import BrokenGlass, GlassReview
from pilothouse.domain.promotion.decisions import DecisionSignature
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import columns_of, from_row, insert


def add(
    connection: Connection,
    *,
    model: str,
    request_id: int,
    by: str,
    reason: str,
    at: datetime,
    expires_at: datetime,
) -> int:
    """Record a deployment by breaking the glass; returns its number."""
    (model_id,) = connection.execute("SELECT id FROM models WHERE name = ?", (model,)).fetchone()
    columns = {
        "model_id": model_id,
        "request_id": request_id,
        "actor": by,
        "reason": reason,
        "recorded_at": at,
        "expires_at": expires_at,
    }
    return insert(connection, "broken_glass", columns)


def add_review(connection: Connection, number: int, review: GlassReview) -> None:
    insert(
        connection,
        "broken_glass_reviews",
        {"broken_glass_id": number, **columns_of(review, "person", "void")},
    )


def take_back(connection: Connection, number: int, *, by: str, why: str, at: datetime) -> None:
    """Record that it was taken back."""
    connection.execute(
        "UPDATE broken_glass SET taken_back_at = ?, taken_back_by = ?, taken_back_why = ? WHERE id = ?",
        (to_us(at), by, why, number),
    )


def close(connection: Connection, number: int, *, at: datetime) -> None:
    """Record that enough others have looked at it."""
    connection.execute("UPDATE broken_glass SET closed_at = ? WHERE id = ?", (to_us(at), number))


def listed(
    connection: Connection,
    *,
    number: int | None = None,
    request: int | None = None,
    open_only: bool = False,
    limit: int = 200,
) -> list[BrokenGlass]:
    """All, or those of a number or of a request, newest first."""
    conditions, values = where({"g.id = ?": number, "g.request_id = ?": request})
    if open_only:
        conditions = f"{conditions} AND g.closed_at IS NULL" if conditions else "WHERE g.closed_at IS NULL"
    rows = connection.execute(
        "SELECT g.*, m.name AS model, v.number AS version, "  # noqa: S608 - conditions of our own
        "(SELECT json_group_array(t.name) FROM request_targets rt JOIN targets t ON t.id = rt.target_id "
        "WHERE rt.request_id = g.request_id) AS targets, "
        "(SELECT json_group_array(t.name) FROM deployments d JOIN targets t ON t.id = d.target_id "
        "WHERE d.request_id = g.request_id AND d.ended_at IS NULL) AS live_on, "
        "(SELECT json_group_array(o.id) FROM promotion_requests o WHERE o.superseded_by = g.request_id) AS superseded "
        "FROM broken_glass g "
        "JOIN promotion_requests r ON r.id = g.request_id JOIN models m ON m.id = g.model_id "
        f"JOIN versions v ON v.id = r.version_id {conditions} ORDER BY g.id DESC LIMIT ?",
        (*values, limit),
    ).fetchall()
    reviews = _reviews(connection, [row["id"] for row in rows])
    signatures = _signatures(connection, [row["request_id"] for row in rows])
    return [
        from_row(
            BrokenGlass,
            row,
            targets=tuple(sorted(json.loads(row["targets"]))),
            live_on=tuple(sorted(json.loads(row["live_on"]))),
            superseded=tuple(sorted(json.loads(row["superseded"]))),
            signature=signatures.get(row["request_id"]),
            reviews=tuple(reviews.get(row["id"], ())),
        )
        for row in rows
    ]


def add_signature(connection: Connection, request_id: int, actor: str, signature: DecisionSignature) -> None:
    """Record the second component of the person who is about to break the glass for a request."""
    columns = {"request_id": request_id, "actor": actor, **columns_of(signature)}
    insert(connection, "broken_glass_signatures", columns)


def signed(connection: Connection) -> list[BrokenGlass]:
    """Those that were broken with a signature by a key, oldest first."""
    rows = connection.execute(
        "SELECT request_id FROM broken_glass_signatures WHERE signature IS NOT NULL ORDER BY id"
    )
    return [glass for row in rows.fetchall() for glass in listed(connection, request=row["request_id"])]


def _signatures(connection: Connection, requests: Sequence[int]) -> dict[int, DecisionSignature]:
    rows = connection.execute(
        "SELECT * FROM broken_glass_signatures WHERE request_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(requests)),),
    )
    return {row["request_id"]: from_row(DecisionSignature, row) for row in rows}


def _reviews(connection: Connection, numbers: Sequence[int]) -> dict[int, list[GlassReview]]:
    rows = connection.execute(
        "SELECT * FROM broken_glass_reviews WHERE broken_glass_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(numbers)),),
    )
    found: dict[int, list[GlassReview]] = {}
    for row in rows:
        found.setdefault(row["broken_glass_id"], []).append(from_row(GlassReview, row, person="", void=""))
    return found
