"""Audit log: append-only, each row hashed together with the hash of the row before it."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

from pilothouse.domain.audit.entries import AuditEntry, AuditHead
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.canonical import canonical_digest, canonical_json
from pilothouse.domain.formats.time_units import from_us, to_us
from pilothouse.domain.outbox.happenings import TOLD
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import marks, where
from pilothouse.store.log import log_tree
from pilothouse.store.outbox import outbox_events
from pilothouse.store.values import from_json, from_row

FIRST_PREVIOUS = "0" * 64
"""Previous hash of the first row."""

_SELECT = "SELECT seq, recorded_at, actor, action, subject, detail, previous, hash, rows FROM audit "


def append(
    connection: Connection, *, at: datetime, actor: str, action: str, subject: str, detail: dict[str, Any]
) -> AuditEntry:
    """Add a row at the end of the chain, in the transaction of the change that it records.

    ``detail`` is plain JSON data without NaN; old values belong in it where something was replaced.
    """
    return append_all(connection, at=at, actor=actor, changes=[(action, subject, detail)])[0]


def append_all(
    connection: Connection, *, at: datetime, actor: str, changes: Iterable[tuple[str, str, dict[str, Any]]]
) -> list[AuditEntry]:
    """Add a row for each (action, subject, detail), in their order.

    The last one is held back until the commit, when it takes the digest of the rows that the transaction has changed; the
    hash that is returned for it is the one that it has where there are none. See ``publish``.
    """
    described = list(changes)
    if not described:
        return []
    publish(connection)
    before = head(connection)
    seq, previous = before.count, before.hash
    added: list[AuditEntry] = []
    for action, subject, detail in described:
        seq += 1
        digest = entry_hash(seq, to_us(at), actor, action, subject, detail, previous)
        added.append(AuditEntry(seq, at, actor, action, subject, detail, previous, digest))
        previous = digest
    _insert(connection, "main.audit", added[:-1])
    _insert(connection, "temp.held_entry", added[-1:])
    outbox_events.note(connection, [entry for entry in added if entry.action in TOLD])
    return added


def _insert(connection: Connection, table: str, entries: Sequence[AuditEntry]) -> None:
    connection.executemany(
        f"INSERT INTO {table} (seq, recorded_at, actor, action, subject, detail, previous, hash, rows) "  # noqa: S608 - ours
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (e.seq, to_us(e.recorded_at), e.actor, e.action, e.subject, canonical_json(e.detail), e.previous, e.hash, e.rows)
            for e in entries
        ],
    )  # fmt: skip
    if entries and table == "main.audit":
        log_tree.grow(connection, entries[0].seq - 1, entries[-1].seq)


def make_room(connection: Connection) -> None:
    """Make the temporary table of the entry that a transaction holds back."""
    connection.execute("CREATE TEMP TABLE held_entry AS SELECT * FROM main.audit WHERE 0")


def is_held(connection: Connection) -> bool:
    """True where the transaction holds an entry back."""
    return connection.execute("SELECT 1 FROM temp.held_entry").fetchone() is not None


def publish(connection: Connection) -> None:
    """Put the entry that is held back into the log, where the same transaction reads it and changes no row that decides
    any more."""
    release(connection, None)


def release(connection: Connection, rows: str | None) -> int | None:
    """Put the entry that is held back into the log, with the digest of the rows that it covers; returns its number, None
    where none is held."""
    row = connection.execute("SELECT * FROM temp.held_entry").fetchone()
    if row is None:
        return None
    entry = _entry(row)
    add(connection, entry, rows)
    connection.execute("DELETE FROM temp.held_entry")
    return entry.seq


def add(connection: Connection, entry: AuditEntry, rows: str | None) -> None:
    """Put an entry at the end of the log now, with the digest of the rows that it covers."""
    digest = entry_hash(
        entry.seq, to_us(entry.recorded_at), entry.actor, entry.action, entry.subject, entry.detail, entry.previous, rows
    )  # fmt: skip
    _insert(connection, "main.audit", [replace(entry, hash=digest, rows=rows)])


def record_disagreement(connection: Connection, rows: Iterable[tuple[str, str]]) -> None:
    """Add an entry that names rows which were changed, put in or deleted past Pilothouse before this transaction changed them;
    with the time of the entry that is held back."""
    at = _entry(connection.execute("SELECT * FROM temp.held_entry").fetchone()).recorded_at
    detail = {"rows": [list(row) for row in rows]}
    append(connection, at=at, actor="pilothouse", action=DISAGREED, subject="registry", detail=detail)


def entry_hash(
    seq: int,
    recorded_us: int,
    actor: str,
    action: str,
    subject: str,
    detail: dict[str, Any],
    previous: str,
    rows: str | None = None,
) -> str:
    """sha256 over the canonical JSON of all other fields, among them the hash of the row before; ``rows`` only where there
    is one."""
    return canonical_digest(
        {
            "seq": seq,
            "recorded_at": recorded_us,
            "actor": actor,
            "action": action,
            "subject": subject,
            "detail": detail,
            "previous": previous,
            **({} if rows is None else {"rows": rows}),
        }
    )


def head(connection: Connection, seq: int | None = None) -> AuditHead:
    """Number of rows, and the hash of the last; of those up to a row where one is given."""
    conditions, values = where({"seq <= ?": seq})
    newest = f"SELECT seq, hash FROM audit {conditions} ORDER BY seq DESC LIMIT 1"  # noqa: S608 - conditions of our own
    row = connection.execute(newest, values).fetchone()
    return AuditHead(row["seq"], row["hash"]) if row else AuditHead(0, FIRST_PREVIOUS)


def acts_since(connection: Connection, seq: int, but: Sequence[str]) -> tuple[int, bool]:
    """Number of the newest row, and whether any after ``seq`` is of another action than ``but``."""
    newest, acted = connection.execute(
        f"SELECT max(seq), max(action NOT IN ({', '.join('?' * len(but))})) FROM audit WHERE seq > ?",  # noqa: S608 - marks
        (*but, seq),
    ).fetchone()
    return (seq, False) if newest is None else (newest, bool(acted))


def entries(
    connection: Connection, *, limit: int, before: int | None = None, text: str = ""
) -> list[AuditEntry]:
    """Newest rows first; ``before`` pages backwards by seq, ``text`` must occur in actor, action or subject."""
    conditions, values = where(
        {
            "seq < ?": before,
            "instr(lower(actor || ' ' || action || ' ' || subject), ?) > 0": text.lower() or None,
        }
    )
    found = f"SELECT seq FROM audit {conditions} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - as above
    rows = connection.execute(f"{_SELECT}WHERE seq IN ({found}) ORDER BY seq DESC", (*values, limit))
    return [_entry(row) for row in rows]


def about(connection: Connection, subject: str, actions: Sequence[str]) -> list[AuditEntry]:
    """Every entry of these actions on a subject, oldest first."""
    rows = connection.execute(
        f"{_SELECT}WHERE subject = ? AND action IN ({', '.join('?' * len(actions))}) ORDER BY seq",
        (subject, *actions),
    )
    return [_entry(row) for row in rows]


_LAST = "\U0010ffff"
"""Comes after every other character, so that what begins with a text lies between it and the text with this behind."""

TOLERANCE = timedelta(minutes=2)
"""How far the clock may be behind the log, as after a step: the log's time goes on from the newest entry. Beyond it nothing
is changed."""


def newest_recorded(connection: Connection) -> datetime | None:
    """Time of the last row; None for an empty log. In a log of an older release it need not be the latest time."""
    row = connection.execute("SELECT recorded_at FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return from_us(row[0]) if row else None


def ran_back(connection: Connection) -> list[int]:
    """Rows that are earlier than the one before them."""
    rows = connection.execute(
        "SELECT a.seq FROM audit a JOIN audit b ON b.seq = a.seq - 1 WHERE a.recorded_at < b.recorded_at ORDER BY a.seq"
    )
    return [row[0] for row in rows]


def newest_of(connection: Connection, action: str) -> AuditEntry | None:
    row = connection.execute(
        "SELECT * FROM audit WHERE action = ? ORDER BY seq DESC LIMIT 1", (action,)
    ).fetchone()
    return _entry(row) if row else None


def says(connection: Connection, action: str, subject: str, detail: dict[str, Any]) -> bool:
    """True where there is an entry with at least this detail: for changes in another database, which are recorded after
    they are made."""
    rows = connection.execute(
        "SELECT detail FROM audit WHERE action = ? AND subject = ? ORDER BY seq DESC", (action, subject)
    )
    return any(detail.items() <= from_json(row["detail"]).items() for row in rows)


def of_numbers(connection: Connection, numbers: tuple[int, ...]) -> dict[int, AuditEntry]:
    """Rows by their seq."""
    rows = connection.execute(_SELECT + "WHERE seq IN " + marks(numbers), numbers)
    return {row["seq"]: _entry(row) for row in rows}


def iterate(connection: Connection) -> Iterator[AuditEntry]:
    """Every row, oldest first."""
    for row in connection.execute(_SELECT + "ORDER BY seq"):
        yield _entry(row)


def following(connection: Connection, seq: int, limit: int) -> list[AuditEntry]:
    """The next rows after one, oldest first."""
    return [
        _entry(row)
        for row in connection.execute(f"{_SELECT}WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit))
    ]


def matching(
    connection: Connection,
    seq: int,
    limit: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    actor: str | None = None,
    subject: str | None = None,
) -> list[AuditEntry]:
    """The next rows after one that fit, oldest first: recorded at ``since <= t < until``, by an actor, about a subject, or
    about all subjects that begin with one that ends in ``*``."""
    begins = subject is not None and subject.endswith("*")
    prefix = subject[:-1] or None if begins and subject is not None else None
    conditions, values = where(
        {
            "seq > ?": seq,
            "recorded_at >= ?": None if since is None else to_us(since),
            "recorded_at < ?": None if until is None else to_us(until),
            "actor = ?": actor,
            "subject = ?": None if begins else subject,
            "subject >= ?": prefix,
            "subject < ?": None if prefix is None else prefix + _LAST,
        }
    )
    rows = connection.execute(f"{_SELECT}{conditions} ORDER BY seq LIMIT ?", (*values, limit))
    return [_entry(row) for row in rows]


def of_actions(connection: Connection, *actions: str) -> Iterator[AuditEntry]:
    """Rows of these actions, oldest first."""
    for row in connection.execute(f"{_SELECT}WHERE action IN {marks(actions)} ORDER BY seq", actions):
        yield _entry(row)


SEALED = "rows.sealed"
"""Action of the entry that covers all rows as a release found them: what was before is compared in other ways."""
DISAGREED = "rows.disagreed"
"""Action of an entry that names rows which were not what their digests said when Pilothouse changed them the next time."""
BEGINNING = AuditHead(0, FIRST_PREVIOUS)
"""Head of an empty log: where a verification begins."""
_STEP = 20_000
"""Rows that are verified in one step: a tenth of a second."""


def verify(connection: Connection, anchor: AuditHead | None = None) -> AuditHead:
    """Head of the chain, after computing it again. Raises IntegrityError that names the first wrong row.

    ``anchor`` is a head that was kept elsewhere: with it a log that was cut or recomputed is found out.
    """
    reached = BEGINNING
    while (after := verify_next(connection, reached, anchor)) != reached:
        reached = after
    check_end(reached, anchor)
    return reached


def verify_next(connection: Connection, reached: AuditHead, anchor: AuditHead | None = None) -> AuditHead:
    """Head after the next rows, computed again from the one reached so far, which it is where there are none.

    Rows are only ever added, so that each step may be a read of its own. Raises IntegrityError as ``verify`` does.
    """
    count, previous = reached.count, reached.hash
    last_us = _recorded_at(connection, count)
    known = _ran_back_before(connection)
    for row in connection.execute(f"{_SELECT}WHERE seq > ? ORDER BY seq LIMIT ?", (count, _STEP)):
        seq, recorded_at, actor, action, subject, detail, follows, digest, rows = row
        if seq != count + 1:
            raise IntegrityError(f"audit row {count + 1} is missing: the next one is row {seq}")
        if follows != previous:
            raise IntegrityError(f"audit row {seq} does not follow the row before it")
        computed = _hash_of_text(seq, recorded_at, actor, action, subject, detail, previous, rows)
        if digest != computed and digest != _hash_of(row):
            raise IntegrityError(f"audit row {seq} was changed: its content does not have its hash")
        if last_us is not None and recorded_at < last_us and seq not in known:
            raise IntegrityError(f"audit row {seq} is earlier than row {count}: time ran back")
        previous, count, last_us = digest, seq, recorded_at
        if anchor is not None and count == anchor.count and previous != anchor.hash:
            raise IntegrityError(
                f"audit row {anchor.count} is not the one that was anchored: the log was written anew"
            )
    return AuditHead(count, previous)


def _recorded_at(connection: Connection, seq: int) -> int | None:
    row = connection.execute("SELECT recorded_at FROM audit WHERE seq = ?", (seq,)).fetchone()
    return row[0] if row else None


def _ran_back_before(connection: Connection) -> set[int]:
    """Rows that releases before the rule wrote earlier than the one before them, as the entry of their upgrade names them."""
    return {
        seq
        for entry in of_actions(connection, SEALED)
        for seq in entry.detail.get("ran_back", ())
        if seq < entry.seq
    }


def check_end(reached: AuditHead, anchor: AuditHead | None) -> None:
    """Raise IntegrityError where the log ends before the anchor, or the anchor is of no log."""
    if anchor is not None and reached.count < anchor.count:
        raise IntegrityError(
            f"audit rows {reached.count + 1} to {anchor.count} are missing: the end of the log was cut off"
        )
    if anchor is not None and anchor.count == 0 and anchor != BEGINNING:
        raise IntegrityError("audit row 0 is not the one that was anchored: the log was written anew")


def _hash_of_text(
    seq: int,
    recorded_us: int,
    actor: str,
    action: str,
    subject: str,
    detail: str,
    previous: str,
    rows: str | None,
) -> str:
    """``entry_hash`` of a row whose detail is stored as the canonical JSON that was hashed, as every row is that we wrote.

    Its JSON is put together as text, which is several times faster than reading the detail first. It has the hash of the row
    only where it is, letter by letter, what was hashed.
    """
    covered = "" if rows is None else f'"rows":"{rows}",'
    text = (
        f'{{"action":{_quoted(action)},"actor":{_quoted(actor)},"detail":{detail},"previous":"{previous}",'
        f'"recorded_at":{recorded_us},{covered}"seq":{seq},"subject":{_quoted(subject)}}}'
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _hash_of(row: Row) -> str:
    try:
        detail = from_json(row["detail"])
    except ValueError:
        return ""
    return entry_hash(
        row["seq"], row["recorded_at"], row["actor"], row["action"], row["subject"], detail, row["previous"],
        row["rows"],
    )  # fmt: skip


def _entry(row: Row) -> AuditEntry:
    return from_row(AuditEntry, row)


def recorded_us(entry: AuditEntry) -> int:
    """Recorded time as it is hashed: microseconds since 1970, UTC."""
    return to_us(entry.recorded_at)
