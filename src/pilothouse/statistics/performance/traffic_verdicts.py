"""Verdicts on a window's requests: are they slow, do they fail?"""

import math

from pilothouse.domain.monitoring.findings import TrafficFinding, finite_or_none
from pilothouse.statistics.performance import intervals
from pilothouse.statistics.profiles import latency
from pilothouse.statistics.profiles.latency import LatencyProfile

FEWEST_REQUESTS = 20
"""Fewer requests give no verdict."""
ERROR_SHARE = 0.01
"""Errors are significant where their share lies above this for certain."""


def judge_traffic(
    latencies: LatencyProfile, requests: int, errors: int, *, baseline_p95_ms: float | None, factor: float
) -> tuple[TrafficFinding, bool]:
    """The finding about a window's requests, and whether there are enough for a verdict. They are slow where their p95 is
    beyond ``factor`` times the baseline; where it would not be without the slowdown of the model's calls, it is the machine
    that is slow. The slowdown is a mean and p95 a tail, which waiting lengthens more: in doubt it is the model."""
    p50, p95, p99 = (finite_or_none(latency.percentile_ms(latencies, percent)) for percent in (50, 95, 99))
    beyond = (
        baseline_p95_ms is not None
        and p95 is not None
        and requests >= FEWEST_REQUESTS
        and p95 > factor * baseline_p95_ms
    )
    slowdown = latencies.slowdown
    machine = (
        beyond
        and slowdown is not None
        and p95 is not None
        and baseline_p95_ms is not None
        and p95 / slowdown <= factor * baseline_p95_ms
    )
    low, _ = intervals.share_interval(errors, requests + errors, 0.95)
    finding = TrafficFinding(
        requests=requests,
        errors=errors,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        baseline_p95_ms=baseline_p95_ms,
        latency_significant=beyond and not machine,
        errors_significant=math.isfinite(low) and low > ERROR_SHARE,
        slowdown=slowdown,
        machine_slow=machine,
    )
    return finding, requests + errors >= FEWEST_REQUESTS
