"""Flipped outcomes: windows until the loss of AUROC is found, by Pilothouse and by NannyML, from the same 91 days held out."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pilothouse.statistics.outcomes import OutcomeProfile, profile_outcomes, realised_over_days
from pilothouse.statistics.performance_verdicts import performance_is_certain, performance_speaks
from pilothouse.statistics.specification import ProfileSpecification, build_specification

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


def spoken(study: Truths) -> dict[str, Array]:
    """Whether each window speaks, and is certain, [runs, windows, 2] by name."""
    specification = build_specification("binary", {}, {}, study.reference[0], ("0", "1"))
    base = realised_over_days(specification, by_day(specification, *study.reference, 91), "auc")
    found = {}
    for name, (scores, truth) in study.windows.items():
        runs = []
        for run_scores, run_truth in zip(scores, truth, strict=True):
            windows = [
                realised_over_days(specification, by_day(specification, s, t, 7), "auc")
                for s, t in zip(run_scores, run_truth, strict=True)
            ]
            runs.append(
                [
                    (performance_speaks(w, base, "higher"), performance_is_certain(w, base, "higher"))
                    for w in windows
                ]
            )
        found[name] = np.array(runs)
    return found
