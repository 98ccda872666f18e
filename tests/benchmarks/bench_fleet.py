"""``make bench-fleet``: what a fleet costs, from ten deployments to 200,000: medians of CPU and wall milliseconds.

``PYTHONPATH=tests python tests/benchmarks/bench_fleet.py [--sizes 10,200,2000,20000,200000] [--only overview,status]
[--folder DIR] [--before SRC] [--results FILE] [--write]``. ``--folder`` keeps the workspaces for the next run. ``--before`` is
the folder ``src`` of an earlier release, whose overview is measured on workspaces that it has made itself. Results of several
runs gather in ``--results``; ``--write`` puts their table and chart into docs/performance.md.
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import bench_console
import bench_lists
import numpy as np
from bench import show

from pilothouse.composition import open_workspace
from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.formats.wire import PredictionBatch, RequestTiming
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.listing import Query
from pilothouse.operations.automation import monitoring_round
from pilothouse.operations.fleet import fleet, health
from pilothouse.operations.ingest import ingest
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits, doctor, workspaces
from pilothouse.store.deployed import fleet as fleet_store
from pilothouse.telemetry.windows import worklist
from support import fleet_workspace, raw_writes
from support.fleet_workspace import ADMIN, APPROVER, NOW, SCIENTIST, model_name, target_name

HERE = Path(__file__).resolve().parent
SHAPES = {10: (5, 2), 200: (20, 10), 2_000: (100, 20), 20_000: (200, 100), 200_000: (1_000, 200)}
"""Models and targets by the number of deployments."""
VERSIONS = {200_000: 100}
AUDIT = {200_000: 1_000_000}
CHANGED = 200
"""Streams that have changed when the monitor's round is measured."""
_BEFORE = """
import json, sys, time
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.operations.fleet import health
from pilothouse.operations.workspace import workspaces
services = open_workspace(Path(sys.argv[1]))
actor = workspaces.identify(services, "ada")
taken = []
for _ in range(int(sys.argv[2])):
    began, cpu = time.perf_counter(), time.process_time()
    health.overview(services, actor)
    taken.append(((time.process_time() - cpu) * 1e3, (time.perf_counter() - began) * 1e3))
print(json.dumps(sorted(taken)[len(taken) // 2]))
"""

Figure = tuple[float, float]
"""CPU and wall milliseconds."""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench_fleet")
    parser.add_argument("--sizes", default=",".join(map(str, SHAPES)))
    parser.add_argument(
        "--only", default=",".join((*READS, *PARTS)), help="comma-separated: " + ", ".join((*READS, *PARTS))
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--idle-seconds", type=float, default=60.0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args(arguments)
    raw_writes.allow()
    results: dict[str, dict[str, Any]] = {}
    if options.results and options.results.exists():
        results = json.loads(options.results.read_text())
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.2f} at the start")
    with tempfile.TemporaryDirectory() as folder:
        for size in map(int, options.sizes.split(",")) if options.sizes else ():
            root = workspace(options.folder or Path(folder), size)
            for name, taken in measures(root, size, options):
                results.setdefault(name, {})[str(size)] = taken
                show(f"fleet of {size:,}: {name}", _text(name, taken))
                if options.results:
                    options.results.write_text(json.dumps(results, indent=1))
            if options.before and "overview" in options.only.split(","):
                taken = before(options.before, options.folder or Path(folder), size)
                if taken is not None:
                    results.setdefault("overview, before", {})[str(size)] = taken
                    show(f"fleet of {size:,}: overview, before", _text("overview, before", taken))
                    if options.results:
                        options.results.write_text(json.dumps(results, indent=1))
    for line in growth(results):
        print(line)
    if options.write:
        put_into_page(results)


def workspace(folder: Path, size: int) -> Path:
    """The workspace of that many deployments, made where it is not there."""
    root = folder / f"w{size}"
    if not (root / "state" / "registry.db").exists():
        began = time.perf_counter()
        models, targets = SHAPES[size]
        fleet_workspace.build(
            root, models, targets, versions=VERSIONS.get(size, 3), audit=AUDIT.get(size, size * 5)
        )
        show(f"fleet of {size:,}: made", f"{time.perf_counter() - began:.0f} s")
    return root


def measures(root: Path, size: int, options: argparse.Namespace) -> Iterator[tuple[str, Figure]]:
    chosen = options.only.split(",")
    services = open_workspace(root)
    try:
        actor = workspaces.identify(services, ADMIN)
        for name, read in READS.items():
            if name in chosen:
                yield name, median(lambda: read(services, actor), options.repeats)  # noqa: B023 - called at once
        if "list" in chosen:
            yield from slowest_lists(services, actor)
        if "approval" in chosen:
            yield "approval", approval(services, size, options.repeats)
        if "round" in chosen:
            yield from rounds(services, size, options.repeats)
    finally:
        services.close()
    if "command" in chosen:
        yield "command", command(root, options.repeats)
    if "screen" in chosen:
        yield from screen(root, options.repeats)
    if "news" in chosen:
        yield "news", news(root, options.repeats)
    if "daemon" in chosen:
        yield "daemon", daemon(root, options.idle_seconds)


READS: dict[str, Callable[[Services, Actor], object]] = {
    "overview": health.overview,
    "fleet": lambda services, actor: fleet.fleet(services, actor, room=40),
    "tiles": health.watch,
    "status": lambda services, actor: (
        health.overview(services, actor),
        health.watch(services, actor),
        promotions.waiting_for(services, actor),
    ),
    "page": lambda services, actor: health.states_page(services, actor, Query(after=240)),
    "doctor": doctor.diagnose,
    "audit": audits.verify_chain,
}
"""Operations that read, by the name of their figure."""
PARTS = ("list", "approval", "round", "command", "screen", "news", "daemon")


def median(act: Callable[[], object], repeats: int) -> Figure:
    """Medians of ``repeats`` runs after one that is not counted; a run of seconds is not repeated."""
    taken = [_once(act)]
    if taken[0][1] < 3_000:
        taken = [_once(act) for _ in range(repeats)]
    return statistics.median(cpu for cpu, _ in taken), statistics.median(wall for _, wall in taken)


def _once(act: Callable[[], object]) -> Figure:
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return (time.process_time() - cpu) * 1e3, (time.perf_counter() - wall) * 1e3


def slowest_lists(services: Services, actor: Actor) -> Iterator[tuple[str, Figure]]:
    """The slowest filter and the slowest order of the deployments."""
    values = {
        "health": "degraded down x", "model": "model-00* *17", "target": "target-01* x", "live": "2 x", "serving": "remote x",
        "alert": "0 1", "since": "1* 9*", "why": "*drifted* x", "region": "us* x", "product": "bikes x", "unit": "ops x",
        "how": "rollback x", "by": "sam x", "reason": "*before* x",
    }  # fmt: skip
    texts = ["drifted", "model-0003", "zeppelin"]

    def page(query: Query) -> object:
        return health.states_page(services, actor, query)

    total = health.states_page(services, actor, Query(after=1)).total or 0
    for name, questions in (
        ("slowest filter", dict(bench_lists._filters(values, texts))),
        ("slowest order", dict(bench_lists._orders(fleet_store.STATES, total // 2))),
    ):
        taken = {words: median(lambda query=query: page(query), 1) for words, query in questions.items()}  # type: ignore[misc]
        slowest = max(taken, key=lambda words: taken[words])
        print(f"    {name} of {len(taken)}: {slowest}")
        yield name, taken[slowest]


def approval(services: Services, size: int, repeats: int) -> Figure:
    """The last approval of a request for one model on all its targets; each in turn for another model."""
    scientist, approver = workspaces.identify(services, SCIENTIST), workspaces.identify(services, APPROVER)
    models, _ = SHAPES[size]
    taken = []
    for number in range(min(models, repeats)):
        model = model_name(models - number)
        (live,) = {
            s.deployment.version for s in health.target_states(services, scientist, model) if s.deployment
        }
        wanted = live + 1 if live < VERSIONS.get(size, 3) else live - 1
        request = promotions.request_promotion(
            services, scientist, f"models:/{model}/{wanted}", reason="better"
        )
        taken.append(
            _once(lambda: promotions.approve(services, approver, request.id, request.evidence_digest, "seen"))  # noqa: B023 - as above
        )
    return statistics.median(cpu for cpu, _ in taken), statistics.median(wall for _, wall in taken)


def rounds(services: Services, size: int, repeats: int) -> Iterator[tuple[str, Figure]]:
    """The monitor's round with 200 changed streams: nothing due, and a day of traffic due for each."""
    _catch_up(services)
    keys = [
        (model_name(m), target_name(t))
        for m in range(1, SHAPES[size][0] + 1)
        for t in range(1, SHAPES[size][1] + 1)
    ]
    changed = keys[:: max(1, len(keys) // CHANGED)][:CHANGED]

    def put() -> None:
        with services.telemetry.transaction() as connection:
            worklist.put(connection, changed)

    def round_of(act: Callable[[], object]) -> Figure:
        act()
        return _once(lambda: monitoring_round.evaluate_windows(services))

    round_of(put)
    quiet = [round_of(put) for _ in range(repeats)]
    yield (
        "round, nothing due",
        (statistics.median(c for c, _ in quiet), statistics.median(w for _, w in quiet)),
    )
    services.telemetry.calibrated.clear()
    _send(services, changed, timedelta(hours=30))
    yield "round, windows due", round_of(lambda: None)


def _catch_up(services: Services) -> None:
    """Rounds until nothing is left to look at, as after a start."""
    for _ in range(10_000):
        monitoring_round.evaluate_windows(services)
        with services.telemetry.read() as connection:
            if not worklist.moved(connection, 1):
                return


def _send(services: Services, keys: list[tuple[str, str]], before_now: timedelta) -> None:
    """A batch of each of these deployments, its events at a time by which a window of traffic has come to its end."""
    at = to_us(NOW - before_now)
    rows = 40
    times = np.arange(at - rows, at, dtype="<i8").tobytes()
    numeric = {name: np.linspace(4, 20, rows).astype("<f8").tobytes() for name in ("wind", "hour")}
    scores = np.linspace(0.1, 0.7, rows).astype("<f8").tobytes()
    actor = workspaces.identify(services, ADMIN)
    live = {
        (state.model, state.target): state.deployment.version
        for model in sorted({model for model, _ in keys})
        for state in health.target_states(services, actor, model)
        if state.deployment
    }
    batches = [
        PredictionBatch(
            f"bench-{number}", 1 + int(time.time()), target, model, live[model, target], rows, times, scores, numeric,
            {"carrier": ["UA", "B6"] * (rows // 2)}, ["0", "1"] * (rows // 2), [RequestTiming(rows, 5_900, at)],
        )
        for number, (model, target) in enumerate(keys)
    ]  # fmt: skip
    ingest.ingest_batches(services, batches)


def command(root: Path, repeats: int) -> Figure:
    """``pilothouse status``, the whole process."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        before_cpu = _children_cpu_s()
        subprocess.run(
            [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root), "status"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )
        taken.append(((_children_cpu_s() - before_cpu) * 1e3, (time.perf_counter() - began) * 1e3))
    return statistics.median(cpu for cpu, _ in taken), statistics.median(wall for _, wall in taken)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def screen(root: Path, repeats: int) -> Iterator[tuple[str, Figure]]:
    """The console's first frame with the models on it, and a minimal app's, in turn."""
    ours, minimal = [], []
    for _ in range(repeats):
        for command_line, words, taken in (
            ([sys.executable, "-m", "pilothouse.cli.main", "-w", str(root)], b"model-0", ours),
            ([sys.executable, "-c", bench_console.MINIMAL], b"quit", minimal),
        ):
            cpu = _children_cpu_s()
            wall = bench_console._until_shown(command_line, words) * 1e3
            taken.append(((_children_cpu_s() - cpu) * 1e3, wall))
    for name, figures in (("first frame", ours), ("first frame of a minimal app", minimal)):
        yield name, (statistics.median(cpu for cpu, _ in figures), statistics.median(w for _, w in figures))


def news(root: Path, repeats: int) -> Figure:
    """From the commit of a change to the console's first byte about it; the CPU time is the console's."""
    waited, spent = [], []
    with _console(root) as (pid, read), _opened(root) as services:
        bench_console._wait_for(read, b"model-0", 60)
        bench_console._drain(read, 3.0)
        for number in range(repeats):
            with services.registry.transaction() as connection:
                row = connection.execute(
                    "SELECT id, alerts FROM deployment_states ORDER BY severity, id LIMIT 1"
                )
                state, alerts = row.fetchone()
                connection.execute(
                    "UPDATE deployment_states SET alerts = ?, why = ? WHERE id = ?",
                    (alerts, f"news {number}", state),
                )
                connection.execute(
                    "UPDATE model_states SET health = 'down', severity = 0, why = ? WHERE model_id = "
                    "(SELECT model_id FROM deployment_states WHERE id = ?)",
                    (f"news {number}", state),
                )
            cpu, began = bench_console._cpu_s(pid), time.perf_counter()
            if read(10.0):
                waited.append((time.perf_counter() - began) * 1e3)
            bench_console._drain(read, 2.0)
            spent.append((bench_console._cpu_s(pid) - cpu) * 1e3)
    with _opened(root) as services:
        fleet_workspace.write_states(services)
    return statistics.median(spent), statistics.median(waited or [math.nan])


@contextmanager
def _console(root: Path) -> Iterator[tuple[int, Callable[[float], bytes]]]:
    master, child = bench_console._start([sys.executable, "-m", "pilothouse.cli.main", "-w", str(root)])
    try:
        yield child.pid, lambda seconds: bench_console._read(master, seconds)
    finally:
        bench_console._end(master, child)


@contextmanager
def _opened(root: Path) -> Iterator[Services]:
    services = open_workspace(root)
    try:
        yield services
    finally:
        services.close()


def daemon(root: Path, seconds: float) -> Figure:
    """An idle daemon that serves no target here (they are served elsewhere): percent of a core, and resident MB. It has caught
    up beforehand, and its first examination is over."""
    with _opened(root) as services:
        _catch_up(services)
    child = subprocess.Popen(
        [sys.executable, "-m", "pilothouse.daemon.main", "--root", str(root), "--isolation", "warn", "--no-serving"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _until_quiet(child.pid)
        used, began = bench_console._cpu_s(child.pid), time.perf_counter()
        time.sleep(seconds)
        share = (bench_console._cpu_s(child.pid) - used) / (time.perf_counter() - began)
        return 100 * share, bench_console._memory_mb(child.pid)
    finally:
        child.terminate()
        child.wait()


def _until_quiet(pid: int) -> None:
    """Wait until the start, its round over all deployments and the first examination, a minute later, are over."""
    time.sleep(70)
    for _ in range(60):
        used = bench_console._cpu_s(pid)
        time.sleep(10)
        if bench_console._cpu_s(pid) - used < 0.6:
            return


def before(source: Path, folder: Path, size: int) -> Figure | None:
    """The overview of an earlier release, on a workspace that it has made itself; None where it takes over a minute."""
    root = folder / f"before{size}"
    environment = {**os.environ, "PYTHONPATH": f"{source}:{HERE.parent}"}
    try:
        if not (root / "made").exists():
            made = [sys.executable, "-m", "support.fleet_workspace", str(root), *map(str, SHAPES[size])]
            subprocess.run(made, env=environment, check=True, timeout=900)
            (root / "made").touch()
        told = subprocess.run(
            [sys.executable, "-c", _BEFORE, str(root), "3" if size < 20_000 else "1"],
            env=environment, capture_output=True, check=True, timeout=60,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        print(f"    the release before does not come to an end within a minute at {size:,}")
        return None
    cpu, wall = json.loads(told.stdout)
    return cpu, wall


def growth(results: dict[str, dict[str, Any]]) -> Iterator[str]:
    """Slope of each figure in logarithms: 1 grows as the fleet does, 0 not at all."""
    for name, by_size in results.items():
        slope = _slope(by_size)
        if slope is not None:
            yield f"{name:<40} grows as the fleet to the power of {slope:.2f}"


def _slope(by_size: dict[str, Any]) -> float | None:
    points = [(math.log(int(size)), math.log(max(taken[0], 1e-3))) for size, taken in by_size.items()]
    if len(points) < 2:
        return None
    return float(np.polyfit([x for x, _ in points], [y for _, y in points], 1)[0])


_BEGIN, _END = "<!-- bench_fleet -->", "<!-- end of bench_fleet -->"
_DRAWN = {"B": "overview, before", "o": "overview", "f": "fleet", "r": "round, nothing due", "t": "tiles"}


def put_into_page(results: dict[str, dict[str, Any]]) -> None:
    """Put the table and the chart between the marks in docs/performance.md."""
    page = HERE.parent.parent / "docs" / "performance.md"
    text = page.read_text()
    head, rest = text.split(_BEGIN)
    _, tail = rest.split(_END)
    page.write_text(f"{head}{_BEGIN}\n\n{table(results)}\n\n```\n{chart(results)}\n```\n\n{_END}{tail}")


def table(results: dict[str, dict[str, Any]]) -> str:
    """Rows of figures, columns of sizes."""
    sizes = sorted({int(size) for by_size in results.values() for size in by_size})
    lines = [
        f"| CPU ms, wall ms | {' | '.join(f'{size:,}' for size in sizes)} | growth |",
        "|---" * (len(sizes) + 2) + "|",
    ]
    for name, by_size in results.items():
        cells = [_text(name, by_size[str(size)]) if str(size) in by_size else "" for size in sizes]
        slope = _slope(by_size)
        lines.append(f"| {name} | {' | '.join(cells)} | {'' if slope is None else f'{slope:.2f}'} |")
    return "\n".join(lines)


def _text(name: str, taken: Any) -> str:
    first, second = taken
    if name == "daemon":
        return f"{first:.1f} %, {second:.0f} MB"
    return f"{_number(first)}, {_number(second)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def chart(results: dict[str, dict[str, Any]]) -> str:
    """CPU time by the size of the fleet, both in powers of ten; where two figures meet, the first is drawn."""
    rows = {exponent: [" "] * 61 for exponent in np.arange(6.0, -2.01, -0.5)}
    for mark, name in reversed(_DRAWN.items()):
        for size, taken in results.get(name, {}).items():
            column = round((math.log10(int(size)) - 1) * 60 / (math.log10(max(SHAPES)) - 1))
            rows[min(rows, key=lambda e: abs(e - math.log10(max(taken[0], 1e-2))))][column] = mark
    lines = [
        f"{_plain(exponent) if exponent == round(exponent) else '':>9} |{''.join(row)}".rstrip()
        for exponent, row in rows.items()
    ]
    axis = [" "] * 70
    for size in SHAPES:
        text = f"{size:,}"
        column = round((math.log10(size) - 1) * 60 / (math.log10(max(SHAPES)) - 1))
        axis[column : column + len(text)] = text
    legend = ", ".join(f"{mark} {name}" for mark, name in _DRAWN.items())
    return "\n".join(
        [
            "CPU ms",
            *lines,
            " " * 10 + "+" + "-" * 61,
            " " * 11 + "".join(axis).rstrip() + " deployments",
            legend,
        ]
    )


def _plain(exponent: float) -> str:
    return f"{10**exponent:,.0f}" if exponent >= 0 else f"{10**exponent:g}"


if __name__ == "__main__":
    main(sys.argv[1:])
