"""Digests of the rows that decide, one for each change of a row, covered by the audit entry of the change's transaction.

Temporary triggers of a writing connection note which rows a transaction touches. Before the commit the digests of those that
now differ from their newest digest are stored; the last audit entry of the transaction carries the digest of them all. So
that entry is held back until then.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any, NamedTuple

from pilothouse.domain.formats.canonical import canonical_json
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit
from pilothouse.store.log.deciding_tables import DECIDING, DecidingTable

_encoded = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_MOST_KEYS = 3
_NO_KEY = "''"


class RowDigest(NamedTuple):
    """What a row held: ``digest`` is None where it was deleted. ``name`` is what people call it."""

    table: str
    key: str
    name: str
    digest: str | None


Watched = Callable[[Iterable[Any]], Iterator[Any]]
"""What is given the rows of something long, and gives them on: it knows how far that is."""


def columns_of(connection: Connection, table: str) -> tuple[str, ...]:
    """Columns of a table that decide, by name."""
    rows = connection.execute(f"PRAGMA main.table_info({table})")
    return tuple(sorted(row[1] for row in rows if row[1] not in DECIDING[table].left_out))


def track(connection: Connection) -> None:
    """Make the temporary tables and triggers by which a connection knows which rows it touches. Twice is as good as once;
    not inside of a transaction, which could undo it."""
    if connection.execute("SELECT 1 FROM temp.sqlite_schema WHERE name = 'touched_rows'").fetchone():
        return
    keys = ", ".join(f"k{place}" for place in range(1, _MOST_KEYS + 1))
    connection.execute("BEGIN")
    connection.execute(f"CREATE TEMP TABLE touched_rows (tbl TEXT NOT NULL, {keys})")
    audit.make_room(connection)
    existing = {row[0] for row in connection.execute("SELECT name FROM main.sqlite_schema")}
    for table, declared in DECIDING.items():
        if table in existing:
            _add_triggers(connection, table, declared)
    connection.execute("COMMIT")


def _add_triggers(connection: Connection, table: str, declared: DecidingTable) -> None:
    columns = columns_of(connection, table)
    differs = " OR ".join(f"OLD.{name} IS NOT NEW.{name}" for name in columns)
    for event, states, condition in (
        ("INSERT", ("NEW",), ""),
        (f"UPDATE OF {', '.join(columns)}", ("OLD", "NEW"), differs),
        ("DELETE", ("OLD",), ""),
    ):
        notes = ";".join(
            f" INSERT INTO touched_rows VALUES ({_noted(table, declared, state)})"  # noqa: S608 - ours
            for state in states
        )
        only = declared.only.replace("x.", f"{states[-1]}.")
        conditions = " AND ".join(f"({part})" for part in (condition, only) if part)
        connection.execute(
            f"CREATE TEMP TRIGGER touched_{table}_{event[:6]} AFTER {event} ON main.{table} "
            f"{f'WHEN {conditions}' if conditions else ''} BEGIN {notes}; END"
        )


def _noted(table: str, declared: DecidingTable, state: str) -> str:
    keys = [f"{state}.{name}" for name in declared.key]
    return ", ".join([f"'{table}'", *keys, *[_NO_KEY] * (_MOST_KEYS - len(keys))])


Committed = Callable[[], AbstractContextManager[Connection]]
"""State before a transaction, on another connection."""


def settle(connection: Connection, committed: Committed) -> None:
    """Store the digests of the rows that this transaction has changed, and its last audit entry, which covers them. To be
    called before the commit, on a connection that tracks.

    A row that somebody has changed past Pilothouse before would be sealed with what they made of it: an entry of its own says
    so first (``audit.DISAGREED``).
    """
    changed = list(_changed(connection))
    if changed and not audit.is_held(connection):
        refuse_unrecorded(connection, changed)
    if changed and (found := list(_changed_before(connection, committed, changed))):
        audit.record_disagreement(connection, found)
    seq = audit.release(connection, digest_of(changed) if changed else None)
    if changed:
        assert seq is not None
        store(connection, seq, changed)


def refuse_unrecorded(connection: Connection, changed: list[RowDigest]) -> None:
    """Raise RuntimeError: a transaction has changed rows that decide, and no audit entry says so."""
    more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    raise RuntimeError(f"{changed[0].name}{more}: changed without an audit entry, so the change is undone")


def _changed_before(
    connection: Connection, committed: Committed, changed: Iterable[RowDigest]
) -> Iterator[tuple[str, str]]:
    """Name of each row that was not what its digest says when this transaction began, and what had been done to it."""
    with committed() as before:
        for row in changed:
            declared = DECIDING[row.table]
            keys = ", ".join(f"x.{name}" for name in declared.key)
            where = " AND ".join(f"x.{name} = ?" for name in declared.key)
            source = f"main.{row.table} x WHERE {where}{f' AND ({declared.only})' if declared.only else ''}"
            was = next(digests(before, row.table, keys, source, tuple(json.loads(row.key))), None)
            known = newest_of(connection, row)
            known_digest = known[0] if known else None
            if was is not None and known_digest is None:
                yield was.name, "inserted"
            elif (
                known is not None and known_digest is not None and (was is None or was.digest != known_digest)
            ):
                yield known[1], "changed" if was is not None else "deleted"


def newest_of(connection: Connection, row: RowDigest) -> tuple[str | None, str] | None:
    """Newest digest and name on record of a row."""
    found: tuple[str | None, str] | None = connection.execute(
        "SELECT digest, name FROM row_digests WHERE tbl = ? AND key = ? ORDER BY id DESC LIMIT 1",
        (row.table, row.key),
    ).fetchone()
    return found


def store(connection: Connection, seq: int, changed: Iterable[RowDigest]) -> None:
    """Store digests that the audit entry ``seq`` covers, in their order."""
    connection.executemany(
        "INSERT INTO row_digests (seq, tbl, key, name, digest) VALUES (?, ?, ?, ?, ?)",
        [(seq, *row) for row in changed],
    )


def tables(connection: Connection) -> list[str]:
    """Deciding tables that the schema has."""
    existing = {row[0] for row in connection.execute("SELECT name FROM main.sqlite_schema")}
    return [table for table in DECIDING if table in existing]


def present(connection: Connection, table: str) -> Iterator[RowDigest]:
    """Every row of a table that decides, as it is now."""
    declared = DECIDING[table]
    keys = ", ".join(f"x.{name}" for name in declared.key)
    where = f"WHERE {declared.only}" if declared.only else ""
    return digests(connection, table, keys, f"main.{table} x {where} ORDER BY {keys}", ())


def last_present(connection: Connection, table: str, most: int) -> Iterator[RowDigest]:
    """As ``present``: the last rows by the table's key, the last first."""
    declared = DECIDING[table]
    keys = ", ".join(f"x.{name}" for name in declared.key)
    falling = ", ".join(f"x.{name} DESC" for name in declared.key)
    where = f"WHERE {declared.only}" if declared.only else ""
    yield from digests(connection, table, keys, f"main.{table} x {where} ORDER BY {falling} LIMIT ?", (most,))


def newest_stored(connection: Connection, most: int) -> tuple[int, dict[str, dict[str, RowDigest]]]:
    """Of the ``most`` newest digests the newest of each row, by table and key; and the first entry of which they are all."""
    stored = connection.execute(
        "SELECT tbl, key, name, digest, seq FROM row_digests ORDER BY id DESC LIMIT ?", (most,)
    ).fetchall()
    found: dict[str, dict[str, RowDigest]] = {}
    for row in stored:
        found.setdefault(row[0], {}).setdefault(row[1], RowDigest(*row[:4]))
    return (stored[-1][4] + 1 if stored else 0), found


def of_keys(connection: Connection, table: str, keys: list[str]) -> Iterator[RowDigest]:
    """Digests of rows by their keys as on record; without one where the row is gone, or decides no more."""
    names = DECIDING[table].key
    picked = ", ".join(f"json_extract(k.value, '$[{place}]') AS k{place}" for place in range(len(names)))
    joined = " AND ".join(f"x.{name} = k.k{place}" for place, name in enumerate(names))
    only = f" AND ({DECIDING[table].only})" if DECIDING[table].only else ""
    source = f"(SELECT {picked} FROM json_each(?) k) k LEFT JOIN main.{table} x ON {joined}{only}"  # noqa: S608 - ours
    shown = ", ".join(f"k.k{place}" for place in range(len(names)))
    yield from digests(connection, table, shown, source, (f"[{','.join(keys)}]",))


def newest(connection: Connection, table: str, begins: str = "", named: str = "") -> dict[str, RowDigest]:
    """Newest digest of each row of a table, by key; of those whose key and whose name begin so."""
    rows = connection.execute(
        "SELECT d.key, d.name, d.digest FROM row_digests d JOIN (SELECT max(id) AS id FROM row_digests WHERE tbl = ?1 "
        "GROUP BY key) n ON n.id = d.id WHERE substr(d.key, 1, length(?2)) = ?2 AND substr(d.name, 1, length(?3)) = ?3",
        (table, begins, named),
    )
    return {row[0]: RowDigest(table, row[0], row[1], row[2]) for row in rows}


def count(connection: Connection) -> int:
    """Number of rows that decide."""
    counts = [
        connection.execute(
            f"SELECT count(*) FROM main.{table} x WHERE {DECIDING[table].only or '1'}"  # noqa: S608 - ours
        ).fetchone()
        for table in tables(connection)
    ]
    return sum(row[0] for row in counts)


def digest_of(rows: Iterable[RowDigest]) -> str:
    """Common digest of the rows of one audit entry, in the order in which they are stored."""
    common = hashlib.sha256()
    for row in rows:
        common.update(line_of(row))
    return common.hexdigest()


def line_of(row: RowDigest) -> bytes:
    """What a stored digest adds to the common digest of its entry."""
    digest = "null" if row.digest is None else f'"{row.digest}"'
    return f'["{row.table}",{_quoted(row.key)},{_quoted(row.name)},{digest}]\n'.encode()


def _changed(connection: Connection) -> Iterator[RowDigest]:
    touched = [
        row[0] for row in connection.execute("SELECT DISTINCT tbl FROM temp.touched_rows ORDER BY tbl")
    ]
    for table in touched:
        declared = DECIDING[table]
        noted = [f"k{place + 1}" for place in range(len(declared.key))]
        joined = " AND ".join(f"x.{name} = k.{k}" for name, k in zip(declared.key, noted, strict=True))
        source = (
            f"(SELECT DISTINCT {', '.join(noted)} FROM temp.touched_rows WHERE tbl = ?) k "  # noqa: S608 - ours
            f"LEFT JOIN main.{table} x ON {joined} ORDER BY {', '.join(f'k.{k}' for k in noted)}"
        )
        for row in digests(connection, table, ", ".join(f"k.{k}" for k in noted), source, (table,)):
            before = newest_of(connection, row)
            if row.digest is None and before is not None and before[0] is not None:
                yield row._replace(name=before[1])
            elif row.digest is not None and (before is None or before[0] != row.digest):
                yield row
    if touched:
        connection.execute("DELETE FROM temp.touched_rows")


def digests(
    connection: Connection, table: str, keys: str, source: str, values: tuple[object, ...]
) -> Iterator[RowDigest]:
    """Digests of the rows of a query; those that the query finds no row for are deleted ones."""
    declared = DECIDING[table]
    columns = columns_of(connection, table)
    count = len(declared.key)
    begun = hashlib.sha256(f"{canonical_json([table, *columns])}\n".encode())
    shown = ", ".join(f"x.{name}" for name in columns)
    query = f"SELECT {keys}, x.{declared.key[0]} IS NULL, {declared.name}, {shown} FROM {source}"  # noqa: S608 - ours
    for row in connection.execute(query, values):
        key = f"[{row[0]}]" if count == 1 and type(row[0]) is int else _encoded(list(row[:count]))
        is_gone, name = row[count], row[count + 1]
        digest = None
        if not is_gone:
            whole = begun.copy()
            whole.update(_encoded(list(row[count + 2 :])).encode())
            digest = whole.hexdigest()
        yield RowDigest(table, key, name or "", digest)
