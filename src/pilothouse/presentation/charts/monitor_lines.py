"""The two lines of text around the monitor's pictures: facts and legend."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pilothouse.domain.monitoring import MonitorView, TargetState
from pilothouse.domain.safe_text import safe
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.cells import HEALTH
from pilothouse.presentation.charts.chart import MARK_LEGEND, Mark, Point, span_texts
from pilothouse.presentation.charts.monitor_charts import HEAT_LEGEND, LINE_LEGEND
from pilothouse.presentation.charts.monitor_span import Axis
from pilothouse.presentation.texts import count_text, counted, day_text, time_text

MARK_WORDS = {"D": "deployed ", "B": "back to ", "!": "alert of ", "R": "retraining, "}
"""Text before a mark's label."""


def facts_line(view: MonitorView, axis: Axis, span: Point) -> list[Cell]:
    """Model, target, version, its state on record, open alerts, the time shown, the data's clock and counts."""
    version = f"v{view.version}" if view.version else "nothing deployed"
    counts = f"{count_text(view.events)} predictions  {count_text(view.labels_joined)} outcomes"
    cells = [
        Cell(f" {safe(view.model)} ", "strong"),
        Cell("on "),
        Cell(f"{safe(view.target)} ", "strong"),
        Cell(f"{version}  ", "info"),
        *(state_cells(view.state) if view.state else ()),
    ]
    unresolved = [alert for alert in view.alerts if alert.status != "resolved"]
    if unresolved:
        cells.append(Cell(f"▲ {counted(len(unresolved), 'open alert')}  ", "warn"))
    if axis.shown is not None:
        first, last = span_texts(*span)
        cells.append(Cell(f"{first} – {last}{' following' if axis.following else ''}  ", "info"))
    return [*cells, Cell(f"data clock {time_text(view.event_clock)}  {counts}", "dim")]


def state_cells(state: TargetState) -> list[Cell]:
    """``✖ critical since 2013-08-29: auc 0.604 …``: the state on record, since when by the data, and the worst ground."""
    glyph, tone = HEALTH[state.health]
    since = f" since {day_text(state.since)}" if state.since else ""
    return [Cell(f"{glyph} {state.health}{since}: ", tone), Cell(f"{safe(state.why)}  ")]


def legend_line(
    layout: str, feature: str | None, target: str, other: str, *, single: bool, here: Sequence[Mark] = ()
) -> Sequence[Cell]:
    """The legend of a layout, or the marks of the window at the cursor (``here``). ``other`` names the target or version beside
    ``target``, if there is one; ``single``: the chart of performance stands alone."""
    if layout == "distribution":
        name = Cell(f" {safe(feature, 24)}  ", "strong") if feature else Cell(" ")
        return [name, Cell("█ shares on one scale  ▲ ▼ differ most  ← → window  ↑ ↓ feature", "dim")]
    if here:
        first = datetime.fromtimestamp(here[0].at, UTC)
        marks = [
            Cell(f"  {mark.glyph} {MARK_WORDS.get(mark.glyph, '')}{mark.label}", mark.tone) for mark in here
        ]
        return [Cell(f" │ {first:%Y-%m-%d}", "strong"), *marks]
    if layout == "heat":
        return [Cell(f" {HEAT_LEGEND}", "dim")]
    mark_legend = Cell(f" {MARK_LEGEND}", "dim")
    if other:
        return [
            Cell(f" ── {safe(target, 32)} ", "info"),
            Cell(f"╌╌ {safe(other, 32)} ", "warn"),
            mark_legend,
        ]
    if single:
        return [Cell(" "), *(Cell(text, tone) for text, tone in LINE_LEGEND), mark_legend]
    return [mark_legend]
