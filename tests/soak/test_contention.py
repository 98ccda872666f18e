"""Twelve writers and twenty readers at once: every change goes through, nobody hears of a locked database."""

import statistics
import time
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from fixtures.registries import make_harbour
from pilothouse.composition import open_workspace
from pilothouse.operations import catalogue, health, promotions, workspaces
from soak import cut
from soak_plan import size

WRITERS, READERS = 12, 20


def act(root: Path, name: str, request: int, times: int, ready: Barrier, told: Connection) -> None:
    """An operator's action, again and again: a remark on a request, with its audit row. Seconds of each."""
    services = open_workspace(root)
    actor = workspaces.identify(services, name)
    ready.wait()
    taken = []
    for number in range(times):
        began = time.perf_counter()
        promotions.comment(services, actor, request, f"{name} {number}")
        taken.append(time.perf_counter() - began)
    told.send(taken)


def look(root: Path, times: int, ready: Barrier, told: Connection) -> None:
    """As an open console does: look ten times a second whether anything has changed, and read it then. Seconds of each."""
    services = open_workspace(root)
    actor = workspaces.identify(services, "vera")
    ready.wait()
    taken, known = [], -1
    for _ in range(times):
        time.sleep(0.1)  # a console's pace, which is what is measured
        version = services.registry.data_version()
        if version == known:
            continue
        known = version
        began = time.perf_counter()
        health.overview(services, actor)
        catalogue.list_versions(services, actor, "delay")
        taken.append(time.perf_counter() - began)
    told.send(taken)


def test_twelve_write_and_twenty_read_without_a_lock_in_the_way(tmp_path: Path) -> None:
    harbour = make_harbour(tmp_path / "w")
    harbour.add_version()
    request = promotions.request_promotion(harbour.services, harbour.actor("sam"), "delay").id
    harbour.services.close()
    here, times = cut.context(), size(10, 200)
    ready = here.Barrier(WRITERS + READERS)
    people = ("sam", "oscar", "pat", "pia", "ada")
    crew, ends = [], []
    for number in range(WRITERS + READERS):
        mine, theirs = here.Pipe(duplex=False)
        arguments: tuple[object, ...] = (tmp_path / "w", times, ready, theirs)
        if number < WRITERS:
            arguments = (tmp_path / "w", people[number % len(people)], request, times, ready, theirs)
        crew.append(here.Process(target=act if number < WRITERS else look, args=arguments))
        crew[-1].start()
        theirs.close()
        ends.append(mine)
    taken = [end.recv() for end in ends]
    for process in crew:
        process.join(30)
        assert process.exitcode == 0
    services = open_workspace(tmp_path / "w")
    assert (
        len(promotions.get_request(services, workspaces.identify(services, "ada"), request).comments)
        == WRITERS * times
    )
    services.close()
    for what, part in (("writing", taken[:WRITERS]), ("reading", taken[WRITERS:])):
        all_of = sorted(second for one in part for second in one)
        p99 = all_of[int(len(all_of) * 0.99) - 1]
        print(
            f"{what}: {len(all_of)} times, median {statistics.median(all_of) * 1e3:.1f} ms, p99 {p99 * 1e3:.0f} ms"
        )
