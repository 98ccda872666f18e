"""Commands that read the registry: models, versions, lineage."""

import sys

import click

from pilothouse.cli.output import (
    columns_of,
    json_option,
    printed_as_json,
    say,
    say_unwatched,
    show_pairs,
    show_rows,
    show_table,
    with_unwatched,
)
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.jobs.notebook_runs import parse_run
from pilothouse.operations import catalogue
from pilothouse.operations.models import affected
from pilothouse.operations.models import lineage as lineage_operations
from pilothouse.presentation import cells, texts
from pilothouse.presentation.decision_texts import decision_text
from pilothouse.presentation.documents import hung_branch
from pilothouse.presentation.pages.markdown_pages import version_markdown
from pilothouse.presentation.pages.version_pages import comparison_table
from pilothouse.presentation.request_texts import curl_command
from pilothouse.presentation.tables.lineage_rows import affected_line, affected_table
from pilothouse.presentation.tables.registry_rows import model_table, version_table
from pilothouse.presentation.version_texts import classes_text, logged_text, portable_text, standing_text


@click.command()
@json_option
@click.pass_obj
def models(session: Session) -> None:
    """List the models with their champion and targets."""
    from pilothouse.operations.fleet import health

    records = catalogue.list_models(session.services, session.actor)
    if session.as_json:
        printed_as_json(session, with_unwatched(session, records))
        return
    healths = health.health_of_models(session.services, session.actor)
    show_rows(
        model_table(records, healths),
        empty="no models yet: write models/NAME/model.toml and run pilothouse apply",
    )
    say_unwatched(session)


@click.command()
@click.argument("model")
@json_option
@click.pass_obj
def versions(session: Session, model: str) -> None:
    """List the versions of MODEL, newest first."""
    records = catalogue.list_versions(session.services, session.actor, model)
    if printed_as_json(session, records):
        return
    metric = catalogue.primary_metric(session.services, session.actor, model)
    show_rows(
        version_table(records, metric), empty=f"{model} has no versions yet: run pilothouse train {model}"
    )


@click.command()
@click.argument("reference")
@click.option("--markdown", is_flag=True, help="As Markdown, for a comment on a pull request.")
@json_option
@click.pass_obj
def show(session: Session, reference: str, markdown: bool) -> None:
    """Show one version, e.g. models:/flight-delay/2 or flight-delay@champion; or a notebook run, runs:/12."""
    number = parse_run(reference)
    if number is not None:
        from pilothouse.cli.commands.models.runs import show_run

        show_run(session, number)
        return
    from pilothouse.operations.exchange import logged
    from pilothouse.operations.fleet import request_examples
    from pilothouse.operations.promotion import request_lists

    version = catalogue.get_version(session.services, session.actor, reference)
    run = catalogue.get_run(session.services, session.actor, reference)
    if markdown and not session.as_json:
        click.echo(version_markdown(version, run), nl=False)
        return
    asked_at = request_examples.addresses(session.services, session.actor, version.model, version.number)
    classes = catalogue.list_classes(session.services, version)
    example = request_examples.example_of(session.services, session.actor, version.model, version.number)
    command = curl_command(example.url, example.body, example.token_file) if example else ""
    signed = request_lists.signed_decisions(session.services, session.actor, reference)
    tracked = logged.logged(session.services, session.actor, reference)
    more = {
        "addresses": asked_at,
        "classes": classes,
        "command": command,
        "signed": signed,
        "logged": tracked,
    }
    if printed_as_json(session, {"version": version, "run": run, **more}):
        return
    show_pairs(
        (
            ("version", version_uri(version.model, version.number)),
            ("stage", standing_text(version.standing)),
            ("live on", " ".join(version.live_on) or "nowhere"),
            *((f"ask {address.target}", address.url) for address in asked_at),
            *([("classes", classes_text(classes))] if classes else []),
            (
                "trained",
                f"{texts.time_text(run.started_at)} by {run.started_by}: {run.reason or 'no reason given'}",
            ),
            ("as of", texts.time_text(run.as_of) if run.as_of else "all rows"),
            ("took", f"{run.duration_s:.1f} s, {run.peak_memory_mb:.0f} MB"),
            ("rows", f"{run.snapshot.training_rows:,} to train on, {run.snapshot.holdout_rows:,} held out"),
            ("data", run.snapshot.content_digest),
            ("code", texts.code_text(run.code)),
            ("parameters", texts.parameters_text(run.parameters)),
            *((f"fitted {i}", step) for i, step in enumerate(run.fitted, 1)),
            ("model file", f"{version.model_digest} ({version.model_bytes:,} bytes)"),
            *([("logged", logged_text(tracked))] if tracked else []),
            *([("portable form", portable_text(version.portable))] if version.portable else []),
            *(("signed", decision_text(one)) for one in signed),
        )
    )
    click.echo()
    show_table(
        ("metric", "rows of", "value", "95 % interval", "rows"),
        ((m.metric, m.slice or "hold-out", *cells.metric_cells(m), m.rows) for m in version.metrics),
        empty="no metrics",
    )
    click.echo()
    show_table(
        ("gate", "verdict", "reason"),
        ((g.gate, cells.gate_cell(g.outcome, g.doubt).text, g.reason) for g in version.gates),
        empty="no gates",
    )
    if command:
        click.echo(f"\n{command}")  # whole, however long: printable ASCII by its making


@click.command()
@click.argument("first")
@click.argument("second")
@click.argument("others", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Show what is the same too.")
@click.option("--code", is_flag=True, help="Print how the code differs, as a unified diff.")
@json_option
@click.pass_obj
def compare(
    session: Session, first: str, second: str, others: tuple[str, ...], everything: bool, code: bool
) -> None:
    """Show what differs between two versions, or between notebook runs, runs:/12 and more."""
    if others or parse_run(first) is not None:
        from pilothouse.cli.commands.models.runs import compare_runs

        if code:
            raise InvalidInputError("--code is of two versions: notebook runs keep no code")
        compare_runs(session, (first, second, *others), everything=everything)
        return
    from pilothouse.operations.models import comparisons

    comparison = comparisons.compare(session.services, session.actor, first, second)
    if code:
        if printed_as_json(session, comparison.code):
            return
        for line in comparison.code:
            click.echo(safe(line.expandtabs(8), LINE_LIMIT))
        if not comparison.code:
            say(comparison.code_note)
        return
    rows = tuple(row for row in comparison.rows if everything or row.differs)
    if printed_as_json(session, rows):
        return
    show_rows(comparison_table(rows, first, second), empty="no difference")
    for note in dict.fromkeys(row.note for row in rows if row.note):
        say(f"metrics and slices: {note}")


@click.command()
@click.argument("reference")
@click.option(
    "--affected",
    "bad",
    is_flag=True,
    help="What is affected if REFERENCE was bad; it may also be a digest or a commit, 7 digits or more.",
)
@json_option
@click.pass_obj
def lineage(session: Session, reference: str, bad: bool) -> None:
    """Walk a version back to its rows and code, and on to its deployments and alerts."""
    if bad:
        bad_versions = affected.affected(session.services, session.actor, reference)
        if printed_as_json(session, bad_versions):
            return
        table = affected_table(bad_versions)
        show_rows(table, empty=table.empty)
        say(affected_line(bad_versions).text.strip())
        return

    tree = lineage_operations.lineage(session.services, session.actor, reference)
    if printed_as_json(session, tree):
        return
    for line in texts.tree_lines(tree):
        for part in hung_branch(line, columns_of(sys.stdout)):
            click.echo(part)
