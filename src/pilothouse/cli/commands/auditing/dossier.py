"""Command that writes the dossier of a version."""

import sys
from pathlib import Path

import click

from pilothouse.cli.output import json_option, printed_as_json, say
from pilothouse.cli.session import Session


@click.command()
@click.argument("reference")
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, allow_dash=True, path_type=Path),
    required=True,
    help="A new folder; dossier.html in it is for reading, verify.sh checks all of it. - writes a tar to stdout.",
)
@json_option
@click.pass_obj
def dossier(session: Session, reference: str, folder: Path) -> None:
    """Write all that is on record about a version into a folder that is verified without Pilothouse."""
    from pilothouse.operations.dossier import dossiers
    from pilothouse.presentation.dossier.pages import dossier_pages

    if str(folder) == "-":
        if sys.stdout.isatty():
            raise click.UsageError("--output - writes a tar: send it into a file or a pipe")
        stream = sys.stdout.buffer
        sent = dossiers.send_dossier(session.services, session.actor, reference, stream, dossier_pages)
        say(f"{sent.name}: {sent.files} files in a tar; signed by the key sha256 {sent.fingerprint}")
        return
    written = dossiers.write_dossier(session.services, session.actor, reference, folder, dossier_pages)
    facts = {
        "folder": str(written.folder),
        "files": written.files,
        "manifest": written.digest,
        "key": written.fingerprint,
    }
    if printed_as_json(session, facts):
        return
    say(f"{written.folder}: {written.files} files; signed by the key sha256 {written.fingerprint}")
    say("read dossier.html; sh verify.sh checks it anywhere, without Pilothouse")
