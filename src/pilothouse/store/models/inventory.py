"""Inventory: what the model files in force say, and the reviews of models."""

from datetime import datetime
from typing import Any, NamedTuple

from pilothouse.domain.audit.inventory import ModelReview, ReviewOutcome
from pilothouse.domain.formats.time_units import from_us
from pilothouse.sqlite import Connection, Row
from pilothouse.store.values import from_json, from_row, insert

_SELECT_REVIEW = (
    "SELECT r.*, m.name AS model, s.digest AS spec_digest FROM model_reviews r JOIN models m ON m.id = r.model_id "
    "JOIN model_specs s ON s.id = r.spec_id "
)


class SaidRow(NamedTuple):
    """What the model file in force says of a model."""

    model: str
    owner: str
    description: str
    said: dict[str, Any] | None
    """Its inventory as plain data; None where it has none."""
    said_at: datetime
    """When its files began to say the date of the next review that it says."""


def add_review(
    connection: Connection,
    *,
    model_id: int,
    spec_id: int,
    outcome: ReviewOutcome,
    reason: str,
    next_review: str,
    by: str,
    at: datetime,
) -> int:
    """Record a review; returns its number."""
    columns = {"model_id": model_id, "spec_id": spec_id, "outcome": outcome, "reason": reason}
    return insert(
        connection,
        "model_reviews",
        {**columns, "next_review": next_review, "reviewed_by": by, "recorded_at": at},
    )


def reviews_of(connection: Connection, model: str) -> list[ModelReview]:
    """Every review of a model, oldest first."""
    rows = connection.execute(_SELECT_REVIEW + "WHERE m.name = ? ORDER BY r.id", (model,))
    return [from_row(ModelReview, row) for row in rows]


_NEXT = "json_extract({}.spec, '$.inventory.next_review')"
_SAID = (
    "SELECT m.name, s.owner, s.description, json_extract(s.spec, '$.inventory') AS said, "  # noqa: S608 - our own text
    "(SELECT min(f.recorded_at) FROM model_specs f WHERE f.model_id = m.id AND f.id > coalesce("
    f"(SELECT max(o.id) FROM model_specs o WHERE o.model_id = m.id AND {_NEXT.format('o')} IS NOT {_NEXT.format('s')}"
    "), 0)) AS said_at "
    "FROM models m JOIN model_specs s ON s.id = (SELECT max(n.id) FROM model_specs n WHERE n.model_id = m.id) "
)
_MAY_BE_OPEN = (
    f"SELECT t.model_id FROM model_specs t WHERE {_NEXT.format('t')} > '' AND {_NEXT.format('t')} <= ?1 "  # noqa: S608
    "UNION ALL SELECT t.model_id FROM model_specs t WHERE json_extract(t.spec, '$.inventory.retired') > '' "
    "UNION ALL SELECT r.model_id FROM model_reviews r WHERE r.next_review <= ?1 "
    "UNION ALL SELECT r.model_id FROM model_reviews r WHERE r.outcome = 'unfit'"
)


def said(connection: Connection) -> list[SaidRow]:
    """What the model files in force say, by model."""
    return [_said(row) for row in connection.execute(f"{_SAID}ORDER BY m.name")]


def said_of(connection: Connection, model: str) -> SaidRow | None:
    """What the model file in force of a model says; None for an unknown model."""
    row = connection.execute(f"{_SAID}WHERE m.name = ?", (model,)).fetchone()
    return _said(row) if row else None


def said_where_open(connection: Connection, today: str) -> list[SaidRow]:
    """What the model files say of models about which something may be open on a day: of no other, and perhaps of some more."""
    rows = connection.execute(f"{_SAID}WHERE m.id IN ({_MAY_BE_OPEN}) ORDER BY m.name", (today,))
    return [_said(row) for row in rows]


def _said(row: Row) -> SaidRow:
    plain = from_json(row["said"]) if row["said"] else None
    return SaidRow(row["name"], row["owner"], row["description"], plain, from_us(row["said_at"]))


def newest_review(connection: Connection, model: str) -> ModelReview | None:
    """Newest review of a model, or None."""
    row = connection.execute(
        f"{_SELECT_REVIEW}WHERE m.name = ? ORDER BY r.id DESC LIMIT 1", (model,)
    ).fetchone()
    return from_row(ModelReview, row) if row else None
