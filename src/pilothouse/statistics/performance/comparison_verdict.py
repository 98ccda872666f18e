"""Verdict of the comparison gate on a paired comparison: of a training, and later from the record."""

import math

from pilothouse.domain.models.evaluation import GateOutcome, GateResult
from pilothouse.domain.models.model_spec import ComparisonGate
from pilothouse.statistics.performance.comparison import Comparison


def comparison_verdict(
    gate: ComparisonGate, number: int, comparison: Comparison, *, rows: str, how: str, same: str = ""
) -> GateResult:
    """Result of the gate for a candidate (B) beside version ``number`` (A).

    It fails where the whole interval lies beyond the margin on the worse side; where the gate requires *better*, unless the
    whole interval lies on the better side. ``rows`` and ``how`` say on which rows and how the interval was made, ``same`` that
    every answer is the same.
    """
    metric = comparison.metric
    better, worse = comparison.low > 0, comparison.high < -gate.margin
    candidate, live = _alike(comparison.value_b, comparison.value_a)
    reason = (
        f"{same or _finding(comparison, gate.margin)}: {metric} {candidate} against {live} of v{number} "
        f"on {rows} ({gate.confidence:.0%} interval, {how})"
    )
    figures = {
        "difference": comparison.difference,
        "low": comparison.low,
        "high": comparison.high,
        "candidate": comparison.value_b,
        "incumbent": comparison.value_a,
        "rows": float(comparison.rows),
    }
    passed = better if gate.require == "better" else not worse
    outcome = GateOutcome.PASSED if passed else GateOutcome.FAILED
    return GateResult(
        f"comparison.v{number}", outcome, reason, figures, comparison_bound(gate, metric, number)
    )


def comparison_bound(gate: ComparisonGate, metric: str, number: int) -> str:
    """``not worse than v3 by more than 0.01 auc (95% interval)``."""
    if gate.require == "better":
        return f"better than v{number} by {metric} ({gate.confidence:.0%} interval)"
    return f"not worse than v{number} by more than {gate.margin:g} {metric} ({gate.confidence:.0%} interval)"


def _finding(comparison: Comparison, margin: float) -> str:
    """``not shown to be worse, between 0.031 worse and 0.004 better``: what the interval allows."""
    low, high = comparison.low, comparison.high
    if low == high == 0:
        return "without a difference"
    least, most = _alike(abs(low), abs(high), digits=3)
    if low > 0:
        return f"better by {least} to {most}"
    if high < 0:
        beyond = "" if high < -margin else f", not shown to be by more than the margin {margin:g}"
        return f"worse by {most} to {least}{beyond}"
    direction = "worse" if comparison.difference < 0 else "better"
    return f"not shown to be {direction}, between {least} worse and {most} better"


def _alike(a: float, b: float, *, digits: int = 4) -> tuple[str, str]:
    """Both figures with as many decimals as show so many ``digits`` of the larger."""
    largest = max(abs(a), abs(b))
    if not math.isfinite(largest) or largest == 0:
        return f"{a:.{digits}g}", f"{b:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(largest)))
    return f"{a:.{decimals}f}", f"{b:.{decimals}f}"
