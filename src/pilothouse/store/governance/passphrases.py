"""Passphrases as scrypt makes them, and tries of them."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.sqlite import Connection
from pilothouse.store.values import from_row, insert

MOST_WRONG = 5
"""Wrong tries after which a passphrase is locked."""


@dataclass(frozen=True, slots=True)
class StoredPassphrase:
    """Newest passphrase of a name. ``digest`` is empty where it was taken away."""

    id: int
    name: str
    n: int
    r: int
    p: int
    salt: str
    digest: str
    recorded_at: datetime
    wrong: int
    """Wrong tries since the newest right one, or since it was unlocked."""

    @property
    def locked(self) -> bool:
        return self.wrong >= MOST_WRONG


def newest(connection: Connection, name: str) -> StoredPassphrase | None:
    """Passphrase of a name; None where it has none, also where it was taken away."""
    row = connection.execute(
        "SELECT p.*, (SELECT count(*) FROM passphrase_tries t WHERE t.passphrase_id = p.id AND t.outcome = 'wrong' AND t.id > "
        "(SELECT coalesce(max(o.id), 0) FROM passphrase_tries o WHERE o.passphrase_id = p.id AND o.outcome <> 'wrong')) "
        "AS wrong FROM passphrases p WHERE p.name = ? ORDER BY p.id DESC LIMIT 1",
        (name,),
    ).fetchone()
    return from_row(StoredPassphrase, row) if row and row["digest"] else None


def add(
    connection: Connection, name: str, *, n: int, r: int, p: int, salt: str, digest: str, at: datetime
) -> None:
    """Record a passphrase that its owner has set."""
    columns = {"n": n, "r": r, "p": p, "salt": salt, "digest": digest}
    insert(connection, "passphrases", {"name": name, **columns, "set_by": name, "recorded_at": at})


def take_away(connection: Connection, name: str, *, by: str, at: datetime) -> None:
    columns = {"n": 0, "r": 0, "p": 0, "salt": "", "digest": None}
    insert(connection, "passphrases", {"name": name, **columns, "set_by": by, "recorded_at": at})


def add_try(connection: Connection, number: int, outcome: str, *, by: str, at: datetime) -> None:
    """Record a try of the passphrase of that number: ``wrong``, ``right``, or that it was ``unlocked``."""
    columns = {"passphrase_id": number, "outcome": outcome, "by": by, "recorded_at": at}
    insert(connection, "passphrase_tries", columns)
