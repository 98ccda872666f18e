"""Flipped outcomes: windows until the loss of AUROC is found, by Pilothouse and NannyML, from the same 91 days held out."""

import json
import math
import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from verdict_files import DEFAULT, LEAD, ask, median
from verdict_ours import DEFAULT_RATE, GOAL, run_of_alerts

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.statistics.performance.outcomes import measured_over_days
from pilothouse.statistics.performance.performance_verdicts import (
    is_significantly_worse,
    performance_is_certain,
)
from pilothouse.statistics.profiles.outcome_profile import OutcomeProfile, profile_outcomes
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification

Array = np.ndarray
FLIPS = (0.02, 0.05, 0.1, 0.2)
"""Shares of outcomes that are turned into their contrary."""


@dataclass
class Truths:
    """Scores and outcomes of a reference [13 windows × rows] and, by name, of runs of windows [runs, windows, rows]."""

    name: str
    rows: int
    reference: tuple[Array, Array]
    windows: dict[str, tuple[Array, Array]]

    def write(self, folder: Path) -> None:
        """Hand it to NannyML."""
        arrays = {"r:scores": self.reference[0], "r:truth": self.reference[1]}
        for name, (scores, truth) in self.windows.items():
            arrays |= {f"w:{name}:scores": scores, f"w:{name}:truth": truth}
        meta = {
            "columns": {name: name for name in self.windows},
            "rows": self.rows,
            "scores": True,
            "missing": {},
        }
        np.savez(folder / f"{self.name}.npz", meta=np.array(json.dumps(meta)), **arrays)


def drawn(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Scores that are the true probabilities (AUROC about 0.73), and outcomes."""
    scores = rng.beta(2, 5, shape)
    return scores, (rng.random(shape) < scores).astype(np.int64)


def truths(rows: int, seed: int, windows: int, runs: int, length: int) -> Truths:
    """A reference of thirteen windows; a quiet run of ``windows``; ``runs`` of ``length`` windows for each share of flips."""
    rng = np.random.default_rng(seed)
    reference = drawn(rng, (13 * rows,))
    found = {"quiet": drawn(rng, (1, windows, rows))}
    for share in FLIPS:
        scores, truth = drawn(rng, (runs, length, rows))
        flipped = rng.random(truth.shape) < share
        found[f"flips {share:.0%}"] = scores, np.where(flipped, 1 - truth, truth)
    return Truths(f"truths-{rows}-{seed}", rows, reference, found)


def by_day(
    specification: ProfileSpecification, scores: Array, truth: Array, days: int
) -> list[OutcomeProfile]:
    """Outcomes of rows that are spread evenly over days."""
    parts = zip(np.array_split(scores, days), np.array_split(truth, days), strict=True)
    return [
        profile_outcomes(specification, s, [str(int(x > 0.5)) for x in s], np.array([str(x) for x in t]))
        for s, t in parts
    ]


def measured(study: Truths) -> tuple[MetricValue, dict[str, list[list[MetricValue]]]]:
    """The AUROC of the reference, and of each window of each run by name."""
    specification = build_specification("binary", {}, {}, study.reference[0], ("0", "1"))
    base = measured_over_days(specification, by_day(specification, *study.reference, 91), "auc")
    found = {
        name: [
            [
                measured_over_days(specification, by_day(specification, s, t, 7), "auc")
                for s, t in zip(run_scores, run_truth, strict=True)
            ]
            for run_scores, run_truth in zip(scores, truth, strict=True)
        ]
        for name, (scores, truth) in study.windows.items()
    }
    return base, found


def alerts(base: MetricValue, run: list[MetricValue], rate: float) -> tuple[list[bool], int, float]:
    """Which windows of a run are significant at a rate of false alarms, how many alerts open, and windows until the first."""
    significant = [False] * LEAD + [is_significantly_worse(w, base, "higher", rate) for w in run]
    sure = [False] * LEAD + [performance_is_certain(w, base, "higher", rate) for w in run]
    return significant[LEAD:], *run_of_alerts(significant, sure)


@dataclass
class Flipped:
    """What one false alarm rate made of flipped outcomes."""

    waits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    quiet: list[bool] = field(default_factory=list)
    alerts: int = 0


def performance(short: bool, times: int) -> None:
    """The table of flipped outcomes: as they come, NannyML with as many alarms, and both moved to GOAL."""
    found: dict[int, dict[float, Flipped]] = {}
    scores: dict[int, dict[str, list[Array]]] = {}
    with tempfile.TemporaryDirectory() as held:
        sizes = [(300, 48), (1_000, 48), (10_000, 12)] if not short else [(300, 2), (1_000, 2)]
        studies = [(n, truths(n, seed, 40, 3, 8)) for n, k in sizes for seed in range(k * times)]
        for rows, study in studies:
            base, windows = measured(study)
            for rate, of in found.setdefault(rows, {rate: Flipped() for rate in LOSS_RATES}).items():
                for name, runs in windows.items():
                    for run in runs:
                        significant, opened, first = alerts(base, run, rate)
                        if name == "quiet":
                            of.quiet += significant
                            of.alerts += opened
                        else:
                            of.waits[name].append(first)
            study.write(Path(held))
        if ask("nannyml", Path(held)) is not None:
            for rows, study in studies:
                answer = json.loads((Path(held) / f"{study.name}.nannyml.json").read_text("utf-8"))
                for name, values in answer.items():
                    shape = study.windows[name][0].shape[:2]
                    scores.setdefault(rows, {}).setdefault(name, []).append(np.array(values).reshape(shape))
    print("\nFlipped outcomes: windows until found (Pilothouse / NannyML by default / with as many alarms as Pilothouse; "
          f"moved to {GOAL * 1000:g} alarm in 1,000 windows: Pilothouse / NannyML)")  # fmt: skip
    print(f"\n| | {' | '.join(f'{n:,} outcomes' for n in found)} |\n|---|{'---|' * len(found)}")
    methods = {rows: _ways(rates, scores.get(rows)) for rows, rates in found.items()}
    quiet = [
        f"{found[rows][DEFAULT_RATE].alerts / len(found[rows][DEFAULT_RATE].quiet):.1%} alerts "
        f"({np.mean(found[rows][DEFAULT_RATE].quiet):.0%} significant)"
        + "".join(f" / {x:.1%}" for x, _ in ways[1:])
        for rows, ways in methods.items()
    ]
    print(f"| quiet windows | {' | '.join(quiet)} |")
    for name in (f"flips {share:.0%}" for share in FLIPS):
        cells = [" / ".join(median(waits(name)) for _, waits in ways) for ways in methods.values()]
        print(f"| {name} | {' | '.join(cells)} |")


LOSS_RATES = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, DEFAULT_RATE)
"""What the rate of false alarms may be moved to for losses."""


def _ways(
    rates: dict[float, Flipped], scores: dict[str, list[Array]] | None
) -> list[tuple[float, Callable[[str], list[float]]]]:
    """Each method's share of quiet windows that alarm, and its waits by name, in the order of the table."""
    own = rates[DEFAULT_RATE]
    most = math.floor(GOAL * len(own.quiet))
    moved = rates[max((rate for rate, of in rates.items() if of.alerts <= most), default=min(rates))]
    found = [(of.alerts / len(of.quiet), of.waits.__getitem__) for of in (own, moved)]
    if scores is None:
        return found
    ordered = np.sort(np.concatenate(scores["quiet"]).ravel())[::-1]

    def beyond(bound: float) -> tuple[float, Callable[[str], list[float]]]:
        def waits(name: str) -> list[float]:
            hits = np.concatenate(scores[name]) > bound
            return [float(np.argmax(h) + 1) if h.any() else math.inf for h in hits]

        return float((ordered > bound).mean()), waits

    default, as_many, to_goal = (
        beyond(float(x)) for x in (DEFAULT["nannyml"], ordered[own.alerts], ordered[most])
    )
    return [found[0], default, as_many, found[1], to_goal]
