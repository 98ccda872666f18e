"""Settings of ``alerts.toml`` as they were applied, and silences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.outbox.routing import Silence
from pilothouse.domain.outbox.settings import AlertSettings
from pilothouse.sqlite import Connection, Row
from pilothouse.store.values import from_json, from_row, insert


@dataclass(frozen=True, slots=True)
class RecordedSettings:
    """Settings in force, and since when."""

    settings: AlertSettings
    digest: str
    applied_by: str
    recorded_at: datetime


def in_force(connection: Connection) -> RecordedSettings | None:
    """Settings in force; None before any were applied."""
    row = connection.execute("SELECT * FROM alert_settings ORDER BY id DESC LIMIT 1").fetchone()
    if row is None:
        return None
    try:
        settings = AlertSettings.from_plain(from_json(row["settings"]))
    except ValueError as error:
        raise IntegrityError(
            f"the registry is damaged: the receivers in force: {error}: restore a backup into a new folder"
        ) from None
    return from_row(RecordedSettings, row, settings=settings)


def put(connection: Connection, settings: AlertSettings, *, by: str, at: datetime) -> None:
    """Put settings in force."""
    columns = {
        "settings": settings.to_plain(),
        "digest": settings.digest,
        "applied_by": by,
        "recorded_at": at,
    }
    insert(connection, "alert_settings", columns)


# --- silences


def silences(connection: Connection, *, since: datetime | None = None) -> list[Silence]:
    """Silences that end after ``since``, or all, newest first; those that were ended by hand too."""
    rows = connection.execute(
        "SELECT * FROM silences WHERE ends_at > ? ORDER BY id DESC", (to_us(since) if since else 0,)
    )
    return [_silence(row) for row in rows]


def silence(connection: Connection, number: int) -> Silence | None:
    row = connection.execute("SELECT * FROM silences WHERE id = ?", (number,)).fetchone()
    return _silence(row) if row else None


def add_silence(
    connection: Connection,
    matchers: Mapping[str, Sequence[str]],
    ends_at: datetime,
    reason: str,
    *,
    by: str,
    at: datetime,
) -> int:
    """Record a silence; returns its number."""
    plain = {label: list(patterns) for label, patterns in matchers.items()}
    columns = {"matchers": plain, "reason": reason, "made_by": by, "recorded_at": at, "ends_at": ends_at}
    return insert(connection, "silences", columns)


def end_silence(connection: Connection, number: int, *, by: str, at: datetime) -> None:
    """End a silence before its time."""
    connection.execute("UPDATE silences SET ended_at = ?, ended_by = ? WHERE id = ?", (to_us(at), by, number))


def _silence(row: Row) -> Silence:
    matchers = {label: tuple(patterns) for label, patterns in from_json(row["matchers"]).items()}
    return from_row(Silence, row, matchers=matchers)
