"""Taking predictions in, with roll-ups in the same transaction, against the same rows in a plain table.

All ways are as durable: write-ahead log, ``synchronous=FULL``, one fsync a commit.
"""

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pandas as pd
from bench import show
from sqlite_utils import Database

from pilothouse.domain.formats.wire import Outcome, PredictionBatch, code_texts, pack_timings
from pilothouse.operations.upkeep import compaction
from pilothouse.sqlite import driver
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.telemetry import TelemetryStore, VersionFacts
from pilothouse.telemetry.rows import retention
from support import flight_batches as flights

ROWS = 20_000
REPEATS = 5
NAMES = [*flights.NUMERIC, *flights.CATEGORICAL, "at_us", "score", "label", "latency_us", "version", "id"]


def run() -> None:
    """Rows a second and bytes a row, each way into a file of its own, all ways in turn several times over."""
    facts = VersionFacts(flights.specification())
    real = flights.flights().head(ROWS)
    live = real.assign(at_us=int(real["at_us"].iloc[0]) + np.arange(ROWS) * 1_000)
    noise, noise_facts = _noise(live)
    records = _records(live)
    tuples = [tuple(record.values()) for record in records]
    ways: dict[str, Callable[[Path], Callable[[], None]]] = {
        "sqlite-utils insert_all, 1,000 at a time, an index, no roll-ups": lambda p: _insert_all(p, records),
        "executemany, 1,000 at a time, an index, no roll-ups": lambda p: _executemany(p, tuples),
    }
    made: list[float] = []
    for rows, name in ((live, "1,000 events a second"), (real, "as they flew, 14 an hour")):
        for size, group in ((17, 1), (17, 256), (1_000, 1), (1_000, 10), (10_000, 1)):
            batches = [packed_batch(rows.iloc[i : i + size], i) for i in range(0, ROWS, size)]
            words = f"batches of {size:,}, {group} a commit; {name}"
            ways[words] = lambda p, batches=batches, group=group: _ours(p, batches, group, facts)
    batches = [packed_batch(noise.iloc[i : i + 1_000], i) for i in range(0, ROWS, 1_000)]
    for group in (1, 10):
        words = f"batches of 1,000, {group} a commit; 1,000 events a second, all numbers random"
        ways[words] = lambda p, group=group: _ours(p, batches, group, noise_facts)
    taken: dict[str, list[float]] = {name: [] for name in ways}
    width: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(REPEATS + 1):
            for number, (name, act) in enumerate(ways.items()):
                path = Path(folder) / f"{turn}-{number}.db"
                began = time.perf_counter()
                ingest = act(path)
                made += [time.perf_counter() - began] if number > 1 and turn else []
                os.sync()  # what the way before left to be written is not this one's
                opened = time.perf_counter()
                ingest()
                if turn:
                    taken[name].append(time.perf_counter() - opened)
                width[name] = path.stat().st_size / ROWS
                path.unlink()
        median = {name: statistics.median(times) for name, times in taken.items()}
        plain, bare = list(median.values())[:2]
        for name, seconds in median.items():
            show(f"ingest: {name}", f"{ROWS / seconds:,.0f} rows/s", f"{width[name]:.0f} B/row, "
                 f"{plain / seconds:.2f} × insert_all, {bare / seconds:.2f} × executemany")  # fmt: skip
        show(
            "ingest: a store is made, once",
            f"{statistics.median(made) * 1e3:.0f} ms",
            "not in the figures above",
        )
        _at_rest(Path(folder), real, facts)
        _readers(Path(folder), live, facts)
        _outcomes(Path(folder), real, facts)


def _noise(rows: pd.DataFrame) -> tuple[pd.DataFrame, VersionFacts]:
    """The worst case: no number comes twice, none can be compressed, and all bins of a window fill up."""
    rng = np.random.default_rng(0)
    noise = rows.assign(score=rng.random(ROWS), **{name: rng.normal(size=ROWS) for name in flights.NUMERIC})
    columns = flights.columns_of(noise)
    return noise, VersionFacts(build_specification("binary", *columns, noise["score"].to_numpy(), ("0", "1")))


def packed_batch(rows: object, sequence: int, **options: object) -> PredictionBatch:
    """A batch as a serving process ships it."""
    plain = flights.batch_of(rows, sequence, **options)  # type: ignore[arg-type]
    return dataclasses.replace(
        plain,
        categorical={name: code_texts(list(texts)) for name, texts in plain.categorical.items()},
        labels=code_texts(list(plain.labels)),
        requests=pack_timings(list(plain.requests)),
    )


def _records(rows: object) -> list[dict[str, object]]:
    table = rows.assign(  # type: ignore[attr-defined]
        latency_us=5_000, version=1, id=[f"ewr-1.{i // 1_000}.{i % 1_000}" for i in range(ROWS)]
    )
    found: list[dict[str, object]] = table[NAMES].to_dict("records")
    return found


def _ours(path: Path, batches: list[PredictionBatch], group: int, facts: VersionFacts) -> Callable[[], None]:
    store = TelemetryStore(path)

    def ingest() -> None:
        for i in range(0, len(batches), group):
            store.append_many(batches[i : i + group], lambda model, version: facts, flights.NOW_US)
        while store.fold_windows():
            continue
        store.close()

    return ingest


def _at_rest(folder: Path, rows: pd.DataFrame, facts: VersionFacts) -> None:
    """Bytes of sparse events as they come, and after the daemon's rest; an empty file's are named."""
    path = folder / "rest.db"
    TelemetryStore(path).close()
    empty = path.stat().st_size
    _ours(path, [packed_batch(rows.iloc[i : i + 1_000], i) for i in range(0, ROWS, 1_000)], 1, facts)()
    came = path.stat().st_size
    store = TelemetryStore(path)
    compaction.compact(SimpleNamespace(telemetry=store), [1])  # type: ignore[arg-type]
    freed = 1
    while freed:
        with store.transaction() as connection:
            freed = retention.give_back_pages(connection)
    store.close()
    show(
        "ingest: batches of 1,000, 1 a commit; as they flew, 14 an hour; at rest",
        f"{path.stat().st_size / ROWS:.0f} B/row, before {came / ROWS:.0f} B/row",
        f"of these an empty file {empty / ROWS:.0f} B/row",
    )


def _insert_all(path: Path, records: list[dict[str, object]]) -> Callable[[], None]:
    database = Database(path)
    database.conn.execute("PRAGMA journal_mode=WAL")
    database.conn.execute("PRAGMA synchronous=FULL")

    def ingest() -> None:
        for i in range(0, len(records), 1_000):
            database.table("events").insert_all(records[i : i + 1_000])
            database.table("events").create_index(["at_us"], if_not_exists=True)
        database.close()

    return ingest


def _executemany(path: Path, rows: list[tuple[object, ...]]) -> Callable[[], None]:
    connection = driver.connect(str(path))
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(f"CREATE TABLE events ({', '.join(NAMES)})")
    connection.execute("CREATE INDEX events_at ON events (at_us)")

    def ingest() -> None:
        for i in range(0, len(rows), 1_000):
            with connection:
                connection.executemany(
                    f"INSERT INTO events VALUES ({','.join('?' * len(NAMES))})", rows[i : i + 1_000]
                )
        connection.close()

    return ingest


_READER = """
import sys, time
from pathlib import Path
from pilothouse.telemetry import TelemetryStore
store = TelemetryStore(Path(sys.argv[1]))
print("ready", flush=True)
while True:
    store.latencies("flight-delay", 1, "ewr", 60, 0, 1 << 62)
    store.windows("flight-delay", 1, "ewr", 3600, 0, 1 << 62)
    time.sleep(0.1)
"""


def _readers(folder: Path, live: object, facts: VersionFacts) -> None:
    """What two other processes cost that look at the newest windows ten times a second."""
    batches = [packed_batch(live.iloc[i : i + 1_000], i) for i in range(0, ROWS, 1_000)]  # type: ignore[attr-defined]
    alone, watched = [], []
    for turn in range(2 * REPEATS):
        path = folder / f"read-{turn}.db"
        store = TelemetryStore(path)
        readers = []
        if turn % 2:
            for _ in range(2):
                reader = subprocess.Popen([sys.executable, "-c", _READER, str(path)], stdout=subprocess.PIPE)
                assert reader.stdout is not None
                reader.stdout.readline()
                readers.append(reader)
        began = time.perf_counter()
        for again in range(20):
            for i, batch in enumerate(batches):
                one = dataclasses.replace(batch, sequence=again * 1_000 + i)
                store.append(one, lambda model, version: facts, flights.NOW_US)
        (watched if turn % 2 else alone).append(time.perf_counter() - began)
        for reader in readers:
            reader.kill()
            reader.wait()
            assert reader.stdout is not None
            reader.stdout.close()
        store.close()
    cost = statistics.median(watched) / statistics.median(alone) - 1
    show("ingest: what two readers at 10 Hz cost, batches of 1,000", f"{cost:+.1%}")


def _outcomes(folder: Path, rows: object, facts: VersionFacts) -> None:
    store = TelemetryStore(folder / "outcomes.db")
    ids: list[Outcome] = []
    for i in range(0, ROWS, 17):
        part = rows.iloc[i : i + 17]  # type: ignore[attr-defined]
        store.append(packed_batch(part, i), lambda model, version: facts, flights.NOW_US)
        ids += [Outcome(f"ewr-1.{i}.{k}", str(late)) for k, late in enumerate(part["late"])]
    size = len(msgspec.msgpack.encode(ids))
    taken = []
    for i in range(0, len(ids), 4_000):
        began = time.perf_counter()
        store.add_outcomes(ids[i : i + 4_000], flights.NOW_US)
        taken.append(time.perf_counter() - began)
    show(
        "outcomes: 4,000 at a time, over batches of 17",
        f"{4_000 / statistics.median(taken):,.0f} rows/s",
        f"{size / ROWS:.0f} B/row on the wire",
    )
    store.close()
