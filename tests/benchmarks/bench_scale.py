"""``make bench-scale``: how the views grow with what is on record, as fitted curves, into docs/performance.md.

``PYTHONPATH=tests python tests/benchmarks/bench_scale.py [--records 10000,100000,1000000] [--events 1000000,10000000,100000000]
[--folder DIR] [--results FILE] [--write]``. *Records*: so many jobs, versions with their runs and audit rows, a tenth as many
incidents and deployments that have ended. *Events*: predictions stored within a day, of the same 10,000 rows again and again,
so that their bytes are few. ``--folder`` keeps what was made for the next run. Each figure is the median of the CPU
milliseconds; deployments, models and targets are the axis of ``bench_fleet.py``.
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
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.operations.fleet import health
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import retention
from pilothouse.operations.workspace import audits, doctor
from pilothouse.telemetry import TelemetryStore
from support import example, many_rows, raw_writes

HERE = Path(__file__).resolve().parent
_BEGIN, _END = "<!-- bench_scale -->", "<!-- end of bench_scale -->"
_ROWS, _REPEATS, _GOAL_MS = 240, 5, 250.0
_ASKED = {"records": 1_000_000, "events": 1_000_000_000}
"""Sizes for which the curves answer where they were not measured."""
_PAGES = ("jobs", "versions", "incidents", "deployments", "audit")
Results = dict[str, dict[str, dict[str, float]]]
"""Figure by size, by name, by axis."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench_scale", description=__doc__)
    parser.add_argument("--records", default="10000,100000,1000000")
    parser.add_argument("--events", default="1000000,10000000,100000000")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    raw_writes.allow()
    results: Results = {}
    if given.results and given.results.exists():
        results = json.loads(given.results.read_text())
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as passing:
        folder = given.folder or Path(passing)
        for axis, sizes, measure in (
            ("records", given.records, of_records),
            ("events", given.events, of_events),
        ):
            for size in map(int, sizes.split(",")) if sizes else ():
                for name, value in measure(size, folder):
                    results.setdefault(axis, {}).setdefault(name, {})[str(size)] = value
                    show(f"{size:,} {axis}: {name}", _text(name, value))
                    if given.results:
                        given.results.write_text(json.dumps(results, indent=1))
    print(page(results))
    if given.write:
        put_into_page(results)


def of_records(size: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Views of a registry with so many jobs, versions and audit rows."""
    root = folder / f"records{size}"
    if not root.exists():
        began = time.perf_counter()
        root.mkdir()
        many_rows.build(root, jobs=size, versions=size, alerts=size // 10, deployments=size // 10)
        with example.opened(root) as services:
            bench_lists.log_rows(services, size)
        show(f"{size:,} records: made", f"{time.perf_counter() - began:.0f} s")
    with example.opened(root) as services:
        pat, olga = example.person(services, "pat"), example.person(services, "olga")
        for name, ask, _, _, texts in bench_lists.LISTS:
            if name not in _PAGES:
                continue
            for what, query in (
                ("first page", Query(after=_ROWS)),
                ("page in the middle", Query(anchor=size // 20, before=_ROWS // 2, after=_ROWS // 2)),
                ("a text that most have", Query(filter=parse_filter(texts.split("|")[0]), after=_ROWS)),
                ("a text that few have", Query(filter=parse_filter(texts.split("|")[1]), after=_ROWS)),
                ("only unhealthy", Query(unhealthy=True, after=_ROWS)),
            ):
                yield f"{name}: {what}", cpu_ms(lambda ask=ask, query=query: ask(services, pat, query))  # type: ignore[misc]
        yield "overview, tiles and what waits", cpu_ms(lambda: _status(services, pat))
        yield "audit show --text, not found", cpu_ms(lambda: audits.show(services, pat, text="zeppelin"))
        yield "retention, what it would delete", cpu_ms(lambda: retention.preview(services, olga))
        yield "audit log verified (not a view)", cpu_ms(lambda: audits.verify_chain(services, pat), 1)
        yield "doctor (not a view)", cpu_ms(lambda: doctor.diagnose(services, pat), 1)
        yield (
            "rows compared with the log (not a view)",
            cpu_ms(lambda: audits.differing_rows(services, pat), 1),
        )
    yield "bytes a job with its run and version", (root / "state" / "registry.db").stat().st_size / size


def _status(services: Services, actor: Actor) -> None:
    health.overview(services, actor)
    health.watch(services, actor)
    promotions.waiting_for(services, actor)


def of_events(size: int, folder: Path) -> Iterator[tuple[str, float]]:
    """Charts of a stream with so many events in one day."""
    path = folder / f"events{size}.db"
    began = time.process_time()
    is_new = not path.exists()
    with contextlib.closing(
        bench_percentiles.stored(path, size) if is_new else TelemetryStore(path)
    ) as store:
        taken = time.process_time() - began
        start, of = bench_percentiles.START_US, ("flight-delay", 1, "ewr")
        day = (start, start + DAY_US)
        yield "latencies of each minute of a day", cpu_ms(lambda: store.latencies(*of, 60, *day))
        yield "profiles of each hour of a day", cpu_ms(lambda: store.windows(*of, 3600, *day))
        yield "profile of the day", cpu_ms(lambda: store.windows(*of, 86_400, *day))
        if is_new:
            yield (
                "intake, ms of 10,000 events (not a view)",
                taken * 1e3 / (size / bench_percentiles.BATCH),
            )
    yield "bytes an event, with profiles", path.stat().st_size / size


def cpu_ms(act: Callable[[], object], repeats: int = _REPEATS) -> float:
    """Median CPU time in ms, after a run that is not counted; what is asked once, or takes seconds, is not repeated."""
    taken = []
    for _ in range(repeats + 1):
        began = time.process_time()
        act()
        taken.append((time.process_time() - began) * 1e3)
        if taken[-1] > 3_000 or repeats == 1:
            return taken[-1]
    return float(np.median(taken[1:]))


def fitted(by_size: dict[str, float]) -> float:
    """Exponent of the curve scale · sizeᵉ through the measured points, by least squares of the logarithms; 0 of one point."""
    points = [(math.log(int(size)), math.log(max(value, 1e-3))) for size, value in by_size.items()]
    return float(np.polyfit([x for x, _ in points], [y for _, y in points], 1)[0]) if len(points) > 1 else 0.0


def page(results: Results) -> str:
    """A table for each axis: figures by size, the exponent of the curve, and the size asked for where it was not measured: from
    the last figure on by this exponent or by that of the last two figures, the larger."""
    parts = []
    for axis, named in results.items():
        sizes = sorted({int(size) for by_size in named.values() for size in by_size})
        asked = _ASKED[axis]
        is_measured = asked in sizes
        head = [*(f"{size:,}" for size in sizes), "growth", *([] if is_measured else [f"at {asked:,}"])]
        lines = [f"| CPU ms by {axis} | {' | '.join(head)} |", "|---" * (len(head) + 1) + "|"]
        for name, by_size in named.items():
            cells = [_text(name, by_size[str(size)]) if str(size) in by_size else "" for size in sizes]
            far = _beyond(by_size, asked)
            mark = " **over**" if is_view(name) and far > _GOAL_MS else ""
            if is_measured:
                cells[-1] = (cells[-1] or f"≈ {_text(name, far)}") + mark
            # what does not depend on the size alone is not drawn on
            rest = [
                f"{fitted(by_size):.2f}",
                *([] if is_measured else [f"≈ {_text(name, far)}{mark}"]),
            ]
            cells += [""] * len(rest) if name.startswith("bytes") else rest
            lines.append(f"| {name} | {' | '.join(cells)} |")
        parts.append("\n".join(lines))
        if axis == "records":
            parts.append(f"```\n{chart(named)}\n```")
    return "\n\n".join(parts)


def _beyond(by_size: dict[str, float], asked: int) -> float:
    """Figure at a size: measured, or drawn on."""
    if str(asked) in by_size:
        return by_size[str(asked)]
    last = max(map(int, by_size))
    rise = max(fitted(by_size), fitted(dict(sorted(by_size.items(), key=lambda one: int(one[0]))[-2:])))
    return by_size[str(last)] * (asked / last) ** rise


_DRAWN = {
    "a": "audit: a text that few have",
    "j": "jobs: a text that most have",
    "p": "jobs: page in the middle",
    "v": "audit log verified (not a view)",
    "d": "doctor (not a view)",
    "r": "rows compared with the log (not a view)",
}


def chart(named: dict[str, dict[str, float]]) -> str:
    """CPU time by the number of records, both in powers of ten; where two figures meet, the first is drawn."""
    sizes = sorted({int(size) for by_size in named.values() for size in by_size})
    span = math.log10(sizes[-1] / sizes[0]) or 1.0
    rows = {half / 2: [" "] * 61 for half in range(10, -2, -1)}
    for mark, name in reversed(_DRAWN.items()):
        for size, value in named.get(name, {}).items():
            at = min(max(round(2 * math.log10(max(value, 0.1))) / 2, -0.5), 5.0)
            rows[at][round(60 * math.log10(int(size) / sizes[0]) / span)] = mark
    lines = [
        f"{f'{10**exponent:,.0f}' if exponent == int(exponent) else '':>9} |{''.join(row)}"
        for exponent, row in rows.items()
    ]
    feet = [" "] * 75
    for size in sizes:
        at = 11 + round(60 * math.log10(size / sizes[0]) / span)
        feet[at : at + len(f"{size:,}")] = f"{size:,}"
    names = ", ".join(f"{mark} {name.removesuffix(' (not a view)')}" for mark, name in _DRAWN.items())
    return "\n".join(
        [
            "CPU ms",
            *(line.rstrip() for line in lines),
            f"{'+':>11}" + "-" * 61,
            "".join(feet).rstrip() + " records",
            names,
        ]
    )


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
