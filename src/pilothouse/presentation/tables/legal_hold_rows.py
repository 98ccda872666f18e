"""Legal holds as a table: what may not be deleted, since when, by whom and why."""

from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.retention import LegalHold
from pilothouse.domain.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import Cell, cell
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import ago_text, time_text


def hold_table(holds: Sequence[LegalHold], now: datetime) -> Table:
    """Those that stand first, the newest first."""
    columns = read_columns(
        ">HOLD",
        "STATE",
        "ON ~16",
        "PLACED (UTC)",
        "BY ~5",
        "REASON ~16",
        "LIFTED (UTC) !2",
        "WHY LIFTED ~8 !1",
    )
    ordered = sorted(holds, key=lambda h: (h.lifted_at is not None, -h.id))
    rows = [
        Row(
            str(h.id),
            (
                cell(h.id, "strong"),
                Cell("● stands", "info") if h.lifted_at is None else Cell("◌ lifted", "dim"),
                cell(h.scope, "strong" if h.lifted_at is None else "dim"),
                cell(time_text(h.placed_at)),
                cell(h.placed_by),
                cell(h.reason),
                cell(f"{time_text(h.lifted_at)} by {safe(h.lifted_by)}" if h.lifted_at else ""),
                cell(h.lift_reason),
            ),
            (("age", ago_text(h.placed_at, now)),),
        )
        for h in ordered
    ]
    return Table(
        columns,
        tuple(rows),
        "no legal hold was ever placed: p stops the deletion of predictions, by an admin",
    )


def hold_words(hold: LegalHold) -> list[Cell]:
    """``model flight-delay, placed by ada: case 2013-117   lifted by ada 2013-09-02 06:00: the case is closed``."""
    cells = [
        Cell(f"{safe(hold.scope)}, placed by {safe(hold.placed_by)}: ", "dim"),
        Cell(safe(hold.reason, LINE_LIMIT)),
    ]
    if hold.lifted_at is None:
        return cells
    lifted = f"   lifted by {safe(hold.lifted_by)} {time_text(hold.lifted_at)}: "
    return [*cells, Cell(lifted, "dim"), Cell(safe(hold.lift_reason, LINE_LIMIT))]
