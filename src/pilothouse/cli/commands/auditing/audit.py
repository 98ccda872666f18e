"""Commands about the audit log: show, verify, head, export."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import (
    json_option,
    limit_option,
    output_option,
    output_stream,
    parse_time,
    printed_as_json,
    say,
    say_rest,
    show_rows,
)
from pilothouse.cli.progress import progress, step
from pilothouse.cli.session import Session
from pilothouse.domain.errors import IntegrityError, PilothouseError
from pilothouse.operations.dossier import audit_export
from pilothouse.operations.workspace import audits
from pilothouse.presentation.tables.work_rows import audit_table

if TYPE_CHECKING:
    from pilothouse.operations.transparency.anchored import Comparison


@group()
def audit() -> None:
    """Who did what, when, and whether the log is whole."""


@audit.command()
@limit_option
@json_option
@click.pass_obj
def show(session: Session, limit: int) -> None:
    """Show the newest entries."""
    entries = audits.show(session.services, session.actor, limit=limit)
    say_rest(len(entries), audits.head(session.services, session.actor).count)
    if printed_as_json(session, entries):
        return
    show_rows(audit_table(entries), empty="the audit log is empty")


@audit.command()
@click.option(
    "--head", "known", metavar="COUNT:HASH", help="A head that you kept: the log must still contain it."
)
@click.option(
    "--anchors",
    is_flag=True,
    help="Compare with signed heads too: on record, in anchors' files, at the witnesses.",
)
@click.option(
    "--anchor",
    "kept",
    multiple=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file with heads that you kept: an anchor's, a system's log, one head or a proof.",
)
@click.option("--log-key", "keys", multiple=True, metavar="KEY", help="The log's key as you were given it.")
@json_option
@click.pass_obj
def verify(
    session: Session, known: str | None, anchors: bool, kept: tuple[Path, ...], keys: tuple[str, ...]
) -> None:
    """Recompute the whole chain, and compare every row that decides; exit code 6 names those that are wrong."""
    with step() as tell:
        found = audits.examine(session.services, session.actor, known=known, tell=tell)
    erased, broken = _erasures(session)
    compared = _compared(session, kept, keys) if anchors or kept or keys else None
    head, fault = found.head, found.fault
    contradictions = compared.faults if compared is not None else []
    facts = {
        "verified": found.is_sound and not contradictions and not broken,
        "count": head.count if head is not None else None,
        "hash": head.hash if head is not None else None,
        "fault": fault,
        "rows": found.rows,
        "erasures": erased,
        **({"anchors": compared} if compared is not None else {}),
    }
    is_printed = printed_as_json(session, facts)
    if found.is_sound and head is not None and not is_printed:
        say(f"{head.count} entries verified, and every row is what they say; head {head.count}:{head.hash}")
        if not broken and erased != "none":
            say(f"erasures: {erased}")
    if compared is not None and not is_printed:
        for line in (*compared.faults, *compared.notes):
            say(line)
        if not compared.faults:
            say(
                f"{compared.heads} signed heads and {compared.cosignatures} signatures of witnesses agree with "
                f"{compared.rows:,} rows"
            )
    if not found.is_sound:
        for line in audits.lines(found):
            say(line)
        raise IntegrityError(
            "the audit log and the rows do not agree: somebody changed the database past Pilothouse"
        )
    if contradictions:
        raise IntegrityError("the log is not the one whose heads were kept")
    if broken:
        raise IntegrityError(erased)


def _erasures(session: Session) -> tuple[str, bool]:
    """What holds of erasures, or what does not, and whether that is damage; one that is not finished is none."""
    from pilothouse.operations.workspace import erasure_checks

    try:
        return erasure_checks.examine(session.services), False
    except PilothouseError as error:
        return str(error), isinstance(error, IntegrityError)


def _compared(session: Session, kept: tuple[Path, ...], keys: tuple[str, ...]) -> "Comparison":
    from pilothouse.operations.transparency import anchored
    from pilothouse.transparency.notes import parse_key

    with progress("rows compared with the heads") as tell:
        return anchored.compare(
            session.services,
            session.actor,
            kept_files=kept,
            trusted=[parse_key(key) for key in keys],
            progress=tell,
        )


@audit.command()
@json_option
@click.pass_obj
def head(session: Session) -> None:
    """Print the head of the chain, to be kept elsewhere."""
    chain_head = audits.head(session.services, session.actor)
    if printed_as_json(session, chain_head):
        return
    click.echo(f"{chain_head.count}:{chain_head.hash}")


@audit.command()
@output_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    show_default=True,
    help="JSON lines hold exactly what is hashed; CSV is for a spreadsheet.",
)
@click.option("--since", metavar="TIME", help="Only entries recorded at TIME or later (ISO 8601, UTC).")
@click.option("--until", metavar="TIME", help="Only entries recorded before TIME.")
@click.option("--actor", metavar="NAME", help="Only what NAME did.")
@click.option(
    "--subject", metavar="TEXT", help='Only entries about TEXT, as "request 17"; TEXT* for all that begin so.'
)
@click.pass_obj
def export(
    session: Session,
    output: Path,
    form: audit_export.Format,
    since: str | None,
    until: str | None,
    actor: str | None,
    subject: str | None,
) -> None:
    """Write the log, oldest first, as one JSON object a line or as CSV."""
    wanted = audit_export.Wanted(
        since=parse_time(since) if since else None,
        until=parse_time(until) if until else None,
        actor=actor,
        subject=subject,
    )
    with output_stream(output) as stream:
        written = audit_export.export(session.services, session.actor, stream, wanted, form=form)
    if not written:
        say("no entry fits")
