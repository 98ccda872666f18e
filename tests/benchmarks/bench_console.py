"""The console in a terminal: first frame, long lists, keys, what is sent while nothing changes, twenty at a time."""

import asyncio
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bench import show

from pilothouse.domain.formats.time_units import to_us
from pilothouse.domain.listing import Query, parse_filter
from pilothouse.domain.monitoring.findings import ClosedWindow, PerformanceFinding, Window
from pilothouse.operations import listings
from pilothouse.operations.jobs import trainings
from pilothouse.telemetry.intake.streams import find_stream
from pilothouse.telemetry.windows import readings
from support import example, many_rows

MINIMAL = (
    "from textual.app import App\n"
    "from textual.widgets import Static\n"
    "class A(App):\n"
    "    def compose(self):\n"
    "        yield Static('quit me')\n"
    "A().run()\n"
)
ONE_WORD = (
    "from textual.app import App\n"
    "from textual.widgets import Static\n"
    "class A(App):\n"
    "    n = 0\n"
    "    def compose(self):\n"
    "        yield Static('word')\n"
    "    def on_key(self):\n"
    "        self.n += 1\n"
    "        self.query_one(Static).update(f'word {self.n}')\n"
    "A().run()\n"
)
DATA_TABLE = """
import asyncio, time, sys
from textual.app import App
from textual.widgets import DataTable
class A(App):
    def compose(self):
        yield DataTable()
async def main():
    async with A().run_test(size=(120, 40)) as pilot:
        table = pilot.app.query_one(DataTable)
        began = time.perf_counter()
        for name in ("JOB", "KIND", "MODEL", "STATUS", "PROGRESS", "STEP", "BY", "TOOK", "MADE", "WHAT"):
            table.add_column(name)
        table.add_rows([str(i), "train", "flight-delay", "succeeded", "100%", "fit", "sam", "38s", "1d ago", f"retraining {i}"]
                       for i in range(100_000))
        await pilot.pause()
        print(time.perf_counter() - began)
asyncio.run(main())
"""
JOBS = 100_000


def run() -> None:
    """Every figure with what it is held against, from one run."""
    import compileall

    compileall.compile_dir(Path(example.__file__).parents[2] / "src", quiet=1)  # as an installed package is
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        root.mkdir()
        many_rows.build(root, jobs=JOBS, versions=10_000)
        example.start_daemon(root)
        _first_frame(root)
        _long_list(root)
        _in_sql(root)
        _keys(root)
        _quiet_and_quick(root)
        _many(root, 20)


def console(root: Path, *view: str) -> list[str]:
    """The command that opens a console on a workspace as ``pat``."""
    code = (
        "import sys; from pathlib import Path; from pilothouse.console.launch import launch; "
        "from pilothouse.console.session.options import ConsoleOptions; start = ' '.join(sys.argv[2:]) or 'overview'; "
        "sys.exit(launch(Path(sys.argv[1]), ConsoleOptions(user='ada', as_name='pat', start=start, lean=False)))"
    )
    return [sys.executable, "-c", code, str(root), *view]


def _first_frame(root: Path) -> None:
    ours, minimal = [], []
    command = [sys.executable, "-m", "pilothouse.cli.main", "-w", str(root), "--as", "pat"]
    for _ in range(9):
        ours.append(_until_shown(command, b"quit"))
        minimal.append(_until_shown([sys.executable, "-c", MINIMAL], b"quit"))
    a, b = statistics.median(ours), statistics.median(minimal)
    show("console: first frame, 10,000 versions", f"{a * 1000:.0f} ms", f"{a / b:.2f}× a minimal app")
    show("console: a minimal Textual app", f"{b * 1000:.0f} ms")


def _long_list(root: Path) -> None:
    theirs = float(subprocess.run([sys.executable, "-c", DATA_TABLE], capture_output=True, check=True).stdout)
    opened, top, deep = asyncio.run(_open_and_scroll(root))
    show(
        f"console: open {JOBS:,} jobs",
        f"{opened * 1000:.0f} ms",
        f"DataTable {theirs:.1f} s: {theirs / opened:.0f}×",
    )
    show("console: a page down, at the top", f"{top * 1000:.1f} ms")
    show("console: a page down, in the middle", f"{deep * 1000:.1f} ms", f"{deep / top:.2f}× the top")


async def _open_and_scroll(root: Path) -> tuple[float, float, float]:
    from pilothouse.console.app import Console
    from pilothouse.console.screenshots import settle
    from pilothouse.console.session.options import ConsoleOptions
    from pilothouse.console.widgets.grid import Grid

    def opener() -> object:
        from pilothouse.composition import open_workspace

        return open_workspace(root)

    app = Console(opener, ConsoleOptions(user="ada", as_name="pat", start="models"), watching=False)  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        opened = []
        for name in ("5", "2", "5", "2", "5"):
            began = time.perf_counter()
            await pilot.press(name)
            while not (app.view.settled and app.view.query_one(Grid).shown):
                await asyncio.sleep(0)
            if name == "5":
                opened.append(time.perf_counter() - began)

        async def pages(count: int) -> float:
            taken = []
            for _ in range(count):
                began = time.perf_counter()
                await pilot.press("pagedown")
                taken.append(time.perf_counter() - began)
            return statistics.median(taken)

        top = await pages(30)
        grid = app.view.query_one(Grid)
        for _ in range(40):
            app.view.query_of_list = replace(app.view.query_of_list, anchor=JOBS // 2, before=120, after=120)  # type: ignore[attr-defined]
            app.view.invalidate()
            await settle(pilot)
            if grid._first > 10_000:
                break
        grid._go(120)
        deep = await pages(30)
        if app.session.services:
            app.session.services.close()
    return opened[0], top, deep


def _in_sql(root: Path) -> None:
    with example.opened(root) as services:
        pat = example.person(services, "pat")
        cases = {
            "sort by status": Query(sort="status", after=240),
            "sort by duration, falling": Query(sort="took", descending=True, after=240),
            "sort by model": Query(sort="model", after=240),
            "filter by=sam status=failed": Query(filter=parse_filter("by=sam status=failed"), after=240),
            "filter text that few rows hold": Query(filter=parse_filter("retraining 99123"), after=240),
            "filter text that no row holds": Query(filter=parse_filter("zeppelin"), after=240),
            "filter text that most rows hold": Query(filter=parse_filter("nightly"), after=240),
            "filter -f rtrnng, sort by duration": Query(
                filter=parse_filter("-f rtrnng"), sort="took", after=240
            ),
            "only unhealthy": Query(unhealthy=True, after=240),
        }
        for name, query in cases.items():
            taken = []
            for _ in range(9):
                began = time.perf_counter()
                listings.jobs_page(services, pat, query)
                taken.append(time.perf_counter() - began)
            show(
                f"console: {JOBS:,} jobs in SQL: {name}",
                f"{statistics.median(taken) * 1000:.1f} ms",
                "with its rows and counts",
            )


def _keys(root: Path) -> None:
    """Key to first byte in a view of four charts that get other figures every second, against an app of one word."""
    with (
        _writing_every_second(root),
        terminal(console(root, "monitor", "flight-delay", "jfk")) as (write, read),
    ):
        _wait_for(read, b"flight-delay", 30)
        ours = _answers(write, read, b"j")  # the next feature
    with terminal([sys.executable, "-c", ONE_WORD]) as (write, read):
        _wait_for(read, b"word", 30)
        theirs = _answers(write, read, b"j")
    for name, taken in (
        ("console: key to first byte, charts at 1 Hz", ours),
        ("console: the same in an app of one word", theirs),
    ):
        p90 = taken[int(len(taken) * 0.9)]
        show(name, f"{taken[len(taken) // 2] * 1000:.1f} ms", f"p90 {p90 * 1000:.1f} ms, {len(taken)} keys")


def _answers(write: Callable[[bytes], object], read: Callable[[float], bytes], key: bytes) -> list[float]:
    """Seconds from a key to the first byte that comes back, in order of size."""
    _drain(read, 2.0)
    taken = []
    for number in range(150):
        _drain(read, 0.05 + (number % 7) * 0.013)
        began = time.perf_counter()
        write(key)
        if read(1.0):
            taken.append(time.perf_counter() - began)
    return sorted(taken)


@contextmanager
def _writing_every_second(root: Path) -> Iterator[None]:
    ended = threading.Event()

    def work() -> None:
        with example.opened(root) as services:
            level = 0.6
            while not ended.wait(1.0):
                level = 0.6 + (level - 0.6 + 0.01) % 0.1
                with services.telemetry.transaction() as connection:
                    stream = find_stream(connection, "flight-delay", 1, "jfk")
                    assert stream is not None
                    ended_at = example.NOW
                    window = Window(start=ended_at - timedelta(days=7), end=ended_at, rows=3_000, judged=True)
                    finding = PerformanceFinding(
                        metric="auc",
                        value=level,
                        low=level - 0.02,
                        high=level + 0.02,
                        reference=0.71,
                        reference_low=0.7,
                        reference_high=0.72,
                        labelled_share=1.0,
                        significant=True,
                    )
                    closed = ClosedWindow(window=window, findings=(finding,))
                    readings.write(connection, stream.id, readings.PERFORMANCE, closed, to_us(example.NOW))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _quiet_and_quick(root: Path) -> None:
    with terminal(console(root, "jobs")) as (write, read):
        _wait_for(read, b"retraining", 20)
        _drain(read, 2.0)
        show("console: bytes in 5 s in which nothing changes", f"{len(_drain(read, 5.0))} B")
        taken = []
        with example.opened(root) as services:
            sam = example.person(services, "sam")
            for number in range(7):
                trainings.start_training(services, sam, "flight-delay", reason=f"zeppelin {number}")
                began = time.perf_counter()
                _wait_for(read, f"{number}".encode(), 5)
                taken.append(time.perf_counter() - began)
                _drain(read, 0.7 + number * 0.07)
        write(b"q")
    show(
        "console: another process's change on the screen",
        f"{statistics.median(taken) * 1000:.0f} ms",
        f"at most {max(taken) * 1000:.0f}",
    )


def _many(root: Path, count: int) -> None:
    """Twenty consoles with nothing to do: the share of a core that each takes, and its memory."""
    opened = [_start(console(root, "jobs")) for _ in range(count)]
    try:
        for master, _ in opened:
            _wait_for(lambda seconds, master=master: _read(master, seconds), b"retraining", 60)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            for master, _ in opened:
                _read(master, 0.01)
        before, began = [_cpu_s(child.pid) for _, child in opened], time.monotonic()
        while time.monotonic() - began < 15:
            for master, _ in opened:
                _read(master, 0.02)
        spent = [
            (_cpu_s(c.pid) - b) / (time.monotonic() - began) for (_, c), b in zip(opened, before, strict=True)
        ]
        memory = [_memory_mb(child.pid) for _, child in opened]
    finally:
        for master, child in opened:
            _end(master, child)
    show(
        f"console: idle, each of {count}",
        f"{statistics.median(spent) * 100:.2f} % CPU",
        f"at most {max(spent) * 100:.2f} %",
    )
    show(
        f"console: memory, each of {count}",
        f"{statistics.median(memory):.0f} MB",
        f"at most {max(memory):.0f} MB resident",
    )


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


@contextmanager
def terminal(command: list[str]) -> Iterator[tuple[Callable[[bytes], object], Callable[[float], bytes]]]:
    """A command in a pseudo-terminal of 120×40: how to press keys, and how to read what comes within some seconds."""
    master, child = _start(command)
    try:
        yield (lambda keys: os.write(master, keys)), (lambda seconds: _read(master, seconds))
    finally:
        _end(master, child)


def _start(command: list[str], size: tuple[int, int] = (40, 120)) -> tuple[int, "subprocess.Popen[bytes]"]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    child = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": tempfile.gettempdir()},
    )  # fmt: skip
    os.close(slave)
    return master, child


def _end(master: int, child: "subprocess.Popen[bytes]") -> None:
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    os.close(master)


def _read(master: int, seconds: float) -> bytes:
    return os.read(master, 65_536) if select.select([master], [], [], seconds)[0] else b""


def _drain(read: Callable[[float], bytes], seconds: float) -> bytes:
    """What comes in so many seconds."""
    end, seen = time.monotonic() + seconds, b""
    while (left := end - time.monotonic()) > 0:
        seen += read(left)
    return seen


def _wait_for(read: Callable[[float], bytes], words: bytes, seconds: float) -> None:
    end, seen = time.monotonic() + seconds, b""
    while words not in seen:
        if time.monotonic() > end:
            raise TimeoutError(f"{words!r} did not come; the last was {seen[-200:]!r}")
        seen += read(0.5)


def _until_shown(command: list[str], words: bytes) -> float:
    began = time.perf_counter()
    master, child = _start(command, (24, 80))
    try:
        _wait_for(lambda seconds: _read(master, seconds), words, 20)
        return time.perf_counter() - began
    finally:
        _end(master, child)
