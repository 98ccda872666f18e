"""How far each export has delivered the audit log."""

from pilothouse.domain.audit.log_anchors import Delivery
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.sqlite import Connection


def cursors(connection: Connection) -> dict[str, Delivery]:
    """Exports that have begun, each with how far it is."""
    return {
        row["name"]: Delivery(
            row["sent_size"],
            from_us(row["sent_at"]),
            from_us(row["tried_at"]),
            row["failures"],
            from_us(row["failing_since"]),
            row["error"],
        )
        for row in connection.execute("SELECT * FROM export_cursors ORDER BY name")
    }


def put_cursor(connection: Connection, name: str, delivery: Delivery) -> None:
    """Record how far an export is. It never goes back: two daemons cannot both lead, and a restored registry has its own."""
    connection.execute(
        "INSERT INTO export_cursors (name, sent_size, sent_at, tried_at, failures, failing_since, error) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO UPDATE SET sent_size = max(sent_size, ?2), "
        "(sent_at, tried_at, failures, failing_since, error) = (?3, ?4, ?5, ?6, ?7)",
        (
            name,
            delivery.sent_size,
            to_us(delivery.sent_at) if delivery.sent_at else None,
            to_us(delivery.tried_at) if delivery.tried_at else None,
            delivery.failures,
            to_us(delivery.failing_since) if delivery.failing_since else None,
            delivery.error,
        ),
    )


def drop_cursor(connection: Connection, name: str) -> None:
    """Forget an export that is no more: one that begins anew begins with what happens then."""
    connection.execute("DELETE FROM export_cursors WHERE name = ?", (name,))
