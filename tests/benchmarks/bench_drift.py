"""Drift of 25 features (20 numbers with NaN, 5 categories): ours, NannyML's calculate and Evidently's preset, in one run; and
the calibration of a reference of as many.

The peers run in their own interpreters under ``.peers`` (``make test-peers`` builds them); without one its line says so.
"""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from bench import show

from pilothouse.statistics.arrays import Floats, Ints
from pilothouse.statistics.distances.window_drift import prepare, window_drift
from pilothouse.statistics.profiles.coded import CodedColumn
from pilothouse.statistics.profiles.profile import Profile, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.significance.calibration import calibrate

DAYS, CALIBRATED_ROWS = 240, 130_000
"""Days and rows of the reference that is calibrated."""
PEERS = Path(__file__).resolve().parents[2] / ".peers"
ROWS = 50_000
TEXTS = [f"c{i:02}" for i in range(12)]

Table = tuple[dict[str, Floats], dict[str, Ints], Floats]


def table(rows: int, seed: int) -> Table:
    """Numbers (normal, lognormal, gamma), 3 % of them missing, and categories as codes of TEXTS."""
    rng = np.random.default_rng(seed)
    numbers = {}
    for i in range(20):
        draw = (rng.standard_normal, lambda n: rng.lognormal(0, 1, n), lambda n: rng.gamma(2, 2, n))[i % 3]
        values = np.asarray(draw(rows), np.float64)
        values[rng.random(rows) < 0.03] = np.nan
        numbers[f"n{i}"] = values
    return numbers, {f"k{i}": rng.integers(0, 12, rows) for i in range(5)}, rng.random(rows)


def profiled(specification: ProfileSpecification, rows: Table) -> Profile:
    """The profile of a table, its categories coded as they come from the wire."""
    numbers, codes, scores = rows
    coded = {name: CodedColumn(TEXTS, column.astype(np.uint8)) for name, column in codes.items()}
    return profile_rows(specification, numbers, coded, scores)


def run() -> None:
    """Both, one after the other."""
    _beside_peers()
    _calibration()


def _calibration() -> None:
    """Processor time, the median of five: beside the commit before, run it there too (the processor is shared)."""
    numbers, codes, scores = table(CALIBRATED_ROWS, 0)
    texts = {name: [TEXTS[code] for code in column] for name, column in codes.items()}
    specification = build_specification("binary", numbers, texts, scores, ("0", "1"))
    bounds = np.linspace(0, CALIBRATED_ROWS, DAYS + 1).astype(int).tolist()
    daily = [
        profiled(
            specification,
            (
                {name: column[first:last] for name, column in numbers.items()},
                {name: column[first:last] for name, column in codes.items()},
                scores[first:last],
            ),
        )
        for first, last in pairwise(bounds)
    ]
    taken = []
    for _ in range(5):
        began = time.process_time()
        calibrate(specification, daily, 7, score_days=30)
        taken.append(time.process_time() - began)
    show(
        f"drift: calibration of 25 features, {CALIBRATED_ROWS:,} rows of {DAYS} days",
        f"{statistics.median(taken) * 1e3:,.0f} ms",
    )


def _beside_peers() -> None:
    """Milliseconds, medians; ours and the peers turn about, so that a busy machine slows all of them."""
    numbers, codes, scores = table(ROWS, 0)
    texts = {name: [TEXTS[code] for code in column] for name, column in codes.items()}
    specification = build_specification("binary", numbers, texts, scores, ("0", "1"))
    reference = prepare(specification, profiled(specification, (numbers, codes, scores)))
    now = table(ROWS, 1)
    ready = profiled(specification, now)

    def ours() -> object:
        return window_drift(reference, profiled(specification, now))

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{side}.npz" for side in ("reference", "current")]
        for path, (columns, categories, _) in zip(paths, ((numbers, codes, scores), now), strict=True):
            np.savez(path, **columns, **categories)
        peers = {name: _Peer(name, paths) for name in ("nannyml", "evidently")}
        taken: dict[str, list[float]] = {"ours": [], "ready": [], **{name: [] for name in peers}}
        for _ in range(5):
            taken["ours"] += [_timed(ours) for _ in range(3)]
            taken["ready"] += [_timed(lambda: window_drift(reference, ready)) for _ in range(3)]
            for name, peer in peers.items():
                if peer.there and (name != "evidently" or len(taken[name]) < 3):
                    taken[name].append(peer.measure())
        for peer in peers.values():
            peer.close()
    middle = {name: statistics.median(values) for name, values in taken.items() if values}
    show(f"drift: 25 features, {ROWS:,} rows, profiled and measured", f"{middle['ours'] * 1e3:.1f} ms")
    show("drift: the same from a ready profile", f"{middle['ready'] * 1e3:.2f} ms")
    for name, label in (
        ("nannyml", "NannyML calculate (KS, JS, Wasserstein; chi2, JS)"),
        ("evidently", "Evidently DataDriftPreset"),
    ):
        if name in middle:
            show(
                f"drift: {label}",
                f"{middle[name] * 1e3:,.0f} ms",
                f"ours is {middle[name] / middle['ours']:.1f} times as fast",
            )
        else:
            show(f"drift: {label}", "not built", "make test-peers builds it")


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


_SCRIPT = """
import sys, os, json, time, warnings, logging
os.environ.update({"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"})
warnings.simplefilter("ignore"); logging.disable(logging.CRITICAL)
answers = os.fdopen(os.dup(1), "w"); os.dup2(2, 1)
import numpy as np, pandas as pd
def read(path):
    with np.load(path) as stored:
        return pd.DataFrame({k: stored[k] if k[0] == "n" else np.array(%r, object)[stored[k]] for k in stored.files})
reference, current = read(sys.argv[2]), read(sys.argv[3])
if sys.argv[1] == "nannyml":
    import nannyml as nml
    calculator = nml.UnivariateDriftCalculator(column_names=list(reference.columns),
        continuous_methods=["kolmogorov_smirnov", "jensen_shannon", "wasserstein"],
        categorical_methods=["chi2", "jensen_shannon"],
        chunk_size=len(current)).fit(reference)
    act = lambda: calculator.calculate(current)
else:
    from evidently import Report, Dataset, DataDefinition
    from evidently.presets import DataDriftPreset
    sides = [Dataset.from_pandas(f, data_definition=DataDefinition()) for f in (current, reference)]
    act = lambda: Report([DataDriftPreset()]).run(*sides)
print("ready", file=answers, flush=True)
for line in sys.stdin:
    began = time.perf_counter(); act(); print(time.perf_counter() - began, file=answers, flush=True)
"""


class _Peer:
    """A peer's own interpreter with both tables in memory; each line in measures once more."""

    def __init__(self, name: str, paths: list[Path]) -> None:
        python = PEERS / name / "bin" / "python"
        self.there = python.exists()
        if not self.there:
            return
        self._process = subprocess.Popen(
            [str(python), "-I", "-c", _SCRIPT % (TEXTS,), name, *map(str, paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"
        self.measure()

    def measure(self) -> float:
        """Seconds of one calculation."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        if self.there and self._process.stdin is not None:
            self._process.stdin.close()
            self._process.wait(30)
