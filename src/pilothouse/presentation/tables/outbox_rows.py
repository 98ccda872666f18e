"""Tables of the outbox and of silences."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pilothouse.domain.outbox.deliveries import DeliveryState, Outgoing, ReceiverHealth
from pilothouse.domain.outbox.routing import Silence
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.cells import cell
from pilothouse.presentation.tables.table import Column, Row, Table

_TONES: dict[DeliveryState, Tone] = {
    DeliveryState.WAITING: "",
    DeliveryState.SENT: "good",
    DeliveryState.DEAD: "bad",
}
_GLYPHS = {DeliveryState.WAITING: "…", DeliveryState.SENT: "✓", DeliveryState.DEAD: "✗"}


def outbox_table(found: Sequence[Outgoing], now: datetime) -> Table:
    """Messages, with what each receiver last said."""
    columns = (
        Column("NO", "right"),
        Column("STATE"),
        Column("RECEIVER"),
        Column("WHY", drop=1),
        Column("MADE"),
        Column("TRIES", "right", drop=2),
        Column("MESSAGE", shrink=True, least=16),
        Column("ERROR", shrink=True, least=12),
    )
    rows = tuple(
        Row(
            str(one.id),
            (
                cell(one.id),
                Cell(f"{_GLYPHS[one.state]} {one.state}", _tone(one)),
                cell(one.receiver),
                cell(str(one.purpose)),
                cell(ago(one.made_at, now)),
                cell(one.tries),
                cell(str(one.message.get("title", ""))),
                cell(error_text(one, now)),
            ),
        )
        for one in found
    )
    return Table(columns, rows, empty="no messages")


def _tone(one: Outgoing) -> Tone:
    return "warn" if one.state is DeliveryState.WAITING and one.error else _TONES[one.state]


def error_text(one: Outgoing, now: datetime) -> str:
    """What a receiver last said, and when it is asked again."""
    if one.state is DeliveryState.WAITING and one.error:
        return f"{one.error}; again in {_span(one.due_at - now)}"
    return one.error


def silence_table(found: Sequence[Silence], now: datetime) -> Table:
    """Silences, with who made each and when it ends."""
    columns = (
        Column("SILENCE", "right"),
        Column("STATE"),
        Column("WHAT", shrink=True, least=14),
        Column("ENDS", drop=2),
        Column("BY", drop=1),
        Column("REASON", shrink=True, least=12),
    )
    rows = tuple(
        Row(
            str(one.id),
            (
                cell(one.id),
                _standing(one, now),
                cell(one.text),
                cell(f"{one.ends_at:%Y-%m-%d %H:%M}"),
                cell(one.made_by),
                cell(one.reason),
            ),
        )
        for one in found
    )
    return Table(columns, rows, empty="no silence is in force")


def _standing(one: Silence, now: datetime) -> Cell:
    if one.ended_at is not None:
        return cell(f"ended by {one.ended_by}")
    return Cell(f"{_span(one.ends_at - now)} left", "warn") if one.holds(now) else cell("over")


def health_text(name: str, known: ReceiverHealth | None, now: datetime, unsent: str = "") -> Cell:
    """How a receiver takes what it is sent, in a few words. ``unsent``: why nothing is sent to it."""
    if unsent and (known is None or known.failing_since is None):
        return cell(f"{name}: {unsent}", "bad")
    if known is None:
        return Cell(f"{name}: nothing sent yet", "dim")
    if known.failing_since is None:
        taken = f", last {ago(known.taken_at, now)}" if known.taken_at else ""
        return Cell(f"{name}: takes messages{taken}", "good")
    tone: Tone = "bad" if known.fails_for_long(now) else "warn"
    text = cell(f"{name}: takes none since {_span(now - known.failing_since)}: {known.error}").text
    return Cell(text, tone)


def dead_cells(text: str) -> list[Cell]:
    """Receivers that take nothing for long, and messages that were given up: an operator who trusts them is told nothing."""
    return [cell(f"✗ alerts do not arrive: {text}", "bad"), Cell("  (:outbox)", "bad")] if text else []


def ago(at: datetime, now: datetime) -> str:
    """``12m ago``."""
    return f"{_span(now - at)} ago"


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
