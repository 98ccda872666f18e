"""What a verdict's stated power is worth: features moved by as much as must be found, on streams with and without seasons.

    python tests/benchmarks/bench_power.py
    python tests/benchmarks/bench_power.py --promotions

Weeks that follow a reference, as they were (the demo's flights) or made (independent, overdispersed and seasonal columns). From
a week on one feature is moved, for good, by one standard deviation of the reference, or by 20 points of its most frequent
category, each feature in turn. The table counts a feature before the move: judged or not (``DriftFinding.blind``); and after
it: found within two windows or not. Quiet weeks give the false alerts. With ``--promotions`` each
feature is moved in one of the first weeks of a new version, which has as past its own weeks alone, or those of the version
before it too. Deterministic.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import bench_verdicts  # noqa: F401  # first: it sets one thread for all libraries
import numpy as np
import pandas as pd
from verdict_files import LEAD, Array, independent, wandering
from verdict_ours import run_of_alerts
from verdict_real import flights

from pilothouse.domain.monitoring.findings import DriftFinding
from pilothouse.statistics.profiles.profile import Profile, merge_all, profile_groups, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.significance.calibration import Calibration, calibrate
from pilothouse.statistics.significance.null_windows import RECENT
from pilothouse.statistics.significance.thresholds import judge

WEEK, TWO = 7, 2
SHIFT, POINTS = 1.0, 0.2


@dataclass
class Stream:
    """Rows of a stream with their day; codes of the columns named in ``texts``, which has their categories."""

    columns: dict[str, Array]
    day: Array
    texts: dict[str, list[str]]

    def between(self, first: int, end: int) -> dict[str, Array]:
        mask = (self.day >= first) & (self.day < end)
        return {name: values[mask] for name, values in self.columns.items()}


def of_flights(airport: str) -> Stream:
    frame, numeric, texts = flights(airport)
    frame = frame.sort_values("day")
    known = {column: sorted(map(str, frame[column].dropna().unique())) for column in texts}
    columns = {column: frame[column].to_numpy(float) for column in numeric}
    for column in texts:
        columns[column] = pd.Categorical(frame[column].astype(str), categories=known[column]).codes.astype(
            int
        )
    return Stream(columns, frame["day"].to_numpy(), known)


def made(kind: str, seed: int, days: int, a_day: int) -> Stream:
    rng = np.random.default_rng(seed)
    if kind == "independent":
        columns = independent(rng, days * a_day)
    else:
        columns = wandering(rng, days, a_day, 3.0 if kind == "seasonal" else 0.0)
    columns.pop("score", None)
    known = {
        name: [f"{name}{i}" for i in range(int(values.max()) + 1)]
        for name, values in columns.items()
        if values.dtype.kind in "iu"
    }
    return Stream(columns, np.repeat(np.arange(days), a_day), known)


class Reference:
    """A version's reference: the first ``days`` of a stream."""

    def __init__(self, stream: Stream, days: int) -> None:
        self.stream, self.days = stream, days
        rows = stream.between(0, days)
        numeric, texts = self._split(rows)
        zeros = np.zeros(len(next(iter(rows.values()))))
        self.specification: ProfileSpecification = build_specification(
            "binary", numeric, texts, zeros, ("0", "1")
        )
        day = stream.day[stream.day < days]
        daily = [p for _, p in profile_groups(self.specification, numeric, texts, zeros, day)]
        self.whole = merge_all(self.specification, daily)
        self.calibration: Calibration = calibrate(self.specification, daily, WEEK)
        self.deviation = {name: float(np.nanstd(values)) for name, values in numeric.items()}

    def _split(self, rows: dict[str, Array]) -> tuple[dict[str, Array], dict[str, list[str]]]:
        texts = self.stream.texts
        numeric = {name: values.astype(float) for name, values in rows.items() if name not in texts}
        return numeric, {name: np.array(known, object)[rows[name]].tolist() for name, known in texts.items()}

    def profile(self, rows: dict[str, Array]) -> Profile:
        numeric, texts = self._split(rows)
        return profile_rows(self.specification, numeric, texts, np.zeros(len(next(iter(rows.values())))))

    def verdicts(self, now: Profile, before: list[Profile]) -> dict[str, DriftFinding]:
        recent = merge_all(self.specification, before[-RECENT:]) if len(before) >= RECENT else None
        lasting = merge_all(self.specification, [*before[-2:], now]) if len(before) >= 2 else None
        found = judge(
            self.specification,
            self.calibration,
            self.whole,
            now,
            recent=recent,
            lasting=lasting,
            ignore=("score",),
        )
        return {finding.feature: finding for finding in found if finding.feature != "score"}

    def moved(self, rows: dict[str, Array], feature: str, rng: np.random.Generator) -> dict[str, Array]:
        values = rows[feature].copy()
        if feature in self.stream.texts:
            common = np.bincount(self.stream.between(0, self.days)[feature]).argmax()
            elsewhere = np.flatnonzero(values != common)
            if len(elsewhere) >= POINTS * len(values):  # it grows; else it gives rows away to the others
                values[rng.choice(elsewhere, round(POINTS * len(values)), replace=False)] = common
            else:
                own = rng.choice(np.flatnonzero(values == common), round(POINTS * len(values)), replace=False)
                values[own] = rng.choice(elsewhere, len(own))
        else:
            values = values + SHIFT * self.deviation[feature]
        return rows | {feature: values}


def windows(stream: Stream, first: int) -> Iterator[dict[str, Array]]:
    last = int(stream.day.max()) + 1
    for start in range(first, last - WEEK + 1, WEEK):
        yield stream.between(start, start + WEEK)


def quiet_verdicts(
    ready: Reference, rows: list[dict[str, Array]]
) -> tuple[list[Profile], list[dict[str, DriftFinding]]]:
    """Profiles of the weeks as they were, and the verdicts on them."""
    profiles = [ready.profile(part) for part in rows]
    verdicts = [ready.verdicts(profiles[i], profiles[max(i - RECENT, 0) : i]) for i in range(len(profiles))]
    return profiles, verdicts


def measure(stream: Stream, days: int, every: int) -> Counter[str]:
    """Counts of feature-windows in which a move began."""
    counts: Counter[str] = Counter()
    ready, rows = Reference(stream, days), list(windows(stream, days))
    profiles, quiet = quiet_verdicts(ready, rows)
    rng = np.random.default_rng(0)
    for i in range(0, len(rows) - TWO + 1, every):
        for feature in quiet[i]:
            if quiet[i][feature].significant or (i and quiet[i - 1][feature].significant):
                counts["drifting already"] += 1
                continue
            history, found = profiles[max(i - RECENT, 0) : i], False
            for part in rows[i : i + TWO]:
                now = ready.profile(ready.moved(part, feature, rng))
                found |= ready.verdicts(now, history)[feature].significant
                history = [*history, now][-RECENT:]
            blind = quiet[i][feature].blind
            counts[f"{'not judged' if blind else 'judged'}, {'found' if found else 'not found'}"] += 1
    return counts


def quiet_alerts(kind: str, seeds: int) -> tuple[int, int]:
    """Alerts of streams in which nothing changes, and their feature-windows."""
    alerts = looked_at = 0
    for seed in range(1, seeds + 1):
        stream = made(kind, seed, 273, 100)
        _, verdicts = quiet_verdicts(Reference(stream, 182), list(windows(stream, 182)))
        for feature in verdicts[0]:
            series = [verdict[feature] for verdict in verdicts]
            looked_at += len(series)
            opened, _ = run_of_alerts(
                [f.significant for f in series], [f.significant and f.grounds.certain for f in series]
            )
            alerts += opened
    return alerts, looked_at


HELD_DAYS = 14
"""Days of hold-out between a reference and the roll-out of its version."""


def after_promotion(
    stream: Stream, days: int, *, past: bool, moves: bool = True
) -> tuple[Counter[str], int, int]:
    """Counts as ``measure`` has them, of moves in the first RECENT weeks of a version, with the weeks before its roll-out as
    past or without; and the false alerts of these weeks as they were, with their feature-windows."""
    counts: Counter[str] = Counter()
    ready, live = Reference(stream, days), days + HELD_DAYS
    before = [
        ready.profile(stream.between(live - WEEK * n, live - WEEK * (n - 1))) for n in range(RECENT, 0, -1)
    ]
    rows = list(windows(stream, live))[: RECENT + TWO]
    profiles = [*(before if past else []), *(ready.profile(part) for part in rows)]
    lead = len(profiles) - len(rows)
    quiet = [
        ready.verdicts(profiles[lead + i], profiles[max(lead + i - RECENT, 0) : lead + i])
        for i in range(len(rows))
    ]
    alerts = 0
    for feature in quiet[0]:
        series = [verdict[feature] for verdict in quiet]
        certain = [f.significant and f.grounds.certain for f in series]
        led = [False] * LEAD  # windows that open no alert there
        alerts += run_of_alerts([*led, *(f.significant for f in series)], [*led, *certain])[0]
    rng = np.random.default_rng(0)
    for i in range(len(rows) - TWO + 1 if moves else 0):
        for feature in quiet[i]:
            if quiet[i][feature].significant or (i and quiet[i - 1][feature].significant):
                counts["drifting already"] += 1
                continue
            history, found = profiles[max(lead + i - RECENT, 0) : lead + i], False
            for part in rows[i : i + TWO]:
                now = ready.profile(ready.moved(part, feature, rng))
                found |= ready.verdicts(now, history)[feature].significant
                history = [*history, now][-RECENT:]
            blind = quiet[i][feature].blind
            counts[f"{'not judged' if blind else 'judged'}, {'found' if found else 'not found'}"] += 1
    return counts, alerts, len(quiet) * len(quiet[0])


def promotions(only: str) -> None:
    """The table of moves in the first weeks of a version."""
    print("| stream | the weeks before | " + " | ".join(COLUMNS) + " | alerts as it was |")
    print("|---|---|" + "---|" * (len(COLUMNS) + 1))
    cases = [(f"flights {airport}", airport, range(91, 252, 32)) for airport in ("JFK", "LGA")]
    cases += [
        (f"{kind}, 150 a day", f"{kind} {seed}", range(182, 232, 24))
        for kind in ("independent", "overdispersed", "seasonal")
        for seed in (1,)
    ]
    for name, source, cuts in cases:
        if only not in name:
            continue
        kind, *seed = source.split()
        stream = made(kind, int(seed[0]), 300, 150) if seed else of_flights(source)
        for past in (False, True):
            parts = [after_promotion(stream, days, past=past) for days in cuts]
            counts = sum((part[0] for part in parts), Counter())
            figures = " | ".join(f"{counts[column]:,}" for column in COLUMNS)
            quiet = f"{sum(part[1] for part in parts)} of {sum(part[2] for part in parts):,}"
            which = "under the version before" if past else "of its own"
            print(f"| {name} | {which} | {figures} | {quiet} |", flush=True)
    for kind in ("independent", "overdispersed", "seasonal"):
        for past in (False, True) if only in kind else ():
            parts = [
                after_promotion(made(kind, seed, 300, 150), days, past=past, moves=False)
                for seed in range(2, 18)
                for days in range(182, 251, 34)
            ]
            quiet = f"{sum(part[1] for part in parts)} alerts in {sum(part[2] for part in parts):,} quiet feature-windows"
            print(f"{kind}, {'under the version before' if past else 'of its own'}: {quiet}", flush=True)


COLUMNS = (
    "judged, found",
    "judged, not found",
    "not judged, found",
    "not judged, not found",
    "drifting already",
)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--every", type=int, default=4, help="move in every so many weeks")
    arguments.add_argument("--only", default="", help="streams whose name holds this")
    arguments.add_argument("--promotions", action="store_true", help="moves in the first weeks of a version")
    given = arguments.parse_args()
    if given.promotions:
        promotions(given.only)
        return
    print("| stream | reference | " + " | ".join(COLUMNS) + " | judged features found |")
    print("|---|---|" + "---|" * (len(COLUMNS) + 1))
    cases = [(f"flights {airport}", airport, days) for airport in ("JFK", "LGA") for days in (91, 182, 273)]
    cases += [
        (f"{kind}, {a_day} a day", f"{kind} {seed} {a_day}", 182)
        for kind in ("independent", "overdispersed", "seasonal")
        for seed, a_day in ((1, 40), (2, 150))
    ]
    for name, source, days in cases:
        if given.only not in name:
            continue
        kind, *numbers = source.split()
        stream = made(kind, int(numbers[0]), 273, int(numbers[1])) if numbers else of_flights(source)
        counts = measure(stream, days, given.every)
        judged = counts["judged, found"] + counts["judged, not found"]
        share = f"{counts['judged, found'] / judged:.0%}" if judged else "–"
        figures = " | ".join(f"{counts[column]:,}" for column in COLUMNS)
        print(f"| {name} | {days} days | {figures} | {share} |", flush=True)
    for kind in ("independent", "overdispersed", "seasonal"):
        if given.only in kind:
            print(
                "{}: {} alerts in {} quiet feature-windows".format(kind, *quiet_alerts(kind, 8)), flush=True
            )


if __name__ == "__main__":
    main()
