"""Agreement of the registry's rows with their digests, and of the digests with the audit log: what somebody changed, put in or
deleted past Pilothouse, by name."""

import heapq
from collections.abc import Iterator
from enum import StrEnum
from itertools import chain, groupby
from operator import itemgetter
from typing import NamedTuple

from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, row_digests, row_walk
from pilothouse.store.log.row_digests import Watched
from pilothouse.store.log.row_walk import Read


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


def differences(connection: Connection, watched: Watched = iter) -> Iterator[Difference]:
    """``differences_in_parts`` in the caller's read."""
    return differences_in_parts(row_walk.within(connection), watched)


def differences_in_parts(read: Read, watched: Watched = iter) -> Iterator[Difference]:
    """Every row that was changed, inserted or deleted past Pilothouse, in reads of a part each. ``watched`` is given the rows
    and the digests as they are walked."""
    with read() as connection:
        tables = row_digests.tables(connection)
    for table in tables:
        for now, known in row_walk.pairs(read, table, watched):
            if known is None or (known.digest is None and now.digest is not None):
                yield Difference(table, now.key, now.name, Tampering.INSERTED)
            elif now.digest != known.digest:
                tampering = Tampering.DELETED if now.digest is None else Tampering.CHANGED
                yield Difference(table, now.key, known.name, tampering)
    yield from _forged(read, watched=watched)


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
    yield from _forged(row_walk.within(connection), max(begins, entries - most, 1))


def disagreements_on_record(connection: Connection) -> Iterator[Difference]:
    """Rows of which the log says that they were changed, put in or deleted past Pilothouse before it changed them itself."""
    for entry in audit.of_actions(connection, audit.DISAGREED):
        for name, tampering in entry.detail["rows"]:
            yield Difference("", "", name, Tampering(tampering))


_MOST_NAMED = 20
"""Rows of one entry that are named where its digests are not what the entry says: which of them it is cannot be known."""


def _forged(read: Read, begins: int = 1, watched: Watched = iter) -> Iterator[Difference]:
    """Rows of entries, from one on, whose digests were changed, put in or deleted."""
    with read() as connection:
        (newest,) = connection.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()
        (first,) = connection.execute("SELECT coalesce(min(seq), 1) FROM row_digests").fetchone()
        beyond = connection.execute(
            "SELECT DISTINCT seq FROM row_digests WHERE seq > (SELECT coalesce(max(seq), 0) FROM audit) ORDER BY seq"
        ).fetchall()
    # an entry that comes meanwhile is newer than all that is compared
    computed = (
        (seq, row_digests.digest_of(row for _, row in of_entry))
        for seq, of_entry in groupby(
            chain(row_walk.stored(read, first, 0), row_walk.stored(read, begins, newest, watched)),
            key=itemgetter(0),
        )
    )
    said = row_walk.covered(read, begins, newest)
    for number, digests in groupby(heapq.merge(computed, said, key=itemgetter(0)), key=itemgetter(0)):
        both = [digest for _, digest in digests]
        if len(both) != 2 or both[0] != both[1]:
            yield from _named(read, number)
    for (number,) in beyond:
        yield from _named(read, number)


def _named(read: Read, number: int) -> list[Difference]:
    with read() as connection:
        rows = connection.execute(
            "SELECT tbl, key, name FROM row_digests WHERE seq = ? ORDER BY id LIMIT ?", (number, _MOST_NAMED)
        ).fetchall()
        if rows:
            return [Difference(table, key, name, Tampering.DIGEST, number) for table, key, name in rows]
        action, subject = connection.execute(
            "SELECT action, subject FROM audit WHERE seq = ?", (number,)
        ).fetchone()
    return [Difference("row_digests", "", f"what {action} of {subject} wrote", Tampering.DIGEST, number)]
