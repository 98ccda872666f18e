"""Legal holds on the rows of predictions."""

from datetime import datetime

from pilothouse.domain.retention import LegalHold
from pilothouse.domain.time_units import from_us, to_us
from pilothouse.sqlite import Connection


def place(connection: Connection, *, model: str, target: str, reason: str, by: str, at: datetime) -> int:
    """Record a new hold; returns its number."""
    number = connection.execute(
        "INSERT INTO legal_holds (model, target, reason, placed_by, placed_at) VALUES (?, ?, ?, ?, ?)",
        (model, target, reason, by, to_us(at)),
    ).lastrowid
    assert number is not None
    return number


def lift(connection: Connection, number: int, *, reason: str, by: str, at: datetime) -> bool:
    """End a hold in force; False where there is none of that number."""
    return bool(
        connection.execute(
            "UPDATE legal_holds SET lifted_by = ?, lifted_at = ?, lift_reason = ? WHERE id = ? AND lifted_at IS NULL",
            (by, to_us(at), reason, number),
        ).rowcount
    )


def all_holds(connection: Connection) -> list[LegalHold]:
    """Every hold, oldest first, lifted ones too."""
    return [
        LegalHold(
            row["id"],
            row["model"],
            row["target"],
            row["reason"],
            row["placed_by"],
            from_us(row["placed_at"]),
            row["lifted_by"] or "",
            None if row["lifted_at"] is None else from_us(row["lifted_at"]),
            row["lift_reason"] or "",
        )
        for row in connection.execute("SELECT * FROM legal_holds ORDER BY id")
    ]
