"""False roll-backs and requests until harm is found, by Pilothouse and by the rules of others, on the same roll-outs.

A part of ``make bench-verdicts``; by itself ``python tests/benchmarks/bench_rollouts.py [--rollouts N] [--write]``. It prints
the tables of docs/rollouts.md. Seeds are fixed: roll-out i has the seed i.
"""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from rollout_cases import HARM, LOOK, REQUESTS, Rollout, Versions, keyed, latencies, rollout, versions
from rollout_rules import (
    Found,
    arm_counts,
    by_key,
    canary,
    interval_rates,
    kayenta,
    msprt,
    paired,
    paired_brier,
    watched,
    z_test,
)

from pilothouse.statistics.profiles.latency import merge_all, percentile_ms, profile_latencies
from pilothouse.statistics.sequential import arm_errors, latency_ratio
from pilothouse.statistics.sequential.verdicts import Settings

ROLLOUTS = 2_000
FEWER = 8
"""Of so many roll-outs one is played for latency: a look costs milliseconds."""
POINTS = 5
"""Intervals between two looks, of which Kayenta gets a value each: 100 requests."""
LOOKS = range(1, REQUESTS // LOOK + 1)
SHARE = 0.1
FACTOR = 1.2
"""Ratio of p95 beyond which a challenger is too slow."""
KEYED_HARM, KEYED_FEWER = 0.1, 4
"""Harm where clients have keys: a share of the answers that were right; and of how many roll-outs one is played."""
Rule = Callable[[Rollout, Versions], Found]

RULES: Mapping[str, Rule] = {
    "shadow, pairs of errors": lambda r, of: paired(r),
    "shadow, pairs of Brier scores": lambda r, of: paired_brier(r),
    "canary 50 %, two arms": lambda r, of: canary(r, 0.5, round(of.error, 2)),
    "canary 10 %, two arms": lambda r, of: canary(r, SHARE, round(of.error, 2)),
    "canary 10 %, z-test at each look": lambda r, of: (z_test(arm_counts(r, SHARE)), math.inf),
    "canary 10 %, mSPRT": lambda r, of: (msprt(arm_counts(r, SHARE)), math.inf),
    "canary 10 %, Kayenta's Mann–Whitney": lambda r, of: (
        kayenta(interval_rates(r, SHARE, POINTS), POINTS, LOOKS),
        math.inf,
    ),
}

OURS = tuple(rule for rule in RULES if "pairs" in rule or "arms" in rule)


def percent(found: np.ndarray) -> str:
    """Share of the roll-outs in which something was said."""
    return f"{100 * np.isfinite(found).mean():.1f} %"


def middle(found: np.ndarray) -> str:
    """Median of the requests until then over all roll-outs."""
    value = float(np.sort(found)[(len(found) - 1) // 2])
    return f"{value:,.0f}" if math.isfinite(value) else "later"


def of_errors(count: int) -> tuple[str, str]:
    """Tables of errors on flights: what is rolled back, and what is shown not to be worse."""
    found: dict[str, list[str]] = {rule: [] for rule in RULES}
    shown: dict[str, list[str]] = {rule: [] for rule in OURS}
    titles = []
    for of in versions():
        titles.append(f"{of.title} ({of.disagree:.0%} decided differently)")
        by_rule: dict[str, dict[float, list[Found]]] = {rule: {0.0: [], HARM: []} for rule in RULES}
        for harm in (0.0, HARM):
            for seed in range(count):
                made = rollout(of, seed, harm)
                for rule, judge in RULES.items():
                    by_rule[rule][harm].append(judge(made, of))
        for rule, by_harm in by_rule.items():
            quiet, worse = np.array(by_harm[0.0]), np.array(by_harm[HARM])
            found[rule].append(f"{percent(quiet[:, 0])} / {percent(worse[:, 0])} / {middle(worse[:, 0])}")
            if rule in OURS:
                shown[rule].append(f"{percent(quiet[:, 1])} / {middle(quiet[:, 1])} / {percent(worse[:, 1])}")
        print(f"{titles[-1]}, error rate {of.error:.1%}: {found} {shown}", flush=True)
    head = f"| rule | {' | '.join(titles)} |\n|---|{'---|' * len(titles)}\n"
    first, second = (
        head + "".join(f"| {rule} | {' | '.join(cells)} |\n" for rule, cells in held.items())
        for held in (found, shown)
    )
    return first, second


# --- failed requests, latency


def failed(seed: int, champion: float, challenger: float) -> dict[str, float]:
    """Requests until rolled back, of requests that fail at these rates."""
    rng = np.random.default_rng([seed, 1, round(1e6 * champion), round(1e6 * challenger)])
    wrong = (rng.random(REQUESTS) < challenger, rng.random(REQUESTS) < champion)
    made = Rollout(wrong, (np.zeros(0), np.zeros(0)), rng.random(REQUESTS))
    counts = arm_counts(made, SHARE).astype(int)

    def evidence(i: int) -> float:
        n1, e1, n0, e0 = (int(c) for c in counts[:, i])
        return arm_errors.log_e_ratio(
            arm_errors.ArmErrors((arm_errors.Stage(SHARE, n1, n0, e1, e0),)), 0.0, 1
        )

    return {
        "Pilothouse": watched(evidence, lambda i: -math.inf, len(LOOKS))[0],
        "z-test": z_test(counts.astype(float)),
        "mSPRT": msprt(counts.astype(float)),
        "Kayenta": kayenta(interval_rates(made, SHARE, POINTS), POINTS, LOOKS),
    }


INTERVALS = np.array_split(np.arange(LOOK), POINTS)


def p95(micros: np.ndarray) -> float:
    """Nearest-rank 95 % quantile; NaN without values."""
    return float(np.sort(micros)[math.ceil(0.95 * len(micros)) - 1]) if len(micros) else math.nan


def slow(seed: int, ratio: float) -> dict[str, float]:
    """Requests until rolled back, of a challenger whose latencies are so many times the champion's."""
    rng = np.random.default_rng([seed, 2, round(1000 * ratio)])
    own = rng.random(REQUESTS) < SHARE
    micros = latencies(rng, REQUESTS) * np.where(own, ratio, 1.0)
    limit, ours = Settings(margin=FACTOR, harm_above=FACTOR), math.inf
    state, arms = latency_ratio.TwoLatencies(), [profile_latencies([], [])] * 2
    threshold = math.inf
    points: tuple[list[float], list[float]] = ([], [])
    for look in LOOKS:
        part = slice(LOOK * (look - 1), LOOK * look)
        new = [profile_latencies(micros[part][of], np.ones(of.sum())) for of in (own[part], ~own[part])]
        arms = [merge_all(pair) for pair in zip(arms, new, strict=True)]
        state = latency_ratio.collect(*arms)
        if math.isinf(ours) and latency_ratio.evidence_of(state).slower(FACTOR) >= limit.log_needed:
            ours = float(LOOK * look)
        if math.isinf(threshold) and percentile_ms(arms[0], 95) > FACTOR * percentile_ms(arms[1], 95):
            threshold = float(LOOK * look)
        for values, of in zip(points, (own[part], ~own[part]), strict=True):
            values += [p95(micros[part][rows][of[rows]]) for rows in INTERVALS]
    return {
        "Pilothouse": ours,
        "bound on p95": threshold,
        "Kayenta": kayenta((np.array(points[0]), np.array(points[1])), POINTS, LOOKS),
    }


def table_of(
    cases: Mapping[str, Callable[[int], dict[str, float]]], rules: tuple[str, ...], count: int
) -> str:
    """A row a case: for each rule the share rolled back and the median requests until then."""
    lines = [f"| 10 % canary | {' | '.join(rules)} |", f"|---|{'---|' * len(rules)}"]
    for title, case in cases.items():
        found = [case(seed) for seed in range(count)]
        cells = []
        for rule in rules:
            each = np.array([of[rule] for of in found])
            cells.append(
                f"{percent(each)}, {middle(each)}" if np.isfinite(each).mean() >= 0.5 else percent(each)
            )
        lines.append(f"| {title} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def of_failures(count: int) -> str:
    """Table of failed requests."""
    cases = {
        "neither fails": lambda seed: failed(seed, 0.0, 0.0),
        "no harm: both fail on 0.1 %": lambda seed: failed(seed, 0.001, 0.001),
        "no harm: both fail on 1 %": lambda seed: failed(seed, 0.01, 0.01),
        "harm: champion never, challenger on 0.5 %": lambda seed: failed(seed, 0.0, 0.005),
        "harm: champion never, challenger on 2 %": lambda seed: failed(seed, 0.0, 0.02),
        "harm: champion on 1 %, challenger on 3 %": lambda seed: failed(seed, 0.01, 0.03),
    }
    return table_of(cases, ("Pilothouse", "z-test", "mSPRT", "Kayenta"), count)


def of_latency(count: int) -> str:
    """Table of latencies."""
    cases = {
        "no harm: as fast": lambda seed: slow(seed, 1.0),
        "no harm: at the limit, 1.2 times": lambda seed: slow(seed, FACTOR),
        "harm: 1.5 times": lambda seed: slow(seed, 1.5),
        "harm: 2 times": lambda seed: slow(seed, 2.0),
    }
    return table_of(cases, ("Pilothouse", "bound on p95", "Kayenta"), count)


def of_keys(count: int) -> str:
    """Table of clients that send much, in a canary of half: counted by key and by request."""
    rules = ("one observation a key", "one observation a request")
    lines = [f"| 50 % canary | {' | '.join(rules)} |", f"|---|{'---|' * len(rules)}"]
    for keys in (20, 200, 2_000):
        cells = []
        for once in (True, False):
            quiet, worse = (
                np.array([by_key(keyed(seed, keys, harm, 0.5), 0.5, 0.2, once=once) for seed in range(count)])
                for harm in (0.0, KEYED_HARM)
            )
            cells.append(f"{percent(quiet)} / {percent(worse)}")
        lines.append(f"| {keys:,} clients | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def tables(count: int = ROLLOUTS) -> dict[str, str]:
    """The tables of docs/rollouts.md by the name of their mark."""
    begun = time.monotonic()
    errors, not_worse = of_errors(count)
    pages = {"errors": errors, "not worse": not_worse}
    pages |= {"failures": of_failures(count), "latency": of_latency(count // FEWER)}
    pages["keys"] = of_keys(count // KEYED_FEWER)
    for name, page in pages.items():
        print(f"\nRoll-outs, {name} (of {count}):\n{page}", flush=True)
    print(f"{time.monotonic() - begun:.0f} s")
    return pages


def main() -> None:
    """Run the roll-outs and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/rollouts.md")
    chosen = parser.parse_args()
    pages = tables(chosen.rollouts)
    if chosen.write:
        from bench_verdicts import write

        write(pages, "rollouts.md")


if __name__ == "__main__":
    main()
