"""Commands about documents of requests: attached from a file, and handed out as they came."""

import os
import stat
import sys
from pathlib import Path

import click

from pilothouse.cli.output import json_option, plain, printed_as_json, say
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.promotion.documents import LARGEST, current, names_text
from pilothouse.domain.promotion.request_rules import documents_replaced, missing_documents
from pilothouse.operations.promotion.attached import documents as operations
from pilothouse.system.destinations import check_new_file, check_outside_state
from pilothouse.system.files import write_atomically


@click.command()
@click.argument("number", type=int, metavar="REQUEST")
@click.argument("source", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE")
@click.option(
    "--document", "name", required=True, help='What it is, as the policy says: "validation report".'
)
@click.option(
    "--file-name", default="", help="Name of the file on record, where it comes from the input (-)."
)
@json_option
@click.pass_obj
def attach(session: Session, number: int, source: str, name: str, file_name: str) -> None:
    """Attach FILE to the open request REQUEST; - reads the input.

    The file is stored under its sha256 and never opened. A document of the same name replaces the one before, which stays on
    record; an approval that was given on the one before counts no more.
    """
    data = _read(source)
    file_name = file_name or (name if source == "-" else Path(source).name)
    request = operations.attach(session.services, session.actor, number, name, file_name, data)
    attached = next(one for one in current(request.documents) if one.name == name)
    if printed_as_json(session, plain(attached)):
        return
    say(f'request {number} has "{safe(name)}": {attached.size:,} bytes, sha256 {attached.digest}')
    if lost := operations.lost_approvals(request):
        say(f"approvals on the document before count no more: {', '.join(map(safe, lost))}")
    if documents_replaced(request):
        say(
            f"who has approved does so anew once pilothouse request --again {number} asks, with these documents"
        )
    if missing := missing_documents(request):
        say(f"still missing: {safe(names_text(missing))}")
    elif name not in request.rules.documents:
        say("the policy does not ask for this document; it is part of what is decided on all the same")


@click.command()
@click.argument("number", type=int, metavar="REQUEST")
@click.argument("name")
@click.option(
    "--output",
    "target",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    help="A new file; - for standard output, where that is no terminal.",
)
@click.option(
    "--sha256", "digest", default="", help="The document whose sha256 begins so, where one was replaced."
)
@click.pass_obj
def document(session: Session, number: int, name: str, target: str, digest: str) -> None:
    """Write the document NAME of REQUEST to a file, as it was attached."""
    found, data = operations.read_document(session.services, session.actor, number, name, digest.lower())
    if target == "-":
        if sys.stdout.isatty():
            raise InvalidInputError("a document is not shown on a terminal: name a file, or a pipe")
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(target)
    check_new_file(path)
    try:
        write_atomically(path, data, 0o644)
    except OSError as error:
        raise InvalidInputError(f"{path}: {error.strerror}") from None
    say(f"{path}: {found.size:,} bytes, sha256 {found.digest}; the file was called {safe(found.file)}")


def _read(source: str) -> bytes:
    """Bytes of a plain file, or of the input up to its end, and one more than a document may have at most."""
    if source == "-":
        return sys.stdin.buffer.read(LARGEST + 1)
    check_outside_state(Path(source))  # what is attached is handed out again: no key of the workspace
    try:
        handle = os.open(
            source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        )  # a pipe would wait for its writer
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise InvalidInputError(f"{source}: no plain file; - reads the input")
            return stream.read(LARGEST + 1)
    except FileNotFoundError:
        raise NotFoundError(f"{source}: no such file") from None
    except OSError as error:
        raise InvalidInputError(f"{source}: {error.strerror}") from None
