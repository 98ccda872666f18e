"""Gates that a version must pass: each result has its figures, its bound and a reason in a sentence."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.evaluation import ENOUGH_ROWS, GateOutcome, GateResult, MetricValue
from pilothouse.domain.models.model_spec import ComparisonGate, LatencyGate, MetricBound
from pilothouse.statistics.performance.blocks import DAY_US, time_blocks
from pilothouse.statistics.performance.comparison import paired_bootstrap
from pilothouse.statistics.performance.comparison_verdict import comparison_bound, comparison_verdict
from pilothouse.training.data.times import Micros
from pilothouse.training.models.scoring import Scored

REPEATS = 500
"""Resamples of the paired bootstrap."""


def metric_gate(bound: MetricBound, metrics: Sequence[MetricValue]) -> GateResult:
    """Result of one bound on the hold-out's metrics, over all rows or over each value of a slice."""
    limits = _limits(bound)
    if bound.slice is None:
        matching = [m for m in metrics if m.metric == bound.metric and not m.slice]
        if not matching:
            return GateResult(
                f"metric.{bound.metric}",
                GateOutcome.FAILED,
                f"the hold-out does not define {bound.metric} (one class alone, or too few rows)",
                {},
                limits,
            )
        value = matching[0]
        reason = (
            f"{bound.metric} {value.value:.4g} ({value.low:.4g} to {value.high:.4g}) on {value.rows} rows"
        )
        figures = {"value": value.value, "low": value.low, "high": value.high, "rows": float(value.rows)}
        holds = _holds(bound, value.value)
        if holds and value.rows < bound.minimum_rows and not _is_shown(bound, value):
            reason += f", too few to show that it is {limits}"
            figures[ENOUGH_ROWS] = float(bound.minimum_rows)
        return GateResult(f"metric.{bound.metric}", _outcome(holds), reason, figures, limits)
    prefix = f"{bound.slice}="
    sliced = [m for m in metrics if m.metric == bound.metric and m.slice.startswith(prefix)]
    judged = [m for m in sliced if m.rows >= bound.minimum_rows]
    broken = [m for m in judged if not _holds(bound, m.value)]
    name = f"metric.{bound.metric}.{bound.slice}"
    figures = {m.slice.removeprefix(prefix): m.value for m in sliced}
    if not judged:
        reason = f"no value of {bound.slice} has {bound.minimum_rows} rows in the hold-out"
        return GateResult(name, GateOutcome.NOT_COMPARABLE, reason, figures, limits)
    if broken:
        reason = ", ".join(f"{m.slice} has {bound.metric} {m.value:.4g} on {m.rows} rows" for m in broken)
    else:
        reason = f"{bound.metric} holds for all {len(judged)} values of {bound.slice}"
        if len(sliced) > len(judged):
            reason += f"; {len(sliced) - len(judged)} with under {bound.minimum_rows} rows are not judged"
    return GateResult(name, _outcome(not broken), reason, figures, limits)


def comparison_gate(
    gate: ComparisonGate,
    metric: str,
    number: int,
    candidate: Scored,
    incumbent: Scored,
    *,
    where: str,
    seed: int,
) -> GateResult:
    """Result of the comparison with version ``number`` on rows (the same in both) that neither was trained on.

    A paired bootstrap that draws whole blocks of time gives the interval of the difference, positive where the candidate is
    better; ``comparison_verdict`` says what passes.
    """
    name = f"comparison.v{number}"
    bound = comparison_bound(gate, metric, number)
    rows = candidate.count
    if rows < gate.minimum_rows:
        reason = f"{rows} rows {where} are newer than what v{number} was trained on; {gate.minimum_rows} are needed"
        return GateResult(name, GateOutcome.NOT_COMPARABLE, reason, {"rows": float(rows)}, bound)
    blocks = time_blocks(candidate.times, gate.block * 1_000_000 if gate.block else DAY_US)
    try:
        comparison = paired_bootstrap(
            metric,
            incumbent.coded(),
            candidate.coded(),
            repeats=REPEATS,
            seed=seed,
            confidence=gate.confidence,
            blocks=blocks.labels,
        )
    except InvalidInputError as error:
        return GateResult(name, GateOutcome.NOT_COMPARABLE, str(error), {"rows": float(rows)}, bound)
    same = _same_answers(candidate, incumbent, number)
    result = comparison_verdict(
        gate, number, comparison, rows=f"the same {rows} rows {where}", how=blocks.phrase, same=same
    )
    return replace(result, figures={**result.figures, "blocks": float(blocks.count)})


def _same_answers(candidate: Scored, incumbent: Scored, number: int) -> str:
    """``every answer is that of v1``, which leaves nothing to be shown; empty where any differs."""
    pairs = (
        (candidate.scores, incumbent.scores),
        (candidate.labels, incumbent.labels),
        (candidate.probabilities, incumbent.probabilities),
    )
    same = all(
        mine is theirs or (mine is not None and theirs is not None and np.array_equal(mine, theirs))
        for mine, theirs in pairs
    )
    return f"every answer is that of v{number}" if same else ""


def nothing_to_compare() -> GateResult:
    """Result of the comparison where no version is live."""
    return GateResult("comparison", GateOutcome.NOT_COMPARABLE, "no version is live on the model's targets")


def latency_gate(gate: LatencyGate, times_us: Sequence[int], *, portable: bool) -> GateResult:
    """Result of the 95th percentile of single-row predictions against the budget. ``portable``: the portable form was timed,
    else the model in scikit-learn; it is said with the figure, since the two take times that are far apart."""
    p50, p95 = (float(value) / 1_000 for value in np.percentile(times_us, [50, 95]))
    reason = (
        f"one row takes {p95:.2f} ms at the 95th percentile of {len(times_us)} calls (median {p50:.2f} ms), "
        f"timed {'in the portable form' if portable else 'in scikit-learn'}"
    )
    return GateResult(
        "latency",
        _outcome(p95 <= gate.p95_ms),
        reason,
        {"p50_ms": p50, "p95_ms": p95},
        f"p95 ≤ {gate.p95_ms:g} ms",
    )


def size_gate(maximum_mb: float, model_bytes: int) -> GateResult:
    """Result of the size of the model's file, in millions of bytes, against its maximum."""
    size = model_bytes / 1e6
    return GateResult(
        "model_size",
        _outcome(size <= maximum_mb),
        f"the model's file has {size:.2f} MB",
        {"mb": size},
        f"≤ {maximum_mb:g} MB",
    )


def portable_gate(reason: str, rows: int) -> GateResult:
    """Result of the demand for a portable form: ``reason`` says why there is none, and is empty where there is one."""
    if reason:
        return GateResult("portable", GateOutcome.FAILED, f"no portable form: {reason}")
    equal = f"the portable form answers {rows:,} rows equal to the bit"
    return GateResult("portable", GateOutcome.PASSED, equal, {"rows": float(rows)})


def function_gate(name: str, passed: bool, reason: str) -> GateResult:
    """Result of the user's own gate function."""
    return GateResult("function", _outcome(passed), f"{name}: {one_line(reason, 500)}")


def _holds(bound: MetricBound, value: float) -> bool:
    above = bound.minimum is None or value >= bound.minimum
    return above and (bound.maximum is None or value <= bound.maximum)


def _is_shown(bound: MetricBound, value: MetricValue) -> bool:
    """True where the whole interval keeps the bound."""
    return _holds(bound, value.low) and _holds(bound, value.high)


def _limits(bound: MetricBound) -> str:
    low = f"≥ {bound.minimum:g}" if bound.minimum is not None else ""
    high = f"≤ {bound.maximum:g}" if bound.maximum is not None else ""
    each = f" for each {bound.slice}" if bound.slice else ""
    return " and ".join(part for part in (low, high) if part) + each


def _outcome(passed: bool) -> GateOutcome:
    return GateOutcome.PASSED if passed else GateOutcome.FAILED


def adopted_gate(made_us: int, times_us: Micros) -> GateResult:
    """Result of the demand that an adopted model can have learnt none of the hold-out: no row is older than the model."""
    older = int((np.asarray(times_us) < made_us).sum())
    made = f"{datetime.fromtimestamp(made_us / 1e6, UTC):%Y-%m-%d %H:%M}"
    figures = {"rows": float(older), "of": float(len(times_us))}
    if older:
        reason = f"{older:,} of {len(times_us):,} held-out rows are older than the adopted model ({made}): it may know them"
        return GateResult("adopted", GateOutcome.FAILED, reason, figures)
    reason = f"every held-out row is from after the adopted model was made ({made})"
    return GateResult("adopted", GateOutcome.PASSED, reason, figures)
