"""Events that were not taken in, as a table, and what each reason means."""

from collections.abc import Sequence

from pilothouse.domain.monitoring import RejectedEvents
from pilothouse.presentation.cells import cell
from pilothouse.presentation.tables import Row, Table, read_columns
from pilothouse.presentation.texts import safe, time_text

_MEANINGS = {
    "unknown version": "The version is not registered here: train or import it, or correct the version that the target sends.",
    "wrong columns": "A feature is missing, or texts stand where numbers are expected: see the version's data page.",
    "cut batch": "Columns of different lengths: the sender made the batch wrongly; send it again whole.",
    "in the future": "More than an hour ahead of the wall clock: check the sender's clock and time zone.",
    "far behind its target's clock": "More than 90 days behind: ingest a history before live traffic, or elsewhere.",
    "far ahead of its target's clock": "More than 30 days ahead, one stray event: twenty of them near each other are believed.",
    "no event time": "A row without a time: name its column for pilothouse ingest.",
    "no usable score": "Not a finite number: look at the model's output on that row.",
    "unknown label": "Not one of the model's classes.",
    "id already taken": "Another prediction has this id: outcomes could not tell them apart.",
    "sequence already taken by another batch": "Two senders use one producer name: give each its own.",
    "private column dropped": "The rows were kept; the column is private and never stored.",
    "unknown column dropped": "The rows were kept; the version does not know the column.",
    "outcome of a wrong kind": "Not a class of the model, or no number for a regression.",
    "outcome of a prediction that was rejected": "Its prediction was not taken in; see that one's reason.",
    "another outcome was there": "The first outcome stands.",
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
