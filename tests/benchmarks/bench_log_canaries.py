"""Canaries judged by logs through the product: logs of both versions taken in, hours in the trial, verdicts, the keeper's acts.

``.venv/bin/python tests/benchmarks/bench_log_canaries.py`` plays 300 roll-outs a case (``--rollouts N``) and, with ``--write``,
puts the table into docs/rollouts.md. Requests, versions and harm are those of ``bench_rollouts.py`` (retrained, in order of
time); a canary of half, AN_HOUR requests an hour, logs and a look every LOOK requests. Roll-out i has the seed i.
"""

import argparse
import itertools
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from rollout_cases import HARM, Versions, rollout, versions

from pilothouse.domain.formats.time_units import HOUR_US
from pilothouse.domain.formats.wire import Outcome, code_texts
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.authorisation import changing
from pilothouse.operations.promotion import deployments
from pilothouse.operations.rollouts import steering
from pilothouse.store.promotion import canary_spans
from pilothouse.telemetry import VersionFacts
from support import raw_writes
from support.flight_batches import NOW_US, batch_of, flights, specification
from support.rollout_plans import plan
from support.rollout_workspace import RolloutWorkspace

ROLLOUTS, AT_ONCE = 300, 10
REQUESTS, LOOK, AN_HOUR, SHARE = 6_000, 1_000, 100, 0.5
PROMISED, MARGIN = 0.05, 0.01
MODEL, TARGET = "delay", "ewr"
BEGAN_US = (NOW_US // HOUR_US - 50_000) * HOUR_US


@dataclass(frozen=True)
class Case:
    """``harm``: share of requests that the new version gets wrong beside; ``split``: share that the platform gives it; ``lag``:
    looks after which the outcomes of the new version come (those of the live one come at once)."""

    harm: float = 0.0
    split: float = SHARE
    lag: int = 0


CASES = {
    "neither is worse": Case(),
    "neither is worse, outcomes of one version late": Case(lag=3),
    "5 points worse": Case(harm=2.5 * HARM),
    "5 points worse, the platform gives 40 %": Case(harm=2.5 * HARM, split=0.4),
}


class Played:
    """A workspace in which one canary follows another on a target that a command serves; version 1 stays live."""

    def __init__(self, root: Path) -> None:
        wave: dict[str, Any] = {
            "name": "first",
            "select": {"name": TARGET},
            "step": [
                {"kind": "canary", "share": SHARE, "clock": "event"},
                {"kind": "live", "go_on": "hand"},
            ],
        }
        of = plan(wave, {"name": "rest"}, false_rollbacks=PROMISED, margin=MARGIN)
        self.place = RolloutWorkspace(root, of)
        self._numbers, self._files = itertools.count(2), itertools.count(1)
        self._table = flights().iloc[30_000 : 30_000 + LOOK].reset_index(drop=True)
        self._hour = BEGAN_US
        with changing(self.place.services, DAEMON, Permission.RUN_DAEMON) as change:
            change.connection.execute(
                "INSERT INTO target_places (target_id, place, deployer) SELECT id, 'command', '{}' FROM targets WHERE name = ?",
                (TARGET,),
            )
            change.record("test.described", TARGET)
        self._send(1, np.full(AN_HOUR, 0.3), np.zeros(AN_HOUR, bool), np.arange(AN_HOUR))

    def play(self, of: Versions, seed: int, case: Case) -> dict[str, float]:
        """Requests until it was taken back, and until *not worse*; inf: never; and whether it ended without evidence."""
        place, version = self.place, next(self._numbers)
        if version > 2:
            place.example.add_version()
        number = place.begin(version)
        place.keep()
        self._span(place.rollout(number).id)
        self._hour += HOUR_US
        made, late = rollout(of, seed, case.harm), []
        assert made.scores is not None
        assert made.late is not None
        own = made.draw < case.split
        found, sent = {"back": math.inf, "passed": math.inf}, 0
        for start in range(0, REQUESTS, LOOK):
            rows = slice(start, start + LOOK)
            for number_of, mine, scores in (
                (1, ~own[rows], made.scores[1]),
                (version, own[rows], made.scores[0]),
            ):
                places = np.flatnonzero(mine)
                outcomes = self._send(number_of, scores[rows][mine], made.late[rows][mine], places)
                late.append((start + (case.lag * LOOK if number_of == version else 0), outcomes))
            self._hour += LOOK // AN_HOUR * HOUR_US
            for listed in [listed for when, listed in late if when <= start]:
                place.services.telemetry.add_outcomes(listed, NOW_US)
            late = [(when, listed) for when, listed in late if when > start]
            place.keep()
            sent = start + LOOK
            if place.rollout(number).state is RolloutState.ROLLED_BACK:
                found["back"] = sent
                break
            if place.live()[TARGET] == version:
                found["passed"] = sent
                break
        self._put_back(number)
        return found

    def _span(self, number: int | None) -> None:
        services = self.place.services
        canary = None if number is None else (number, SHARE)
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            clock = services.telemetry.clock(TARGET, MODEL)  # the workspace has a clock of its own
            assert clock is not None
            clocks = {TARGET: clock}
            canary_spans.follow(change.connection, MODEL, TARGET, canary, change.at, clocks)
            change.record("test.deployed", TARGET)

    def _put_back(self, number: int) -> None:
        services, oscar = self.place.services, self.place.example.actor("oscar")
        self._span(None)
        if self.place.rollout(number).state.is_open:
            steering.abort(services, oscar, number, "the next one is to begin")
        if deployments.list_holds(services, oscar, MODEL):
            deployments.lift_hold(services, oscar, MODEL, "the next one is to begin")

    def _send(self, version: int, scores: np.ndarray, late: np.ndarray, places: np.ndarray) -> list[Outcome]:
        """Hand in a log of rows at their places in the hours; returns their outcomes."""
        file, rows = f"file-{next(self._files):016x}", len(scores)
        times = self._hour + places * (HOUR_US // AN_HOUR)
        table = self._table.iloc[:rows].assign(
            score=scores, label=(scores > 0.5).astype(int).astype(str), at_us=times
        )
        ids = [f"r-{file}-{n}" for n in range(rows)]
        batch = replace(
            batch_of(table, 0, producer=file, model=MODEL, version=version),
            requests=[],
            foreign_ids=ids,
            labels=code_texts(table["label"].tolist()),
        )
        telemetry = self.place.services.telemetry
        believed = telemetry.believed_times(times, MODEL, TARGET, NOW_US, history=False)
        part, _ = telemetry.append_part(batch, [], believed, _facts, NOW_US)
        assert part.accepted == rows, part
        return [Outcome(name, str(int(value))) for name, value in zip(ids, late, strict=True)]


def _facts(model: str, version: int) -> VersionFacts:
    return VersionFacts(specification())


def part(case: str, seeds: range, scores: str) -> list[dict[str, float]]:
    """Some roll-outs of a case, one after the other in one workspace."""
    raw_writes.allow()
    with np.load(scores) as held:
        of = Versions("", held["champion"], held["challenger"], held["late"], in_order=True)
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        played = Played(Path(folder) / "w")
        found = [played.play(of, seed, CASES[case]) for seed in seeds]
        played.place.example.close()
    return found


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """A row a case."""
    lines = [
        f"| canary of half, {REQUESTS:,} requests | roll-outs | taken back | *not worse* |",
        "|---|---|---|---|",
    ]
    for case, played in found.items():
        cells = []
        for what in ("back", "passed"):
            each = np.sort([one[what] for one in played])
            middle = each[(len(each) - 1) // 2]
            cells.append(
                f"{100 * np.isfinite(each).mean():.1f} %"
                + (f", {middle:,.0f}" if math.isfinite(middle) else "")
            )
        lines.append(f"| {case} | {len(played):,} | {' | '.join(cells)} |")
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
            asked = {
                pool.submit(part, case, range(first, min(first + AT_ONCE, chosen.rollouts)), scores): case
                for case in CASES
                for first in range(0, chosen.rollouts, AT_ONCE)
            }
            for done in as_completed(asked):
                found[asked[done]] += done.result()
                print(f"{time.monotonic() - begun:.0f} s\n{table(dict(sorted(found.items())))}", flush=True)
    page = table({case: found[case] for case in CASES})
    print(f"{time.monotonic() - begun:.0f} s\n{page}")
    if chosen.write:
        from bench_verdicts import write

        write({"by logs": page}, "rollouts.md")


if __name__ == "__main__":
    main()
