"""A log of many rows folded by one and by two confined processes, as ``pilothouse profile`` does: rows a second and memory.

``python tests/benchmarks/bench_logs.py [--rows 50000000] [--files 10] [--processes 1,2] [--folder DIR]`` writes the log (ten
numbers, two categories) into the folder where it is not there yet.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.monitoring.log_profiles import log_place
from pilothouse.execution.launcher_client import Launcher
from pilothouse.operations.monitoring.log_reading import LogReader
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification

NUMBERS, TEXTS, DAYS, GROUP = 10, 2, 30, 500_000
FIRST_US = 1_700_000_000_000_000
MODEL = f"""
name = "log"
task = "binary"
owner = "bench"
[data]
source = "rows.parquet"
target = "y"
timestamp = "event_time"
features = {[*(f"n{i}" for i in range(NUMBERS)), *(f"c{i}" for i in range(TEXTS))]}
categoricals = {[f"c{i}" for i in range(TEXTS)]}
[training]
estimator = "sklearn.linear_model.LogisticRegression"
[[targets]]
name = "here"
"""


def columns(
    rng: np.random.Generator, rows: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    numbers = {f"n{i}": rng.normal(0, 1, rows) for i in range(NUMBERS)}
    numbers = {name: np.round(of, 3) if i % 2 else of for i, (name, of) in enumerate(numbers.items())}
    texts = {f"c{i}": rng.integers(0, 20, rows).astype(str) for i in range(TEXTS)}
    return numbers, texts, np.round(rng.beta(2, 5, rows), 4)


def specification() -> ProfileSpecification:
    numbers, texts, scores = columns(np.random.default_rng(0), 50_000)
    return build_specification(
        "binary", numbers, {n: of.tolist() for n, of in texts.items()}, scores, ("0", "1")
    )


def write(folder: Path, rows: int, files: int) -> None:
    rng, each = np.random.default_rng(1), rows // files
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        path = folder / f"part-{number:03}.parquet"
        if path.exists():
            continue
        writer = None
        for first in range(0, each, GROUP):
            count = min(GROUP, each - first)
            numbers, texts, scores = columns(rng, count)
            at = FIRST_US + ((number * each + first + np.arange(count)) * (DAYS * DAY_US / rows)).astype(
                np.int64
            )
            table = pa.table(
                {"event_time": pa.array(at, pa.timestamp("us", "UTC")), "score": scores, **numbers, **texts}
            )
            writer = writer or pq.ParquetWriter(path.with_suffix(".new"), table.schema, compression="zstd")
            writer.write_table(table, row_group_size=GROUP)
        assert writer is not None
        writer.close()
        path.with_suffix(".new").rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000_000)
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as own, Launcher(isolation="warn") as launcher:
        folder = given.folder or Path(own) / "log"
        write(folder, given.rows, given.files)
        spec, of = load_spec(MODEL, "model.toml"), specification()
        digests = set()
        for processes in map(int, given.processes.split(",")):
            reader = LogReader(launcher, processes)
            began = time.perf_counter()
            log = reader.fold(log_place(str(folder)), spec, of, DAY_US, lambda _: None)
            taken = time.perf_counter() - began
            digests.add(log.profiles.to_bytes())
            print(
                f"{log.rows:,} rows of {log.bytes / 1e9:.1f} GB by {processes} processes: {taken:.0f} s, "
                f"{log.rows / taken:,.0f} rows/s, {log.peak_memory_mb:.0f} MB a process at most",
                flush=True,
            )
        if len(digests) > 1:
            sys.exit("the profiles differ")


if __name__ == "__main__":
    main()
