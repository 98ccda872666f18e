"""Lists of outcomes that wait for their prediction, and of outcomes that contradict an earlier one."""

import msgspec

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.listing import Page, Query
from pilothouse.domain.monitoring.rejections import OutcomeConflict, WaitingOutcome
from pilothouse.sqlite import Connection
from pilothouse.sqlite.windows import Listing, in_order, window

_BATCH = "p.name || '.' || b.sequence"
WAITING = Listing(
    "waiting_outcomes w",
    {},
    "w.rowid",
    {
        "prediction": "w.id",
        "outcome": "w.value",
        "from": "w.target",
        "since": "w.received",
        "waits": "w.producer",
    },
    "lower(w.id || ' ' || w.value || ' ' || w.target)",
    "1",
)
CONFLICTS = Listing(
    "outcome_conflicts c CROSS JOIN batches b ON b.id = c.batch_id CROSS JOIN producers p ON p.id = b.producer_id "
    "CROSS JOIN streams s ON s.id = b.stream_id",
    {},
    "c.rowid",
    {
        "prediction": f"{_BATCH} || '.' || c.offset", "model": "s.model", "version": "s.version", "target": "s.target",
        "stands": "c.kept", "then": "c.other", "when": "c.received",
    },
    f"lower({_BATCH} || '.' || c.offset || ' ' || s.model || ' ' || s.target || ' ' || c.kept || ' ' || c.other)",
    "1",
)  # fmt: skip


def waiting_page(connection: Connection, query: Query) -> Page[WaitingOutcome]:
    """Window of the outcomes that wait, newest first unless sorted. Raises InvalidInputError (no such column)."""
    page = window(connection, WAITING, query)
    rows = {
        row[0]: WaitingOutcome(
            row[0], row[1], _outcome_text(msgspec.json.decode(row[2])), row[3], from_us(row[4]),
            f"{row[5]}.{row[6]}" if row[5] else "",
        )
        for row in connection.execute(
            "SELECT rowid, id, value, target, received, producer, sequence FROM waiting_outcomes WHERE rowid IN "
            "(SELECT value FROM json_each(?))",
            (msgspec.json.encode(page.rows).decode(),),
        )
    }  # fmt: skip
    return Page(in_order(page.rows, rows), page.first, page.total)


def _outcome_text(value: object) -> str:
    """Text of an outcome as conflicts show it: a file's column of numbers makes ``1.0`` of a 1."""
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def conflicts_page(connection: Connection, query: Query) -> Page[OutcomeConflict]:
    """Window of the conflicts that are kept one by one, newest first unless sorted. Raises InvalidInputError (no such
    column)."""
    page = window(connection, CONFLICTS, query)
    rows = {
        row[0]: OutcomeConflict(row[0], row[1], row[2], row[3], row[4], row[5], row[6], from_us(row[7]))
        for row in connection.execute(
            f"SELECT c.rowid, {_BATCH} || '.' || c.offset, s.model, s.version, s.target, c.kept, c.other, c.received "  # noqa: S608 - ours
            f"FROM {CONFLICTS.table} WHERE c.rowid IN (SELECT value FROM json_each(?))",
            (msgspec.json.encode(page.rows).decode(),),
        )
    }
    return Page(in_order(page.rows, rows), page.first, page.total)
