"""Commands that compare files outside of any workspace: drift."""

import math
import re
from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from pilothouse.cli.by_url import FileOrUrl, reached_options
from pilothouse.cli.output import json_option, printed_as_json, say, show_table
from pilothouse.cli.session import Session
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.models.model_spec import CsvSpec
from pilothouse.domain.tables.table_form import MISSING_WORDS, TableForm

if TYPE_CHECKING:
    from pilothouse.operations.ingest.by_url import Reached
    from pilothouse.operations.ingest.table_files import FileDrift
    from pilothouse.statistics.table_drift import ColumnDrift

_FILE = FileOrUrl()


@click.command()
@click.argument("reference", type=_FILE)
@click.argument("current", type=_FILE)
@click.option(
    "--like", type=click.Choice(["evidently", "nannyml"]), help="By the default rules of that library."
)
@click.option("--column", "columns", multiple=True, help="Only this column (again for more).")
@click.option(
    "--fail-on",
    type=click.Choice(["drift", "quality", "fault", "any"]),
    multiple=True,
    help="End with 1 where a column drifts, has more missing or unseen, or cannot be compared (again for more).",
)
@click.option(
    "--missing",
    multiple=True,
    metavar="WORD",
    help="A word that means missing, in place of the usual ones (again for more).",
)
@click.option(
    "--csv",
    "csv",
    multiple=True,
    metavar="KEY=VALUE",
    help="A part of the dialect of csv, as in data.csv: delimiter, decimal, thousands, encoding, quote (again for more).",
)
@reached_options
@json_option
@click.pass_obj
def drift(
    session: Session,
    /,
    reference: str,
    current: str,
    like: str | None,
    columns: tuple[str, ...],
    fail_on: tuple[str, ...],
    missing: tuple[str, ...],
    csv: tuple[str, ...],
    **reached: str | None,
) -> int:
    """Compare CURRENT with REFERENCE column by column: files (parquet, csv, csv.gz, jsonl or ndjson), or sources by URL.

    Needs no workspace. Figures are exact, from the raw values. Files that cannot be compared at all end it with 2.
    """
    from pilothouse.operations.ingest import table_files
    from pilothouse.operations.ingest.by_url import as_file

    rules: table_files.Rules = (
        "evidently" if like == "evidently" else "nannyml" if like == "nannyml" else "pilothouse"
    )
    form = _form(missing, csv)
    try:
        with (
            as_file(reference, _reached(reference, reached)) as one,
            as_file(current, _reached(current, reached)) as other,
        ):
            comparison = table_files.compare_files(one, other, rules=rules, columns=columns, form=form)
    except InvalidInputError as error:
        # no model file is at hand: what its section data.csv would say is an option here
        raise InvalidInputError(re.sub(r"data\.csv\.(\w+)( = )?", r"--csv \1=", str(error))) from None
    failures = table_files.failures(comparison, table_files.FINDINGS if "any" in fail_on else fail_on)
    if not printed_as_json(session, table_files.plain(comparison)):
        _show(comparison)
    for failure in failures:
        say(f"--fail-on: {failure}")
    return 1 if failures else 0


def _reached(named: str, given: dict[str, str | None]) -> "Reached":
    """How a source is reached: of two, the query is for those in a database."""
    from pilothouse.operations.ingest.by_url import Reached, takes_query

    return Reached(given["query"] if takes_query(named) else None, given["credentials"])


def _form(missing: Sequence[str], csv: Sequence[str]) -> TableForm:
    """How both files are to be read. A time without a zone is taken as UTC: times are not compared."""
    given: dict[str, str] = {}
    names = [field.name for field in fields(CsvSpec)]
    for part in csv:
        key, equals, value = part.partition("=")
        if not equals or key not in names:
            raise InvalidInputError(f"--csv {part}: expected KEY=VALUE with one of {', '.join(names)}")
        given[key] = value
    return TableForm(missing=tuple(missing) or MISSING_WORDS, csv=CsvSpec(**given), timezone="UTC")


def _show(comparison: "FileDrift") -> None:
    for path, dialect in comparison.dialects.items():
        if dialect:
            say(f"{path}: {dialect}")
    show_table(
        ("column", "kind", "statistic", "value", "threshold", "verdict", "rows", "missing", "unseen"),
        (
            (c.column, c.kind, c.statistic, _figure(c.value), _figure(c.threshold), _verdict(c),
             c.rows, f"{c.missing:.1%}", _unseen(c))
            for c in comparison.columns
        ),
        empty="the files have no columns",
    )  # fmt: skip
    compared = [c for c in comparison.columns if c.statistic]
    drifting = sum(c.drifts for c in compared)
    say(f"{drifting} of {len(compared)} columns drift" + _table_verdict(comparison.drifts))


def _verdict(column: "ColumnDrift") -> str:
    from pilothouse.operations.monitoring.statistic_names import direction_of

    if column.fault:
        return column.fault
    parts = [f"more {fault}" for fault in column.worse]
    if column.drifts and len(column.chunks) > 1:
        alerts = sum(alert for _, alert in column.chunks)
        parts.insert(0, f"drifts in {alerts} of {len(column.chunks)} chunks")
    elif column.drifts:
        parts.insert(0, f"drifts {direction_of(column.statistic, column.statistics)}".rstrip())
    return ", ".join(parts)


def _unseen(column: "ColumnDrift") -> str:
    usual = f" (usually {column.usual_unseen:.1%})" if column.usual_unseen >= 0.0005 else ""
    return f"{column.unseen:.1%}{usual}"


def _table_verdict(drifts: bool | None) -> str:
    if drifts is None:
        return ""
    return f": the table {'drifts (half of them or more)' if drifts else 'does not drift (less than half)'}"


def _figure(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.4g}"
