"""Commands about passphrases. They are typed, or read from the input: never an argument, which every process could see."""

import sys

import click

from pilothouse.cli.output import printed_as_json, reason_option, say, show_pairs, shown_group
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError
from pilothouse.operations.identity import passphrases as operations

_LONGEST = 10_000


def ask_passphrase(words: str) -> str:
    """Passphrase as it is typed, unseen; where no terminal is there, the next line of the input. Raises InvalidInputError."""
    if sys.stdin.isatty():
        typed: str = click.prompt(words, hide_input=True, err=True, prompt_suffix=": ")
        return typed
    line = sys.stdin.readline(_LONGEST)
    if not line:
        raise InvalidInputError(f"{words}: nobody is there to type it: give it as a line of the input")
    return line.rstrip("\r\n")


@shown_group
def passphrase(session: Session) -> None:
    """Your passphrase, the second component of your decisions. Without a command, whether it is set."""
    standing = operations.standing(session.services, session.actor)
    if printed_as_json(session, standing):
        return
    show_pairs(
        (
            ("set", "yes" if standing.is_set else "no: pilothouse passphrase set"),
            ("locked", "yes: an admin unlocks it" if standing.locked else "no"),
            ("wrong tries", standing.wrong),
        )
    )


@passphrase.command("set")
@click.pass_obj
def set_(session: Session) -> None:
    """Set your passphrase, or another one; the old one is asked for first."""
    standing = operations.standing(session.services, session.actor)
    old = ask_passphrase("the passphrase until now") if standing.is_set else None
    new = ask_passphrase("the new passphrase")
    if sys.stdin.isatty() and ask_passphrase("again") != new:
        raise InvalidInputError("the two differ: nothing is set")
    operations.set_passphrase(session.services, session.actor, new, old)
    say(f"the passphrase of {session.actor.name} is set")


@passphrase.command()
@click.argument("name")
@reason_option
@click.pass_obj
def unlock(session: Session, name: str, reason: str) -> None:
    """Let NAME try again after five wrong passphrases."""
    operations.unlock(session.services, session.actor, name, reason)
    say(f"{name} may try again")


@passphrase.command()
@click.argument("name")
@reason_option
@click.pass_obj
def remove(session: Session, name: str, reason: str) -> None:
    """Take the passphrase of NAME away, who has forgotten it and sets another."""
    operations.take_away(session.services, session.actor, name, reason)
    say(f"{name} has no passphrase any more, and sets another with pilothouse passphrase set")
