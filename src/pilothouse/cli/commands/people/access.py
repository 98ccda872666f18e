"""Commands about access: roles, persons, trusted wrappers."""

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
from pilothouse.operations.identity import permissions
from pilothouse.operations.workspace import person_records, workspaces

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
