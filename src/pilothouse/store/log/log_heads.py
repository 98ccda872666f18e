"""Signed heads of the log, and the signatures of witnesses under them."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.sqlite import Connection
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import from_row
from pilothouse.transparency import checkpoints, notes
from pilothouse.transparency.checkpoints import SignedCheckpoint


@dataclass(frozen=True, slots=True)
class SignedHead:
    """Head on record. ``note`` has the log's signature alone."""

    id: int
    origin: str
    size: int
    root: bytes
    note: str
    recorded_at: datetime

    @property
    def signed(self) -> SignedCheckpoint:
        """The head as it was signed. Raises InvalidInputError where it was written over."""
        return checkpoints.parse(self.note)


def put(connection: Connection, head: SignedCheckpoint, *, at: datetime) -> None:
    """Put a head on record."""
    checkpoint = head.checkpoint
    connection.execute(
        "INSERT INTO log_heads (origin, size, root, note, recorded_at) VALUES (?, ?, ?, ?, ?)",
        (checkpoint.origin, checkpoint.size, checkpoint.root, str(head), to_us(at)),
    )


def newest(connection: Connection, origin: str | None = None) -> SignedHead | None:
    """The newest head; of one origin where it is given."""
    conditions, values = where({"origin = ?": origin})
    row = connection.execute(
        f"SELECT * FROM log_heads {conditions} ORDER BY id DESC LIMIT 1",  # noqa: S608 - conditions of our own
        values,
    ).fetchone()
    return from_row(SignedHead, row) if row else None


def covering(connection: Connection, origin: str, size: int, limit: int) -> list[SignedHead]:
    """Heads of at least that size, the newest first."""
    rows = connection.execute(
        "SELECT * FROM log_heads WHERE origin = ? AND size >= ? ORDER BY size DESC LIMIT ?",
        (origin, size, limit),
    )
    return [from_row(SignedHead, row) for row in rows]


def all_heads(connection: Connection) -> list[SignedHead]:
    """Every head, by size."""
    return [
        from_row(SignedHead, row) for row in connection.execute("SELECT * FROM log_heads ORDER BY size, id")
    ]


def origins(connection: Connection) -> set[str]:
    """Every origin under which a head was signed."""
    return {row[0] for row in connection.execute("SELECT DISTINCT origin FROM log_heads")}


def of_size(connection: Connection, size: int) -> SignedHead | None:
    """The newest head of so many rows."""
    row = connection.execute(
        "SELECT * FROM log_heads WHERE size = ? ORDER BY id DESC LIMIT 1", (size,)
    ).fetchone()
    return from_row(SignedHead, row) if row else None


def newest_cosigned(connection: Connection, anchor: int) -> SignedHead | None:
    """The newest head under which a witness has signed."""
    row = connection.execute(
        "SELECT h.* FROM log_cosignatures c JOIN log_heads h ON h.id = c.head_id WHERE c.anchor_id = ? "
        "ORDER BY c.id DESC LIMIT 1",
        (anchor,),
    ).fetchone()
    return from_row(SignedHead, row) if row else None


def put_cosignature(connection: Connection, head: int, anchor: int, line: str, *, at: datetime) -> None:
    """Put a witness's signature under a head on record; a second one of the same witness says nothing more."""
    connection.execute(
        "INSERT OR IGNORE INTO log_cosignatures (head_id, anchor_id, line, recorded_at) VALUES (?, ?, ?, ?)",
        (head, anchor, line, to_us(at)),
    )


def cosigned(connection: Connection, head: SignedHead) -> SignedCheckpoint:
    """A head with the signatures of witnesses that are on record."""
    rows = connection.execute("SELECT line FROM log_cosignatures WHERE head_id = ? ORDER BY id", (head.id,))
    lines = "".join(row[0] for row in rows)
    signed = head.signed
    return SignedCheckpoint(
        signed.checkpoint, signed.note.plus(notes.parse_signatures(lines) if lines else ())
    )


def cosignatures(connection: Connection) -> list[tuple[int, int, str]]:
    """Every signature of a witness: the head, the anchor, the line."""
    rows = connection.execute("SELECT head_id, anchor_id, line FROM log_cosignatures ORDER BY id")
    return [(row[0], row[1], row[2]) for row in rows]
