"""Teams and their members."""

from datetime import datetime

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.identity.persons import Persons, folded
from pilothouse.domain.promotion.teams import TeamMember
from pilothouse.sqlite import Connection
from pilothouse.store.values import from_row, insert


def add(connection: Connection, team: str, name: str, *, by: str, reason: str, at: datetime) -> None:
    """Add a member."""
    columns = {"team": team, "name": name, "added_by": by, "recorded_at": at, "reason": reason}
    insert(connection, "team_members", columns)


def remove(connection: Connection, team: str, name: str, *, by: str, at: datetime) -> bool:
    """End a membership; False where there is none."""
    return bool(
        connection.execute(
            "UPDATE team_members SET removed_at = ?, removed_by = ? WHERE team = ? AND name = ? AND removed_at IS NULL",
            (to_us(at), by, team, name),
        ).rowcount
    )


def members(connection: Connection) -> list[TeamMember]:
    """Members now, by team and name."""
    rows = connection.execute("SELECT * FROM team_members WHERE removed_at IS NULL ORDER BY team, name")
    return [from_row(TeamMember, row) for row in rows]


def teams_of(connection: Connection, persons: Persons) -> dict[str, frozenset[str]]:
    """Teams by folded name, under every name of each member."""
    found: dict[str, set[str]] = {}
    for member in members(connection):
        for name in (folded(member.name), *persons.names(member.name)):
            found.setdefault(name, set()).add(member.team)
    return {name: frozenset(teams) for name, teams in found.items()}
