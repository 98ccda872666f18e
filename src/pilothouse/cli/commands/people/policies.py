"""Commands about the workspace's policy."""

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    plain,
    printed_as_json,
    reason_option,
    say,
    show_pairs,
)
from pilothouse.cli.session import Session
from pilothouse.domain.models.dataclass_reader import format_duration, parse_duration
from pilothouse.domain.promotion.documents import names_text
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.promotion.teams import teams_text
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.operations.identity import idle_lock as locks
from pilothouse.operations.identity import proposals
from pilothouse.operations.plans import plans_in_force
from pilothouse.operations.promotion import break_glass
from pilothouse.operations.promotion.attached import required_replay
from pilothouse.operations.workspace import workspaces
from pilothouse.presentation import texts


@group()
def policy() -> None:
    """The workspace's policy: a floor that a model's policy may tighten."""


@policy.command("show")
@json_option
@click.pass_obj
def policy_show(session: Session) -> None:
    """Show the policy in force."""
    rules = workspaces.workspace_policy(session.services, session.actor)
    open_reading = workspaces.reading_is_open(session.services, session.actor)
    glass = break_glass.is_allowed(session.services, session.actor)
    dual, lock_s = proposals.is_on(session.services, session.actor), locks.seconds(session.services)
    more = {"open_reading": open_reading, "break_glass": glass, "dual_control": dual, "idle_lock_s": lock_s}
    if printed_as_json(session, {**plain(rules), **more}):
        return
    show_pairs(
        (
            ("approvals at least", rules.approvals),
            ("four eyes", _four_eyes_text(rules)),
            ("decisions need", rules.signature.words if rules.signature.rank else "no second component"),
            ("of teams at least", teams_text(rules.teams) or "nothing"),
            ("documents at least", names_text(rules.documents) or "none"),
            ("plan at least", rules.plan or "none: all targets at once, or as the model says"),
            (
                "replay at least",
                format_duration(rules.replay) if rules.replay else "none, or as the model says",
            ),
            ("automatic deployment", "as the model says" if rules.allow_automatic else "forbidden"),
            ("set by", rules.set_by or "nobody: the default"),
            ("access and rules", "two admins (dual control)" if dual else "one admin"),
            ("breaking the glass", "allowed; two others look at it" if glass else "forbidden"),
            ("idle lock", format_duration(lock_s) if lock_s else "off"),
            ("reading", "open to everybody who can open the folder" if open_reading else "only with a role"),
        )
    )


def _four_eyes_text(rules: WorkspacePolicy) -> str:
    if rules.four_eyes:
        return "required"
    return texts.solo_text(rules.solo) if rules.solo else "as the model says"


@policy.command("set")
@click.option("--approvals", type=click.IntRange(0, 10), help="At least so many approvals.")
@click.option("--four-eyes/--no-four-eyes", default=None, help="The approver has no part in the version.")
@click.option(
    "--automatic/--no-automatic", default=None, help="Whether a model may deploy without human hands."
)
@click.option(
    "--signature",
    type=click.Choice([str(one) for one in Component]),
    help="The least second component of each decision.",
)
@click.option(
    "--team",
    "teams",
    multiple=True,
    metavar="NAME=NUMBER",
    help="So many approvals of this team for every model, 0 for none (again for more).",
)
@click.option("--plan", help='Plan of plans.toml that every model goes out by at least; "" for none.')
@click.option(
    "--replay", metavar="TIME", help="Recorded traffic that versions answer before a request: 28d, or off."
)
@click.option(
    "--document",
    "documents",
    multiple=True,
    metavar="NAME",
    help='This document must be attached before an approval, for every model: "validation report" (again for more).',
)
@click.option(
    "--no-document",
    "no_documents",
    multiple=True,
    metavar="NAME",
    help="It is no longer asked for (again for more).",
)
@click.option(
    "--open-reading/--no-open-reading", default=None, help="Whether somebody who holds no role may read."
)
@click.option(
    "--plugins/--no-plugins", default=None, help="Whether consoles may run their readers' own commands."
)
@click.option(
    "--break-glass/--no-break-glass",
    "may_break_glass",
    default=None,
    help="Whether somebody may deploy alone in an emergency; two others look at it.",
)
@click.option(
    "--dual-control/--no-dual-control",
    default=None,
    help="Whether changes of access and rules need two admins.",
)
@click.option(
    "--idle-lock", metavar="TIME", help="Consoles lock themselves after so long without a key: 10m, or off."
)
@reason_option
@click.pass_obj
def policy_set(
    session: Session,
    approvals: int | None,
    four_eyes: bool | None,
    automatic: bool | None,
    signature: str | None,
    teams: tuple[str, ...],
    documents: tuple[str, ...],
    no_documents: tuple[str, ...],
    plan: str | None,
    replay: str | None,
    open_reading: bool | None,
    plugins: bool | None,
    may_break_glass: bool | None,
    dual_control: bool | None,
    idle_lock: str | None,
    reason: str,
) -> None:
    """Set the policy; what is not named stays."""
    asked = dict.fromkeys(documents, True) | dict.fromkeys(no_documents, False)
    rules = (approvals, four_eyes, automatic, signature, teams or None, asked or None)
    if all(
        rule is None
        for rule in (*rules, plan, replay, open_reading, plugins, may_break_glass, dual_control, idle_lock)
    ):
        raise click.UsageError("name what to set, e.g. --approvals 1")
    if any(rule is not None for rule in rules):
        workspaces.set_workspace_policy(
            session.services,
            session.actor,
            approvals=approvals,
            four_eyes=four_eyes,
            allow_automatic=automatic,
            signature=None if signature is None else Component(signature),
            teams=dict(map(_of_team, teams)),
            documents=asked,
            reason=reason,
        )
    if plan is not None:
        plans_in_force.set_floor_plan(session.services, session.actor, plan, reason)
    if replay is not None:
        seconds = 0 if replay == "off" else parse_duration(replay)
        required_replay.set_floor_replay(session.services, session.actor, seconds, reason)
    if open_reading is not None:
        workspaces.set_open_reading(session.services, session.actor, allowed=open_reading, reason=reason)
    if plugins is not None:
        workspaces.set_plugins(session.services, session.actor, allowed=plugins, reason=reason)
    if dual_control is not None:
        proposals.set_dual_control(session.services, session.actor, on=dual_control, reason=reason)
    if may_break_glass is not None:
        workspaces.set_break_glass(session.services, session.actor, allowed=may_break_glass, reason=reason)
    if idle_lock is not None:
        after_s = None if idle_lock == "off" else parse_duration(idle_lock)
        locks.set_idle_lock(session.services, session.actor, after_s, reason)
    say("policy set")


def _of_team(text: str) -> tuple[str, int]:
    team, found, count = text.partition("=")
    if not found or not count.isdecimal():
        raise click.UsageError(f"--team {text}: expected a name and a number, e.g. risk=1")
    return team, int(count)
