"""Commands about the erasure of a person's rows."""

import sys
from pathlib import Path

import click

from pilothouse.cli.groups import group
from pilothouse.cli.output import json_option, printed_as_json, say, show_pairs, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.erasure import Erasure, Selection, counts_of
from pilothouse.domain.errors import InvalidInputError
from pilothouse.operations.erasure import after_restore, carrying_out, exports, planning
from pilothouse.system.destinations import check_new_folder

_MOST_SHOWN = 20


@group()
def erase() -> None:
    """Erase a person's rows from snapshots and predictions, for good, with a signed tombstone."""


@erase.command("plan")
@click.option(
    "--where",
    "named",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="Rows with this value; several must all hold. COLUMN alone reads the value from standard input.",
)
@click.option("--prediction", "ids", multiple=True, metavar="ID", help="The prediction of this id.")
@click.option(
    "--predictions",
    "id_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="The predictions whose ids a file lists, one a line; - for standard input.",
)
@click.option("--model", default="", help="Look at this model alone.")
@click.option(
    "--reason",
    default="",
    help="Why, for the record: name a ticket, never the person. Without it the plan is only looked at.",
)
@json_option
@click.pass_obj
def erase_plan(
    session: Session,
    named: tuple[str, ...],
    ids: tuple[str, ...],
    id_file: Path | None,
    model: str,
    reason: str,
) -> None:
    """Show the rows that an erasure would take, by place, and where else the value stands. Nothing is erased."""
    lines = _lines(id_file) if id_file is not None else ()
    selection = Selection(tuple(map(_condition, named)), (*ids, *lines), model)
    report = planning.make_plan(session.services, session.actor, selection, reason)
    plan = report.plan
    if printed_as_json(
        session,
        {
            "plan": plan.digest if reason and not plan.is_empty else None,
            "counts": counts_of(plan),
            "files": [
                {"name": f.name, "rows": len(f.rows), "of": f.of_rows, "sha256": f.digest} for f in plan.files
            ],
            "unnamed": report.unnamed,
            "stays": report.elsewhere,
            "searched": report.is_searched,
            "sources": report.sources,
            "backups": report.backups,
            "exports": report.exports,
        },
    ):
        return
    show_table(
        ("place", "goes", "of"),
        [
            *((file.name, len(file.rows), f"{file.of_rows:,}") for file in plan.files),
            *(
                (
                    f"predictions of {b.model}/{b.version} on {b.target}, batch {b.producer}.{b.sequence}",
                    len(b.offsets),
                    "–",
                )
                for b in plan.batches[:_MOST_SHOWN]
            ),
            *((what, count, "–") for what, count in counts_of(plan).items() if count),
        ],
        empty="no row of it is stored",
    )
    for place in report.unnamed:
        say(
            f"{place} have not the column{'s' * (len(plan.columns) > 1)} {', '.join(plan.columns)}: none is found there"
        )
    _say_where_it_stands(report)
    if plan.is_empty:
        say("there is nothing to erase")
    else:
        say(
            f"plan {plan.digest[:12]}: pilothouse erase apply {plan.digest[:12]}"
            if reason
            else "nothing is kept of this plan: add --reason to have it applied"
        )


def _say_where_it_stands(report: planning.PlanReport) -> None:
    if not report.is_searched:
        say("the value is too short to be searched for beside rows")
    for place in report.elsewhere:
        say(f"it stays in {place}")
    for source in report.sources:
        say(f"it stands in {source}: erase it there first, or the next training stores it again")
    for place in report.exports:
        say(
            f"outside of the workspace: {place}; after the erasure export there again, or delete it (docs/erasure.md)"
        )
    for backup in report.backups:
        say(f"{backup} may hold it: delete it, or keep it with the tombstones (docs/erasure.md)")


@erase.command("apply")
@click.argument("plan")
@click.pass_obj
def erase_apply(session: Session, plan: str) -> None:
    """Erase what PLAN names: the digits that pilothouse erase plan --reason printed.

    Under dual control: pilothouse propose --reason R -- erase apply PLAN.
    """
    ordered = carrying_out.order(session.services, session.actor, plan)
    if session.services.second is None:  # else it is carried out after the acceptance of the proposal
        say_tombstone(carrying_out.carry_out(session.services, session.actor, ordered))


def carry_out_accepted(session: Session) -> None:
    """Carry out what a proposal has ordered."""
    for erasure in carrying_out.finish(session.services, session.actor):
        say_tombstone(erasure)


@erase.command("finish")
@click.pass_obj
def erase_finish(session: Session) -> None:
    """Carry out erasures that were ordered and interrupted."""
    done = carrying_out.finish(session.services, session.actor)
    for erasure in done:
        say_tombstone(erasure)
    if not done:
        say("no erasure is unfinished")


def say_tombstone(erasure: Erasure) -> None:
    counts = ", ".join(f"{count:,} {what}" for what, count in counts_of(erasure.plan).items() if count)
    say(
        f"erasure {erasure.id} is done: {counts}; its tombstone is signed, and lies in erasures/ too: keep it with the backups"
    )


@erase.command("list")
@json_option
@click.pass_obj
def erase_list(session: Session) -> None:
    """List erasures."""
    found = carrying_out.list_erasures(session.services, session.actor)
    if printed_as_json(session, found):
        return
    show_table(
        ("no", "ordered", "by", "second", "named by", "model", "rows", "predictions", "state", "reason"),
        (
            (e.id, f"{e.recorded_at:%Y-%m-%d %H:%M}", e.ordered_by, e.second or "–", e.plan.named_by, e.plan.model or "all",
             counts_of(e.plan)["rows of stored files"], counts_of(e.plan)["predictions"],
             "done" if e.is_complete else "not finished", e.reason)
            for e in found
        ),
        empty="nothing was ever erased",
    )  # fmt: skip


@erase.command("show")
@click.argument("number", type=int)
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write it into a new folder, with signature, key and proofs, for somebody without Pilothouse.",
)
@json_option
@click.pass_obj
def erase_show(session: Session, number: int, folder: Path | None) -> None:
    """Show tombstone NUMBER: who, when, why, and what each place lost."""
    if folder is not None:
        check_new_folder(folder)
        files = exports.export(session.services, session.actor, number)
        exports.write(files, folder)
        if not printed_as_json(session, {"folder": str(folder), "files": sorted(files)}):
            say(f"{folder}: {len(files)} files; README.txt says how openssl and Python verify them")
        return
    erasure = carrying_out.get(session.services, session.actor, number)
    if printed_as_json(session, erasure):
        return
    show_pairs(after_restore.tombstone_lines(erasure))


@erase.command("take")
@click.argument("place", type=click.Path(exists=True, path_type=Path), required=False)
@click.option("--none", "is_none", is_flag=True, help="Nothing was erased since the backup.")
@click.option("--reason", default="", help="How that is known, with --none.")
@click.pass_obj
def erase_take(session: Session, place: Path | None, is_none: bool, reason: str) -> None:
    """In a restored workspace: carry out the tombstones in PLACE, a folder, a file, or another workspace."""
    if is_none == (place is not None):
        raise click.UsageError("name where the tombstones are, or --none where there were none")
    if place is None:
        after_restore.take_none(session.services, session.actor, reason)
        say("on record: nothing was erased since the backup")
        return
    taken = after_restore.take(session.services, session.actor, place)
    if session.services.second is not None:
        say(
            f"{len(taken.carried_out):,} of {taken.found:,} tombstones are ordered, and carried out now; then run "
            "pilothouse erase take once more: it finds all of them known, and the doctor is content"
        )
        return
    for erasure in taken.carried_out:
        say_tombstone(erasure)
    say(
        f"{taken.known:,} of {taken.found:,} tombstones were known here, {len(taken.carried_out):,} are carried out now"
    )


def _condition(text: str) -> tuple[str, str]:
    """Column and value of an option; the value from standard input where only the column is given."""
    column, equals, value = text.partition("=")
    if not column:
        raise InvalidInputError(f"--where {text!r}: expected COLUMN=VALUE")
    return column, value if equals else _typed(column)


def _lines(file: Path) -> tuple[str, ...]:
    """Lines of a file, or of standard input, that hold something. Raises InvalidInputError."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{file} cannot be read as lines of text: {error}") from None
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _typed(column: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(f"{column} of the person", hide_input=True, err=True))
    return sys.stdin.readline().rstrip("\r\n")
