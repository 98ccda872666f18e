"""Reading files: csv and parquet beside Arrow's own readers with the same types; outcomes of any number in bounded memory."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from bench import show

from pilothouse.domain.tables.table_form import MISSING_WORDS, ColumnKind, TableForm
from pilothouse.tables.reader import open_table

ROWS = 1_000_000
OUTCOMES = 20_000_000
NUMBERS = [f"x{i}" for i in range(8)]
KINDS = {
    **dict.fromkeys(NUMBERS, ColumnKind.NUMBER), "carrier": ColumnKind.TEXT, "zip": ColumnKind.TEXT, "at": ColumnKind.TIME,
}  # fmt: skip
TYPES = {
    **dict.fromkeys(NUMBERS, pa.float64()),
    "carrier": pa.string(),
    "zip": pa.string(),
    "at": pa.timestamp("us", "UTC"),
}
_READ_OUTCOMES = """
import sys, time
from pathlib import Path
from pilothouse.operations.ingest.prediction_files import read_outcomes
began, count = time.perf_counter(), 0
for outcomes, _ in read_outcomes(Path(sys.argv[1])):
    count += len(outcomes)
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]  # ru_maxrss is that of the parent before exec
print(count, time.perf_counter() - began, int(peak) / 1024)
"""


def run() -> None:
    """Each reader and its peer in turn, medians of nine; then twenty million outcomes."""
    with tempfile.TemporaryDirectory() as folder:
        table, files = rows(ROWS), Path(folder)
        pq.write_table(table, files / "rows.parquet")
        texts = table.set_column(table.column_names.index("at"), "at", table.column("at").cast(pa.string()))
        for name, quoting in (("plain", "none"), ("quoted", "needed")):
            path = files / f"{name}.csv"
            pyarrow.csv.write_csv(texts, path, pyarrow.csv.WriteOptions(quoting_style=quoting))
            beside(f"tables: {ROWS:,} rows of csv, {name}", path, lambda path=path: arrow_csv(path))
        beside(
            f"tables: {ROWS:,} rows of parquet",
            files / "rows.parquet",
            lambda: pq.read_table(files / "rows.parquet"),
        )
        outcomes_in_bounds(files / "outcomes.parquet")


def rows(number: int) -> pa.Table:
    """Eight numbers, two categories and a time."""
    draw = np.random.default_rng(0)
    columns: dict[str, object] = {name: draw.normal(size=number) for name in NUMBERS}
    columns["carrier"] = pa.array(np.array(["UA", "B6", "DL"])[draw.integers(0, 3, number)])
    columns["zip"] = pa.array([f"{code:05d}" for code in draw.integers(0, 100_000, number)])
    columns["at"] = pa.array(1_700_000_000_000_000 + np.arange(number) * 1_000_000).cast(TYPES["at"])
    return pa.table(columns)


def arrow_csv(path: Path) -> pa.Table:
    options = pyarrow.csv.ConvertOptions(
        column_types=TYPES, null_values=["", *MISSING_WORDS], strings_can_be_null=True
    )
    breaks = pyarrow.csv.ParseOptions(newlines_in_values=path.stem == "quoted")
    return pyarrow.csv.read_csv(path, convert_options=options, parse_options=breaks)


def beside(what: str, path: Path, peer: Callable[[], object]) -> None:
    form = TableForm(KINDS)
    ours, theirs = [], []
    for _ in range(9):
        for act, taken in ((lambda: open_table(path, form).read(), ours), (peer, theirs)):
            began, cpu = time.perf_counter(), time.process_time()
            act()
            taken.append((time.process_time() - cpu, time.perf_counter() - began))
    cpu, wall = (
        statistics.median(t[i] for t in ours) / statistics.median(t[i] for t in theirs) for i in (0, 1)
    )
    show(
        what,
        f"{statistics.median(t[1] for t in ours) * 1e3:.0f} ms",
        f"Arrow: {wall:.2f} × in wall time, {cpu:.2f} × in CPU",
    )


def outcomes_in_bounds(path: Path) -> None:
    with pq.ParquetWriter(path, pa.schema({"prediction_id": pa.string(), "outcome": pa.int64()})) as writer:
        for first in range(0, OUTCOMES, 1_000_000):
            ids = pa.array([f"order-{i}" for i in range(first, first + 1_000_000)])
            writer.write_table(
                pa.table({"prediction_id": ids, "outcome": pa.array(np.arange(1_000_000) % 2)})
            )
    done = subprocess.run(
        [sys.executable, "-c", _READ_OUTCOMES, str(path)], capture_output=True, text=True, check=True
    )
    count, seconds, megabytes = map(float, done.stdout.split())
    show(f"tables: {count:,.0f} outcomes of parquet", f"{seconds:.0f} s", f"{megabytes:.0f} MB at most")
