"""Legal holds as a table: what may not be deleted, since when, by whom and why."""

from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.retention import LegalHold
from pilothouse.presentation.cells import Cell, cell
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import ago_text, time_text


def hold_table(holds: Sequence[LegalHold], now: datetime) -> Table:
    """Holds in force first, the newest first."""
    return table_of(
        sorted(holds, key=lambda h: (h.lifted_at is not None, -h.id)),
        {
            "ON ~16": lambda h: cell(h.scope, "strong" if h.lifted_at is None else "dim"),
            ">HOLD": lambda h: cell(h.id, "strong"),
            "STATE": lambda h: Cell("● stands", "info") if h.lifted_at is None else Cell("◌ lifted", "dim"),
            "PLACED (UTC)": lambda h: cell(time_text(h.placed_at)),
            "BY ~5": lambda h: cell(h.placed_by),
            "REASON ~16": lambda h: cell(h.reason),
            "LIFTED (UTC) !2": lambda h: cell(
                f"{time_text(h.lifted_at)} by {safe(h.lifted_by)}" if h.lifted_at else ""
            ),
            "WHY LIFTED ~8 !1": lambda h: cell(h.lift_reason),
        },
        key=lambda h: h.id,
        empty="no legal hold was ever placed: p stops the deletion of predictions, by an admin",
        fields=lambda h: (("age", ago_text(h.placed_at, now)),),
    )


def hold_cells(hold: LegalHold) -> list[Cell]:
    """``model flight-delay, placed by ada: case 2013-117   lifted by ada 2013-09-02 06:00: the case is closed``."""
    cells = [
        Cell(f"{safe(hold.scope)}, placed by {safe(hold.placed_by)}: ", "dim"),
        Cell(safe(hold.reason, LINE_LIMIT)),
    ]
    if hold.lifted_at is None:
        return cells
    lifted = f"   lifted by {safe(hold.lifted_by)} {time_text(hold.lifted_at)}: "
    return [*cells, Cell(lifted, "dim"), Cell(safe(hold.lift_reason, LINE_LIMIT))]
