"""Commands that decide on a request: approve, reject, and the statement that is signed elsewhere."""

import sys
from typing import Any, TypeVar

import click

from pilothouse.cli.commands.people.passphrases import ask_passphrase
from pilothouse.cli.output import json_option, printed_as_json, read_short, say, say_solo
from pilothouse.cli.session import Session
from pilothouse.domain.formats.safe_text import safe, safe_json
from pilothouse.domain.promotion.conditions import Condition, NewCondition, due_on, wording
from pilothouse.domain.promotion.statements import Component, Declaration
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.promotion import promotions
from pilothouse.operations.promotion.components import Passphrase, SecondComponent, Signed
from pilothouse.operations.rollouts import views
from pilothouse.presentation.pages.request_page import approvers_text
from pilothouse.presentation.texts import counted

F = TypeVar("F")


def _component_options(command: F) -> F:
    """Add the options that name the second component of a decision."""
    for option in (
        click.option("--agent", is_flag=True, help="Sign with the SSH agent of this session (ssh -A)."),
        click.option(
            "--signature",
            type=click.Path(dir_okay=False, allow_dash=True),
            metavar="FILE",
            help="The signature of the statement that pilothouse statement printed; - reads the input.",
        ),
    ):
        command = option(command)  # type: ignore[type-var]
    return command


def _condition_options(command: F) -> F:
    """Add the options that name the condition of an approval."""
    for option in (
        click.option("--due", metavar="WHEN", help="By when: 30d, or a date such as 2027-03-31."),
        click.option(
            "--confirmed-by",
            "by",
            metavar="WHO",
            help="Who confirms it: a name, or a role for whoever holds it.",
        ),
        click.option(
            "--on-condition",
            "text",
            metavar="TEXT",
            help='Approve on a condition that somebody confirms after the deployment, e.g. "reviewed after 30 days".',
        ),
    ):
        command = option(command)  # type: ignore[type-var]
    return command


def _condition(session: Session, text: str | None, by: str | None, due: str | None) -> NewCondition | None:
    if text is None and by is None and due is None:
        return None
    if text is None or by is None or due is None:
        raise click.UsageError(
            "a condition needs all three: --on-condition TEXT --confirmed-by WHO --due WHEN"
        )
    return NewCondition(text.strip(), by.strip(), due_on(due, session.services.now()))


@click.command()
@click.argument("number", type=int)
@click.option(
    "--evidence",
    "digest",
    metavar="DIGEST",
    help="The digest of the evidence that you read (at least its first 12 digits), from pilothouse evidence NUMBER. "
    "A signed statement names it.",
)
@click.option("--reason", default="", help="Remark for the record.")
@_condition_options
@_component_options
@json_option
@click.pass_obj
def approve(
    session: Session,
    number: int,
    digest: str | None,
    reason: str,
    signature: str | None,
    agent: bool,
    text: str | None,
    by: str | None,
    due: str | None,
) -> None:
    """Approve request NUMBER on the evidence that you read.

    Where the policy asks for a passphrase you are asked for yours. Where it asks for a signature, --agent signs in this
    session, and --signature takes one that was made elsewhere.
    """
    if digest is None and signature is None:
        raise click.UsageError(
            f"--evidence is missing, the digest of what you read: it is from pilothouse evidence {number}"
        )
    request = promotions.get_request(session.services, session.actor, number)
    digest = request.shown_digest if digest is None else digest
    declared = Declaration("approve", reason, _condition(session, text, by, due))
    component = _component(session, request, declared, digest, signature, agent)
    decided = promotions.approve(
        session.services,
        session.actor,
        number,
        evidence_digest=digest,
        reason=reason,
        component=component,
        condition=declared.condition,
    )
    if printed_as_json(session, decided):
        return
    approved = f"{decided.approvals} of {counted(decided.approvals_needed, 'approval')}"
    rules = decided.in_force
    more = [*rules.tightened, approvers_text(decided)] if rules else []
    say("; ".join([f"request {number} is {decided.status}: {approved}", *more]))
    if made := views.rollout_of_request(session.services, session.actor, number):
        next_of = views.show_rollout(session.services, session.actor, made.id).next
        say(
            f"it goes out by roll-out {made.id}, plan {safe(made.plan.name)}{f': {safe(next_of)}' if next_of else ''}; "
            f"watch it: pilothouse rollout show {made.id}"
        )
    if condition := _made(decided, session.actor.name):
        say(f"condition {condition.id}: {safe(wording(condition), 2_000)}")
    say_solo(session)


@click.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; the requester reads it.")
@_component_options
@click.pass_obj
def reject(session: Session, number: int, reason: str, signature: str | None, agent: bool) -> None:
    """Reject request NUMBER."""
    request = promotions.get_request(session.services, session.actor, number)
    declared = Declaration("reject", reason)
    component = _component(session, request, declared, request.shown_digest, signature, agent)
    decided = promotions.reject(session.services, session.actor, number, reason=reason, component=component)
    say(f"request {number} is {decided.status}")


def _made(request: PromotionRequest, name: str) -> Condition | None:
    """Condition of somebody's approval."""
    return next((one.condition for one in request.decisions if one.actor == name), None)


@click.command()
@click.argument("number", type=int)
@click.option("--approve/--reject", "approves", default=None, help="What the statement says.")
@click.option("--reason", default="", help="Remark for the record, part of what is signed.")
@click.option("--key", default="", metavar="FINGERPRINT", help="The key that signs, where you have several.")
@_condition_options
@json_option
@click.pass_obj
def statement(
    session: Session,
    number: int,
    approves: bool | None,
    reason: str,
    key: str,
    text: str | None,
    by: str | None,
    due: str | None,
) -> None:
    """Print the statement by which you decide on request NUMBER, to be signed where your key is.

    Standard output is the statement to the byte, standard error the line that signs it. The signature goes to
    pilothouse approve NUMBER --signature FILE within a day.
    """
    from pilothouse.operations.promotion import statements

    if approves is None:
        raise click.UsageError("say what it states: --approve or --reject")
    verdict = "approve" if approves else "reject"
    condition = _condition(session, text, by, due)
    printed = statements.print_statement(
        session.services, session.actor, number, verdict, reason, key, condition
    )
    if printed_as_json(session, {**_plain(printed), "command": printed.command}):
        return
    if sys.stdout.isatty():
        click.echo(safe_json(printed.text))
    else:
        click.echo(printed.text, nl=False)
    option = " --reason …" if verdict == "reject" else ""
    say("sign it where your key is, in one line:")
    click.echo(
        f"  {printed.command}", err=True
    )  # ASCII, and whole: a command that is cut runs something else
    say(f"then: pilothouse {verdict} {number} --signature FILE{option} (- for a paste)")


def _plain(printed: Any) -> dict[str, Any]:
    return {
        "request": printed.request,
        "verdict": printed.verdict,
        "statement": printed.text,
        "key": printed.key,
    }


def _component(
    session: Session,
    request: PromotionRequest,
    declared: Declaration,
    digest: str,
    signature: str | None,
    agent: bool,
) -> SecondComponent | None:
    """What the options name; a passphrase is asked for where the policy wants one."""
    if signature is not None:
        if agent:
            raise click.UsageError("--agent and --signature exclude each other")
        return Signed(read_short(signature))
    if agent:
        from pilothouse.operations.promotion import statements
        from pilothouse.signing.agent import socket_of

        say(f"the SSH agent is asked to sign as {session.actor.name}: confirm there, or touch the key")
        return statements.sign_with_agent(
            session.services,
            session.actor,
            request.id,
            declared.verdict,
            declared.reason,
            digest,
            socket_of(),
            declared.condition,
        )
    if request.rules.signature is Component.PASSPHRASE:
        return Passphrase(ask_passphrase(f"passphrase of {session.actor.name}"))
    return None
