"""The two lines of text around the monitor's pictures: facts and legend."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.monitoring import Health, MonitorView, TargetState
from pilothouse.domain.targets import Difference
from pilothouse.presentation.cell import Cell
from pilothouse.presentation.cells import HEALTH
from pilothouse.presentation.charts.chart import MARK_LEGEND, Chart, Mark, Point, span_texts
from pilothouse.presentation.charts.monitor_charts import HEAT_LEGEND, LINE_LEGEND
from pilothouse.presentation.charts.monitor_span import Axis
from pilothouse.presentation.texts import count_text, counted, day_text, time_text
from pilothouse.presentation.width import display_width

MARK_WORDS = {"D": "deployed ", "B": "back to ", "!": "alert of ", "R": "retraining, "}
"""Text before a mark's label."""


def facts_line(
    view: MonitorView, axis: Axis, span: Point, width: int = 1_000, differs: Difference | None = None
) -> list[Cell]:
    """Model, target, version, what the target runs instead of it and since when, its state on record, open alerts, the time
    shown, the data's clock and counts.

    What does not fit ``width`` is left out in whole parts, the least important first.
    """
    version = f"v{view.version}" if view.version else "nothing deployed"
    name = [
        Cell(f" {safe(view.model)} ", "strong"),
        Cell("on "),
        Cell(f"{safe(view.target)} ", "strong"),
        Cell(f"{version}  ", "info"),
    ]
    parts: list[tuple[int, list[Cell]]] = [(0, name)]
    if differs is not None:
        runs = f"runs v{differs.actual}" if differs.actual is not None else "runs none"
        reason = f"{safe(differs.why)}  " if differs.why else ""
        parts += [(1, [Cell(f"≠ {runs} since {time_text(differs.since)}  ", "warn")])]
        parts += [(6, [Cell(reason, "warn")])]
    if view.state:
        state, since, why = state_cells(view.state)
        parts += [(1, [state]), (4, [since]), (6, [why])]
    unresolved = [alert for alert in view.alerts if alert.status != "resolved"]
    if unresolved:
        parts.append((3, [Cell(f"▲ {counted(len(unresolved), 'open alert')}  ", "warn")]))
    if axis.shown is not None:
        first, last = span_texts(*span)
        parts.append((2, [Cell(f"{first} – {last}{' following' if axis.following else ''}  ", "info")]))
    parts += [
        (5, [Cell(f"data clock {time_text(view.event_clock)}  ", "dim")]),
        (7, [Cell(f"{count_text(view.events)} predictions  ", "dim")]),
        (8, [Cell(f"{count_text(view.labels_joined)} outcomes", "dim")]),
    ]
    while len(parts) > 1 and _width(parts) > width:
        parts.remove(max(parts, key=lambda part: part[0]))
    return [cell for _, cells in parts for cell in cells]


def _width(parts: Sequence[tuple[int, Sequence[Cell]]]) -> int:
    return display_width("".join(cell.text for _, cells in parts for cell in cells).rstrip())


def state_cells(state: TargetState) -> list[Cell]:
    """``✖ critical since 2013-08-29  auc 0.604 …``: the state on record, since when by the data, and the worst ground."""
    glyph, tone = HEALTH[state.health]
    measured = state.performance.window if state.performance else None
    short = any(w is not None and w.end - w.start < timedelta(days=1) for w in (state.drift_window, measured))
    when = time_text if short or state.health is Health.DOWN else day_text
    since = f"since {when(state.since)}  " if state.since else ""
    return [
        Cell(f"{glyph} {state.health}{' ' if since else '  '}", tone),
        Cell(since, tone),
        Cell(f"{safe(state.why)}  "),
    ]


def words_below(chart: Chart, note: str, width: int) -> str:
    """Text below a chart that stands alone: its headline where that is longer than the line above the chart, and ``note``, what
    its newest estimate says."""
    head = chart.headline.text
    long = display_width(f" {chart.title}  {head}") > width
    return "\n".join([*([head] if long else []), *([f"≈ {note}"] if note else [])])


def legend_line(
    layout: str,
    feature: str | None,
    target: str,
    other: str,
    *,
    single: bool,
    here: Sequence[Mark] = (),
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
