"""Commands that decide on a request: approve, reject, and the statement that is signed elsewhere."""

import sys
from pathlib import Path
from typing import Any, TypeVar

import click

from pilothouse.cli.commands.passphrases import ask_passphrase
from pilothouse.cli.output import json_option, printed_as_json, say, say_solo
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import safe_json
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import PromotionRequest
from pilothouse.operations.promotion import promotions
from pilothouse.operations.promotion.components import Passphrase, SecondComponent, Signed
from pilothouse.presentation.pages.request_page import approvers_text
from pilothouse.presentation.texts import counted

_LONGEST = 1 << 16
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
@_component_options
@json_option
@click.pass_obj
def approve(
    session: Session, number: int, digest: str | None, reason: str, signature: str | None, agent: bool
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
    digest = request.evidence_digest if digest is None else digest
    component = _component(session, request, "approve", reason, digest, signature, agent)
    decided = promotions.approve(
        session.services, session.actor, number, evidence_digest=digest, reason=reason, component=component
    )
    if printed_as_json(session, decided):
        return
    approved = f"{decided.approvals} of {counted(decided.approvals_needed, 'approval')}"
    rules = decided.in_force
    more = [*rules.tightened, approvers_text(decided)] if rules else []
    say("; ".join([f"request {number} is {decided.status}: {approved}", *more]))
    say_solo(session)


@click.command()
@click.argument("number", type=int)
@click.option("--reason", required=True, help="Why; the requester reads it.")
@_component_options
@click.pass_obj
def reject(session: Session, number: int, reason: str, signature: str | None, agent: bool) -> None:
    """Reject request NUMBER."""
    request = promotions.get_request(session.services, session.actor, number)
    component = _component(session, request, "reject", reason, request.evidence_digest, signature, agent)
    decided = promotions.reject(session.services, session.actor, number, reason=reason, component=component)
    say(f"request {number} is {decided.status}")


@click.command()
@click.argument("number", type=int)
@click.option("--approve/--reject", "approves", default=None, help="What the statement says.")
@click.option("--reason", default="", help="Remark for the record, part of what is signed.")
@click.option("--key", default="", metavar="FINGERPRINT", help="The key that signs, where you have several.")
@json_option
@click.pass_obj
def statement(session: Session, number: int, approves: bool | None, reason: str, key: str) -> None:
    """Print the statement by which you decide on request NUMBER, to be signed where your key is.

    Standard output is the statement to the byte, standard error the line that signs it. The signature goes to
    pilothouse approve NUMBER --signature FILE within a day.
    """
    from pilothouse.operations.promotion import statements

    if approves is None:
        raise click.UsageError("say what it states: --approve or --reject")
    verdict = "approve" if approves else "reject"
    printed = statements.print_statement(session.services, session.actor, number, verdict, reason, key)
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
    verdict: str,
    reason: str,
    digest: str,
    signature: str | None,
    agent: bool,
) -> SecondComponent | None:
    """What the options name; a passphrase is asked for where the policy wants one."""
    if signature is not None:
        if agent:
            raise click.UsageError("--agent and --signature exclude each other")
        return Signed(_read(signature))
    if agent:
        from pilothouse.operations.promotion import statements
        from pilothouse.signing.agent import socket_of

        say(f"the SSH agent is asked to sign as {session.actor.name}: confirm there, or touch the key")
        return statements.sign_with_agent(
            session.services, session.actor, request.id, verdict, reason, digest, socket_of()
        )
    if request.rules.signature is Component.PASSPHRASE:
        return Passphrase(ask_passphrase(f"passphrase of {session.actor.name}"))
    return None


def _read(name: str) -> str:
    """Text of a file, or of the input up to its end."""
    if name == "-":
        data = sys.stdin.buffer.read(_LONGEST + 1)
    else:
        try:
            with Path(name).open("rb") as stream:
                data = stream.read(_LONGEST + 1)
        except FileNotFoundError:
            raise NotFoundError(f"{name}: no such file") from None
        except OSError as error:
            raise InvalidInputError(f"{name}: {error.strerror}") from None
    return data.decode("utf-8", "replace")
