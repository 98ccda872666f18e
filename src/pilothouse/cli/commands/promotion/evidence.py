"""Commands about evidence: shown, or written for strangers."""

from pathlib import Path

import click

from pilothouse.cli.groups import WholeGroup
from pilothouse.cli.output import WIDE, json_option, plain, printed_as_json, say, say_solo, show_lines
from pilothouse.cli.session import Session
from pilothouse.operations.promotion import approved_before, break_glass, promotions
from pilothouse.presentation.pages.markdown_pages import request_markdown
from pilothouse.presentation.pages.request_page import request_page
from pilothouse.presentation.texts import counted


class _Shown(WholeGroup):
    """Group that shows where no command of it is named: ``pilothouse evidence 17`` is ``pilothouse evidence show 17``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, *self.get_help_option_names(ctx)):
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Shown)
def evidence() -> None:
    """Evidence on which a request is decided: pilothouse evidence NUMBER shows it."""


@evidence.command()
@click.argument("number", type=int)
@click.option(
    "--digest",
    is_flag=True,
    help="Print the digest alone of what it shows, to approve what you have read.",
)
@click.option("--all", "everything", is_flag=True, help="List the packages of the environment too.")
@click.option("--markdown", is_flag=True, help="As Markdown, for a comment on a pull request.")
@json_option
@click.pass_obj
def show(session: Session, number: int, digest: bool, everything: bool, markdown: bool) -> None:
    """Show request NUMBER with its evidence; the word show may be left out."""
    promotion_request = promotions.get_request(session.services, session.actor, number)
    if digest and not session.as_json:
        click.echo(promotion_request.shown_digest)
        return
    if markdown and not session.as_json:
        click.echo(request_markdown(promotion_request, session.services.now()), nl=False)
        return
    changes = approved_before.changes_of_request(session.services, session.actor, promotion_request)
    if printed_as_json(
        session,
        {
            **plain(promotion_request),
            "shown_digest": promotion_request.shown_digest,
            "changes": changes,
        },
    ):
        return
    say_solo(session)
    click.echo(f"request {promotion_request.id}")
    again = f"Ask anew with pilothouse request --again {number}."
    now = session.services.now()
    glass = break_glass.of_request(session.services, session.actor, promotion_request.id)
    show_lines(
        request_page(
            promotion_request,
            now,
            again=again,
            glass=glass,
            changes=changes,
            widest=WIDE,
            packages=everything,
        )
    )


@evidence.command()
@click.argument("number", type=int)
@click.option(
    "--output",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="A new folder.",
)
@json_option
@click.pass_obj
def export(session: Session, number: int, folder: Path) -> None:
    """Write request NUMBER for strangers: evidence, statements, signatures, and how ssh-keygen verifies them."""
    from pilothouse.operations.dossier import signed_evidence
    from pilothouse.operations.promotion import evidence_export
    from pilothouse.system.destinations import check_new_folder

    check_new_folder(folder)
    exported = signed_evidence.signed_evidence(session.services, session.actor, number)
    evidence_export.write(exported, folder)
    signed = sum(bool(one.fingerprint) for one in exported.decisions)
    if printed_as_json(session, {"folder": str(folder), "files": sorted(exported.files), "signed": signed}):
        return
    decisions = counted(signed, "decision")
    say(
        f"{folder}: {counted(len(exported.files), 'file')}, {decisions} signed by a key; verify.sh checks them"
    )
