"""Charts as one SVG picture: lines, bands, bars and marks in shapes that differ without colour too."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from pilothouse.presentation.cells import Tone
from pilothouse.presentation.charts.chart import Chart, Series, value_bounds
from pilothouse.presentation.charts.ticks import axis_ticks, value_ticks


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a picture. ``paper`` is empty where the page around it shows through."""

    inks: Mapping[Tone, str]
    paper: str
    shade: str
    """Fill of a shaded band, which is a quarter opaque."""


PAPER = Palette(
    {
        "": "#222222", "good": "#1a7f37", "warn": "#9a6700", "bad": "#cf222e",
        "info": "#0969da", "dim": "#6e7781", "strong": "#222222",
    },
    "#ffffff",
    "#8c959f",
)  # fmt: skip
"""A page of its own: for files, and to be printed."""

ON_ANY_PAGE = Palette(
    {
        "": "currentColor", "good": "#2a9d4a", "warn": "#b07d00", "bad": "#e5534b",
        "info": "#2f86eb", "dim": "#808080", "strong": "currentColor",
    },
    "",
    "#808080",
)  # fmt: skip
"""Part of a page, light or dark: texts in its own colour, the other colours at least three to one against white and black."""

_DASHES = {"line": "", "dashed": "6 4", "dotted": "1.5 4", "bars": ""}
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 900, 240, 80, 70, 34, 30
_NARROW = 520
"""Width of a chart that stands within a page: its letters stay readable on a phone."""
_LETTERS = 13
"""Height of a line of letters."""


def svg(charts: Sequence[Chart], title: str, palette: Palette = PAPER) -> str:
    """The charts below each other. The picture holds shapes and text alone: nothing that a viewer would run or fetch."""
    height = _HEIGHT * len(charts) + 30
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="DejaVu Sans, Arial, sans-serif" font-size="12">',
        *([f'<rect width="{_WIDTH}" height="{height}" fill="{palette.paper}"/>'] if palette.paper else []),
        f'<text x="12" y="20" font-size="15" font-weight="bold"{_text_fill(palette)}>{escape(title)}</text>',
    ]
    for number, chart in enumerate(charts):
        parts.append(f'<g transform="translate(0 {30 + number * _HEIGHT})">')
        parts += _chart(chart, palette)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def figure_svg(chart: Chart) -> str:
    """One chart, to stand within an HTML page, where it is as wide as its place; on white, whatever the page's colours."""
    parts = [
        f'<svg viewBox="0 0 {_NARROW} {_HEIGHT}" role="img" font-family="DejaVu Sans, Arial, sans-serif" font-size="12">',
        f"<title>{escape(chart.title)}</title>",
        f'<rect width="{_NARROW}" height="{_HEIGHT}" fill="{PAPER.paper}"/>',
        *_chart(chart, PAPER, _NARROW, 48),
    ]
    return "\n".join([*parts, "</svg>"])


def _text_fill(palette: Palette) -> str:
    return "" if palette.paper else f' fill="{palette.inks[""]}"'


def _chart(chart: Chart, palette: Palette, width: int = _WIDTH, left: int = _LEFT) -> Iterator[str]:
    ink = palette.inks
    yield from _head(chart, palette, width, left)
    if not chart.has_points:
        yield f'<text x="{left}" y="60" fill="{ink["dim"]}">{escape(chart.empty)}</text>'
        return
    low, high = value_bounds(chart)
    start, end = chart.span
    right, bottom = width - _RIGHT, _HEIGHT - _BOTTOM

    def x(at: float) -> float:
        return round(left + (at - start) / (end - start) * (right - left), 1)

    def y(value: float) -> float:
        return round(min(bottom, max(_TOP, bottom - (value - low) / (high - low) * (bottom - _TOP))), 1)

    yield f'<path d="M{left} {_TOP}V{bottom}H{right}" fill="none" stroke="{ink["dim"]}"/>'
    for value, label in value_ticks(chart, low, high, 6):
        yield f'<text x="{left - 6}" y="{y(value) + 4}" text-anchor="end" fill="{ink["dim"]}">{escape(label)}</text>'
    if chart.across:
        yield (
            f'<text x="{right}" y="{_HEIGHT - 1}" text-anchor="end" fill="{ink["dim"]}">{escape(chart.across)}</text>'
        )
    for at, label in axis_ticks(chart, 9 if width > _NARROW else 6):
        yield f'<text x="{x(at)}" y="{bottom + 16}" text-anchor="middle" fill="{ink["dim"]}">{escape(label)}</text>'
    for band in chart.bands:
        seen = [(t, lo, hi) for t, lo, hi in band.points if start <= t <= end]
        outline = [f"{x(t)},{y(hi)}" for t, _, hi in seen] + [
            f"{x(t)},{y(lo)}" for t, lo, _ in reversed(seen)
        ]
        look = (
            f'fill="{palette.shade}" fill-opacity="0.25"'
            if band.filled
            else f'fill="none" stroke="{ink["warn"]}" stroke-dasharray="1 3"'
        )
        yield f'<polygon points="{" ".join(outline)}" {look}/>'
    for level in chart.levels:
        yield (
            f'<path d="M{left} {y(level.value)}H{right}" stroke="{ink[level.tone]}" stroke-dasharray="8 3"/>'
            f'<text x="{right + 4}" y="{y(level.value) + 4}" fill="{ink[level.tone]}">{escape(level.name)}</text>'
        )
    ends: list[tuple[Series, float, float]] = []
    for series in chart.series:
        points = [(x(t), y(v)) for t, v in series.points if start <= t <= end]
        if points:
            yield from _series(series, points, bottom, ink[series.tone])
            ends.append((series, *points[-1]))
    yield from _labels(ends, palette)
    for mark in chart.marks:
        if mark.line:
            yield f'<path d="M{x(mark.at)} {_TOP}V{bottom}" stroke="{ink["dim"]}" stroke-dasharray="2 3"/>'
        title = f"{mark.glyph} {mark.label}"
        yield (
            f'<text x="{x(mark.at)}" y="{_TOP - 2}" text-anchor="middle" fill="{ink[mark.tone]}">{escape(mark.glyph)}'
            f"<title>{escape(title)}</title></text>"
        )


def _head(chart: Chart, palette: Palette, width: int, left: int) -> Iterator[str]:
    """Title and headline: on one line where they fit, else below each other."""
    head, text = chart.title, chart.headline.text
    if width > _NARROW:
        yield f'<text x="{left}" y="20" font-weight="bold"{_text_fill(palette)}>{escape(f"{head}  {text}")}</text>'
        return
    yield f'<text x="8" y="13" font-weight="bold"{_text_fill(palette)}>{escape(head)}</text>'
    yield f'<text x="8" y="27" fill="{palette.inks["dim"]}">{escape(text)}</text>'


def _series(series: Series, points: Sequence[tuple[float, float]], bottom: float, ink: str) -> Iterator[str]:
    if series.style == "bars":
        for left, top in points:
            yield f'<rect x="{left - 3}" y="{top}" width="6" height="{round(bottom - top, 1)}" fill="{ink}"/>'
    else:
        dashes = f' stroke-dasharray="{_DASHES[series.style]}"' if _DASHES[series.style] else ""
        line = " ".join(f"{left},{top}" for left, top in points)
        yield f'<polyline points="{line}" fill="none" stroke="{ink}" stroke-width="2"{dashes}/>'


def _labels(ends: Sequence[tuple[Series, float, float]], palette: Palette) -> Iterator[str]:
    """The name of each series at its end; the main series comes last and takes its place first, the others move aside."""
    placed: list[float] = []
    for series, left, top in reversed(ends):
        places = (top + step * _LETTERS for step in (0, 1, -1, 2, -2, 3, -3))
        place = next((y for y in places if all(abs(y - other) >= _LETTERS for other in placed)), top)
        placed.append(place)
        ink = palette.inks[series.tone]
        yield f'<text x="{left + 4}" y="{place + 4}" fill="{ink}">{escape(series.tag or series.name)}</text>'
