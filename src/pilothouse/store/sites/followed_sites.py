"""Followed sites, and what each was at the last look."""

from collections.abc import Mapping
from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.sites.followed import FollowedLook, FollowedSite, FollowStanding, natural
from pilothouse.sqlite import Connection
from pilothouse.store.values import columns_of, from_row, insert

_COLUMNS = "id, name, place, key, stale_after_s, added_by, recorded_at"
_LOOK = (
    "standing, said, since, tried_at, note, made_at, heard_at, head_size, head_root, witnessed_at, evidence"
)


def add(connection: Connection, facts: Mapping[str, object]) -> int:
    """Follow a site; returns its number."""
    return insert(connection, "followed_sites", facts)


def remove(connection: Connection, site: int, *, by: str, at: datetime) -> None:
    """Follow it no more."""
    connection.execute(
        "UPDATE followed_sites SET removed_by = ?, removed_at = ? WHERE id = ?", (by, to_us(at), site)
    )


def in_use(connection: Connection) -> list[FollowedSite]:
    """Sites that are followed, by name, s2 before s10."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM followed_sites WHERE removed_at IS NULL"  # noqa: S608 - ours
    )
    return sorted((from_row(FollowedSite, row) for row in rows), key=lambda one: natural(one.name))


def look_at(connection: Connection, site: int) -> FollowedLook | None:
    """What a site was at the last look; None before the first."""
    row = connection.execute(f"SELECT {_LOOK} FROM followed_states WHERE site_id = ?", (site,)).fetchone()  # noqa: S608 - ours
    return from_row(FollowedLook, row, standing=FollowStanding(row["standing"])) if row else None


def put_look(connection: Connection, site: int, look: FollowedLook) -> None:
    """Record a look."""
    connection.execute("DELETE FROM followed_states WHERE site_id = ?", (site,))
    insert(connection, "followed_states", {"site_id": site, **columns_of(look)})


def contradicting(connection: Connection) -> list[tuple[str, str]]:
    """Name of each followed site that contradicts itself, and how."""
    rows = connection.execute(
        "SELECT s.name, l.said FROM followed_states l JOIN followed_sites s ON s.id = l.site_id "
        "WHERE l.standing = 'contradicts' AND s.removed_at IS NULL ORDER BY s.name"
    )
    return [(row[0], row[1]) for row in rows]
