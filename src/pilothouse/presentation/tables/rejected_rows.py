"""Events that were not taken in, as a table, and what each reason means."""

from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.monitoring import OutcomeConflict, RejectedEvents, RejectionReason, WaitingOutcome
from pilothouse.domain.safe_text import safe
from pilothouse.presentation.cells import cell
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import ago_text, time_text

_MEANINGS: dict[str, str] = {
    RejectionReason.UNKNOWN_VERSION: "The version is not registered here: train or import it, or correct the version that the "
    "target sends.",
    RejectionReason.WRONG_COLUMNS: "A feature is missing, or texts stand where numbers are expected: see the version's data "
    "page.",
    RejectionReason.CUT_BATCH: "Columns of different lengths: the sender made the batch wrongly; send it again whole.",
    RejectionReason.FUTURE: "More than an hour ahead of the wall clock: check the sender's clock and time zone.",
    RejectionReason.BEHIND: "More than 90 days behind: ingest a history before live traffic, or elsewhere.",
    RejectionReason.AHEAD: "More than 30 days ahead, one stray event: twenty of them near each other are believed.",
    RejectionReason.NO_TIME: "A row without a time: name its column for pilothouse ingest.",
    RejectionReason.NO_SCORE: "Not a finite number: look at the model's output on that row.",
    RejectionReason.WRONG_LABEL: "Not one of the model's classes.",
    RejectionReason.TAKEN_ID: "Another prediction has this id: outcomes could not tell them apart.",
    RejectionReason.TAKEN_SEQUENCE: "Two senders use one producer name: give each its own.",
    RejectionReason.PRIVATE_COLUMN: "The rows were kept; the column is private and never stored.",
    RejectionReason.EXTRA_COLUMN: "The rows were kept; the version does not know the column.",
    RejectionReason.NOT_AN_OUTCOME: "Not a class of the model, or no number for a regression.",
    RejectionReason.NO_SUCH_ROW: "Its prediction was not taken in; see that one's reason.",
    RejectionReason.CONFLICT: "The first outcome stands; o lists both of each.",
}
"""What a reason means and what to do; the same as in docs/monitoring.md."""


def rejection_meaning(reason: str) -> str:
    """One sentence for a reason."""
    return _MEANINGS.get(reason, safe(reason))


def rejected_table(found: Sequence[RejectedEvents]) -> Table:
    """One reason a row, the most frequent first."""
    columns = read_columns("REASON ~20", ">EVENTS", "LAST", "EXAMPLE ~16 !1")
    rows = [
        Row(
            r.reason,
            (
                cell(r.reason, "strong"),
                cell(f"{r.count:,}", "warn"),
                cell(time_text(r.last_at)),
                cell(r.example, "dim"),
            ),
        )
        for r in found
    ]
    return Table(columns, tuple(rows), "every event that arrived was taken in")


def waiting_table(found: Sequence[WaitingOutcome], now: datetime, past: bool) -> Table:
    """Outcomes whose prediction is not here, the newest first."""
    columns = read_columns("PREDICTION ~16", "OUTCOME ~6", "FROM ~6", "SINCE", "WAITS FOR ~20")
    rows = [
        Row(
            str(w.id),
            (
                cell(w.prediction, "strong"),
                cell(w.value),
                cell(w.handed_in_by or "a file"),
                cell(ago_text(w.since, now)),
                cell(f"batch {w.batch}, which has not come" if w.batch else "a prediction of that id", "dim"),
            ),
        )
        for w in found
    ]
    return Table(columns, tuple(rows), "every outcome has found its prediction", _NOT_KEPT if past else "")


def conflict_table(found: Sequence[OutcomeConflict], past: bool) -> Table:
    """Second outcomes that say something else, the newest first."""
    columns = read_columns(
        "PREDICTION ~16", "MODEL ~8", ">VERSION !1", "TARGET ~6", "STANDS ~6", "THEN CAME ~6", "WHEN (UTC)"
    )
    rows = [
        Row(
            str(c.id),
            (
                cell(c.prediction, "strong"),
                cell(c.model),
                cell(f"v{c.version}"),
                cell(c.target),
                cell(c.kept),
                cell(c.other, "warn"),
                cell(time_text(c.at)),
            ),
        )
        for c in found
    ]
    return Table(
        columns, tuple(rows), "no prediction was given two outcomes that differ", _NOT_KEPT if past else ""
    )


_NOT_KEPT = "what waited then is not on record; :now shows what does now"
