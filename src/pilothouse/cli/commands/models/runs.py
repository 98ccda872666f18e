"""Notebook runs: listed, one shown, several compared."""

from collections.abc import Sequence

import click

from pilothouse.cli.output import (
    json_option,
    limit_option,
    plain,
    printed_as_json,
    say,
    show_pairs,
    show_rows,
)
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.jobs.notebook_runs import NotebookRun, parse_run
from pilothouse.operations.models import notebook_runs
from pilothouse.presentation.tables.notebook_run_rows import (
    EMPTY,
    NOTE,
    notebook_run_table,
    run_comparison_table,
    run_metric_table,
    run_pairs,
    run_parameter_table,
)


@click.command()
@click.argument("model", required=False)
@limit_option
@json_option
@click.pass_obj
def runs(session: Session, model: str | None, limit: int) -> None:
    """List notebook runs, newest first: what programs have recorded with pilothouse.run.

    A notebook run is a record: only a training makes a version. pilothouse show runs:/12 shows one.
    """
    found = notebook_runs.list_runs(session.services, session.actor, model, limit=limit)
    if printed_as_json(session, [_brief(run) for run in found]):
        return
    show_rows(notebook_run_table(found), empty=EMPTY)


def show_run(session: Session, number: int) -> None:
    """Print one notebook run."""
    run = notebook_runs.get_run(session.services, session.actor, number)
    if printed_as_json(session, {**plain(run), "uri": run.uri}):
        return
    show_pairs(run_pairs(run))
    click.echo()
    show_rows(run_parameter_table(run), empty="no parameters")
    click.echo()
    show_rows(run_metric_table(run), empty="no metrics")
    say(NOTE)


def compare_runs(session: Session, references: Sequence[str], *, everything: bool) -> None:
    """Print several notebook runs side by side. Raises InvalidInputError where one is no notebook run."""
    numbers = [parse_run(reference) for reference in references]
    odd = next((text for text, number in zip(references, numbers, strict=True) if number is None), None)
    if odd is not None:
        raise InvalidInputError(
            f"{odd[:80]!r} is no notebook run: expected runs:/NUMBER for each, or two versions"
        )
    found = notebook_runs.get_runs(
        session.services, session.actor, [number for number in numbers if number is not None]
    )
    if printed_as_json(session, [{**plain(run), "uri": run.uri} for run in found]):
        return
    show_rows(run_comparison_table(found, everything=everything), empty="no difference")


def _brief(run: NotebookRun) -> dict[str, object]:
    """A run of a list: what its table shows, and all parameters and newest metrics."""
    data: dict[str, object] = plain(run)
    del data["content"], data["environment"]
    return {**data, "uri": run.uri, "parameters": run.content.parameters, "metrics": run.content.last}
