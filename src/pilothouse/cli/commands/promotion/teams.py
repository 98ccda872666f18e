"""Commands about teams."""

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, printed_as_json, reason_option, say, show_table
from pilothouse.cli.session import Session
from pilothouse.operations.promotion import teams as operations


@group()
def teams() -> None:
    """Teams whose approval a policy asks for (promotion.teams, policy set --team)."""


@teams.command("list")
@json_option
@click.pass_obj
def teams_list(session: Session) -> None:
    """List teams with their members."""
    members = operations.list_members(session.services, session.actor)
    if printed_as_json(session, members):
        return
    show_table(
        ("team", "member", "since", "by", "reason"),
        ((m.team, m.name, f"{m.recorded_at:%Y-%m-%d}", m.added_by, m.reason) for m in members),
        empty="there is no team",
    )


@teams.command("add")
@click.argument("team")
@click.argument("name")
@reason_option
@click.pass_obj
def teams_add(session: Session, team: str, name: str, reason: str) -> None:
    """Add NAME to TEAM."""
    operations.add_member(session.services, session.actor, team, name, reason)
    say(f"{name} is in the team {team}")


@teams.command("remove")
@click.argument("team")
@click.argument("name")
@reason_option
@click.pass_obj
def teams_remove(session: Session, team: str, name: str, reason: str) -> None:
    """Take NAME out of TEAM."""
    operations.remove_member(session.services, session.actor, team, name, reason)
    say(f"{name} is no longer in the team {team}")
