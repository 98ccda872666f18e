"""The texts of alerts: what was measured, against which reference and threshold, and how often it was significant."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.domain.formats.time_units import DAY_US, from_us
from pilothouse.domain.models.dataclass_reader import format_duration
from pilothouse.domain.models.model_spec import MonitoringSpec
from pilothouse.domain.monitoring.alert_rules import Flow
from pilothouse.domain.monitoring.findings import (
    CONTRACT,
    DriftFinding,
    MultivariateFinding,
    PerformanceFinding,
    QualityFinding,
    TrafficFinding,
)
from pilothouse.domain.monitoring.incidents import CLASSES, JOINT
from pilothouse.operations.monitoring.statistic_names import direction_of, direction_text, measured_text
from pilothouse.statistics.performance.performance_verdicts import rate_of
from pilothouse.statistics.profiles.specification import SCORE

FEATURES = "features"
"""The subject of alerts about single columns."""
_NAMED = 3
_TELLING = 0.1
"""A feature explains a drift where shuffling it costs this share of what the AUROC has above one half."""
_SHOWS_ALONE = 0.55
"""The AUROC from which a feature shows a drift by itself."""


@dataclass(frozen=True, slots=True)
class AlertText:
    """The subject, severity and texts of an alert. ``figures`` are the numbers behind it."""

    subject: str
    severity: str
    summary: str
    explanation: str
    figures: dict[str, float]
    features: tuple[str, ...] = ()
    """The features it names, the farthest beyond its threshold first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """The newest window with those that it was judged ``together`` with (their rows and bounds), and how many of the last ones
    were significant."""

    target: str
    start_us: int
    end_us: int
    rows: int
    significant_windows: int
    judged_windows: int
    rules: MonitoringSpec
    enough: str = ""
    """Why the newest window opens an alert by itself; empty where it does not."""
    together: int = 1

    @property
    def dates(self) -> str:
        """The window's bounds: dates, with times where it is not made of whole days."""
        return f"{self._when(self.start_us)} to {self._when(self.end_us)}"

    def _when(self, time_us: int) -> str:
        pattern = "%Y-%m-%d" if (self.end_us - self.start_us) % DAY_US == 0 else "%Y-%m-%d %H:%M"
        return from_us(time_us).strftime(pattern)

    def over(self, windows: int) -> str:
        """The window, or the last windows together where a change was too weak for one of them."""
        if self.together > 1:
            return f"From {self.dates} ({self.together} windows together, {self.rows:,} rows)"
        if windows == 1:
            return f"From {self.dates} ({self.rows:,} rows)"
        since = self._when(self.end_us - windows * (self.end_us - self.start_us))
        return f"Over the last {windows} windows together (since {since}: a lasting change)"

    @property
    def repeated(self) -> str:
        """The rule of k of n, and how it was met."""
        met = (
            f"It was significant in {self.significant_windows} of the last {self.judged_windows} windows"
            if self.judged_windows > 1
            else "It was significant in the only window judged so far"
        )
        rule = f"{self.rules.fire} of {self.rules.of}"
        if self.together > 1:
            return (
                f"{met}. It has fewer than {self.rules.minimum_rows:,} rows by itself and is judged together with those before "
                f"it. Such windows share rows, so that one is significant only where it is {self.enough}, as this is."
            )
        if self.enough:
            return f"{met}. An alert takes {rule}, or one that is {self.enough}, as this is."
        return f"{met}; an alert takes {rule}, the newest among them."


_LATE = {
    "rows": "when predictions of it came after it had been closed",
    "outcomes": "when outcomes of it came after it had been closed",
    "findings": "when the findings of a window before it had changed",
}


def late_sentence(late: str) -> str:
    """Why the window was judged again."""
    when = _LATE.get(late)
    if when is None:
        return "The window was judged again by a back-fill."
    return f"This comes late: the window was judged again {when}."


def revised_sentence(late: str, first: str) -> str:
    """Why the window of an alert was judged again, and what the alert said at first."""
    return f"The window was judged again {_LATE.get(late, 'by a back-fill')}; the alert opened with: {first}."


def data_drift(findings: Sequence[DriftFinding], firing: set[str], occasion: Occasion) -> AlertText:
    """One alert for all features that drift on a target, the farthest from their thresholds first."""
    judged = [f for f in findings if f.feature not in occasion.rules.ignore]
    tested = [f for f in judged if f.feature != SCORE]
    ranked = sorted((f for f in tested if f.feature in firing), key=lambda f: f.times_threshold, reverse=True)
    named = ", ".join(
        f"{f.feature} {direction_of(f.statistic, f.statistics)}".rstrip() for f in ranked[:_NAMED]
    )
    worst = ranked[0]
    return AlertText(
        FEATURES,
        "warning",
        f"{len(ranked)} of {len(tested)} features drift on {occasion.target}: {named}{' …' if len(ranked) > _NAMED else ''}",
        f"{_drift_sentence(worst, occasion)} {_null_sentence(worst)}The threshold is set so that a "
        f"window in which nothing has changed gives a false alarm with a probability of {occasion.rules.false_alarm_rate:g} "
        f"(Benjamini–Hochberg over {len(judged)} columns, the score among them). {occasion.repeated}"
        + (f" Drifting: {', '.join(f.feature for f in ranked)}." if len(ranked) > 1 else ""),
        {"drifted": float(len(ranked)), "features": float(len(tested)), "rows": float(occasion.rows)}
        | {f"{f.feature} {f.statistic}": f.value for f in ranked[:_NAMED]}
        | {f"{f.feature} threshold": f.threshold for f in ranked[:_NAMED]},
        tuple(f.feature for f in ranked),
    )


def joint_drift(finding: MultivariateFinding, occasion: Occasion) -> AlertText:
    """All features together: a classifier tells the window's rows from the reference's."""
    assert finding.threshold is not None
    assert finding.usual is not None
    telling = [f for f in finding.features if f.drop > _TELLING * max(finding.auc - 0.5, 0.0)][:_NAMED]
    telling = telling or [*finding.features[:1]]
    named = ", ".join(f.feature for f in telling)
    alone = max((f.alone for f in telling), default=0.5)
    single = (
        "None of them shows it alone: it is how they hang together that has changed."
        if alone < _SHOWS_ALONE
        else f"Alone, the most telling of them separates with {alone:.2f}."
    )
    pooled = "all training rows" if finding.reference == "pooled" else "the target's training rows"
    return AlertText(
        JOINT,
        "warning",
        f"the features together drift on {occasion.target}: AUROC {finding.auc:.2f} (threshold {finding.threshold:.2f})",
        f"From {occasion.dates} a classifier tells the window's rows from {pooled} with an AUROC of {finding.auc:.3f} "
        f"(95 % interval {finding.low:.3f} to {finding.high:.3f}) on days that it had not seen; 0.5 would be no difference. "
        f"{finding.null_windows} windows of the reference itself reach {finding.usual:.3f} on average; {finding.threshold:.3f} "
        f"is the threshold (p {finding.p_value or 0:.1g}). What gives it away: {named}. {single} {occasion.repeated}",
        {
            "auc": finding.auc,
            "low": finding.low,
            "high": finding.high,
            "usual": finding.usual,
            "threshold": finding.threshold,
        }
        | {f"{f.feature} shuffled costs": f.drop for f in telling}
        | {f"{f.feature} alone": f.alone for f in telling},
        tuple(f.feature for f in telling),
    )


def score_drift(finding: DriftFinding, occasion: Occasion) -> AlertText:
    """The model's scores have another distribution than on its hold-out."""
    return AlertText(
        SCORE,
        "warning",
        f"the scores drift on {occasion.target}: {finding.statistic} {finding.value:.3g} "
        f"(threshold {finding.threshold:.3g})",
        f"{_drift_sentence(finding, occasion)} The reference is the model's hold-out: rows that it was not trained on. "
        f"{occasion.repeated}",
        {
            finding.statistic: finding.value,
            "threshold": finding.threshold,
            "p_value": finding.p_value,
            "rows": float(occasion.rows),
        },
    )


def data_quality(findings: Sequence[QualityFinding], firing: set[str], occasion: Occasion) -> AlertText:
    """Values are missing, there are categories that the reference does not hold, or values break the contract."""
    ranked = sorted(
        (f for f in findings if f.feature in firing and f.significant),
        key=lambda f: f.value - f.reference,
        reverse=True,
    )
    worst = ranked[0]
    named = ", ".join(f"{f.feature} {f.words}" for f in ranked[:_NAMED])
    against = f", against {worst.reference:.1%} of the reference; the threshold is {worst.threshold:.1%}"
    if worst.fault == CONTRACT:
        sampled = f" ({worst.rows:,} rows were looked at)" if worst.rows < occasion.rows else ""
        against = f"{sampled}; its contract tolerates {worst.threshold:.1%}"
    return AlertText(
        FEATURES,
        "warning",
        f"data quality on {occasion.target}: {named}",
        f"{occasion.over(worst.grounds.together)}, {worst.value:.1%} of the rows have {worst.feature} {worst.words}"
        f"{against}. {occasion.repeated}",
        {f"{f.feature} {f.fault}": f.value for f in ranked[:_NAMED]}
        | {f"{f.feature} {f.fault} reference": f.reference for f in ranked[:_NAMED] if f.fault != CONTRACT}
        | {"rows": float(occasion.rows)},
        tuple(dict.fromkeys(f.feature for f in ranked)),
    )


def vanished_classes(finding: PerformanceFinding, occasion: Occasion) -> AlertText:
    """Classes that the reference's outcomes hold are absent from a window's."""
    named = " and ".join(f"{name} ({share:.1%} of the reference)" for name, share in finding.vanished.items())
    plural = "classes" if len(finding.vanished) > 1 else "class"
    return AlertText(
        CLASSES,
        "warning",
        f"data quality on {occasion.target}: no outcome of {plural} {', '.join(finding.vanished)}",
        f"From {occasion.dates} none of {occasion.rows:,} outcomes is of {plural} {named}. "
        f"{f'The figure: {finding.why}. ' if finding.why else ''}{occasion.repeated}",
        {f"class {name} reference": share for name, share in finding.vanished.items()}
        | {"rows": float(occasion.rows)},
    )


def performance(finding: PerformanceFinding, occasion: Occasion) -> AlertText:
    """Measured performance is worse than the hold-out's by more than random variation."""
    value, low, high = finding.value, finding.low, finding.high
    assert value is not None
    assert low is not None
    assert high is not None
    assert finding.reference is not None
    return AlertText(
        finding.metric,
        "critical",
        f"{finding.metric} {value:.3g} on {occasion.target}, reference {finding.reference:.3g}",
        f"From {occasion.dates} {_merged(occasion)}the measured {finding.metric} of {occasion.rows:,} predictions with known "
        f"outcome was "
        f"{value:.4g} (95 % interval {low:.4g} to {high:.4g}, whole days drawn); on the hold-out it "
        f"was {finding.reference:.4g}. The loss is larger than random variation makes it in all but "
        f"{100 * rate_of(occasion.rules.false_alarm_rate, occasion.together):.3g} % of windows. "
        f"{occasion.repeated}",
        {
            "value": value,
            "low": low,
            "high": high,
            "reference": finding.reference,
            "rows": float(occasion.rows),
            "outcomes known": finding.labelled_share,
        },
    )


def _merged(occasion: Occasion) -> str:
    return f"({occasion.together} windows together) " if occasion.together > 1 else ""


def latency(finding: TrafficFinding, occasion: Occasion) -> AlertText:
    """Requests take much longer than one row did on the same machine."""
    assert finding.p95_ms is not None
    assert finding.baseline_p95_ms is not None
    factor = finding.p95_ms / finding.baseline_p95_ms if finding.baseline_p95_ms else 0.0
    return AlertText(
        "p95",
        "warning",
        f"p95 {finding.p95_ms:.3g} ms on {occasion.target}, {factor:.1f} times its baseline",
        f"From {occasion.dates}, 95 % of {finding.requests:,} requests took up to {finding.p95_ms:.4g} ms. When the version "
        f"was loaded on this machine, one row took {finding.baseline_p95_ms:.4g} ms at the same percentile; "
        f"{occasion.rules.latency_factor:g} times that is the threshold. {occasion.repeated}",
        {
            "p95_ms": finding.p95_ms,
            "baseline_p95_ms": finding.baseline_p95_ms,
            "factor": factor,
            "requests": float(finding.requests),
        },
    )


def errors(finding: TrafficFinding, occasion: Occasion) -> AlertText:
    """Requests are answered with errors."""
    total = finding.requests + finding.errors
    share = finding.errors / total
    return AlertText(
        "error rate",
        "critical",
        f"{share:.1%} of requests fail on {occasion.target}",
        f"From {occasion.dates}, {finding.errors:,} of {total:,} requests were answered with an error ({share:.2%}); for "
        f"certain more than 1 %. {occasion.repeated}",
        {"errors": float(finding.errors), "requests": float(total), "share": share},
    )


def silence(target: str, flow: Flow, quiet: int, allowed: int) -> AlertText:
    """A live target sends nothing."""
    return AlertText(
        "events",
        "warning",
        f"no event from {target} since {from_us(flow.event_us):%Y-%m-%d %H:%M}",
        f"The newest event is of {from_us(flow.event_us):%Y-%m-%d %H:%M} and arrived "
        f"{from_us(flow.arrived_us):%Y-%m-%d %H:%M}. Events of {target} arrive as they happen, so it is judged by the wall "
        f"clock. When this alert opened nothing had come for {format_duration(_rounded(quiet))}, where "
        f"{format_duration(allowed)} is allowed (monitoring.silence). "
        f"Resolved once events have come again for {format_duration(allowed)}.",
        {"minutes": quiet / 60, "allowed_minutes": allowed / 60},
    )


def _rounded(seconds: int) -> int:
    """Seconds rounded down to whole minutes, or to whole hours from six hours on."""
    unit = 3_600 if seconds >= 6 * 3_600 else 60
    return max(seconds // unit, 1) * unit


def _drift_sentence(finding: DriftFinding, occasion: Occasion) -> str:
    other = "the reference"
    if finding.compared_with == "recent":
        days = finding.before.text if finding.before and finding.before.days else "the days before"
        other = f"{days} (since {from_us(finding.since_us):%Y-%m-%d}: a sudden change)"
    measured, threshold = measured_text(
        finding.statistic, finding.feature, other, finding.value, finding.threshold
    )
    return (
        f"{occasion.over(finding.grounds.together)} {measured}; {threshold} is the threshold (p {finding.p_value:.1g})."
        f"{direction_text(finding.statistic, finding.statistics)}"
    )


def _null_sentence(finding: DriftFinding) -> str:
    """The null that a window was tested against; empty where the reading carries no grounds of its verdict."""
    if not finding.grounds.tests:
        return ""
    if finding.grounds.blocks:
        return "What is usual is learnt from windows of the reference's own days. "
    return f"It is held against sampling error alone; nothing was learnt from windows of {finding.feature} in the reference. "
