"""Commands of a witness: a folder of its own, no workspace."""

import signal
import threading
from pathlib import Path
from types import FrameType

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, printed_as_json, say, show_pairs, show_table
from pilothouse.cli.session import Session
from pilothouse.operations.transparency.witness_folder import Witness
from pilothouse.transparency.notes import parse_key

_FOLDER = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))


@group()
def witness() -> None:
    """Sign the heads of other logs, each only where it extends the one before."""


@witness.command("init")
@_FOLDER
@click.option("--name", required=True, help="Its name under its signatures, for example witness.example/w1.")
def init(folder: Path, name: str) -> None:
    """Make a witness in FOLDER and print its key, for pilothouse log witness add."""
    click.echo(str(Witness.create(folder, name).key.public))


@witness.command("add-log")
@_FOLDER
@click.argument("key")
def add_log(folder: Path, key: str) -> None:
    """Know the log whose heads KEY verifies, as its pilothouse log status shows it."""
    Witness(folder).add_log(parse_key(key))
    say(f"heads of {parse_key(key).name} are signed where each extends the one before")


@witness.command("show")
@_FOLDER
@json_option
@click.pass_obj
def show(session: Session, folder: Path) -> None:
    """Show the witness's key, the logs that it knows, and what it has signed last of each."""
    one = Witness(folder)
    key, logs = str(one.key.public), one.logs()
    facts = [
        {"origin": each.origin, "size": each.seen.size, "keys": [str(key) for key in each.keys]}
        for each in logs
    ]
    if printed_as_json(session, {"key": key, "logs": facts}):
        return
    show_pairs([("key", key)])
    show_table(
        ("log", "rows signed"),
        ((each.origin, each.seen.size) for each in logs),
        empty="it knows no log: add-log",
    )


@witness.command("serve")
@_FOLDER
@click.option(
    "--listen",
    default="127.0.0.1:7380",
    show_default=True,
    metavar="HOST:PORT",
    help="Or unix:/SOCKET; port 0: a free one.",
)
def serve(folder: Path, listen: str) -> None:
    """Answer logs over HTTP until SIGTERM or Ctrl-C."""
    from pilothouse.operations.transparency.witness_server import WitnessServer

    server = WitnessServer(Witness(folder), listen)

    def end(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=server.stop).start()  # it waits for the loop that this interrupts

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        click.echo(f"listens on {server.url}")
        server.run()
    finally:
        server.close()
