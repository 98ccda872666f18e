"""State of the transparency log as lines, and its anchors and witnesses as a table, for the console and the command line."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pilothouse.domain.audit.log_anchors import AnchorStanding, AnchorState, LogStatus
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import ABSENT, ago_text

_STANDINGS: dict[AnchorStanding, tuple[str, Tone]] = {
    AnchorStanding.CONTRADICTS: ("✖", "bad"),
    AnchorStanding.REFUSED: ("▲", "warn"),
    AnchorStanding.UNREACHABLE: ("▲", "warn"),
    AnchorStanding.BEHIND: ("◌", "warn"),
    AnchorStanding.SENT: ("○", "info"),
    AnchorStanding.AGREES: ("●", "good"),
}
MEANINGS = {
    AnchorStanding.CONTRADICTS: "it holds a head that this log does not extend",
    AnchorStanding.REFUSED: "it answers, and does not take the head",
    AnchorStanding.UNREACHABLE: "the newest head could not be given to it; it is tried again",
    AnchorStanding.BEHIND: "it does not have the newest signed head yet",
    AnchorStanding.SENT: "it was sent the newest head; what it holds cannot be read from here",
    AnchorStanding.AGREES: "what it holds is the newest head of these rows",
}
"""What each standing means, in a line."""
NOTHING_KEEPS = "nothing keeps the heads: pilothouse log anchors add file NAME PATH, or pilothouse log witness add NAME URL KEY"


def log_facts(state: LogStatus, now: datetime | None = None) -> list[tuple[str, Cell]]:
    """What is known of the log, by name: rows, newest signed head, key, quorum, what waits to be delivered. With the age of the
    head where ``now`` is given."""
    facts = [
        ("origin", cell(state.origin or "none yet: the first signed head makes one")),
        ("key", cell(state.key)),
        ("rows", cell(_rows_text(state))),
        ("signed head", _head(state, now)),
        ("root", cell(state.signed_root)),
    ]
    return (
        facts
        if state.is_past
        else [*facts, ("quorum", quorum_cell(state)), ("to deliver", waiting_cell(state))]
    )


def contradiction_cells(contradictions: Sequence[str], *, more: str = "") -> list[Cell]:
    """The first contradiction, and how many more there are."""
    others = f" (and {len(contradictions) - 1} more)" if len(contradictions) > 1 else ""
    return [cell(f"✖ {contradictions[0]}{others}", "bad"), Cell(more, "bad")] if contradictions else []


def _rows_text(state: LogStatus) -> str:
    uncovered = max(0, state.rows - state.signed_size)
    covered = (
        f"{uncovered:,} of them are under no signed head yet"
        if uncovered
        else "all of them under the signed head"
    )
    return f"{state.rows:,}, {covered}"


def _head(state: LogStatus, now: datetime | None) -> Cell:
    if state.signed_at is None:
        return Cell("none yet: the daemon signs one, or pilothouse log checkpoint --sign", "warn")
    age = f" ({ago_text(state.signed_at, now)})" if now else ""
    return Cell(f"{state.signed_size:,} rows, {state.signed_at:%Y-%m-%d %H:%M:%S} UTC{age}", "strong")


def quorum_cell(state: LogStatus) -> Cell:
    """``1 of 2 witnesses: met by the newest head``."""
    if not state.quorum:
        return Cell("no witness need sign a head", "dim")
    of = f"{state.quorum} of {state.witnesses} {'witness' if state.witnesses == 1 else 'witnesses'}"
    if state.cosigned_size and state.cosigned_size >= state.signed_size:
        return Cell(f"{of}: met by the newest head", "good")
    if state.cosigned_size:
        return Cell(f"{of}: not met by the newest head, met by one of {state.cosigned_size:,} rows", "warn")
    return Cell(f"{of}: not met, no head has them yet", "warn")


def waiting_cell(state: LogStatus) -> Cell:
    """Which anchors the newest head has not reached."""
    if not state.anchors:
        return Cell("nowhere: no anchor and no witness", "warn")
    if not state.waiting:
        return Cell("nothing: every anchor was sent the newest head", "good")
    names = ", ".join(one.anchor.name for one in state.waiting)
    return cell(f"the head of {state.signed_size:,} rows, to {names}", "warn")


def standing_cell(standing: AnchorStanding) -> Cell:
    """``● agrees``."""
    glyph, tone = _STANDINGS[standing]
    return Cell(f"{glyph} {standing}", tone)


def anchor_table(state: LogStatus, now: datetime) -> Table:
    """Anchors and witnesses, those that contradict first."""
    order, newest = list(AnchorStanding), state.signed_size
    table = table_of(
        sorted(state.anchors, key=lambda one: (order.index(one.standing(newest)), one.anchor.name)),
        {
            "NAME ~8": lambda s: cell(s.anchor.name, "strong"),
            "KIND": lambda s: cell(s.anchor.kind, "dim"),
            ">HOLDS": lambda s: cell(f"{s.held.size:,} rows" if s.held.size else "nothing"),
            "SINCE": lambda s: cell(ago_text(s.held.since, now) if s.held.since else ABSENT),
            "STATE": lambda s: standing_cell(s.standing(newest)),
            "FAILS SINCE !2": lambda s: cell(
                f"{s.delivery.failing_since:%Y-%m-%d %H:%M}" if s.delivery.failing_since else ""
            ),
            "LAST ERROR ~12": lambda s: cell(s.contradiction or s.delivery.error),
            "PLACE ~12 !1": lambda s: cell(s.anchor.place, "dim"),
        },
        key=lambda one: one.anchor.name,
        empty=NOTHING_KEEPS,
        fields=lambda s: (("place", s.anchor.place),),
    )
    past = "what anchors and witnesses held then is not recorded"
    return replace(table, past=past if state.is_past else "")


def anchor_cells(state: AnchorState, newest: int) -> list[list[Cell]]:
    """What the table has no room for, a line each: where it is, what its state means, since when and why it fails."""
    standing, delivery = state.standing(newest), state.delivery
    lines = [
        [cell(f"{state.anchor.name}: ", "strong"), cell(state.anchor.place)],
        [standing_cell(standing), Cell(f": {MEANINGS[standing]}")],
    ]
    if state.contradiction:
        lines.append([cell(state.contradiction, "bad")])
    elif delivery.error:
        since = f"fails since {delivery.failing_since:%Y-%m-%d %H:%M} UTC: " if delivery.failing_since else ""
        lines.append([Cell(since, "dim"), cell(delivery.error, "warn")])
    return lines
