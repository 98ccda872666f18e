"""What each part of the drift verdict is worth: false alerts and windows until detection with it and without it.

``make bench-ablation`` judges the windows of ``bench_verdicts`` (ours alone: the peers do not change) once as a daemon does and
once without each of PARTS, and puts the table into docs/statistics.md. All variants see the same windows. To the shifts of
docs/monitoring.md come those that a part was made for and that are not among them (MADE_FOR, MADE_FOR_OVERDISPERSED). A
figure counts as moved where the references with even seeds and those with odd seeds move it the same way.

A part is left out by taking its nulls out of the calibration, or the last windows from the verdict; the weights of the others
then add up to one. ``--only WORDS`` takes kinds of data whose name begins with one of them, ``--references N``
the first N references of each; ``--keep FOLDER`` keeps what is done, so that a run that was cut off goes on.
"""

import argparse
import functools
import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import bench_verdicts  # first: it sets one thread for all libraries
import numpy as np
from verdict_files import LEAD, SHIFTS, SUDDEN, Shift, Study, median
from verdict_ours import DEFAULT_RATE, Outcome, Ready, Series, pilothouse

from pilothouse.domain.monitoring.findings import DriftFinding, QualityFinding
from pilothouse.statistics.distances.window_drift import window_drift
from pilothouse.statistics.profiles.profile import Profile
from pilothouse.statistics.significance import column_tests, thresholds
from pilothouse.statistics.significance.calibration import Calibration, Null
from pilothouse.statistics.significance.quality import judge_quality

SMALLEST = 0.1
"""Windows by which a mean wait moves at least where the median stays."""
WHOLE, LASTING, LASTING_MISSING = "whole", "lasting", "lasting (missing rows)"
PARTS: dict[str, Callable[[Null], bool]] = {
    "within": lambda null: null.statistic == "within",
    "outside": lambda null: null.statistic == "outside",
    "narrower": lambda null: null.statistic == "narrower",
    "recent": lambda null: null.recent,
    LASTING: lambda null: False,
    LASTING_MISSING: lambda null: False,
    "share of an overdispersed category": lambda null: null.statistic == "share",
    "level of an overdispersed number": lambda null: (
        null.overdispersion is not None and null.statistic in ("higher", "lower")
    ),
    "spread of an overdispersed number": lambda null: (
        null.overdispersion is not None and null.statistic in ("wider", "narrower")
    ),
}
"""Which nulls each part has."""
TAIL = math.exp(3 + 1.2816)
"""Nine tenths of the column ``amount`` lie below."""
MADE_FOR: dict[str, tuple[str, Shift]] = {
    "scale ×0.8": ("level", lambda v, _: v * 0.8),
    "scale ×0.6": ("level", lambda v, _: v * 0.6),
    "1 % at 9 σ": ("level", lambda v, r: np.where(r.random(v.size) < 0.01, 9.0, v)),
    "3 % at 9 σ": ("level", lambda v, r: np.where(r.random(v.size) < 0.03, 9.0, v)),
    "upper tenth ×1.5": ("amount", lambda v, _: np.where(v > TAIL, TAIL + 1.5 * (v - TAIL), v)),
}
MADE_FOR_OVERDISPERSED: dict[str, tuple[str, Shift]] = {
    "noise ×0.5": ("weather", lambda v, _: v.mean() + 0.5 * (v - v.mean())),
}

Results = dict[str, list[dict[str, dict]]]
"""By kind of data: counts and waits of each variant, of each reference."""

measured = functools.lru_cache(256)(window_drift)
"""Statistics of a window, which are the same for every variant; each takes a copy, for it notes down more beside them."""
thresholds.window_drift = lambda prepared, now: {k: dict(v) for k, v in measured(prepared, now).items()}
column_tests.Looked.value_needed = lambda look, test, level: math.nan  # no verdict needs it


@functools.lru_cache(64)
def calibration_without(ready: Ready, part: str) -> Calibration:
    """The calibration without a part's nulls; the very calibration where it has none of them."""
    kept = {
        name: tuple(null for null in nulls if part == WHOLE or not PARTS[part](null))
        for name, nulls in ready.calibration.columns.items()
    }
    changed = kept != ready.calibration.columns
    return Calibration(ready.calibration.window_days, kept) if changed else ready.calibration


@functools.lru_cache(4_096)
def drift(
    ready: Ready, part: str, now: Profile, recent: Profile | None, last: Profile | None
) -> list[DriftFinding]:
    """Findings of drift without a part."""
    calibration = calibration_without(ready, part)
    if part not in (WHOLE, LASTING) and calibration is ready.calibration:
        return drift(ready, WHOLE, now, recent, last)
    last = None if part == LASTING else last
    return thresholds.judge(ready.specification, calibration, ready.whole, now, recent=recent, lasting=last)


@functools.lru_cache(64)
def quality(ready: Ready, now: Profile, last: Profile | None) -> list[QualityFinding]:
    return judge_quality(ready.specification, ready.calibration, ready.whole, now, lasting=last)


class SeriesWithout(Series):
    """The verdicts of a run of windows without one part."""

    def __init__(self, part: str) -> None:
        super().__init__(DEFAULT_RATE)
        self.part = part

    def judge(self, ready: Ready, now: Profile, recent: Profile | None, last: Profile | None) -> None:
        faults = quality(ready, now, None if self.part == LASTING_MISSING else last)
        self.add(drift(ready, self.part, now, recent, last), faults)


def judged(pair: list[Study]) -> dict[str, dict]:
    """Counts and waits of each variant on the windows of one reference."""
    outcomes, ready = {part: Outcome() for part in (WHOLE, *PARTS)}, Ready.of(pair[0])
    for study in pair:
        pilothouse(study, ready, outcomes, SeriesWithout)
    longest = next(iter(pair[1].beside.values())).shape[1] - LEAD
    return {
        part: {"alerts": of.alerts, "windows": of.looked_at, "longest": longest, "waits": of.waits}
        for part, of in outcomes.items()
    }


def halves(references: list[dict[str, dict]]) -> list[list[dict[str, dict]]]:
    """References of even and of odd seeds."""
    return [half for half in (references[::2], references[1::2]) if half]


def waits_that_move(part: str, results: Results) -> str:
    """Shifts that are found later or sooner without a part: the median wait, and by how many windows the mean one moves.
    A shift that was not found counts one window more than there were."""
    texts: dict[str, list[str]] = {}
    for title, references in results.items():
        longest = references[0][WHOLE]["longest"]
        for name in references[0][WHOLE]["waits"]:
            waits = [
                [np.concatenate([of[variant]["waits"][name] for of in half]) for half in halves(references)]
                for variant in (WHOLE, part)
            ]
            means = [[np.minimum(runs, longest + 1).mean() for runs in of] for of in waits]
            moves = np.subtract(means[1], means[0])
            before, after = (median(np.concatenate(of)) for of in waits)
            if moves.min() * moves.max() > 0 and (abs(moves.mean()) >= SMALLEST or before != after):
                text = f"{name.partition(' ')[2]} {before} → {after} ({moves.mean():+.1f})".replace("-", "−")
                texts.setdefault(title, []).append(text)
    return "; ".join(f"*{title}*: {', '.join(of)}" for title, of in texts.items()) or "nothing"


def table(results: Results) -> str:
    """Rows are variants; columns alerts in 1,000 quiet feature-windows of each kind of data, and what is found later or
    sooner. Bold where even and odd seeds move the same way."""

    def rate(references: list[dict[str, dict]], part: str) -> str:
        alerts, windows = (sum(of[part][key] for of in references) for key in ("alerts", "windows"))
        moves = [sum(of[part]["alerts"] - of[WHOLE]["alerts"] for of in half) for half in halves(references)]
        text = f"{1000 * alerts / windows:.2f}"
        return f"**{text}**" if min(moves) * max(moves) > 0 else text

    lines = [f"| | {' | '.join(results)} | found later or sooner |", f"|---|{'---|' * (len(results) + 1)}"]
    lines.append(f"| references | {' | '.join(str(len(of)) for of in results.values())} | |")
    for i, seeds in enumerate(("even seeds", "odd seeds")):
        cells = [rate(half[i], WHOLE) if i < len(half) else "" for half in map(halves, results.values())]
        lines.append(f"| {WHOLE}, {seeds} | {' | '.join(cells)} | |")
    for part in PARTS:
        cells = [*(rate(of, part) for of in results.values()), waits_that_move(part, results)]
        lines.append(f"| without {part} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run(only: list[str], most: int | None, keep: Path | None) -> Results:
    results: Results = {}
    shifts: tuple[Mapping[str, tuple[str, Shift]], ...] = SHIFTS | MADE_FOR, SUDDEN | MADE_FOR_OVERDISPERSED
    for title, make in bench_verdicts.plans(False, 1, *shifts):
        if only and not any(title.startswith(word) for word in only):
            continue
        for i, pair in enumerate(make()[:most]):
            began = time.monotonic()
            kept = keep / f"{title.replace(' ', '-')}-{i}.json" if keep else None
            done = json.loads(kept.read_text("utf-8")) if kept and kept.exists() else judged(pair)
            if kept:
                kept.write_text(json.dumps(done), "utf-8")
            results.setdefault(title, []).append(done)
            print(f"{title}, seed {i}: {time.monotonic() - began:.0f} seconds", flush=True)
    return results


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--references", type=int)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--write", action="store_true", help="put the table into docs/statistics.md")
    given = parser.parse_args()
    rows = table(run(given.only, given.references, given.keep))
    print(rows)
    if given.write:
        bench_verdicts.write({"ablation": rows}, "statistics.md")
