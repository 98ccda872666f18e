"""What targets on other machines have sent to the hub on their last day, and whether the hub listens for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.models.hub_limits import Usage
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_row


@dataclass(frozen=True, slots=True)
class DoorState:
    """Where the hub was asked to listen for other machines, and why it does not; an empty fault: it listens."""

    listen: str
    fault: str
    since: datetime

    @property
    def text(self) -> str:
        """``listens on 0.0.0.0:8443``, or why it does not, and since when."""
        if not self.fault:
            return f"listens on {self.listen}"
        return f"does not listen on {self.listen} since {self.since:%Y-%m-%d %H:%M} UTC: {self.fault}"


def usages(connection: Connection) -> dict[str, Usage]:
    """What each target has sent on its last day."""
    rows = connection.execute(
        "SELECT t.name AS target, u.day, u.bytes, u.rows, u.refused, u.refused_at, u.why FROM hub_usage u "
        "JOIN targets t ON t.id = u.target_id ORDER BY t.name"
    )
    return {row["target"]: from_row(Usage, row) for row in rows}


def put_usages(connection: Connection, found: Iterable[Usage]) -> None:
    connection.executemany(
        "INSERT INTO hub_usage (target_id, day, bytes, rows, refused, refused_at, why) "
        "SELECT id, ?, ?, ?, ?, ?, ? FROM targets WHERE name = ? ON CONFLICT (target_id) DO UPDATE SET day = excluded.day, "
        "bytes = excluded.bytes, rows = excluded.rows, refused = excluded.refused, refused_at = excluded.refused_at, "
        "why = excluded.why",
        [
            (
                u.day,
                u.bytes,
                u.rows,
                u.refused,
                to_us(u.refused_at) if u.refused_at else None,
                u.why,
                u.target,
            )
            for u in found
        ],
    )


def door_state(connection: Connection) -> DoorState | None:
    """State of the door as it was last said; None where the hub was asked to listen nowhere."""
    row = connection.execute("SELECT listen, fault, since FROM hub_door_state").fetchone()
    return from_row(DoorState, row) if row else None


def put_door_state(connection: Connection, state: DoorState | None) -> None:
    connection.execute("DELETE FROM hub_door_state")
    if state is not None:
        connection.execute(
            "INSERT INTO hub_door_state (id, listen, fault, since) VALUES (1, ?, ?, ?)",
            (state.listen, state.fault, to_us(state.since)),
        )
