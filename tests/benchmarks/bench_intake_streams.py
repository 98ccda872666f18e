"""Many streams that each send little, as it happens: what a batch costs the hub's writer, and what a stream costs on disk.

On disk as it comes, and after a daemon's rest; then also beyond the empty file and the specification, which all streams share.
Of a week of hours with an event each: ``--streams 40 --rounds 168``. ``sqlite_alone``: the same rows put in by bare statements.

``python tests/benchmarks/bench_intake_streams.py [--streams 2000] [--rounds 3] [--rows 1]``; ``--before SRC`` measures another
build's ``src`` beside this one, in turn, each in a process of its own.
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_HERE = Path(__file__).resolve()


def measure(streams: int, rounds: int, rows: int, group: int, hours: float) -> dict[str, float]:
    """Processor and wall time of a batch in ms, and bytes a stream and an event."""
    import numpy as np

    from pilothouse.domain.formats.wire import PredictionBatch, RequestTiming, code_texts, pack_timings
    from pilothouse.telemetry import TelemetryStore, VersionFacts
    from support import flight_batches as flights

    facts = VersionFacts(flights.specification())
    real = flights.flights().head(2_000)
    numeric, categorical = flights.columns_of(real)
    first_us = flights.NOW_US - 60 * 86_400_000_000
    wire = []
    for turn in range(rounds):
        for stream in range(streams):
            at = (np.arange(rows) + (stream * 7 + turn * 13)) % len(real)
            times = (
                first_us + np.int64(turn * hours * 3_600_000_000) + np.arange(rows, dtype=np.int64) * 1_000
            )
            wire.append(
                PredictionBatch(
                    producer=f"p{stream}",
                    sequence=turn,
                    target=f"t{stream % 200}",
                    model=f"m{stream // 200}",
                    version=1,
                    rows=rows,
                    event_times=times.astype("<i8").tobytes(),
                    scores=real["score"].to_numpy(np.float64)[at].tobytes(),
                    numeric={n: np.asarray(v, np.float64)[at].tobytes() for n, v in numeric.items()},
                    categorical={n: code_texts([v[i] for i in at]) for n, v in categorical.items()},
                    labels=code_texts([str(real["label"].iloc[i]) for i in at]),
                    requests=pack_timings([RequestTiming(rows, 5_000, int(times[0]), 0, 0)]),
                )
            )
    taken = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.db"
        store = TelemetryStore(path)
        empty = _pages(store) + len(facts.specification.to_bytes())
        for turn in range(rounds):
            of_turn = wire[turn * streams : (turn + 1) * streams]
            began, wall = time.process_time(), time.perf_counter()
            for i in range(0, streams, group):
                arrived = first_us + int(turn * hours * 3_600_000_000) + 1_000_000
                store.append_many(of_turn[i : i + group], lambda model, version: facts, arrived)
            taken.append((time.process_time() - began, time.perf_counter() - wall))
        floor = _bare(store, TelemetryStore(Path(folder) / "bare.db"), streams, group)
        while store.fold_windows():
            continue
        with store.transaction() as connection:
            connection.execute("SELECT 1")
        size, began = _pages(store), time.process_time()
        _rest(store)
        rested_s, at_rest = time.process_time() - began, _pages(store)
        store.close()
    last = taken[-1]
    return {
        "first_cpu_ms": round(1e3 * taken[0][0] / streams, 4),
        "cpu_ms": round(1e3 * last[0] / streams, 4),
        "sqlite_alone_cpu_ms": round(1e3 * floor / streams, 4),
        "wall_ms": round(1e3 * last[1] / streams, 4),
        "bytes_a_stream": round(size / streams),
        "bytes_an_event": round(size / (streams * rounds * rows), 1),
        "bytes_a_stream_at_rest": round(at_rest / streams),
        "bytes_an_event_at_rest": round(at_rest / (streams * rounds * rows), 1),
        "bytes_a_stream_at_rest_beyond_the_empty_file": round((at_rest - empty) / streams),
        "rest_cpu_ms_a_stream": round(1e3 * rested_s / streams, 2),
    }


def _bare(store: Any, bare: Any, streams: int, group: int) -> float:
    """Processor seconds of SQLite alone for the last round: its rows put into a file that holds those of the rounds before, one
    ``executemany`` a table and commit."""
    names = ("producers", "specifications", "streams", "clocks", "segments", "batches", "windows")
    with store.read() as connection:
        rows = {name: connection.execute(f"SELECT * FROM {name} ORDER BY 1").fetchall() for name in names}
    last = {
        "segments": rows["segments"][-streams:],
        "batches": rows["batches"][-streams:],
        "windows": sorted(rows["windows"], key=lambda row: row[2])[-streams:],  # by their start
    }

    def put(name: str, some: list[Any]) -> None:
        if some:
            connection.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(some[0]))})", some)

    with bare.transaction() as connection:
        for name in names:
            new = set(last.get(name, ()))
            put(name, [row for row in rows[name] if row not in new])
    began = time.process_time()
    for i in range(0, streams, group):
        with bare.transaction() as connection:
            some = rows["streams"][i : i + group]
            connection.executemany(
                "UPDATE streams SET last_event=last_event+1, last_arrival=last_arrival+1, rows=rows+1 WHERE id=?",
                [row[:1] for row in some],
            )
            connection.executemany(
                "UPDATE clocks SET event=event+1, arrived=arrived+1, moved=moved+1 WHERE model=? AND target=?",
                [row[:2] for row in rows["clocks"][i : i + group]],
            )
            for name, new_rows in last.items():
                put(name, new_rows[i : i + group])
    taken = time.process_time() - began
    bare.close()
    return taken


def _pages(store: Any) -> int:
    """Bytes of the file's pages that are in use."""
    with store.read() as connection:
        size, pages, free = (
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
    return int(size * (pages - free))


def _rest(store: Any) -> None:
    """Compact all streams, as a daemon does at rest, turn after turn; a build that does not stays as it is."""
    try:
        from pilothouse.operations.upkeep import compaction
    except ImportError:
        return
    while compaction.at_rest(SimpleNamespace(telemetry=store)):
        continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("streams", 2_000), ("rounds", 3), ("rows", 1), ("group", 256), ("turns", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--hours", type=float, default=1.0, help="hours of event time from round to round")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--here", action="store_true")
    given = parser.parse_args()
    if given.here:
        gc.set_threshold(20_000)  # as the command line does, and so the daemon
        print(json.dumps(measure(given.streams, given.rounds, given.rows, given.group, given.hours)))
        return
    builds = {"now": _HERE.parents[2] / "src"} | ({"before": given.before} if given.before else {})
    arguments = [f"--{n}={getattr(given, n)}" for n in ("streams", "rounds", "rows", "group", "hours")]
    for turn in range(given.turns):
        for name, source in builds.items():
            environment = {**os.environ, "PYTHONPATH": f"{source}:{_HERE.parents[1]}"}
            command = [sys.executable, str(_HERE), "--here", *arguments]
            found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            print(turn, name, found.stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
