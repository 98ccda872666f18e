"""Verdicts on windows as cells: a window without a verdict is "not judged", never quiet."""

from collections.abc import Sequence

from pilothouse.domain.monitoring.deployment_state import suspicion_text
from pilothouse.domain.monitoring.findings import DriftFinding, Power, Window
from pilothouse.domain.monitoring.judging import together_text, why_not_judged
from pilothouse.domain.monitoring.monitoring import Health, MonitorView
from pilothouse.presentation.cell import Cell, Tone
from pilothouse.presentation.cells import health_cell
from pilothouse.presentation.texts import day_text, figure, window_moment

NOT_JUDGED = "not judged"
LEFT_OUT = "left out"
"""Word for a feature that ``monitoring.ignore`` names: its figures are shown, and judged by nobody."""
SUSPECTED = str(Health.SUSPECTED)
"""A loss that one window alone does not make certain."""
UNKNOWN = "○"
"""Glyph of a window that has no verdict."""


def drift_verdict(window: Window, finding: DriftFinding | None) -> Cell:
    """``▲ drifts``, ``● quiet`` or ``○ not judged``, also of a feature that cannot be judged; ``○ left out`` of one that is
    shown only."""
    if finding is not None and finding.blind:
        return Cell(f"{UNKNOWN} {NOT_JUDGED}", "info")
    if finding is not None and finding.left_out and window.judged:
        return Cell(f"{UNKNOWN} {LEFT_OUT}", "info")
    significant = finding is not None and finding.significant
    return _verdict(window, significant, ("▲ drifts", "warn"), ("● quiet", "good"))


def performance_verdict(window: Window, significant: bool, *, suspected: bool = False) -> Cell:
    """``✖ worse``, ``△ suspected``, ``● fine`` or ``○ not judged``."""
    if suspected and window.judged:
        return health_cell(Health.SUSPECTED)
    return _verdict(window, significant, ("✖ worse", "bad"), ("● fine", "good"))


VARIES = "varies too much by itself"
"""Why a feature cannot be judged."""


def drift_word(window: Window, finding: DriftFinding) -> str:
    """The verdict on drift in a table of the command line."""
    if finding.blind:
        return NOT_JUDGED
    return (
        LEFT_OUT
        if finding.left_out and window.judged
        else verdict_word(window, finding.significant, "drifts")
    )


def power_text(power: Power | None) -> str:
    """``0.31 σ = 5.7``, ``12 points``: the smallest change that would be found, in standard deviations of the reference and in
    the feature's own unit; ``none`` where no change would be, empty where it was not computed."""
    if power is None:
        return ""
    if power.smallest is None:
        return "none"
    if power.kind == "share":
        return f"{100 * power.smallest:.0f} points"
    own = f" = {power.own_unit:.3g}" if power.own_unit is not None else ""
    return f"{power.smallest:.2f} σ{own}"


def drift_figures(finding: DriftFinding) -> str:
    """The value of its threshold, with the smallest change that would be found; of a feature that cannot be judged why not."""
    power = power_text(finding.power)
    if finding.blind:
        return f"{VARIES}, {_smallest(power)}"
    figures = f"{figure(finding.value)} of {figure(finding.threshold)}"
    return f"{figures}, finds {power}" if power else figures


def drift_counts(findings: Sequence[DriftFinding]) -> str:
    """``2 of 12 drift in the newest window, 3 not judged``."""
    drifting, blind = sum(f.significant for f in findings), sum(f.blind for f in findings)
    text = f"{drifting} of {len(findings)} drift in the newest window"
    return f"{text}, {blind} {NOT_JUDGED}" if blind else text


def _smallest(power: str) -> str:
    return "no change would be found" if power == "none" else f"the smallest change found is {power}"


def blind_notes(findings: Sequence[DriftFinding]) -> list[str]:
    """Which features cannot be judged, and what would help; nothing where all are."""
    blind = [finding.feature for finding in findings if finding.blind]
    if not blind:
        return []
    vary = f"{VARIES}: {blind[0]}" if len(blind) == 1 else f"vary too much by themselves: {', '.join(blind)}"
    return [
        f"{NOT_JUDGED}, {vary}",
        "what would help: a shorter reference, three windows of days before to compare with, or the difference to the days "
        "before as feature",
    ]


def past_notes(findings: Sequence[DriftFinding]) -> list[str]:
    """Under which versions the weeks were that features are compared with, and which of these have none; nothing where all
    are of the features' own version."""
    groups: dict[str, list[str]] = {}
    for finding in findings:
        before = finding.before
        if before is not None and (before.days or before.lacking):
            text = f"no weeks before: {before.lacking}" if before.lacking else f"compared with {before.text}"
            groups.setdefault(text, []).append(finding.feature)
    return [f"{text}: {', '.join(features)}" for text, features in groups.items()]


def performance_word(window: Window, significant: bool, *, suspected: bool) -> str:
    """The verdict on performance in a table of the command line."""
    return verdict_word(window, significant or suspected, SUSPECTED if suspected else "worse")


def suspicion_note(view: MonitorView) -> str:
    """``suspected: below its reference, one more window decides on 2013-11-05``; empty where the newest window is not."""
    return f"{SUSPECTED}: {waits_for(view)}" if view.suspicion else ""


def waits_for(view: MonitorView) -> str:
    """What decides about the newest window where its loss is suspected; empty where it is not."""
    return suspicion_text(view.suspicion, day_text) if view.suspicion is not None else ""


def _verdict(window: Window, significant: bool, bad: tuple[str, Tone], good: tuple[str, Tone]) -> Cell:
    if not window.judged:
        return Cell(f"{UNKNOWN} {NOT_JUDGED}", "info")
    return Cell(*(bad if significant else good))


def verdict_word(window: Window, significant: bool, word: str) -> str:
    """The verdict in a table of the command line: ``word`` where a window is significant, nothing where it is quiet."""
    return (word if significant else "") if window.judged else NOT_JUDGED


def headline(
    verdict: Cell,
    figures: str,
    window: Window,
    minimum_rows: int,
    *,
    compared: bool = True,
    waits_for: str = "",
) -> Cell:
    """A verdict with its ``figures`` and the windows that it is of; or what lacks for one. ``compared``: the reference has a
    figure to compare with; ``waits_for``: what decides about it."""
    why = why_not_judged(window, minimum_rows, has_reference=compared)
    if why:
        return Cell(f"{verdict.text}: {why}", verdict.tone)
    colon = ":" if verdict.text.endswith(NOT_JUDGED) else ""  # of a feature that cannot be judged
    parts = [f"{verdict.text}{colon} {figures}", together_text(window), _again(window)]
    text = ", ".join(part for part in parts if part)
    return Cell(f"{text}: {waits_for}" if waits_for else text, verdict.tone)


def verdict_note(window: Window, minimum_rows: int, *, compared: bool = True) -> str:
    """``not judged: …``, the windows that were judged as one, or why it was judged again; empty for any other window."""
    why = why_not_judged(window, minimum_rows, has_reference=compared)
    if why:
        return f"{NOT_JUDGED}: {why}"
    of = together_text(window)
    parts = [f"judged: {of}, since {window_moment(window, window.since)}" if of else "", _again(window)]
    return ", ".join(part for part in parts if part)


def rows_text(window: Window) -> str:
    """``292``; ``292, 3 windows together: 876`` where it was merged with those before it."""
    if window.together == 1:
        return f"{window.rows}"
    return f"{window.rows}, {window.together} windows together: {window.judged_rows}"


_CAME_LATE = {
    "rows": "predictions came late",
    "outcomes": "outcomes came late",
    "findings": "an earlier window changed",
    "asked": "a back-fill",
}


def judged_again_because(window: Window) -> str:
    """Why a window was judged again; empty where it was not."""
    return _CAME_LATE.get(window.late, "") if window.revision else ""


def _again(window: Window) -> str:
    because = judged_again_because(window)
    return f"judged again: {because}" if because else ""


def revised_verdict(window: Window, significant: bool, figure: float | None) -> str:
    """What was found in a window before or after it was judged again."""
    verdict = ("significant" if significant else "not significant") if window.judged else NOT_JUDGED
    return f"{figure:.3f}, {verdict}" if figure is not None else verdict
