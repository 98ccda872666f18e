"""Thirty regions and one hub that follows them: what publishing, following and the console of several sites cost.

``python tests/benchmarks/bench_federation.py [REGIONS [MODELS [TARGETS]]]``; each region has MODELS models on TARGETS targets.
CPU and wall time, medians.
"""

import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import show

from pilothouse.composition import open_workspace
from pilothouse.domain.sites.answers import answer_plain
from pilothouse.domain.sites.followed import FollowStanding
from pilothouse.domain.sites.readings import Reading, Standing, with_followed
from pilothouse.operations import automation_switch
from pilothouse.operations.services import Services
from pilothouse.operations.sites import following, publishing, site_states, sources
from pilothouse.operations.sites.sources import Read
from pilothouse.operations.transparency import heads
from pilothouse.operations.upkeep import backups
from pilothouse.operations.workspace import workspaces
from pilothouse.presentation.site_tiles import columns_for, tile
from pilothouse.store.log import audit, log_tree
from support import fleet_workspace, raw_writes

ADMIN = fleet_workspace.ADMIN
_ROUNDS = 5
_LOG_ROWS = 100_000


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    regions, models, targets = [*given, *(30, 334, 10)[len(given) :]]
    raw_writes.allow()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        show("regions, models and deployments each", f"{regions}, {models}, {models * targets:,}")
        build(root, regions, models, targets)
        publish(root, regions)
        with opened(root / "hub") as hub:
            follow(hub, root, regions)
            board(hub, regions)
        ask(root, regions)
        back_up(root)


@contextmanager
def opened(root: Path) -> Iterator[Services]:
    with closing(open_workspace(root)) as services:
        yield services


def cost(run: Callable[[], object], rounds: int = _ROUNDS) -> str:
    """Median of CPU and wall time."""
    cpu, wall = [], []
    for _ in range(rounds):
        began, at = time.process_time(), time.perf_counter()
        run()
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - at)
    return f"{statistics.median(cpu) * 1e3:,.1f} ms, {statistics.median(wall) * 1e3:,.0f} ms"


def build(root: Path, regions: int, models: int, targets: int) -> None:
    """One region, copied; each has a log and a key of its own from its first head on."""
    fleet_workspace.build(root / "region-0", models, targets, audit=_LOG_ROWS)
    with opened(root / "region-0") as services, services.registry.transaction() as connection:
        log_tree.grow(connection, 0, audit.head(connection).count)
    registry = (root / "region-0" / "state" / "registry.db").stat().st_size
    show("a region's registry, with 100,000 rows of its log", f"{registry / 1e6:,.0f} MB")
    for number in range(1, regions):
        shutil.copytree(
            root / "region-0",
            root / f"region-{number}",
            ignore=shutil.ignore_patterns("telemetry.db*", "*-queue"),
        )
    workspaces.initialise(root / "hub", ADMIN)


def publish(root: Path, regions: int) -> None:
    with opened(root / "region-0") as services:
        ada = workspaces.identify(services, ADMIN)
        show("figures of a region", cost(lambda: site_states.figures(services, ada)))
        show("its whole answer", cost(lambda: site_states.answer(services, ada)))
        size = len(json.dumps(answer_plain(site_states.answer(services, ada))))
        show("its whole answer as JSON", f"{size / 1e3:,.0f} kB")
        show("first publication", cost(lambda: publishing.publish(services, ada, root / "www-0"), 1))

        def again() -> None:
            rows(services)
            publishing.publish(services, ada, root / "www-0")

        show("next publication, after two rows", cost(again))
        files = [path for path in (root / "www-0").rglob("*") if path.is_file()]
        show("published files", f"{len(files):,}, {sum(path.stat().st_size for path in files) / 1e6:,.1f} MB")
        show("the state itself", f"{(root / 'www-0' / 'state').stat().st_size:,} bytes")
    for number in range(1, regions):
        with opened(root / f"region-{number}") as services:
            publishing.publish(services, workspaces.identify(services, ADMIN), root / f"www-{number}")


def rows(services: Services) -> None:
    ada = workspaces.identify(services, ADMIN)
    automation_switch.pause(services, ada, "a storm")
    automation_switch.resume(services, ada)


def follow(hub: Services, root: Path, regions: int) -> None:
    ada = workspaces.identify(hub, ADMIN)
    for number in range(regions):
        with opened(root / f"region-{number}") as services:
            key = heads.status(services, workspaces.identify(services, ADMIN)).key
        following.follow(hub, ada, f"region-{number}", str(root / f"www-{number}"), key, stale_after_s=86_400)
    taken: list[int] = []
    reader = sources.reader

    def counted(place: str, most: int) -> Read:
        read = reader(place, most)

        def counting(path: str) -> bytes:
            data = read(path)
            taken.append(len(data))
            return data

        return counting

    sources.reader = counted
    show("first look at all", cost(lambda: following.look(hub, ada), 1))
    taken.clear()
    show("look at all, nothing new", cost(lambda: following.look(hub, ada)))
    show(
        "  files and bytes read of each",
        f"{len(taken) / _ROUNDS / regions:.1f}, {sum(taken) / _ROUNDS / regions:,.0f}",
    )
    for number in range(regions):
        with opened(root / f"region-{number}") as services:
            rows(services)
            publishing.publish(services, workspaces.identify(services, ADMIN), root / f"www-{number}")
    taken.clear()
    show("look at all, each with two more rows", cost(lambda: following.look(hub, ada), 1))
    show("  files and bytes read of each", f"{len(taken) / regions:.1f}, {sum(taken) / regions:,.0f}")
    for number in range(min(3, regions)):
        (root / f"www-{number}").rename(root / f"gone-{number}")
    found = following.look(hub, ada)
    away = sum(look.standing is FollowStanding.AWAY for _, look in found)
    current = sum(look.standing is FollowStanding.CURRENT for _, look in found)
    show("three regions' files taken away: away, current", f"{away}, {current}")
    sources.reader = reader


def board(hub: Services, regions: int) -> None:
    ada = workspaces.identify(hub, ADMIN)
    show("the hub's answer with all it follows", cost(lambda: site_states.answer(hub, ada)))
    size = len(json.dumps(answer_plain(site_states.answer(hub, ada))))
    show("the same as JSON", f"{size / 1e3:,.0f} kB")
    now = datetime.now(UTC)
    reading = Reading(
        site="hub", standing=Standing.ANSWERS, answer=site_states.answer(hub, ada), heard_at=now
    )
    width = 79 // columns_for(regions + 1, 79, 18) - 1

    def tiles() -> None:
        for one in with_followed([reading]):
            tile(one, width, now)

    show("all tiles of a screen of 80×24", cost(tiles))


def ask(root: Path, regions: int) -> None:
    def all_of_them() -> None:
        for number in range(regions):
            with opened(root / f"region-{number}") as services:
                site_states.answer(services, workspaces.identify(services, ADMIN))

    show("all regions asked as workspaces of this machine", cost(all_of_them, 3))


def back_up(root: Path) -> None:
    with opened(root / "region-0") as services:
        ada = workspaces.identify(services, ADMIN)
        file = root / "backup.tar"
        show("backup of a region", cost(lambda: backups.backup(services, ada, file), 1))
        show("  its file", f"{file.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
