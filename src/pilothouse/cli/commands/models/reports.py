"""Command that writes the report of a model."""

from pathlib import Path

import click

from pilothouse.cli.output import json_option, printed_as_json, say
from pilothouse.cli.session import Session


@click.command()
@click.argument("reference", metavar="MODEL[/VERSION]")
@click.option(
    "--output",
    "file",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="The new HTML file; - writes it to stdout.",
)
@json_option
@click.pass_obj
def report(session: Session, reference: str, file: Path) -> None:
    """Write one HTML page about a model: versions, held-out rows in pictures, production.

    Of a model alone it shows the champion, or the newest version where there is none. The page fetches nothing and runs no
    script. --json prints the figures that it is made of too.
    """
    from pilothouse.operations.dossier import model_reports
    from pilothouse.presentation.dossier.pages import report_page
    from pilothouse.system.destinations import new_text_file

    if str(file) == "-":
        _, page = model_reports.make_report(session.services, session.actor, reference, report_page)
        click.echo(page, nl=False)
        return
    with new_text_file(file) as stream:
        found, page = model_reports.make_report(session.services, session.actor, reference, report_page)
        stream.write(page)
    facts = {
        "file": str(file),
        "model": found.model.name,
        "version": found.version.number,
        "pictures": found.pictures,
    }
    if not printed_as_json(session, facts):
        say(
            f"{file}: {found.model.name} v{found.version.number}, {len(page.encode()) // 1024 + 1} KB; open it in a browser"
        )
