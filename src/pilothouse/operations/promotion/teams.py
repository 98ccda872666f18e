"""Teams: members added, removed, listed. Policies ask for approvals of them."""

import re

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.persons import check_name
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.teams import TeamMember
from pilothouse.operations.authorisation import changing, reading, reason_given
from pilothouse.operations.services import Services
from pilothouse.store.governance import teams

_TEAM = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def add_member(services: Services, actor: Actor, team: str, name: str, reason: str) -> None:
    """Add somebody to a team. Raises InvalidInputError, NotAllowedError or ConflictError (is a member)."""
    reason = reason_given(reason, "adding somebody to a team")
    check_team(team)
    check_name(name)
    with changing(services, actor, Permission.GRANT, act=f"add {name} to the team {team}") as change:
        if any((one.team, one.name) == (team, name) for one in teams.members(change.connection)):
            raise ConflictError(f"{name} is in the team {team} already")
        teams.add(change.connection, team, name, by=actor.name, reason=reason, at=change.at)
        change.record("team.joined", name, {"team": team, "reason": reason})


def remove_member(services: Services, actor: Actor, team: str, name: str, reason: str) -> None:
    """Take somebody out of a team. Raises NotFoundError, NotAllowedError or InvalidInputError (no reason)."""
    reason = reason_given(reason, "taking somebody out of a team")
    with changing(services, actor, Permission.GRANT, act=f"take {name} out of the team {team}") as change:
        if not teams.remove(change.connection, team, name, by=actor.name, at=change.at):
            raise NotFoundError(f"{name} is not in the team {team}: pilothouse teams list names the members")
        change.record("team.left", name, {"team": team, "reason": reason})


def list_members(services: Services, actor: Actor) -> list[TeamMember]:
    """Members of all teams, by team and name."""
    with reading(services, actor) as connection:
        return teams.members(connection)


def check_team(team: str) -> None:
    """Raise InvalidInputError where it is no team's name."""
    if not _TEAM.fullmatch(team):
        raise InvalidInputError(
            f"{team!r} is no name of a team: expected up to 40 small letters, digits and - inside"
        )
