"""p50, p95 and p99 of each minute of a day with 10 million events stored, against DuckDB on a table of its own.

The same run shows that memory does not grow with what is taken in, and that a chart costs the same at 1 and 10 million.
DuckDB runs in an environment of its own: ``make .peers/duckdb/.done``; without it only our own figures are shown.
"""

import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench import show

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.formats.wire import PackedTimings, PredictionBatch, code_texts
from pilothouse.telemetry import TelemetryStore, VersionFacts
from support import flight_batches as flights

DUCKDB = Path(__file__).resolve().parents[2] / ".peers" / "duckdb" / "bin" / "python"
BATCH = 10_000
START_US = 1_788_480_000_000_000
MILLIONS = int(os.environ.get("BENCH_MILLIONS", "10"))


def run() -> None:
    """Figures at 1 million and at 10 million events."""
    with tempfile.TemporaryDirectory() as folder:
        small = stored(Path(folder) / "1.db", 1_000_000)
        large = stored(Path(folder) / "10.db", MILLIONS * 1_000_000)
        ours = _charts("1 million", small)
        ours = _charts(f"{MILLIONS} million", large)
        _error(large, MILLIONS * 1_000_000)
        small.close()
        large.close()
        if not DUCKDB.exists():
            show("percentiles: DuckDB", "not installed", "make .peers/duckdb/.done")
            return
        answer = subprocess.run(
            [str(DUCKDB), "-c", _PEER, str(MILLIONS * 1_000_000), str(Path(folder) / "duck.db")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        theirs = json.loads(answer.stdout)
        for name in ("exact", "approximate"):
            show(f"percentiles: DuckDB {theirs['version']}, {name}, {MILLIONS} million", f"{theirs[name] * 1e3:.1f} ms",
                 f"{theirs[name] / ours:.1f} × ours")  # fmt: skip


def _events(first: int, rows: int, total: int) -> tuple[np.ndarray, np.ndarray]:
    """Event times (evenly over the day) and latencies (µs) of some rows; DuckDB's are made by the same lines."""
    times = START_US + (np.arange(first, first + rows) * (DAY_US / total)).astype(np.int64)
    latencies = np.random.default_rng(first).lognormal(8.5, 0.7, rows).astype(np.int64) + 1
    return times, latencies


def stored(path: Path, total: int) -> TelemetryStore:
    """A store with so many events of one stream, evenly over a day, folded."""
    store, facts = TelemetryStore(path), VersionFacts(flights.specification())
    rows = flights.flights().iloc[:BATCH]
    numeric, categorical = flights.columns_of(rows)
    columns = {name: values.astype("<f8").tobytes() for name, values in numeric.items()}
    texts = {name: code_texts(values) for name, values in categorical.items()}
    labels = code_texts(rows["label"].tolist())
    scores = rows["score"].to_numpy("<f8").tobytes()
    one = np.ones(BATCH, "<i8").tobytes()
    began = time.perf_counter()
    memory = []
    for number in range(total // BATCH):
        times, latencies = _events(number * BATCH, BATCH, total)
        packed = times.tobytes()
        batch = PredictionBatch(
            "p", number, "ewr", "flight-delay", 1, BATCH, packed, scores, columns, texts, labels,
            PackedTimings(one, latencies.tobytes(), packed),
        )  # fmt: skip
        store.append(batch, lambda model, version: facts, START_US + 2 * DAY_US)
        if number % 20 == 19:
            while store.fold_windows():
                continue
        if (number + 1) % (total // BATCH // 10) == 0:
            memory.append(_resident_mb())
    taken = time.perf_counter() - began
    show(
        f"percentiles: {total / 1e6:g} million events taken in, one request each",
        f"{total / taken:,.0f} rows/s",
        f"{path.stat().st_size / total:.1f} B/row",
    )
    show(
        f"percentiles: memory at each tenth of {total / 1e6:g} million",
        f"{max(memory[1:]) - min(memory[1:])} MB range",
        " ".join(map(str, memory))
        + f" MB, peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB",
    )
    return store


def _resident_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def _charts(name: str, store: TelemetryStore) -> float:
    place = ("flight-delay", 1, "ewr")
    day = START_US, START_US + DAY_US
    minutes = _median(lambda: store.latencies(*place, 60, *day))
    found = store.latencies(*place, 60, *day)
    show(f"percentiles: p50, p95, p99 of {len(found.starts_us)} minutes, {name}", f"{minutes * 1e3:.1f} ms")
    hour = _median(lambda: store.latencies(*place, 60, day[1] - 3_600_000_000, day[1]))
    show(f"percentiles: the same of the last hour, {name}", f"{hour * 1e3:.2f} ms")
    hours = _median(lambda: store.windows(*place, 3_600, *day))
    show(f"percentiles: all columns' profiles of 24 hours, {name}", f"{hours * 1e3:.1f} ms")
    return minutes


def _median(act: Callable[[], object], repeats: int = 21) -> float:
    act()
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        act()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _error(store: TelemetryStore, total: int) -> None:
    """The worst relative error over some minutes against the exact nearest-rank percentiles."""
    parts = [_events(first, BATCH, total) for first in range(0, 20 * BATCH, BATCH)]
    times, latencies = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    found = store.latencies("flight-delay", 1, "ewr", 60, START_US, START_US + DAY_US)
    minutes = times - times % 60_000_000
    worst = 0.0
    for i, start in enumerate(found.starts_us[:20]):
        mine = np.sort(latencies[minutes == start])
        if len(mine) == found.requests[i]:
            exact = mine[np.ceil(np.array([0.5, 0.95, 0.99]) * len(mine)).astype(int) - 1] / 1e3
            worst = max(worst, float(np.abs(found.percentiles[i] / exact - 1).max()))
    show("percentiles: worst relative error", f"{worst:.2%}")


_PEER = f"""
import json, statistics, sys, time
import duckdb, numpy as np
total, path = int(sys.argv[1]), sys.argv[2]
connection = duckdb.connect(path)
connection.execute("SET enable_progress_bar = false")
connection.execute("CREATE TABLE events (event_us BIGINT, latency BIGINT)")
for first in range(0, total, {BATCH} * 20):
    parts = []
    for one in range(first, min(first + {BATCH} * 20, total), {BATCH}):
        at = {START_US} + (np.arange(one, one + {BATCH}) * ({DAY_US} / total)).astype(np.int64)
        parts.append((at, np.random.default_rng(one).lognormal(8.5, 0.7, {BATCH}).astype(np.int64) + 1))
    chunk = {{"event_us": np.concatenate([p[0] for p in parts]), "latency": np.concatenate([p[1] for p in parts])}}
    connection.execute("INSERT INTO events SELECT event_us, latency FROM chunk")
connection.execute("CHECKPOINT")
def median(query):
    taken = []
    for turn in range(6):
        began = time.perf_counter()
        rows = connection.execute(query).fetchall()
        if turn:
            taken.append(time.perf_counter() - began)
    assert len(rows) == 1440
    return statistics.median(taken)
query = "SELECT event_us // 60000000 AS m, WAY(latency, [0.5, 0.95, 0.99]) FROM events GROUP BY m ORDER BY m"
exact, approximate = (median(query.replace("WAY", way)) for way in ("quantile_disc", "approx_quantile"))
print(json.dumps({{"version": duckdb.__version__, "exact": exact, "approximate": approximate}}))
"""
