"""Twelve writers and twenty readers at once: every change goes through, nobody hears of a locked database, nobody waits long.

First each writes about five times a second, which is sixty changes a second in all, more than a busy workspace has; then all
write without a pause. One operator works in a workspace of their own meanwhile: as long as an action takes there, it is the
machine that is slow. Seconds depend on it, so they are told; what must hold is that nobody is passed over.
"""

import itertools
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from fixtures.registries import make_example
from pilothouse.composition import open_workspace
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations import catalogue
from pilothouse.operations.fleet import health
from pilothouse.operations.jobs import jobs, trainings
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import workspaces
from pilothouse.store.log import audit
from soak import cut
from support.job_workspace import finish
from support.soak_plan import seeded, size

PEOPLE, WORKERS, READERS = 6, 6, 20
PAUSES_S = {"five a second each": 0.2, "without a pause": 0.0}


def person(services: Services, name: str, request: int) -> Callable[[], object]:
    """What an operator does: remarks on a request, asks for a training, cancels it. One of these a call."""
    actor = workspaces.identify(services, name)
    asked: list[int] = []

    def ask() -> None:
        last = trainings.TrainingOptions(priority=-100)
        asked.append(trainings.start_training(services, actor, "delay", last).id)

    acts = (
        lambda: promotions.comment(services, actor, request, f"{name} was here"),
        ask,
        lambda: jobs.cancel_job(services, actor, asked.pop()),
    )
    turns = itertools.cycle(acts)
    return lambda: next(turns)()


def worker(services: Services, name: str) -> Callable[[], object]:
    """What a supervisor writes of its job: claimed, how far it is, still alive, its end. One of these a call."""

    def life() -> Iterator[None]:
        while True:
            claim = jobs.claim_job(services, name, 600.0)
            assert claim is not None
            yield
            for part in range(4):
                jobs.report_progress(services, claim, "fit", part / 4, name)
                yield
                jobs.heartbeat(services, claim, 600.0)
                yield
            finish(services, claim, JobOutcome(JobStatus.SUCCEEDED, ""))
            yield

    acts = life()
    return lambda: next(acts)


def write(
    root: Path, role: str, request: int, times: int, seed: int, ready: Barrier, told: Connection
) -> None:
    """Act so often at each pace, from the same moment as all others. When each act began and ended, by pace."""
    services, chance = open_workspace(root), random.Random(seed)
    act = worker(services, role) if role.startswith("worker") else person(services, role, request)
    taken: dict[str, list[tuple[float, float]]] = {}
    act()  # what a process does for the first time it reads and compiles first
    for pace, pause in PAUSES_S.items():
        ready.wait()
        taken[pace] = []
        for _ in range(times):
            time.sleep(chance.random() * 2 * pause)  # a pace, which is what is measured
            began = time.perf_counter()
            act()
            taken[pace].append((began, time.perf_counter()))
    told.send(taken)


def read(root: Path, times: int, ready: Barrier, told: Connection) -> None:
    """As an open console does: look ten times a second whether anything has changed, and read it then. When, by pace."""
    services = open_workspace(root)
    actor = workspaces.identify(services, "vera")
    taken: dict[str, list[tuple[float, float]]] = {}
    health.overview(services, actor)
    catalogue.list_versions(services, actor, "delay")
    for pace, pause in PAUSES_S.items():
        ready.wait()
        taken[pace], known = [], -1
        for _ in range(round(times * max(pause, 0.05) / 0.1)):
            time.sleep(0.1)  # a console's pace
            version = services.registry.data_version()
            if version == known:
                continue
            known = version
            began = time.perf_counter()
            health.overview(services, actor)
            catalogue.list_versions(services, actor, "delay")
            taken[pace].append((began, time.perf_counter()))
    told.send(taken)


def p99(values: Sequence[float]) -> float:
    """What one of a hundred is larger than."""
    return sorted(values)[int(len(values) * 0.99) - 1]


def passed_by(acts: list[tuple[float, float]]) -> list[int]:
    """For each act, how many began after it and ended before it (the clock is one for all processes)."""
    return [sum(began < other and done < ended for other, done in acts) for began, ended in acts]


def test_twelve_write_and_twenty_read_without_a_lock_in_the_way(tmp_path: Path) -> None:
    chance, times = seeded("contention"), size(10, 300)
    example = make_example(tmp_path / "w")
    example.apply(training={"estimator": "sklearn.linear_model.LogisticRegression", "concurrency": 50})
    requests = []
    for _ in range(PEOPLE):
        example.add_version()
        requests.append(promotions.request_promotion(example.services, example.actor("sam"), "delay").id)
    for _ in range(WORKERS * (2 * times // 10 + 2)):
        trainings.start_training(example.services, example.actor("sam"), "delay")
    example.services.close()
    quiet = make_example(tmp_path / "quiet")
    quiet.apply()
    quiet.add_version()
    promotions.request_promotion(quiet.services, quiet.actor("sam"), "delay")
    quiet.services.close()
    here = cut.context()
    ready = here.Barrier(PEOPLE + WORKERS + READERS + 1)
    roles = [*itertools.islice(itertools.cycle(("sam", "oscar", "ada")), PEOPLE)]
    roles += [f"worker-{number}" for number in range(WORKERS)]
    crew, ends = [], []
    for number in range(PEOPLE + WORKERS + READERS + 1):
        mine, theirs = here.Pipe(duplex=False)
        if number < len(roles):
            seed = chance.randrange(2**31)
            child = here.Process(
                target=write,
                args=(tmp_path / "w", roles[number], requests[number % PEOPLE], times, seed, ready, theirs),
            )
        elif number == PEOPLE + WORKERS + READERS:
            child = here.Process(
                target=write,
                args=(tmp_path / "quiet", "sam", 1, times, chance.randrange(2**31), ready, theirs),
            )
        else:
            child = here.Process(target=read, args=(tmp_path / "w", times, ready, theirs))
        child.start()
        theirs.close()
        crew.append(child)
        ends.append(mine)
    taken = [end.recv() for end in ends]
    for process in crew:
        process.join(30)
        assert process.exitcode == 0
    services = open_workspace(tmp_path / "w")
    ada = workspaces.identify(services, "ada")
    for request in requests:
        assert len(promotions.get_request(services, ada, request).comments) == len(range(0, 2 * times + 1, 3))
    with services.registry.read() as connection:
        audit.verify(connection)
    services.close()
    for pace in PAUSES_S:
        for who, part in (
            ("operators", taken[:PEOPLE]),
            ("workers", taken[PEOPLE : len(roles)]),
            ("readers", taken[len(roles) : -1]),
            ("one alone", taken[-1:]),
        ):
            all_of = [ended - began for one in part for began, ended in one[pace]]
            print(
                f"{pace}: {who} {len(all_of)} times, median {statistics.median(all_of) * 1e3:.1f} ms, "
                f"p99 {p99(all_of) * 1e3:.0f} ms, longest {max(all_of) * 1e3:.0f} ms"
            )
        passed = passed_by([act for one in taken[: len(roles)] for act in one[pace]])
        print(f"{pace}: passed by {statistics.median(passed)} others, p99 {p99(passed)}, most {max(passed)}")
        assert p99(passed) <= 3 * len(roles), "the lock is a lottery"
