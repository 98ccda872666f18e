"""Commands about breaking the glass: deploy alone in an emergency, and look at what others so deployed."""

import sys
from datetime import timedelta
from typing import TypeVar

import click

from pilothouse.cli.commands.people.passphrases import ask_passphrase
from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    printed_as_json,
    read_short,
    reason_option,
    say,
    say_unwatched,
    show_table,
    targets_option,
)
from pilothouse.cli.session import Session
from pilothouse.domain.formats.safe_text import safe_json
from pilothouse.domain.models.dataclass_reader import parse_duration
from pilothouse.domain.promotion.break_glass import REVIEWERS, Emergency, Review
from pilothouse.domain.promotion.statements import Component
from pilothouse.operations.promotion import break_glass as operations
from pilothouse.operations.promotion import glass_components
from pilothouse.operations.promotion.components import Passphrase, SecondComponent, Signed
from pilothouse.presentation.break_glass import looked, standing, superseded_text

F = TypeVar("F")


@group("break-glass")
def break_glass() -> None:
    """Deploy without the approvals in an emergency; two others look at it, and its time ends."""


def _emergency_options(command: F) -> F:
    """Add the options that say what is deployed alone, and why."""
    for option in (
        click.option("--reason", required=True, help="Why nobody else can be asked, for the record."),
        click.option(
            "--for",
            "lasts",
            default="4h",
            show_default=True,
            help="After that the daemon takes it back: 5m to 3d.",
        ),
        targets_option("Only there (again for more); all of the model's otherwise."),
    ):
        command = option(command)  # type: ignore[type-var]
    return command


def _emergency(reference: str, targets: tuple[str, ...], lasts: str, reason: str) -> Emergency:
    return Emergency(reference, targets or None, reason, timedelta(seconds=parse_duration(lasts)))


@break_glass.command("deploy")
@click.argument("reference")
@_emergency_options
@click.option("--agent", is_flag=True, help="Sign with the SSH agent of this session (ssh -A).")
@click.option(
    "--statement",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="What pilothouse break-glass statement printed.",
)
@click.option(
    "--signature",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="The signature of that statement.",
)
@json_option
@click.pass_obj
def break_glass_deploy(
    session: Session,
    reference: str,
    targets: tuple[str, ...],
    lasts: str,
    reason: str,
    agent: bool,
    statement: str | None,
    signature: str | None,
) -> None:
    """Put the version REFERENCE live at once, alone.

    Where the policy asks for a second component of decisions, this asks for it too: your passphrase, or a signature by
    --agent or with --statement and --signature.
    """
    emergency = _emergency(reference, targets, lasts, reason)
    glass = operations.break_glass(
        session.services,
        session.actor,
        reference,
        emergency.targets,
        reason=reason,
        lasts=emergency.lasts,
        component=_component(session, emergency, agent, statement, signature),
    )
    if not printed_as_json(session, glass):
        say(
            f"break-glass {glass.id}: {glass.model} v{glass.version} is live on {', '.join(glass.targets)} "
            f"{standing(glass)}; then the daemon takes it back, unless {REVIEWERS} others let it stand "
            f"(pilothouse break-glass review {glass.id} --keep)"
        )
        if text := superseded_text(glass):
            say(text)
        say_unwatched(session)


@break_glass.command("statement")
@click.argument("reference")
@_emergency_options
@click.option("--key", default="", metavar="FINGERPRINT", help="The key that signs, where you have several.")
@click.pass_obj
def break_glass_statement(
    session: Session, reference: str, targets: tuple[str, ...], lasts: str, reason: str, key: str
) -> None:
    """Print the statement by which you deploy REFERENCE alone, to be signed where your key is, within a day.

    Standard output is the statement to the byte, standard error the line that signs it.
    """
    emergency = _emergency(reference, targets, lasts, reason)
    printed = glass_components.print_glass_statement(session.services, session.actor, emergency, key)
    if sys.stdout.isatty():
        click.echo(safe_json(printed.text))
    else:
        click.echo(printed.text, nl=False)
    say("sign it where your key is, in one line:")
    click.echo(f"  {printed.command}", err=True)
    say("then: pilothouse break-glass deploy, the same words, --statement FILE --signature FILE")


def _component(
    session: Session, emergency: Emergency, agent: bool, statement: str | None, signature: str | None
) -> SecondComponent | None:
    """What the options name; a passphrase is asked for where the policy wants one."""
    if (statement is None) is not (signature is None) or (agent and signature is not None):
        raise click.UsageError("sign with --agent, or name both --statement FILE and --signature FILE")
    if statement is not None and signature is not None:
        return Signed(read_short(signature), read_short(statement).encode())
    if agent:
        from pilothouse.signing.agent import socket_of

        say(f"the SSH agent is asked to sign as {session.actor.name}: confirm there, or touch the key")
        return glass_components.sign_glass_with_agent(session.services, session.actor, emergency, socket_of())
    asked = operations.asked_component(session.services, session.actor, emergency.reference)
    if asked is Component.PASSPHRASE:
        return Passphrase(ask_passphrase(f"passphrase of {session.actor.name}"))
    return None


@break_glass.command("list")
@click.option("--open", "open_only", is_flag=True, help="Only what two others have not looked at.")
@json_option
@click.pass_obj
def break_glass_list(session: Session, open_only: bool) -> None:
    """List deployments by breaking the glass."""
    glasses = operations.list_broken(session.services, session.actor, open_only=open_only)
    if printed_as_json(session, glasses):
        return
    show_table(
        ("no", "at", "by", "version", "on", "reason", "stands", "reviews"),
        (
            (
                glass.id,
                f"{glass.recorded_at:%Y-%m-%d %H:%M}",
                glass.actor,
                f"{glass.model}/{glass.version}",
                ", ".join(glass.targets),
                glass.reason,
                standing(glass),
                "; ".join(f"{r.actor}: {r.verdict} ({r.reason})" for r in glass.reviews) or "none yet",
            )
            for glass in glasses
        ),
        empty="nobody has broken the glass",
    )


@break_glass.command("review")
@click.argument("number", type=int)
@click.option("--keep", "verdict", flag_value=str(Review.KEEP), help="Let the version stay.")
@click.option("--take-back", "verdict", flag_value=str(Review.TAKE_BACK), help="Go back at once.")
@reason_option
@click.pass_obj
def break_glass_review(session: Session, number: int, verdict: str | None, reason: str) -> None:
    """Look at break-glass NUMBER as another person."""
    if verdict is None:
        raise click.UsageError("say what becomes of it: --keep or --take-back")
    glass = operations.review(session.services, session.actor, number, Review(verdict), reason)
    missing = REVIEWERS - looked(glass)
    say(
        f"break-glass {number}: {standing(glass)}"
        + (f"; {missing} more must look at it" if missing > 0 else "; closed")
    )
