"""Agreement of the registry's rows with their digests, and of the digests with the audit log: what somebody changed, put in or
deleted past Pilothouse, by name."""

from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from typing import NamedTuple

from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, row_digests
from pilothouse.store.log.row_digests import RowDigest


class Tampering(StrEnum):
    """What was done to a row past Pilothouse."""

    CHANGED = "changed"
    INSERTED = "inserted"
    DELETED = "deleted"
    DIGEST = "its digest was forged"


class Difference(NamedTuple):
    """Row that is not what its digest says, or whose digest is not what the audit log says. ``name`` is in people's words."""

    table: str
    key: str
    name: str
    tampering: Tampering
    entry: int | None = None
    """Audit entry whose digests were forged."""

    def __str__(self) -> str:
        if self.entry is not None:
            return f"{self.name}: its digest is not the one that audit row {self.entry} covers"
        return f"{self.name} was {self.tampering}"


def differences(connection: Connection, watched: row_digests.Watched = iter) -> Iterator[Difference]:
    """Every row that was changed, inserted or deleted past Pilothouse, in the caller's read. ``watched`` is given the rows and
    the digests as they are walked."""
    for table in row_digests.tables(connection):
        known = row_digests.newest(connection, table)
        for row in watched(row_digests.present(connection, table)):
            before = known.pop(row.key, None)
            if before is None or before.digest is None:
                yield Difference(table, row.key, row.name, Tampering.INSERTED)
            elif before.digest != row.digest:
                yield Difference(table, row.key, before.name, Tampering.CHANGED)
        for row in known.values():
            if row.digest is not None:
                yield Difference(table, row.key, row.name, Tampering.DELETED)
    yield from _forged(connection, watched=watched)


def newest_differences(connection: Connection, most: int) -> Iterator[Difference]:
    """``differences`` of a part: of the ``most`` last rows of each table by its key, and of the rows that the ``most`` newest
    digests are about. Rows of which much older digests are forged are not found."""
    found: set[tuple[str, str]] = set()
    for table in row_digests.tables(connection):
        for row in row_digests.last_present(connection, table, most):
            known = row_digests.newest_of(connection, row)
            if known is None or known[0] is None:
                found.add((table, row.key))
                yield Difference(table, row.key, row.name, Tampering.INSERTED)
            elif known[0] != row.digest:
                found.add((table, row.key))
                yield Difference(table, row.key, known[1], Tampering.CHANGED)
    begins, newest = row_digests.newest_stored(connection, most)
    for table, rows in newest.items():
        now = {row.key: row for row in row_digests.of_keys(connection, table, list(rows))}
        for key, before in rows.items():
            if before.digest is None or (table, key) in found:
                continue
            digest = now[key].digest if key in now else None
            if digest is None:
                yield Difference(table, key, before.name, Tampering.DELETED)
            elif digest != before.digest:
                yield Difference(table, key, before.name, Tampering.CHANGED)
    (entries,) = connection.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()
    yield from _forged(connection, max(begins, entries - most, 1))


def disagreements_on_record(connection: Connection) -> Iterator[Difference]:
    """Rows of which the log says that they were changed, put in or deleted past Pilothouse before it changed them itself."""
    for entry in audit.of_actions(connection, audit.DISAGREED):
        for name, tampering in entry.detail["rows"]:
            yield Difference("", "", name, Tampering(tampering))


_MOST_NAMED = 20
"""Rows of one entry that are named where its digests are not what the entry says: which of them it is cannot be known."""


def _forged(
    connection: Connection, begins: int = 1, watched: row_digests.Watched = iter
) -> Iterator[Difference]:
    """Rows of entries, from one on, whose digests were changed, put in or deleted."""
    computed: dict[int, str] = {}
    stored = connection.execute(
        "SELECT seq, tbl, key, name, digest FROM row_digests WHERE seq >= ? OR seq < 1 ORDER BY seq, id",
        (begins,),
    )
    for seq, of_entry in groupby(watched(stored), key=lambda row: int(row[0])):
        computed[seq] = row_digests.digest_of(RowDigest(*row[1:]) for row in of_entry)
    said = {
        row[0]: (row[1], row[2], row[3])
        for row in connection.execute(
            "SELECT seq, rows, action, subject FROM audit WHERE seq >= ? AND rows IS NOT NULL", (begins,)
        )
    }
    for number in sorted(computed.keys() | said.keys()):
        if number in said and computed.get(number) == said[number][0]:
            continue
        rows = connection.execute(
            "SELECT tbl, key, name FROM row_digests WHERE seq = ? ORDER BY id LIMIT ?", (number, _MOST_NAMED)
        ).fetchall()
        if not rows:
            _, action, subject = said[number]
            yield Difference("row_digests", "", f"what {action} of {subject} wrote", Tampering.DIGEST, number)
        for table, key, name in rows:
            yield Difference(table, key, name, Tampering.DIGEST, number)
