"""Console sessions: who had one open, from when to when, and how it ended."""

from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.identity.sessions import ConsoleSession, Place
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.sqlite import Connection, Row
from pilothouse.store.values import from_row, insert


def add(
    connection: Connection, actor: Actor, place: Place, *, process: ProcessName, read_only: bool, at: datetime
) -> int:
    """Record a console that was opened; returns its number."""
    columns = {"actor": actor.name, "identity": actor.identity, "read_only": read_only, "opened_at": at}
    columns |= {"terminal": place.terminal, "address": place.address}
    process_columns = {"boot_id": process.boot_id, "pid": process.pid, "ticks": process.started}
    return insert(connection, "sessions", {**columns, **process_columns})


def end(connection: Connection, number: int, actor: str, ending: str, *, at: datetime) -> bool:
    """Record the end of a session; False where that is on record already, or where the session is another actor's."""
    changed = connection.execute(
        "UPDATE sessions SET closed_at = ?, ending = ? WHERE id = ? AND actor = ? AND closed_at IS NULL",
        (to_us(at), ending, number, actor),
    )
    return changed.rowcount == 1


def listed(connection: Connection, *, open_only: bool = False, limit: int = 100) -> list[ConsoleSession]:
    """Sessions, newest first."""
    of_those = "WHERE closed_at IS NULL" if open_only else ""
    rows = connection.execute(f"SELECT * FROM sessions {of_those} ORDER BY id DESC LIMIT ?", (limit,))  # noqa: S608 - ours
    return [_session(row) for row in rows]


def count(connection: Connection, *, open_only: bool = False) -> int:
    of_those = "WHERE closed_at IS NULL" if open_only else ""
    return int(connection.execute(f"SELECT count(*) FROM sessions {of_those}").fetchone()[0])  # noqa: S608 - ours


def _session(row: Row) -> ConsoleSession:
    process = ProcessName(row["boot_id"], row["pid"], row["ticks"])
    return from_row(ConsoleSession, row, process=process)
