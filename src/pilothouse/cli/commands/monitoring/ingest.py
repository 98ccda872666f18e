"""Commands about predictions and outcomes that come in, and those that were rejected."""

from pathlib import Path

import click

from pilothouse.cli.by_url import FileOrUrl, reached_options
from pilothouse.cli.output import (
    json_option,
    on_option,
    plain,
    printed_as_json,
    say,
    show_rows,
    shown_group,
)
from pilothouse.cli.session import Session
from pilothouse.domain.formats.wire import LabelReceipt
from pilothouse.presentation import texts
from pilothouse.presentation.receipts import Receipt, outcomes_line, predictions_line
from pilothouse.presentation.tables.rejected_rows import rejected_table

_FAILED = 1
"""Exit code where something was rejected."""
_history = click.option(
    "--history",
    is_flag=True,
    help="Rows of any time: judge them beside each other, not beside the target's clock.",
)


@shown_group
def rejected(session: Session) -> None:
    """Events that were not taken, counted by reason (or retry)."""
    from pilothouse.operations.ingest import ingest as operation
    from pilothouse.operations.ingest import retries

    rejections = operation.rejected(session.services, session.actor)
    if printed_as_json(session, rejections):
        return
    show_rows(rejected_table(rejections), empty="nothing was rejected")
    waiting = operation.waiting(session.services, session.actor)
    if waiting.oldest is not None:
        since = texts.time_text(waiting.oldest)
        say(f"{waiting.count:,} outcomes wait for their prediction, the oldest since {since}")
    kept = retries.count_kept(session.services, session.actor)
    if kept:
        say(f"{kept:,} rejected rows are kept: pilothouse rejected retry judges them again")


@rejected.command("retry")
@_history
@json_option
@click.pass_obj
def retry(session: Session, history: bool) -> int:
    """Judge kept rejected rows again. Those that fit now are taken in.

    Rows far ahead, far behind or in the future are kept for 90 days, 64 MiB of them. Exit code 1 where some are still
    rejected.
    """
    from pilothouse.operations.ingest import retries

    retried = retries.retry(session.services, session.actor, history=history)
    found = retried.predictions
    reasons = {str(reason): count for reason, count in found.rejected.most_common()}
    predictions = Receipt(found.accepted, found.known, found.rejected.total(), reasons)
    return _show(session, predictions, _of_outcomes(retried.outcomes.receipt()))


@click.command()
@click.argument("file", type=FileOrUrl())
@click.option("--model", required=True, help="The model that predicted.")
@click.option("--version", type=int, required=True, help="Its version.")
@on_option("target", required=True, help="Where it ran.")
@_history
@reached_options
@json_option
@click.pass_obj
def ingest(
    session: Session,
    file: str,
    model: str,
    version: int,
    target: str,
    history: bool,
    query: str | None,
    credentials: str | None,
) -> int:
    """Take a prediction log: a file (parquet, csv, csv.gz, jsonl or ndjson), or a source by URL.

    Its columns: the features, the timestamp (or event_time), score, and where there are any label, prediction_id,
    latency_ms, request_key and truth. Exit code 1 where rows or outcomes were rejected.
    """
    from pilothouse.operations.ingest import ingest as operation
    from pilothouse.operations.ingest.by_url import Reached, as_file

    operation.check_may_ingest(session.services, session.actor, model, version, target)
    with as_file(file, Reached(query, credentials)) as path:
        receipt = operation.ingest_file(
            session.services,
            session.actor,
            path,
            model=model,
            version=version,
            target=target,
            history=history,
        )
    predictions = Receipt(receipt.accepted, receipt.duplicates, receipt.rejected, receipt.reasons)
    return _show(session, predictions, _of_outcomes(receipt.outcomes), receipt.dialect)


def _show(session: Session, predictions: Receipt, outcomes: Receipt, dialect: str = "") -> int:
    """Print the receipts of predictions and of the outcomes that came with them; the exit code."""
    data = {**plain(predictions), "rows": predictions.rows, "outcomes": outcomes, "dialect": dialect}
    if not printed_as_json(session, data):
        if dialect:
            say(f"read as {dialect}")
        if outcomes.rows:
            say(outcomes_line(outcomes))
        say(predictions_line(predictions))
    return _FAILED if predictions.rejected or outcomes.rejected else 0


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@click.pass_obj
def labels(session: Session, file: Path) -> int:
    """Take outcomes from a file (parquet, csv, csv.gz, jsonl or ndjson) with the columns prediction_id and outcome.

    Exit code 1 where outcomes were rejected.
    """
    from pilothouse.operations.ingest import ingest as operation

    outcomes = _of_outcomes(operation.ingest_labels_file(session.services, session.actor, file))
    if not printed_as_json(session, outcomes):
        say(outcomes_line(outcomes))
    return _FAILED if outcomes.rejected else 0


def _of_outcomes(receipt: LabelReceipt) -> Receipt:
    return Receipt(
        taken=receipt.joined,
        known=receipt.duplicates,
        rejected=receipt.rejected,
        reasons=receipt.reasons,
        waiting=receipt.waiting,
        conflicts=receipt.conflicts,
        without=receipt.without,
    )
