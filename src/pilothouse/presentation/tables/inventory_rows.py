"""Inventory of models as a table, as CSV, and one model of it as a text."""

import csv
import io
from collections.abc import Sequence

from pilothouse.domain.audit.inventory import InventoryEntry, ModelReview, ReviewOutcome
from pilothouse.domain.formats.csv_text import csv_text
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.models.model_spec import InventorySpec
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import day_text

NOT_SAID = "–"
_TIERS: dict[str, Tone] = {"high": "bad", "medium": "warn", "low": "dim"}
_FOUND = {
    ReviewOutcome.FIT: Cell("● fit", "good"),
    ReviewOutcome.CONDITIONS: Cell("◆ conditions", "warn"),
    ReviewOutcome.UNFIT: Cell("✖ unfit", "bad"),
}
CSV_COLUMNS = (
    "model", "owner", "description", "risk_tier", "intended_use", "not_intended_for", "limits", "users", "validator",
    "next_review", "review_due", "last_outcome", "last_reviewed_by", "last_reviewed_at", "last_reason", "retired", "live_on",
)  # fmt: skip


def inventory_table(entries: Sequence[InventoryEntry]) -> Table:
    """Models with something open first, then by name."""
    return table_of(
        sorted(entries, key=lambda entry: (not entry.open_items, entry.model)),
        {
            "MODEL ~12": lambda e: cell(e.model, "strong"),
            "TIER": _tier,
            "OWNER ~6": lambda e: cell(e.owner),
            "VALIDATOR ~6": lambda e: cell(_said(e).validator or NOT_SAID),
            "NEXT": lambda e: Cell(f"▲ {e.due}", "bad") if e.is_due else cell(e.due or NOT_SAID),
            "FOUND": lambda e: _FOUND[e.review.outcome] if e.review else Cell("never", "dim"),
            "STATE": _state,
            "INTENDED USE ~16 !1": lambda e: cell(_said(e).intended_use or e.description),
        },
        key=lambda entry: entry.model,
        empty="no models yet: write models/NAME/model.toml and run pilothouse apply",
    )


def inventory_cells(entry: InventoryEntry) -> list[list[Cell]]:
    """What the table has no room for, a line each: intended use, limits, users, the last review."""
    said = _said(entry)
    lines = [[Cell(safe(f"{entry.model}: {item}"), "bad")] for item in entry.open_items]
    texts = (
        ("intended use", said.intended_use or entry.description),
        ("not intended for", "; ".join(said.not_intended_for)),
        ("limits", "; ".join(said.limits)),
        ("users", "; ".join(said.users)),
        ("retired", said.retired),
    )
    lines += [[Cell(f"{name}: ", "dim"), Cell(safe(text, 2_000))] for name, text in texts if text]
    if entry.said is None:
        lines.append([Cell("its model file has no [inventory]", "warn")])
    if review := entry.review:
        by = f"{day_text(review.recorded_at)} by {safe(review.reviewed_by)}: "
        lines.append(
            [
                Cell("reviewed ", "dim"),
                _FOUND[review.outcome],
                Cell(f" {by}", "dim"),
                Cell(safe(review.reason, 2_000)),
            ]
        )
    return lines


def inventory_csv(entries: Sequence[InventoryEntry]) -> str:
    """Every model, for a spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for entry in entries:
        said, review = _said(entry), entry.review
        row = (
            entry.model,
            entry.owner,
            entry.description,
            said.risk_tier or "",
            said.intended_use,
            *("; ".join(listed) for listed in (said.not_intended_for, said.limits, said.users)),
            said.validator,
            entry.due,
            "yes" if entry.is_due else "no",
            *(_review_texts(review) if review else [""] * 4),
            said.retired,
            " ".join(entry.live_on),
        )
        writer.writerow([csv_text(text) for text in row])
    return out.getvalue()


def _review_texts(review: ModelReview) -> list[str]:
    return [str(review.outcome), review.reviewed_by, review.recorded_at.isoformat(), review.reason]


def _said(entry: InventoryEntry) -> InventorySpec:
    return entry.said or InventorySpec()


def _tier(entry: InventoryEntry) -> Cell:
    tier = _said(entry).risk_tier
    return Cell(tier, _TIERS[tier]) if tier else Cell("not said", "dim")


def _state(entry: InventoryEntry) -> Cell:
    if entry.retired:
        return Cell("◌ retired" + (", live" if entry.live_on else ""), "warn" if entry.live_on else "dim")
    live = len(entry.live_on)
    return Cell(f"● live on {live}", "good") if live else Cell("not deployed", "dim")
