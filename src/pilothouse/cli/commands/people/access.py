"""Commands about access: roles, the workspace's policy, trusted wrappers."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    F,
    json_option,
    on_option,
    plain,
    printed_as_json,
    reason_option,
    say,
    say_solo,
    show_hung,
    show_pairs,
    show_table,
)
from pilothouse.cli.session import Session
from pilothouse.domain.errors import NotAllowedError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Grant, Role
from pilothouse.domain.identity.scopes import LABEL, TargetChoice
from pilothouse.domain.models.dataclass_reader import format_duration, parse_duration
from pilothouse.domain.promotion.documents import names_text
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.promotion.teams import teams_text
from pilothouse.domain.promotion.workspace_rules import WorkspacePolicy
from pilothouse.operations.identity import idle_lock as locks
from pilothouse.operations.identity import permissions, proposals
from pilothouse.operations.plans import plans_in_force
from pilothouse.operations.promotion import break_glass
from pilothouse.operations.promotion.attached import required_replay
from pilothouse.operations.workspace import person_records, workspaces
from pilothouse.presentation import texts

_GRANTABLE = click.Choice([str(role) for role in Role if role is not Role.DAEMON])


@click.command()
@json_option
@click.pass_obj
def roles(session: Session) -> None:
    """Who holds which role."""
    actors = workspaces.list_roles(session.services, session.actor)
    if printed_as_json(session, actors):
        return
    show_table(
        ("actor", "role", "for"),
        (
            (actor.name, f"no {grant.role}" if grant.deny else grant.role, grant.scope)
            for actor in actors
            for grant in actor.grants
        ),
        empty="nobody holds a role",
    )


def _scoped(command: F) -> F:
    """Options of a grant that is for some targets, or denies."""
    for option in reversed(
        (
            click.option("--model", default="", help="For this model only."),
            on_option("target", help="On the targets of this name only; * stands for any text."),
            click.option("--region", help="On the targets of this region only."),
            click.option("--product", help="On the targets of this product only."),
            click.option("--business-unit", help="On the targets of this business unit only."),
            click.option("--environment", help="On the targets of this environment only."),
            click.option(
                "--label",
                "labels",
                metavar="KEY=VALUE",
                multiple=True,
                help="On the targets of this label only.",
            ),
            click.option("--deny", is_flag=True, help="Take away what the role may do there; a denial wins."),
        )
    ):
        command = option(command)
    return command


def _chosen(given: dict[str, str | None], labels: Sequence[str]) -> TargetChoice:
    rules = {key: pattern for key, pattern in given.items() if pattern is not None}
    for label in labels:
        name, sign, pattern = label.partition("=")
        if not sign:
            raise click.UsageError(f"{label!r}: expected KEY=VALUE, e.g. tier=gold")
        rules[f"{LABEL}{name}"] = pattern
    return TargetChoice.of(rules)


def _takes_a_grant(act: Callable[[Session, str, Grant], None]) -> Callable[..., None]:
    """NAME, ROLE and the options of its scope, handed on as a name and a grant."""

    @click.argument("name")
    @click.argument("role", type=_GRANTABLE)
    @_scoped
    @click.pass_obj
    @functools.wraps(act)
    def command(
        session: Session,
        /,
        name: str,
        role: str,
        model: str,
        labels: tuple[str, ...],
        deny: bool,
        **given: str | None,
    ) -> None:
        act(session, name, Grant(Role(role), model, deny, _chosen(given, labels)))

    return command


@click.command()
@_takes_a_grant
def grant(session: Session, name: str, held: Grant) -> None:
    """Grant ROLE to NAME, or deny it."""
    workspaces.grant_role(session.services, session.actor, name, **_terms(held))
    say(f"{name} is {held}")


@click.command()
@_takes_a_grant
def revoke(session: Session, name: str, held: Grant) -> None:
    """Revoke ROLE from NAME, or its denial: what was granted with the same options."""
    workspaces.revoke_role(session.services, session.actor, name, **_terms(held))
    say(f"{name} is no longer {held}")


def _terms(held: Grant) -> dict[str, Any]:
    return {"role": held.role, "model": held.model, "targets": held.targets, "deny": held.deny}


@click.command()
@click.argument("name")
@click.argument("action")
@click.argument("model", default="")
@on_option("on", multiple=True, help="On this target; else on all of the model's.")
@json_option
@click.pass_obj
def can(session: Session, name: str, action: str, model: str, on: tuple[str, ...]) -> int:
    """Whether NAME may do ACTION (approve, train, rollback …) to MODEL, and which grant says so. Exit code 4 if not."""
    explanation = permissions.explain(session.services, session.actor, name, action, model, on)
    if not printed_as_json(session, explanation):
        show_hung(safe(explanation.sentence))
        for one in explanation.grants:
            show_hung(safe(f"  {one.verdict:<12}  {one.grant}{one.why and f': {one.why}'}"), 16)
        if not explanation.grants:
            click.echo(f"  {safe(name)} holds no role")
    return 0 if explanation.allowed else NotAllowedError.exit_code


@group()
def persons() -> None:
    """Persons, and the names that are one person: four eyes, approvals and decisions go by person."""


@persons.command("list")
@json_option
@click.pass_obj
def persons_list(session: Session) -> None:
    """List persons with their names and accounts."""
    known = person_records.list_persons(session.services, session.actor)
    if printed_as_json(session, known):
        return
    show_table(
        ("person", "names", "accounts"),
        ((one.name, ", ".join(one.names), ", ".join(map(str, one.accounts)) or "–") for one in known),
        empty="nobody is known",
    )


@persons.command("join")
@click.argument("name")
@click.argument("other")
@reason_option
@click.pass_obj
def persons_join(session: Session, name: str, other: str, reason: str) -> None:
    """Declare that NAME and OTHER are one person, for good."""
    person = person_records.join(session.services, session.actor, name, other, reason)
    say(f"{' and '.join(person.names)} are one person: what one of them did counts for all")


@click.command()
@json_option
@click.pass_obj
def whoami(session: Session) -> None:
    """Who you are in this workspace."""
    actor = session.actor
    if printed_as_json(session, {**plain(actor), "solo": workspaces.solo_person(session.services)}):
        return
    how = str(actor.identity) if actor.identity else "nobody has said"
    show_pairs((("name", actor.name), ("known by", how), ("roles", actor.role_names)))
    say_solo(session)


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


@group()
def wrapper() -> None:
    """System users whose program may hand over other people's names (with --as)."""


@wrapper.command("list")
@json_option
@click.pass_obj
def wrapper_list(session: Session) -> None:
    """Show who is trusted."""
    users = workspaces.list_wrappers(session.services, session.actor)
    if not printed_as_json(session, users):
        show_table(("user",), ((user,) for user in users), empty="nobody is trusted to hand over names")


@wrapper.command("trust")
@click.argument("user")
@click.pass_obj
def wrapper_trust(session: Session, user: str) -> None:
    """Let the system's USER act in others' names, e.g. a login service that knows who they are."""
    workspaces.trust_wrapper(session.services, session.actor, user)
    say(f"{user} may hand over other people's names")


@wrapper.command("untrust")
@click.argument("user")
@click.pass_obj
def wrapper_untrust(session: Session, user: str) -> None:
    """No longer let USER act in others' names."""
    workspaces.trust_wrapper(session.services, session.actor, user, trusted=False)
    say(f"{user} may no longer hand over other people's names")
