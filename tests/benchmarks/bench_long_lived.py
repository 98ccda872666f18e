"""What lives long and what it holds: a console open for a week, a program that opens one workspace after the other."""

import asyncio
import os
import shutil
import statistics
import tempfile
import threading
from pathlib import Path

from bench import show

from pilothouse.composition import open_workspace
from pilothouse.operations.fleet import health
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import time_machine
from support import example

CHANGES = int(os.environ.get("BENCH_CHANGES", str(7 * 24 * 60)))
"""A change a minute for a week: each is looked at and read again by the view on top."""
EACH_VIEW = 40
WORKSPACES = 100


def run() -> None:
    """Descriptors, threads and resident memory: the median of each tenth, so that a leak shows as a slope."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "workspace"
        root.mkdir()
        example.build(root)
        example.start_daemon(root)
        _many_workspaces(root)
        asyncio.run(_a_week(root))


def _many_workspaces(root: Path) -> None:
    held: list[tuple[int, int, int]] = []
    for number in range(WORKSPACES):
        folder = root.parent / f"copy {number}"
        shutil.copytree(root, folder)
        with example.opened(folder) as services:
            reader = example.person(services, "pat")
            health.overview(services, reader)
            past = time_machine.open_past(services, reader, example.NOW)
            health.overview(past, reader)
            past.close()
            services.registry.data_version()
        held.append(_held())
        shutil.rmtree(folder)
    _tell(f"{WORKSPACES} workspaces opened and closed, one after the other", held)


async def _a_week(root: Path) -> None:
    from pilothouse.console.app import Console
    from pilothouse.console.screenshots import settle
    from pilothouse.console.session.options import ConsoleOptions

    def opener() -> Services:
        services = open_workspace(root)
        services.now = lambda: example.NOW
        return services

    app = Console(opener, ConsoleOptions(user="ada", as_name="pat"), watching=False)
    held: list[tuple[int, int, int]] = []
    with example.opened(root) as elsewhere:
        sam = example.person(elsewhere, "sam")
        async with app.run_test(size=(120, 40)) as pilot:
            await settle(pilot)
            for number in range(CHANGES):
                job = trainings.start_training(elsewhere, sam, "flight-delay", reason=f"change {number}")
                if number % 2:
                    jobs.cancel_job(elsewhere, sam, job.id)
                app.look()
                if number % EACH_VIEW == 0:
                    await pilot.press(str(number // EACH_VIEW % 10))
                await settle(pilot)
                held.append(_held())
    app.session.close()
    _tell(f"a console through {CHANGES:,} changes of others, {CHANGES // EACH_VIEW} views", held)


def _held() -> tuple[int, int, int]:
    """Descriptors, threads, resident MB of this process."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    return len(os.listdir("/proc/self/fd")), threading.active_count(), resident  # noqa: PTH208


def _tell(what: str, held: list[tuple[int, int, int]]) -> None:
    tenth = max(1, len(held) // 10)
    for place, unit in enumerate(("descriptors", "threads", "MB")):
        tenths = [
            round(statistics.median(h[place] for h in held[i : i + tenth]))
            for i in range(0, tenth * 10, tenth)
        ]
        show(f"{what}: {unit}", ", ".join(map(str, tenths)))
