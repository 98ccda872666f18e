"""Estimates that learn from outcomes: streams of months followed window by window, each with what was known by then.

``python tests/benchmarks/bench.py estimation_record`` (half an hour). Beside the estimate stand that from inputs alone,
NannyML's, and "nothing has changed"; the last lines say which memory would be chosen by all streams but one.
"""

import math
from dataclasses import dataclass

import numpy as np
from bench import show
from bench_estimation import PEER, THEIRS, ask_peer, dated, profiled
from estimation_streams import Stream, made, real

from pilothouse.domain.models.evaluation import MetricValue
from pilothouse.statistics import performance_estimation
from pilothouse.statistics.estimation import estimate_record
from pilothouse.statistics.estimation.estimate_record import EstimatedWindow
from pilothouse.statistics.performance import outcomes
from pilothouse.statistics.profiles.outcome_profile import profile_outcomes
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.statistics.reference import build_reference

HALF_LIVES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0)
"""Memories that are tried, in windows."""


@dataclass(frozen=True)
class Followed:
    """A stream's windows with their outcomes, its reference, and NannyML's estimates with three sampling errors."""

    stream: Stream
    windows: list[EstimatedWindow]
    reference: MetricValue
    theirs: tuple[np.ndarray, np.ndarray]

    @property
    def measured(self) -> np.ndarray:
        return np.array([window.measured for window in self.windows])

    def error(self, values: object) -> float:
        """Mean absolute error of a value for each window."""
        return float(np.mean(np.abs(np.asarray(values) - self.measured)))

    def inside(self, bands: list[MetricValue]) -> list[bool]:
        return [band.low <= y <= band.high for band, y in zip(bands, self.measured, strict=True)]

    def estimates(self) -> list[MetricValue]:
        """The estimate of each window by those before it."""
        delay, step = float(self.stream.delay), float(self.stream.step)
        return [
            estimate_record.correct(
                window, self.windows[:i], self.reference, delay=delay, step=step
            ).value
            for i, window in enumerate(self.windows)
        ]  # fmt: skip

    def best_other(self) -> float:
        """The smaller error of NannyML and of "nothing has changed"."""
        same = self.error(np.full(len(self.windows), self.reference.value))
        return float(np.nanmin([same, self.error(self.theirs[0])]))


def follow(stream: Stream) -> Followed:
    """Profiles, reference, estimates from inputs and measured figures of a stream, as the product computes them."""
    case, metric = stream.case, stream.metric
    rows = dated(case.reference)
    classes: tuple[str, ...] = ()
    if stream.task != "regression":
        known = {str(value) for frame in (case.reference, *case.windows) for value in frame["truth"].unique()}
        classes = tuple(sorted(known))
    specification = build_specification(stream.task, dict(rows.numeric), {}, rows.scores, classes)
    reference = build_reference(specification, metric, rows, rows, {}).pooled
    estimator = performance_estimation.learn(specification, reference, reference)
    assert estimator is not None
    windows = []
    for end, frame in zip(stream.ends, case.windows, strict=True):
        window = dated(frame)
        days = [profile for _, profile in profiled(specification, window)]
        by_day = [
            profile_outcomes(specification, part.scores, part.labels, part.outcomes)
            for _, part in window.by_day()
        ]
        windows.append(
            EstimatedWindow(
                end,
                stream.length,
                performance_estimation.estimate(specification, estimator, days, metric),
                outcomes.measured_over_days(specification, by_day, metric).value,
            )
        )
    answers = ask_peer([case]) if PEER.exists() else {}
    nothing = np.full(len(windows), math.nan)
    if not answers:
        return Followed(stream, windows, reference.performance, (nothing, nothing))
    peer, name = answers[case.name], THEIRS.get(metric, metric)
    theirs = np.array(peer["metrics"][name]), 3 * np.array(peer["errors"][name])
    return Followed(stream, windows, reference.performance, theirs)


def run(seeds: int = 1) -> None:
    """One line a stream, one a kind, and what the leave-one-out choice of the memory would be."""
    followed: list[Followed] = []
    if not PEER.exists():
        ask_peer([])  # says that it is left out
    for stream in (*real(), *made(seeds)):
        followed.append(follow(stream))
        line(f"  {stream.case.name} ({stream.metric}, outcomes after {stream.delay} d)", followed[-1:])
    for group in dict.fromkeys(one.stream.case.group for one in followed):
        line(f"estimation by record, {group}", [one for one in followed if one.stream.case.group == group])
    line("estimation by record, all", followed)
    leave_one_out(followed)


def line(what: str, followed: list[Followed]) -> None:
    """Ratio of errors to the smaller of NannyML's and "nothing has changed", and shares inside the bands."""
    ratios, inside, from_inputs, theirs = [], [], [], []
    for one in followed:
        ours = one.estimates()
        ratios.append(one.error([value.value for value in ours]) / one.best_other())
        inside += one.inside(ours)
        from_inputs += one.inside([window.inputs for window in one.windows])
        theirs += list(np.abs(one.theirs[0] - one.measured) <= one.theirs[1])
    errors = ""
    if len(followed) == 1:
        (one,) = followed
        figures = (
            one.error([window.inputs.value for window in one.windows]), one.error(one.theirs[0]),
            one.error(np.full(len(one.windows), one.reference.value)), ratios[0] * one.best_other(),
        )  # fmt: skip
        errors = "inputs {:.4g}, NannyML {:.4g}, unchanged {:.4g}, ours {:.4g}; ".format(*figures)
    ratio = math.exp(float(np.mean(np.log(ratios))))
    show(
        what,
        f"{ratio:.2f}",
        f"{errors}largest {max(ratios):.2f}, inside {np.mean(inside):.0%}, inputs' band {np.mean(from_inputs):.0%}, "
        f"NannyML's {np.mean(theirs):.0%}",
    )


def leave_one_out(followed: list[Followed]) -> None:
    """The memory with the least mean excess over the better of the others, on all streams and without each."""
    kept = estimate_record.HALF_LIFE
    excess = np.empty((len(HALF_LIVES), len(followed)))
    try:
        for row, half_life in enumerate(HALF_LIVES):
            estimate_record.HALF_LIFE = half_life
            for column, one in enumerate(followed):
                error = one.error([value.value for value in one.estimates()])
                excess[row, column] = max(error / one.best_other() - 1, 0.0)
    finally:
        estimate_record.HALF_LIFE = kept
    for half_life, row in zip(HALF_LIVES, excess, strict=True):
        show(f"  half-life {half_life:g}: mean excess", f"{row.mean():.4f}", f"largest {row.max():.2f}")
    chosen = [HALF_LIVES[int(np.delete(excess, i, 1).mean(axis=1).argmin())] for i in range(len(followed))]
    show("  chosen without one stream", ", ".join(f"{h:g} × {chosen.count(h)}" for h in sorted(set(chosen))))
