"""The explanation of an alert as a page of 80 columns: windows as bars against their bound, features, surroundings."""

import math
from collections.abc import Iterator, Sequence

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.monitoring.alert_explanation import AlertExplanation, ExplainedFeature, WindowVerdict
from pilothouse.domain.monitoring.findings import CONTRACT, DriftFinding, QualityFinding
from pilothouse.domain.monitoring.judging import together_text
from pilothouse.domain.monitoring.monitoring import DistributionBin, Health
from pilothouse.domain.records import Alert, Deployment
from pilothouse.presentation.cells import Cell, Tone, alert_cell, health_cell
from pilothouse.presentation.documents import BLANK, Line, aligned, pairs, section, text_line
from pilothouse.presentation.texts import figure, time_text, window_moment, window_text
from pilothouse.presentation.verdicts import NOT_JUDGED, UNKNOWN, power_text

_BAR = 18
"""Columns of a bar with the mark of its bound."""
_SHARE_BAR = 12
_FEATURES = 12


def explanation_page(explanation: AlertExplanation) -> list[Line]:
    """The page, the most important first."""
    alert = explanation.alert
    kind = alert.kind.replace("_", " ")
    head = (
        alert_cell(alert.status, alert.severity),
        Cell("  "),
        Cell(safe(alert.summary, LINE_LIMIT), "strong"),
    )
    facts = [
        ("about", f"{kind}, {alert.severity}: {alert.model} version {alert.version} on {alert.target}"),
        ("since", f"{time_text(alert.effective_at)} in the data, found {time_text(alert.recorded_at)}"),
    ]
    if explanation.again is not None:
        facts.append(
            ("opened again", f"{time_text(explanation.again)}, when v{alert.version} went live again")
        )
    if alert.incident is not None:
        facts.append(("incident", f"{alert.incident}{_because(alert)}"))
    changed = [text_line(explanation.changed, hang=2)] if explanation.changed else []
    figures = pairs((name.replace("_", " "), f"{value:.6g}") for name, value in alert.figures.items())
    return [
        Line(head, 2),
        *pairs(facts),
        BLANK,
        *_windows(explanation),
        *section("Why it fired", (text_line(text, hang=2) for text in alert.explanation.splitlines())),
        *section("What changed, as known now", changed),
        *_features(explanation),
        *_give_aways(explanation),
        *_shares(explanation),
        *_surroundings(explanation),
        *section("Figures when it fired", figures),
    ]


def _because(alert: Alert) -> str:
    return f": joined, for {alert.joined_because}" if alert.joined_because else ": this alert opened it"


def _windows(explanation: AlertExplanation) -> list[Line]:
    """Each window a line: its bar with a mark at the bound, and the verdict."""
    if not explanation.windows:
        return []
    known = [x for w in explanation.windows for x in (w.value, w.bound) if math.isfinite(x)]
    low, high = (min(0.0, *known), max(known)) if known else (0.0, 1.0)
    # a metric near its reference: bars from zero would all look alike
    if known and not explanation.higher_is_significant and low >= 0:
        low = max(0.0, min(known) - (high - min(known)))
    lines = [_window(w, low, high) for w in explanation.windows]
    against = f" Compared with {explanation.compared_with}." if explanation.compared_with else ""
    rule = (
        f" An alert takes {explanation.fire} of the last {explanation.of} windows, the newest among them."
        if explanation.fire
        else ""
    )
    lines += [text_line(text, "dim", hang=2) for text in _rows_of(explanation.windows)]
    lines.append(text_line(f"┃ {explanation.bound}.{against}{rule}", "dim", hang=2))
    return section(explanation.figure, lines)


def _rows_of(windows: Sequence[WindowVerdict]) -> Iterator[str]:
    """The windows that were judged as one with the one that fired; what the newest without a verdict lacks."""
    for window in windows:
        if window.fired and window.window.together > 1:
            yield f"◀ {together_text(window.window)}, since {window_moment(window.window, window.window.since)}."
    lacking = [window.lack for window in windows if window.lack]
    if lacking:
        yield f"{UNKNOWN} {NOT_JUDGED}: {lacking[-1]}."


def _window(window: WindowVerdict, low: float, high: float) -> Line:
    tone: Tone
    if not window.window.judged:
        verdict, tone = f"{UNKNOWN} {NOT_JUDGED}", "info"
    elif window.significant:
        verdict, tone = "▲ significant", "warn"
    elif window.suspected:
        suspected = health_cell(Health.SUSPECTED)
        verdict, tone = suspected.text, suspected.tone
    else:
        verdict, tone = "● quiet", "good"
    mark = " ◀ fired" if window.fired else ""
    cells = (
        Cell(f"{window_text(window.window.start, window.window.end):<20} ", "dim"),
        Cell(bar(window.value, window.bound, low, high, _BAR), tone),
        Cell(f" {figure(window.value):>7}"),
        Cell(f" / {figure(window.bound):<6} ", "dim"),
        Cell(verdict + mark, tone),
    )
    return Line(cells, 21)


def bar(value: float, bound: float, low: float, high: float, width: int) -> str:
    """``━━━━━━━┃━━━   ``: the value from ``low`` on, with ``┃`` where the bound lies."""
    span = high - low or 1.0

    def column(x: float) -> int:
        return max(0, min(width - 1, round((x - low) / span * (width - 1))))

    length = column(value) + 1 if math.isfinite(value) else 0
    drawn = ["━" if i < length else " " for i in range(width)]
    if math.isfinite(bound):
        drawn[column(bound)] = "┃"
    return "".join(drawn)


def _header(*titles: str) -> list[Cell]:
    return [Cell(title, "dim") for title in titles]


def _in_window(explanation: AlertExplanation) -> str:
    """`` in 2013-06-03 – 06-10`` where details are of another window than the one that fired."""
    window = explanation.explained_by
    if window is None or any(w.fired and w.window.end == window.end for w in explanation.windows):
        return ""
    return f" in {window_text(window.start, window.end)}"


def _features(explanation: AlertExplanation) -> list[Line]:
    """The significant features, with the importance of each."""
    features, tested = explanation.features, explanation.looked_at
    if not features:
        return []
    rows = [_header("feature", "statistic", "value", "threshold", "times", "p", "importance", "")]
    for feature in features[:_FEATURES]:
        f = feature.finding
        times = f"{f.value / f.threshold:.1f}×" if f.threshold else "–"
        importance = f"{feature.importance:.0%}" if feature.importance is not None else "–"
        figures = (f.statistic, figure(f.value), figure(f.threshold), times, _p_text(f), importance)
        rows.append(
            [Cell(safe(f.feature), "strong"), *map(Cell, figures), Cell(safe(feature.threshold_from), "dim")]
        )
    lines = aligned(rows, widest=18)
    if len(features) > _FEATURES:
        lines.append(text_line(f"… and {len(features) - _FEATURES} more", "dim"))
    counted = [f.finding.statistic == CONTRACT for f in features]
    note = f"{len(features)} of {tested} looked at; Benjamini–Hochberg over all {tested} keeps the rate of false alarms."
    if any(counted):
        note = f"{len(features)} of {tested} looked at; rows outside of a contract are counted, not tested."
    notes = [text_line(note, "dim", hang=2)]
    notes += [
        text_line(_outside(feature), "dim", hang=2) for feature in features[:_FEATURES] if _outside(feature)
    ]
    worst = features[0].finding
    if isinstance(worst, DriftFinding) and worst.power is not None:
        smallest = (
            f"The smallest change of {safe(worst.feature)} that would be found: {power_text(worst.power)}."
        )
        notes.append(text_line(smallest, "dim", hang=2))
    if explanation.blind:
        blind = ", ".join(map(safe, explanation.blind))
        notes.append(text_line(f"Not judged, as they vary too much by themselves: {blind}.", "dim", hang=2))
    return section(f"What moved{_in_window(explanation)}", [*lines, *notes])


def _p_text(finding: DriftFinding | QualityFinding) -> str:
    return "–" if finding.statistic == CONTRACT else f"{finding.p_value:.1g}"


def _outside(feature: ExplainedFeature) -> str:
    """The rule of its contract that a feature's rows break, with a value; empty for another finding."""
    finding = feature.finding
    if not isinstance(finding, QualityFinding) or finding.fault != CONTRACT:
        return ""
    example = f", for example {safe(feature.example)}" if feature.example else ""
    return f"{safe(finding.feature)} {safe(finding.words)}{example}."


def _give_aways(explanation: AlertExplanation) -> list[Line]:
    """The features by which a drift of all features together shows."""
    features = explanation.telling
    if not features:
        return []
    rows = [_header("feature", "shuffled costs", "alone", "")]
    most = max(max(feature.drop for feature in features), 1e-9)
    for feature in features[:_FEATURES]:
        filled = round(max(feature.drop, 0.0) / most * _SHARE_BAR)
        figures = Cell(figure(feature.drop)), Cell(figure(feature.alone))
        rows.append([Cell(safe(feature.feature), "strong"), *figures, Cell("█" * filled, "info")])
    return section(f"What gives it away{_in_window(explanation)}", aligned(rows, widest=22))


def _shares(explanation: AlertExplanation) -> list[Line]:
    """Reference and window side by side, where they differ most."""
    if not explanation.shares:
        return []
    most = max(max(s.reference, s.window) for s in explanation.shares) or 1.0
    rows = [_header(safe(explanation.shares_of), "reference", "", "window", "")]
    rows += [list(_share_cells(share, most)) for share in explanation.shares]
    return section(f"Where the rows went{_in_window(explanation)}", aligned(rows, widest=22))


def _share_cells(share: DistributionBin, most: float) -> Iterator[Cell]:
    yield Cell(safe(share.label))
    tones: tuple[Tone, ...] = ("dim", "info")
    for part, tone in zip((share.reference, share.window), tones, strict=True):
        yield Cell(f"{part:6.1%}")
        filled = round(part / most * _SHARE_BAR)
        yield Cell("█" * filled + "·" * (_SHARE_BAR - filled), tone)


def _surroundings(explanation: AlertExplanation) -> list[Line]:
    """Retraining, handling, and the deployments around the alert."""
    alert = explanation.alert
    rows = [("retraining", explanation.retraining)] if explanation.retraining else []
    handled = f"{alert.handled_by} {time_text(alert.handled_at)} {alert.note}".strip()
    rows.append(("handled by", handled if alert.handled_by else "nobody yet"))
    if alert.resolved_at:
        rows.append(("resolved", time_text(alert.resolved_at)))
    rows += [("deployed", _deployment(d)) for d in explanation.deployments]
    return section("Around it", pairs(rows))


def _deployment(deployment: Deployment) -> str:
    ended = deployment.ended_effective_at
    until = f" until {time_text(ended)}" if ended else ", live now"
    return f"v{deployment.version} from {time_text(deployment.effective_at)}{until} ({deployment.kind})"
