"""All rows that decide, each beside its newest digest, in parts: a part is a read of its own, so that neither the memory grows
with the tables nor a read is held open for minutes.

A row and its digest are written in one transaction, and read in one part: whatever is written between two parts, both are of
one state.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pilothouse.sqlite import Connection
from pilothouse.store.log import row_digests
from pilothouse.store.log.deciding_tables import DECIDING
from pilothouse.store.log.row_digests import RowDigest, Watched

Read = Callable[[], AbstractContextManager[Connection]]
"""Context of one read of the registry; each call is a state of its own."""

PART = 10_000
"""Rows of a part: a tenth of a second."""


_TOLD_EVERY = 8_192
"""Rows after which it is told how far it is."""


class Walk:
    """How far something is that walks many rows, over its parts."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done, self._entries = progress, total, 0, 0

    def watched(self, rows: Iterable[Any]) -> Iterator[Any]:
        """These rows; now and then it is told how far they are."""
        for row in rows:
            yield row
            self._done += 1
            if self._done % _TOLD_EVERY == 0:
                self._tell()

    def grown(self, done: int, entries: int) -> None:
        """Tell that so many entries of the log are in its tree."""
        self._entries = done
        self._tell()

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(min(self._done + self._entries, self._total), self._total)


def within(connection: Connection) -> Read:
    """Read of a caller that holds one state from beginning to end."""
    return lambda: nullcontext(connection)


def total(connection: Connection) -> int:
    """Rows and digests that ``row_agreement.differences_in_parts`` is about to walk, about."""
    (stored,) = connection.execute("SELECT count(*) FROM row_digests").fetchone()
    return row_digests.count(connection) + int(stored)


def pairs(read: Read, table: str, watched: Watched = iter) -> Iterator[tuple[RowDigest, RowDigest | None]]:
    """What each row of a table is now, and its newest digest: those with a digest by key, without one of their own where they
    are gone; then those that have no digest. ``watched`` is given the first."""
    yield from watched(_with_digest(read, table))
    yield from _without_digest(read, table)


def unsealed(connection: Connection, watched: Watched = iter) -> list[RowDigest]:
    """Digests of all rows that differ from their newest digest, or have none, on a connection that need not track."""
    found: list[RowDigest] = []
    for table in row_digests.tables(connection):
        for now, known in pairs(within(connection), table, watched):
            if known is None or known.digest != now.digest:
                found.append(now if known is None or now.digest is not None else known._replace(digest=None))
    return found


_NEWEST = (
    "SELECT d.key, d.name, d.digest FROM row_digests d JOIN (SELECT max(id) AS id FROM row_digests WHERE tbl = ? AND key > ? "
    "GROUP BY key ORDER BY key LIMIT ?) n ON n.id = d.id ORDER BY d.key"
)


def _with_digest(read: Read, table: str) -> Iterator[tuple[RowDigest, RowDigest]]:
    reached = ""
    while True:
        with read() as connection:
            rows = connection.execute(_NEWEST, (table, reached, PART)).fetchall()
            known = {row[0]: RowDigest(table, row[0], row[1], row[2]) for row in rows}
            present = (
                {row.key: row for row in row_digests.of_keys(connection, table, list(known))} if rows else {}
            )
        for reached, before in known.items():
            yield present.get(reached, RowDigest(table, reached, before.name, None)), before
        if len(rows) < PART:
            return


def _without_digest(read: Read, table: str) -> Iterator[tuple[RowDigest, None]]:
    declared = DECIDING[table]
    first = declared.key[0]
    keys = ", ".join(f"x.{name}" for name in declared.key)
    after = "1"
    reached: tuple[Any, ...] = ()
    while True:
        part = f"SELECT x.{first} AS k FROM main.{table} x WHERE {after} ORDER BY x.{first} LIMIT {PART}"  # noqa: S608
        with read() as connection:
            (until,) = connection.execute(f"SELECT max(k) FROM ({part})", reached).fetchone()  # noqa: S608 - ours
            if until is None:
                return
            # a key with other letters than ASCII is not written as SQLite writes it: those are looked for one by one
            known = f"SELECT 1 FROM row_digests d WHERE d.tbl = ? AND d.key = json_array({keys})"  # noqa: S608 - ours
            part_of = f"{after} AND x.{first} <= ? AND ({declared.only or 1})"
            source = f"main.{table} x WHERE {part_of} AND NOT EXISTS ({known}) ORDER BY {keys}"
            found = list(row_digests.digests(connection, table, keys, source, (*reached, until, table)))
            missing = [row for row in found if row_digests.newest_of(connection, row) is None]
        after, reached = f"x.{first} > ?", (until,)
        for row in missing:
            yield row, None


def stored(read: Read, begins: int, ends: int, watched: Watched = iter) -> Iterator[tuple[int, RowDigest]]:
    """Digests of the entries ``begins`` to ``ends`` with the entry's number, in the order in which they were stored."""
    yield from watched(_stored(read, begins, ends))


_LAST = (1 << 63) - 1
_STORED = "SELECT seq, id, tbl, key, name, digest FROM row_digests WHERE "


def _stored(read: Read, begins: int, ends: int) -> Iterator[tuple[int, RowDigest]]:
    seq, number = begins - 1, _LAST
    while True:
        with read() as connection:
            # the rest of an entry and then the next ones: one alone may have millions, and both go along an index
            rows = connection.execute(
                f"{_STORED}seq = ? AND id > ? ORDER BY id LIMIT ?", (seq, number, PART)
            ).fetchall()
            if not rows:
                rows = connection.execute(
                    f"{_STORED}seq > ? AND seq <= ? ORDER BY seq, id LIMIT ?", (seq, ends, PART)
                ).fetchall()
        if not rows:
            return
        for row in rows:
            yield row[0], RowDigest(*row[2:])
        seq, number = rows[-1][:2]


def covered(read: Read, begins: int, ends: int) -> Iterator[tuple[int, str]]:
    """Numbers of the entries ``begins`` to ``ends`` that cover rows, and the digest that each has of them."""
    query = "SELECT seq, rows FROM audit WHERE seq >= ? AND seq < ? AND rows IS NOT NULL ORDER BY seq"
    for first in range(begins, ends + 1, PART):
        with read() as connection:
            rows = connection.execute(query, (first, min(first + PART, ends + 1))).fetchall()
        yield from rows
