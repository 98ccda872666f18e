"""Commands that make a first model from a file: new, and what init shares with it."""

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pilothouse.cli.by_url import FileOrUrl, reached_options
from pilothouse.cli.output import json_option, printed_as_json, say, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import Permission

if TYPE_CHECKING:
    from pilothouse.domain.models.first_model import FirstModel
    from pilothouse.operations.workspace.first_models import Wanted


@dataclass(frozen=True, slots=True)
class First:
    """A file that was looked at, and the model that came of it."""

    wanted: "Wanted"
    model: "FirstModel"


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of both commands."""
    for option in reversed(
        (
            click.option(
                "--from",
                "file",
                type=FileOrUrl(),
                help="Look at FILE (parquet, csv, csv.gz, jsonl), or a source by URL, and write a first model for it.",
                metavar="FILE",
            ),
            click.option("--target", metavar="COLUMN", help="With --from: the column to predict."),
            click.option("--yes", is_flag=True, help="With --from: take every guess, ask nothing."),
            click.option("--plan", is_flag=True, help="With --from: print the model file, write nothing."),
        )
    ):
        command = option(command)
    return reached_options(command)


@click.command()
@click.argument("model")
@options
@json_option
@click.pass_obj
def new(session: Session, /, model: str, file: str | None, yes: bool, plan: bool, **more: str | None) -> None:
    """Write models/MODEL/model.toml from what a file or a source by URL holds: task, target, features, split, gates and
    windows, each guess with its reason. Asks on a terminal; a quick fit takes some seconds."""
    from pilothouse.operations.authorisation import authorise

    if file is None:
        raise click.UsageError("name a file with --from FILE")
    authorise(session.services, session.actor, Permission.APPLY)
    first = looked_at(session.root, file, model, session.actor.name, yes=yes, **more)
    if wanted(session, first, yes=yes, plan=plan):
        write(session, first)


def looked_at(
    root: Path,
    named: str,
    name: str | None,
    owner: str,
    *,
    yes: bool,
    target: str | None,
    query: str | None,
    credentials: str | None,
) -> First:
    """Look at a file or a source by URL; questions are asked on a terminal, unless every guess is taken."""
    from pilothouse.operations.ingest.by_url import Reached, as_file, is_by_url
    from pilothouse.operations.workspace import first_models

    reached = Reached(query, credentials)
    ask = first_models.take_guess if yes or not _is_terminal() else _ask
    with as_file(named, reached) as file:
        found = first_models.Wanted(
            root,
            file,
            name or first_models.name_of(named),
            owner,
            target,
            source=named if is_by_url(named) else "",
            reached=reached,
        )
        return First(found, first_models.look(found, ask=ask, tell=say))


def wanted(session: Session, first: First, *, yes: bool, plan: bool) -> bool:
    """Print what was guessed; True where it shall be written."""
    from pilothouse.domain.models.first_model import guesses, model_text

    text = model_text(first.model)
    rows = [{"key": key, "value": value, "reason": reason} for key, value, reason in guesses(first.model)]
    answer = {"model": first.wanted.name, "text": text, "guesses": rows, "written": not plan}
    if plan:
        if not printed_as_json(session, answer):
            click.echo(text, nl=False)
        say("nothing was written")
        return False
    if not printed_as_json(session, answer):
        show_table(
            ("setting", "guess", "because"), ((r["key"], r["value"], r["reason"]) for r in rows), empty=""
        )
    if yes or not _is_terminal():
        return True
    return click.confirm("Write it?", default=True, err=True)


def write(session: Session, first: First) -> None:
    """Write the files and say what to do with them."""
    from pilothouse.operations.workspace import first_models

    for path in first_models.write(first.wanted, first.model):
        say(f"written: {path}")
    name = first.wanted.name
    root = first.wanted.root.absolute()
    there = "" if Path.cwd().is_relative_to(root) else f"cd {shlex.quote(str(first.wanted.root))}, "
    say(
        f"next: {there}pilothouse apply --plan, pilothouse apply, pilothouse daemon start, "
        f"pilothouse train {name} --wait"
    )


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask(what: str, reason: str, guess: str, choices: Sequence[str]) -> str:
    """Answer of the person at the terminal; an empty one takes the guess."""
    if choices:
        say(f"{what}: one of {one_line(', '.join(choices), 2_000)}")
    while True:
        answer: str = click.prompt(
            f"{what} [{one_line(guess, 200)}: {one_line(reason, 300)}]",
            default=guess,
            show_default=False,
            err=True,
        )
        if not choices or answer in choices:
            return answer
        say(f"{one_line(answer, 80)} is none of them")
