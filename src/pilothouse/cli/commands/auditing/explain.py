"""The command that explains an id or a code that a screen has printed."""

import click

from pilothouse.cli.output import json_option, printed_as_json, say, show_pairs, show_rows
from pilothouse.cli.session import Session
from pilothouse.domain import explanations
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.explanations import Numbered
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.trace_context import trace_asked
from pilothouse.domain.identifiers import parse_prediction_id


@click.command()
@click.argument("id", required=False)
@json_option
@click.pass_context
def explain(context: click.Context, id: str | None) -> None:  # noqa: A002 - named for people
    """What ID is, when, why and what to do: A-17 (alert), I-3 (incident), R-5 (request), J-12 (job), O-2 (roll-out), S-1
    (schedule), E-117 (audit log), a version, a gate, the end of a job, a kind of alert, a check of the doctor, an exit code
    (20), an act on record (role.granted), a prediction's id or a trace. Without an ID: every form."""
    session: Session = context.obj
    if id is None:
        forms = [{"form": form, "what": what} for form, what in explanations.forms()]
        if not printed_as_json(session, forms):
            show_pairs((form["what"], form["form"]) for form in forms)
        return
    if (found := explanations.numbered(id)) is not None:
        _numbered(context, *found)
    elif codes := explanations.codes(id):
        if not printed_as_json(session, codes):
            for code in codes:
                show_pairs(
                    (
                        (code.family, code.what),
                        ("here", code.meaning),
                        ("where", code.where),
                    )
                )
    elif trace_asked(id) or parse_prediction_id(id) is not None:
        _invoke(context, ("prediction",), id=id)
    elif "/" in id or "@" in id:
        _invoke(context, ("show",), reference=id)
    else:
        forms_text = ", ".join(form for form, _ in explanations.forms()[:8])
        raise NotFoundError(
            f"{one_line(id, 80)!r} is no id and no code: expected {forms_text}, a gate, the end of a job, a kind of alert, a "
            "check of the doctor, an exit code or an act on record (role.granted); "
            "pilothouse explain lists them"
        )


def _numbered(context: click.Context, kind: Numbered, number: int) -> None:
    session: Session = context.obj
    if not session.as_json:
        then, where = (text.replace("NUMBER", str(number)) for text in (kind.then, kind.where))
        show_pairs(((kind.name, kind.what), ("to do", then), ("where", where)))
        click.echo()
    if kind.command:
        _invoke(context, kind.command, number=number)
        return
    from pilothouse.operations.workspace import audits
    from pilothouse.presentation.tables.work_rows import audit_table

    entries = audits.show(session.services, session.actor, limit=1, before=number + 1)
    if not entries or entries[0].seq != number:
        raise NotFoundError(f"the audit log has no entry {number}; pilothouse audit show lists the newest")
    if not printed_as_json(session, entries[0]):
        show_rows(audit_table(entries), empty="")
        say("pilothouse log proof proves to somebody else that it is in the log")


def _invoke(context: click.Context, words: tuple[str, ...], **given: object) -> None:
    """Run the command that shows it, with its own defaults."""
    group = context.find_root().command
    for word in words:
        assert isinstance(group, click.Group)
        command = group.get_command(context, word)
        assert command is not None
        group = command
    context.invoke(group, **given)
