"""*Why did this fire?* as a text of 80 columns: windows as bars against their bound, what moved, what is near."""

import math
from collections.abc import Iterator, Sequence

from pilothouse.domain.alert_explanation import AlertExplanation, ExplainedFeature, WindowVerdict
from pilothouse.domain.findings import GiveAway
from pilothouse.domain.monitoring import DistributionBin
from pilothouse.domain.records import Alert, Deployment
from pilothouse.domain.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import Cell, Tone, alert_cell
from pilothouse.presentation.documents import BLANK, Line, aligned, pairs, section, text_line
from pilothouse.presentation.texts import figure, time_text, window_text

_BAR = 18
"""Columns of a bar, its bound's mark included."""
_SHARE_BAR = 12
_FEATURES = 12


def why_page(why: AlertExplanation) -> list[Line]:
    """The page, what is read first at its top."""
    alert = why.alert
    incident = [("incident", f"{alert.incident}{_because(alert)}")] if alert.incident is not None else []
    kind = alert.kind.replace("_", " ")
    return [
        Line(
            (
                alert_cell(alert.status, alert.severity),
                Cell("  "),
                Cell(safe(alert.summary, LINE_LIMIT), "strong"),
            ),
            2,
        ),
        *pairs(
            [
                (
                    "about",
                    f"{kind}, {alert.severity}: {alert.model} version {alert.version} on {alert.target}",
                ),
                (
                    "since",
                    f"{time_text(alert.effective_at)} in the data, found {time_text(alert.recorded_at)}",
                ),
                *incident,
            ]
        ),
        BLANK,
        *_windows(why),
        *section(
            "Why it fired",
            (text_line(words, hang=2) for words in alert.explanation.splitlines()),
        ),
        *section("What changed, as known now", [text_line(why.changed, hang=2)] if why.changed else ()),
        *_features(why.features, why.looked_at),
        *_telling(why.telling),
        *_shares(why),
        *_surroundings(why),
        *section(
            "Figures when it fired",
            pairs((name.replace("_", " "), f"{value:.6g}") for name, value in alert.figures.items()),
        ),
    ]


def _because(alert: Alert) -> str:
    return f": joined, for {alert.joined_because}" if alert.joined_because else ": this alert opened it"


def _windows(why: AlertExplanation) -> list[Line]:
    """Each window a line: its bar, a mark at the bound, the verdict in a word."""
    if not why.windows:
        return []
    known = [x for w in why.windows for x in (w.value, w.bound) if math.isfinite(x)]
    low, high = (min(0.0, *known), max(known)) if known else (0.0, 1.0)
    if (
        not why.higher_is_significant and low >= 0
    ):  # a metric near its reference: bars from zero would all look alike
        low = max(0.0, min(known) - (high - min(known)))
    lines = [_window(w, low, high, why.fire) for w in why.windows]
    rule = (
        f" An alert takes {why.fire} of the last {why.of} windows, the newest among them." if why.fire else ""
    )
    against = f" Compared with {why.compared_with}." if why.compared_with else ""
    lines.append(text_line(f"┃ {why.bound}.{against}{rule}", "dim", hang=2))
    return section(why.figure, lines)


def _window(window: WindowVerdict, low: float, high: float, fire: int) -> Line:
    if window.significant:
        verdict, tone = "▲ significant", "warn"
    elif not window.window.judged:
        verdict, tone = "○ too few rows", "dim"
    else:
        verdict, tone = "● quiet", "good"
    mark = " ◀ fired" if window.fired else ""
    cells = (
        Cell(f"{window_text(window.window.start, window.window.end):<20} ", "dim"),
        Cell(bar(window.value, window.bound, low, high, _BAR), _tone(tone)),
        Cell(f" {figure(window.value):>7}"),
        Cell(f" / {figure(window.bound):<6} ", "dim"),
        Cell(verdict + mark, _tone(tone)),
    )
    return Line(cells, 21)


def _tone(name: str) -> Tone:
    tones: dict[str, Tone] = {"warn": "warn", "good": "good", "dim": "dim"}
    return tones[name]


def bar(value: float, bound: float, low: float, high: float, width: int) -> str:
    """``━━━━━━━┃━━━   ``: the value from ``low`` on, with ``┃`` where the bound lies."""
    span = high - low or 1.0

    def place(x: float) -> int:
        return max(0, min(width - 1, round((x - low) / span * (width - 1))))

    length = place(value) + 1 if math.isfinite(value) else 0
    drawn = ["━" if i < length else " " for i in range(width)]
    if math.isfinite(bound):
        drawn[place(bound)] = "┃"
    return "".join(drawn)


def _features(features: Sequence[ExplainedFeature], looked_at: int) -> list[Line]:
    """The features that are significant, with what each carries."""
    if not features:
        return []
    rows = [
        [
            Cell(t, "dim")
            for t in ("feature", "statistic", "value", "threshold", "times", "p", "importance", "")
        ]
    ]
    for feature in features[:_FEATURES]:
        f = feature.finding
        times = f"{f.value / f.threshold:.1f}×" if f.threshold else "–"
        carried = f"{feature.importance:.0%}" if feature.importance is not None else "–"
        rows.append(
            [
                Cell(safe(f.feature), "strong"),
                *(
                    Cell(t)
                    for t in (
                        f.statistic,
                        figure(f.value),
                        figure(f.threshold),
                        times,
                        f"{f.p_value:.1g}",
                        carried,
                    )
                ),
                Cell(safe(feature.threshold_from), "dim"),
            ]
        )
    lines = aligned(rows, widest=18)
    if len(features) > _FEATURES:
        lines.append(text_line(f"… and {len(features) - _FEATURES} more", "dim"))
    words = f"{len(features)} of {looked_at} looked at; Benjamini–Hochberg over all {looked_at} keeps the rate of false alarms."
    return section("What moved", [*lines, text_line(words, "dim", hang=2)])


def _telling(telling: Sequence[GiveAway]) -> list[Line]:
    """What gives a drift of all features together away."""
    if not telling:
        return []
    rows = [[Cell(t, "dim") for t in ("feature", "shuffled costs", "alone", "")]]
    most = max(max(one.drop for one in telling), 1e-9)
    for one in telling[:_FEATURES]:
        filled = round(max(one.drop, 0.0) / most * _SHARE_BAR)
        figures = Cell(figure(one.drop)), Cell(figure(one.alone))
        rows.append([Cell(safe(one.feature), "strong"), *figures, Cell("█" * filled, "info")])
    return section("What gives it away", aligned(rows, widest=22))


def _shares(why: AlertExplanation) -> list[Line]:
    """Reference and window side by side, where they differ most."""
    if not why.shares:
        return []
    most = max(max(s.reference, s.window) for s in why.shares) or 1.0
    rows = [[Cell(t, "dim") for t in (safe(why.shares_of), "reference", "", "window", "")]]
    rows += [list(_share_cells(share, most)) for share in why.shares]
    return section("Where the rows went", aligned(rows, widest=22))


def _share_cells(share: DistributionBin, most: float) -> Iterator[Cell]:
    yield Cell(safe(share.label))
    for part, tone in ((share.reference, "dim"), (share.window, "info")):
        yield Cell(f"{part:6.1%}")
        filled = round(part / most * _SHARE_BAR)
        yield Cell("█" * filled + "·" * (_SHARE_BAR - filled), "info" if tone == "info" else "dim")


def _surroundings(why: AlertExplanation) -> list[Line]:
    """What it led to, and what was deployed around then."""
    rows = [("retraining", why.retraining)] if why.retraining else []
    rows += [
        ("handled by", f"{why.alert.handled_by} {time_text(why.alert.handled_at)} {why.alert.note}".strip())
        if why.alert.handled_by
        else ("handled by", "nobody yet")
    ]
    if why.alert.resolved_at:
        rows.append(("resolved", time_text(why.alert.resolved_at)))
    rows += [("deployed", _deployment(d)) for d in why.deployments]
    return section("Around it", pairs(rows))


def _deployment(deployment: Deployment) -> str:
    ended = deployment.ended_effective_at
    until = f" until {time_text(ended)}" if ended else ", live now"
    return f"v{deployment.version} from {time_text(deployment.effective_at)}{until} ({deployment.kind})"
