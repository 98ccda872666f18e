"""``make bench-scale``: how the views grow with what is on record, as fitted curves, into docs/performance.md.

``PYTHONPATH=tests python tests/benchmarks/bench_scale.py [--records 1000,10000,100000] [--events 1000000,10000000]
[--results FILE] [--write]``. *Records*: so many jobs and audit rows, half as many versions with their runs, a tenth as many
incidents and deployments that have ended. *Events*: predictions stored within a day, of the same 10,000 rows again and again,
so that their bytes are few. Each figure is the median of the CPU milliseconds; deployments, models and targets are the axis of
``bench_fleet.py``.
"""

import argparse
import contextlib
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bench_lists
import bench_percentiles
import numpy as np
from bench import show

from pilothouse.domain.formats.time_units import DAY_US
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.operations.workspace import audits, doctor
from support import example, many_rows, raw_writes

HERE = Path(__file__).resolve().parent
_BEGIN, _END = "<!-- bench_scale -->", "<!-- end of bench_scale -->"
_ROWS, _REPEATS, _GOAL_MS = 240, 5, 250.0
_ASKED = {"records": 1_000_000, "events": 100_000_000}
"""Sizes for which the curves answer where they were not measured."""
_PAGES = ("jobs", "versions", "incidents", "deployments", "audit")
Results = dict[str, dict[str, dict[str, float]]]
"""Figure by size, by name, by axis."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench_scale", description=__doc__)
    parser.add_argument("--records", default="1000,10000,100000")
    parser.add_argument("--events", default="1000000,10000000")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    raw_writes.allow()
    results: Results = {}
    if given.results and given.results.exists():
        results = json.loads(given.results.read_text())
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    for axis, sizes, measure in (
        ("records", given.records, of_records),
        ("events", given.events, of_events),
    ):
        for size in map(int, sizes.split(",")) if sizes else ():
            for name, value in measure(size):
                results.setdefault(axis, {}).setdefault(name, {})[str(size)] = value
                show(f"{size:,} {axis}: {name}", _text(name, value))
                if given.results:
                    given.results.write_text(json.dumps(results, indent=1))
    print(page(results))
    if given.write:
        put_into_page(results)


def of_records(size: int) -> Iterator[tuple[str, float]]:
    """Views of a registry with so many jobs and audit rows."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        root.mkdir()
        began = time.perf_counter()
        many_rows.build(root, jobs=size, versions=size // 2, alerts=size // 10, deployments=size // 10)
        with example.opened(root) as services:
            bench_lists.log_rows(services, size)
            show(f"{size:,} records: made", f"{time.perf_counter() - began:.0f} s")
            pat = example.person(services, "pat")
            for name, ask, _, _, texts in bench_lists.LISTS:
                if name not in _PAGES:
                    continue
                word = texts.split("|")[1]
                for what, query in (
                    ("first page", Query(after=_ROWS)),
                    (
                        "page in the middle",
                        Query(anchor=size // 20, before=_ROWS // 2, after=_ROWS // 2, count=False),
                    ),
                    ("a text in all columns", Query(filter=parse_filter(word), after=_ROWS)),
                ):
                    yield f"{name}: {what}", cpu_ms(lambda ask=ask, query=query: ask(services, pat, query))  # type: ignore[misc]
            yield "audit log verified (not a view)", cpu_ms(lambda: audits.verify_chain(services, pat), 1)
            yield "doctor (not a view)", cpu_ms(lambda: doctor.diagnose(services, pat), 1)
        yield "bytes a job", (root / "state" / "registry.db").stat().st_size / size


def of_events(size: int) -> Iterator[tuple[str, float]]:
    """Charts of a stream with so many events in one day."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "telemetry.db"
        began = time.process_time()
        with contextlib.closing(bench_percentiles.stored(path, size)) as store:
            taken = time.process_time() - began
            start, of = bench_percentiles.START_US, ("flight-delay", 1, "ewr")
            day = (start, start + DAY_US)
            yield "latencies of each minute of a day", cpu_ms(lambda: store.latencies(*of, 60, *day))
            yield "profiles of each hour of a day", cpu_ms(lambda: store.windows(*of, 3600, *day))
            yield "profile of the day", cpu_ms(lambda: store.windows(*of, 86_400, *day))
            yield "intake, ms of 10,000 events (not a view)", taken * 1e3 / (size / bench_percentiles.BATCH)
        yield "bytes an event, with profiles", path.stat().st_size / size


def cpu_ms(act: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Median CPU time in ms, after a run that is not counted; one of seconds is not repeated."""
    taken = []
    for _ in range(repeats + 1):
        began = time.process_time()
        act()
        taken.append((time.process_time() - began) * 1e3)
        if taken[-1] > 3_000:
            return taken[-1]
    return float(np.median(taken[1:]))


def fitted(by_size: dict[str, float]) -> float:
    """Exponent of the curve scale · sizeᵉ through the measured points, by least squares of the logarithms; 0 of one point."""
    points = [(math.log(int(size)), math.log(max(value, 1e-3))) for size, value in by_size.items()]
    return float(np.polyfit([x for x, _ in points], [y for _, y in points], 1)[0]) if len(points) > 1 else 0.0


def page(results: Results) -> str:
    """A table for each axis: figures by size, the exponent of the curve, and the size asked for: measured, or from the last
    figure on by this exponent or by that of the last two figures, the larger."""
    parts = []
    for axis, named in results.items():
        sizes = sorted({int(size) for by_size in named.values() for size in by_size})
        asked = _ASKED[axis]
        head = [f"{size:,}" for size in sizes] + ["growth", f"at {asked:,}"]
        lines = [f"| CPU ms by {axis} | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
        for name, by_size in named.items():
            cells = [_text(name, by_size[str(size)]) if str(size) in by_size else "" for size in sizes]
            if name.startswith("bytes"):  # what does not depend on the size alone is not drawn on
                lines.append(f"| {name} | {' | '.join(cells)} | | |")
                continue
            exponent = fitted(by_size)
            last = max(map(int, by_size))
            rise = max(exponent, fitted(dict(sorted(by_size.items(), key=lambda one: int(one[0]))[-2:])))
            far = by_size.get(str(asked))
            beyond = by_size[str(last)] * (asked / last) ** rise if far is None else far
            mark = " **over**" if is_view(name) and beyond > _GOAL_MS else ""
            cells += [f"{exponent:.2f}", ("≈ " if far is None else "") + _text(name, beyond) + mark]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def is_view(name: str) -> bool:
    """True for what an operator waits for."""
    return "not a view" not in name and not name.startswith("bytes")


def _text(name: str, value: float) -> str:
    if name.startswith("bytes"):
        return f"{value:,.0f} B"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def put_into_page(results: Results) -> None:
    """Put the tables between the marks in docs/performance.md."""
    path = HERE.parent.parent / "docs" / "performance.md"
    text = path.read_text()
    head, rest = text.split(_BEGIN)
    _, tail = rest.split(_END)
    path.write_text(f"{head}{_BEGIN}\n\n{page(results)}\n\n{_END}{tail}")


if __name__ == "__main__":
    main()
