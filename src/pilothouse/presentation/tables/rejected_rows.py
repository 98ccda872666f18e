"""Events that were not taken in, as a table, and what each reason means."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.rejections import (
    OutcomeConflict,
    RejectedEvents,
    RejectionReason,
    WaitingOutcome,
)
from pilothouse.presentation.cells import cell
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import ago_text, time_text

_MEANINGS: dict[str, str] = {
    RejectionReason.UNKNOWN_VERSION: "The version is not registered here: train or import it, or correct the version that the "
    "target sends.",
    RejectionReason.WRONG_COLUMNS: "A feature is missing, or texts stand where numbers are expected: see the version's data "
    "page.",
    RejectionReason.CUT_BATCH: "Columns of different lengths: the sender made the batch wrongly; send it again whole.",
    RejectionReason.FUTURE: "More than an hour ahead of the wall clock: check the sender's clock and time zone.",
    RejectionReason.BEHIND: "More than 90 days behind: a wrong date, or a history, which "
    "pilothouse rejected retry --history takes in.",
    RejectionReason.AHEAD: "More than 30 days ahead, and few: twenty near each other are believed, others by "
    "pilothouse rejected retry --history.",
    RejectionReason.NO_TIME: "A row without a time: name its column for pilothouse ingest.",
    RejectionReason.NO_SCORE: "Not a finite number: look at the model's output on that row.",
    RejectionReason.WRONG_LABEL: "Not one of the model's classes.",
    RejectionReason.ERASED: "The row was erased for good, with its outcome (pilothouse erase list).",
    RejectionReason.TAKEN_ID: "Another prediction has this id: outcomes could not tell them apart.",
    RejectionReason.TAKEN_SEQUENCE: "Two senders use one producer name: give each its own.",
    RejectionReason.PRIVATE_COLUMN: "The rows were kept; the column is private and never stored.",
    RejectionReason.EXTRA_COLUMN: "The rows were kept; the version does not know the column.",
    RejectionReason.NOT_AN_OUTCOME: "Not a class of the model, or no number for a regression.",
    RejectionReason.NO_SUCH_ROW: "Its prediction was not taken in; see that one's reason.",
    RejectionReason.CONFLICT: "The first outcome stands; o lists both of each.",
}
"""Meaning and remedy of each reason; the same as in docs/monitoring.md."""


def rejection_meaning(reason: str) -> str:
    return _MEANINGS.get(reason, safe(reason))


def rejected_table(rejections: Sequence[RejectedEvents]) -> Table:
    """One reason a row, the most frequent first."""
    return table_of(
        rejections,
        {
            "REASON ~20": lambda r: cell(r.reason, "strong"),
            ">EVENTS": lambda r: cell(f"{r.count:,}", "warn"),
            "LAST": lambda r: cell(time_text(r.last_at)),
            "EXAMPLE ~16 !1": lambda r: cell(r.example, "dim"),
        },
        key=lambda r: r.reason,
        empty="every event that arrived was taken in",
    )


def waiting_table(outcomes: Sequence[WaitingOutcome], now: datetime, past: bool) -> Table:
    """Outcomes whose prediction is not here, the newest first."""
    table = table_of(
        outcomes,
        {
            "PREDICTION ~16": lambda w: cell(w.prediction, "strong"),
            "OUTCOME ~6": lambda w: cell(w.value),
            "FROM ~6": lambda w: cell(w.handed_in_by or "a file"),
            "SINCE": lambda w: cell(ago_text(w.since, now)),
            "WAITS FOR ~20": lambda w: cell(
                f"batch {w.batch}, which has not come" if w.batch else "a prediction of that id", "dim"
            ),
        },
        key=lambda w: w.id,
        empty="every outcome has found its prediction",
    )
    return replace(table, past=_NOT_KEPT if past else "")


def conflict_table(conflicts: Sequence[OutcomeConflict], past: bool) -> Table:
    """Second outcomes that contradict the first, the newest first."""
    table = table_of(
        conflicts,
        {
            "MODEL ~8": lambda c: cell(c.model),
            "TARGET ~6": lambda c: cell(c.target),
            ">VERSION !1": lambda c: cell(f"v{c.version}"),
            "PREDICTION ~16": lambda c: cell(c.prediction, "strong"),
            "STANDS ~6": lambda c: cell(c.kept),
            "THEN CAME ~6": lambda c: cell(c.other, "warn"),
            "WHEN (UTC)": lambda c: cell(time_text(c.at)),
        },
        key=lambda c: c.id,
        empty="no prediction was given two outcomes that differ",
    )
    return replace(table, past=_NOT_KEPT if past else "")


_NOT_KEPT = "what waited then is not on record; :now shows what does now"
