"""Figures and lists in docs/monitoring.md, and words in docs/statistics.md, are those of the code."""

import re
from typing import get_args

from documents import DOCUMENTS, words_of

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.models import evaluation
from pilothouse.domain.models.model_spec import AlertKind, MonitoringSpec
from pilothouse.domain.monitoring.rejections import RejectionReason
from pilothouse.operations.alerts import alerting, silence
from pilothouse.operations.monitoring import window_closing
from pilothouse.statistics import reference
from pilothouse.statistics.performance import performance_verdicts, traffic_verdicts
from pilothouse.statistics.significance import calibration, multiplicity, null_windows, overdispersion
from pilothouse.telemetry.intake import admission, rollup

PAGE = (DOCUMENTS / "monitoring.md").read_text("utf-8")
TEXT = words_of("monitoring.md", "statistics.md")


def first_cells(heading: str) -> list[str]:
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([^`]+)` \|", section, flags=re.MULTILINE)


def test_every_reason_for_a_rejection_is_listed():
    reasons = {str(reason) for reason in RejectionReason}
    assert set(first_cells("Events that are not taken")) == reasons


def test_every_kind_of_alert_that_is_drawn_is_listed():
    drawn = {rule.kind for rules in alerting.RULES.values() for rule in rules} | {silence.KIND}
    assert set(first_cells("Alerts")) == drawn
    assert drawn - {silence.KIND} <= set(get_args(AlertKind))  # no training helps against silence


def test_bounds_are_those_in_force():
    effect, limits, defaults = calibration.EFFECT, admission.Limits(), MonitoringSpec()
    for words in (
        f"| Kolmogorov–Smirnov distance | {effect['ks']:g} |",
        f"| Wasserstein distance, in standard deviations of the reference | {effect['wasserstein']:g} |",
        f"| level by ranks: `higher`, `lower`, in standard deviations | {effect['higher']:g} |",
        f"| spread by ranks: `wider`, `narrower`, as a share | {effect['narrower']:g} |",
        f"or below its smallest | {effect['outside']:g} |",
        f"in the deviations that are usual for it | {overdispersion.SMALLEST_MOVE * 100:g} points |",
        f"| Jensen–Shannon distance (base 2, 0 to 1) | {effect['js']:g} |",
        f"risen by {effect['missing'] * 100:g} points (missing) or {effect['unseen'] * 100:g} point (unseen)",
        f"fewer than {reference.FEWEST_ROWS} training rows, or {reference.FEWEST_DAYS} days",
        f"at least {evaluation.SMALLEST_LOSS:g} for a metric",
        f"or {evaluation.SMALLEST_RISE * 100:g} % of the reference for a loss",
        f"{window_closing.ENOUGH_OUTCOMES * 100:g} % of the outcomes",
        f"at least {traffic_verdicts.FEWEST_REQUESTS} requests",
        f"certainly above {traffic_verdicts.ERROR_SHARE * 100:g} %",
        f"from {rollup.DENSE_ROWS_A_MINUTE} rows a minute",
        f"more than {limits.behind_us // DAY_US} days behind",
        f"more than {limits.ahead_us // DAY_US} days ahead",
        f"`fire` ({defaults.fire}) of the last `of` ({defaults.of})",
        f"`latency_factor` ({defaults.latency_factor:g})",
        f"`false_alarm_rate` ({defaults.false_alarm_rate * 100:g} %)",
    ):
        assert words in TEXT
    assert null_windows.RECENT == 3
    assert "the three windows just before it" in TEXT
    assert multiplicity.CERTAIN == 0.1
    assert "a p-value ten times smaller" in TEXT
    assert multiplicity.CERTAIN_OF_STATIONARY == 1
    assert multiplicity.PROMISE * defaults.false_alarm_rate == 1 / 1_000
    assert "at most one in 1,000" in TEXT
    assert multiplicity.LASTING == 3
    assert "the last three windows together" in TEXT
    assert multiplicity.LEANS == 1 / 4
    assert multiplicity.LASTS == 1 / 4
    assert "a quarter of the whole is left to the last windows together" in TEXT
    assert list(multiplicity.WEIGHTS.values()) == [2, 2, 2, 1, 1, 0.5, 0.5, 1]
    assert (
        "two parts for its distance, two each for higher and lower, one each for wider and narrower" in TEXT
    )
    assert (overdispersion.MOST_CATEGORIES, overdispersion.FEWEST_HITS) == (12, 5)
    assert "the twelve most frequent with five rows or more" in TEXT
    assert performance_verdicts.single_window_rate(defaults.false_alarm_rate) == 1 / 10
    assert "nine of ten windows" in TEXT
    assert "99 windows of 100" in TEXT
    assert "among the quarter" in TEXT
    assert limits.confirmations == 20
    assert "twenty events in a row" in TEXT
    assert limits.future_us == admission.HOUR_US
