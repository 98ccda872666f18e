"""Roll-outs of the demo's traffic through the product: telemetry, folded evidence, verdicts, and the keeper's acts.

``make bench-rollouts`` plays 2,000 a case (``--rollouts N`` fewer) and puts the table into docs/rollouts.md (``--write``).
Requests, versions and harm are those of ``bench_rollouts.py``, which gives the tests alone the same roll-outs; beside them the
rules of others. The keeper looks every LOOK requests. Roll-out i has the seed i.
"""

import argparse
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from rollout_cases import HARM, REQUESTS, Versions, rollout, versions
from rollout_rules import arm_counts, interval_rates, kayenta, msprt, z_test

from support import raw_writes
from support.simulated_rollouts import Simulation, Traffic, shadow_plan

ROLLOUTS, AT_ONCE, LOOK = 2_000, 25, 1_000
PROMISED, MARGIN, SHARE, POINTS = 0.05, 0.01, 0.1, 5
DAY = 900
"""Requests of a day of the three airports."""
CASES: dict[str, tuple[int, float]] = {
    "neither is worse": (1, 0.0),
    "2 points worse": (1, HARM),
    "neither is worse, days at a time": (DAY, 0.0),
}
"""Requests that have one role together, and harm."""
Found = dict[str, float]
"""Requests until rolled back by each rule, and until ours says not worse (``passed``); inf: never."""


def part(case: str, seeds: range, scores: str) -> list[Found]:
    """Some roll-outs of a case, one after the other in one workspace."""
    raw_writes.allow()
    with np.load(scores) as held:
        of = Versions("", held["champion"], held["challenger"], held["late"], in_order=True)
    together, harm = CASES[case]
    found = []
    with tempfile.TemporaryDirectory(dir=_memory()) as folder:
        simulation = Simulation(Path(folder) / "w", shadow_plan(PROMISED, MARGIN), LOOK)
        for seed in seeds:
            made = rollout(of, seed, harm, together)
            assert made.scores is not None
            assert made.late is not None
            played = simulation.play(Traffic(made.scores[1], made.scores[0], made.late))
            counts = arm_counts(made, SHARE)
            rates = interval_rates(made, SHARE, POINTS)
            looks = range(1, counts.shape[1] + 1)
            found.append(
                {
                    "ours": float(played.requests) if played.rolled_back else math.inf,
                    "passed": float(played.requests) if played.not_worse else math.inf,
                    "z-test": z_test(counts),
                    "mSPRT": msprt(counts),
                    "Kayenta": kayenta(rates, POINTS, looks),
                }
            )
        simulation.place.example.close()
    return found


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def parts(count: int) -> Iterator[tuple[str, range]]:
    """Cases take turns, so that whatever is ended early has a share of each."""
    for start in range(0, count, AT_ONCE):
        for case in CASES:
            yield case, range(start, min(start + AT_ONCE, count))


def table(found: dict[str, list[Found]]) -> str:
    """A row a rule: rolled back in each case, and the median of requests until then."""
    rules = {
        "shadow, through the keeper": "ours",
        "canary 10 %, z-test at each look": "z-test",
        "canary 10 %, mSPRT": "mSPRT",
        "canary 10 %, Kayenta's Mann–Whitney": "Kayenta",
    }
    lines = [
        f"| rolled back | {' | '.join(f'{case} ({len(found[case]):,})' for case in CASES)} |",
        "|---|---|---|---|",
    ]
    for title, rule in rules.items():
        cells = []
        for case in CASES:
            each = np.sort([one[rule] for one in found[case]])
            share, middle = np.isfinite(each).mean(), each[(len(each) - 1) // 2]
            cells.append(f"{100 * share:.1f} %" + (f", {middle:,.0f}" if math.isfinite(middle) else ""))
        lines.append(f"| {title} | {' | '.join(cells)} |")
    passed = [np.isfinite([one["passed"] for one in found[case]]).mean() for case in CASES]
    lines.append(f"| *not worse*, and live | {' | '.join(f'{100 * share:.1f} %' for share in passed)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS)
    parser.add_argument("--write", action="store_true", help="put the table into docs/rollouts.md")
    chosen = parser.parse_args()
    begun, found = time.monotonic(), defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        of, scores = versions()[0], str(Path(folder) / "scores.npz")
        np.savez(scores, champion=of.champion, challenger=of.challenger, late=of.late)
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
            asked = {pool.submit(part, case, seeds, scores): case for case, seeds in parts(chosen.rollouts)}
            for number, done in enumerate(as_completed(asked), start=1):
                found[asked[done]] += done.result()
                if number % 12 == 0 and len(found) == len(CASES):
                    print(
                        f"{time.monotonic() - begun:.0f} s, {REQUESTS:,} requests at most\n{table(found)}",
                        flush=True,
                    )
    page = table(found)
    print(f"{time.monotonic() - begun:.0f} s\n{page}")
    if chosen.write:
        from bench_verdicts import write

        write({"through the keeper": page}, "rollouts.md")


if __name__ == "__main__":
    main()
