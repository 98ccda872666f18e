"""Legal holds on the rows of predictions."""

from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.retention import LegalHold
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_row, insert


def place(connection: Connection, *, model: str, target: str, reason: str, by: str, at: datetime) -> int:
    """Record a new hold; returns its number."""
    columns = {"model": model, "target": target, "reason": reason, "placed_by": by, "placed_at": at}
    return insert(connection, "legal_holds", columns)


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
        from_row(LegalHold, row, lifted_by=row["lifted_by"] or "", lift_reason=row["lift_reason"] or "")
        for row in connection.execute("SELECT * FROM legal_holds ORDER BY id")
    ]
