"""Workers that are killed, or stopped until their lease is over and let go on: every job has one result all the same."""

import contextlib
import os
import random
import signal
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from fixtures.registries import make_example
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import StaleAttemptError
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.jobs import job_attempts, jobs, trainings
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits
from soak import cut
from support.job_workspace import finish
from support.soak_plan import seeded, size

LEASE_S = 0.4
WORKERS = 4


def work(root: Path, name: str, seed: int, told: Connection) -> None:
    """Claim, hold the lease for a moment, finish; tell when a stale attempt was refused."""
    services, chance = open_workspace(root), random.Random(seed)
    while True:
        claim = jobs.claim_job(services, name, LEASE_S)
        if claim is None:
            time.sleep(0.01)
            continue
        try:
            for _ in range(chance.randrange(1, 5)):
                time.sleep(chance.random() * 0.04)
                jobs.heartbeat(services, claim, LEASE_S)
                jobs.report_progress(services, claim, "fit", chance.random(), name)
            made = {"by": f"{name} attempt {claim.attempt}"}
            finish(services, claim, JobOutcome(JobStatus.SUCCEEDED, ""), made)
        except StaleAttemptError:
            told.send("stale")


def pause(worker: BaseProcess) -> None:
    """Stop it until its lease is over. From a timer: where it is stopped within a transaction, we wait for it ourselves."""
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSTOP)
    threading.Timer(LEASE_S * 1.5, go_on, (worker.pid,)).start()


def go_on(pid: int) -> None:
    """Let it run again, where nobody has killed it meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def holders(services: Services) -> set[str]:
    """The workers that hold a job now."""
    with services.registry.read() as connection:
        return {
            row["o"]
            for row in connection.execute("SELECT lease_owner AS o FROM jobs WHERE status = 'running'")
        }


def all_jobs(services: Services) -> list[JobStatus]:
    with services.registry.read() as connection:
        return [JobStatus(row["status"]) for row in connection.execute("SELECT status FROM jobs ORDER BY id")]


def test_each_job_has_one_result_however_often_its_workers_are_killed_or_stopped(tmp_path: Path) -> None:
    chance, wanted = seeded("workers killed"), size(10, 500)
    example = make_example(tmp_path / "w")
    rules = {"estimator": "sklearn.linear_model.LogisticRegression", "concurrency": 50, "retries": 20}
    example.apply(training=rules)
    example.services.close()
    services = example.services = open_workspace(tmp_path / "w")  # by the wall's clock
    sam = example.actor("sam")
    here = cut.context()
    workers: dict[str, BaseProcess] = {}
    heard: list[str] = []
    readers: list[threading.Thread] = []

    def listen(mine: Connection) -> None:
        with mine, contextlib.suppress(EOFError, OSError):  # it was killed
            while True:
                heard.append(mine.recv())

    def hire() -> None:
        name = f"worker-{kills + len(workers)}"
        mine, theirs = here.Pipe(duplex=False)
        workers[name] = here.Process(
            target=work, args=(tmp_path / "w", name, chance.randrange(2**31), theirs)
        )
        workers[name].start()
        theirs.close()
        readers.append(threading.Thread(target=listen, args=(mine,)))
        readers[-1].start()

    kills = pauses = queued = 0
    stopped: dict[str, float] = {}
    try:
        while kills + pauses < wanted:
            waiting = sum(not status.ended for status in all_jobs(services))
            for _ in range(8 - waiting):
                options = trainings.TrainingOptions(priority=chance.randrange(-5, 6))
                trainings.start_training(services, sam, "delay", options)
                queued += 1
            while len(workers) < WORKERS:
                hire()
            time.sleep(chance.random() * 0.05)
            job_attempts.requeue_lost(services)
            stopped = {name: until for name, until in stopped.items() if until > time.monotonic()}
            busy = sorted(holders(services) & (workers.keys() - stopped.keys()))
            if not busy:
                continue
            victim = chance.choice(busy)
            if chance.random() < 0.6:
                worker = workers.pop(victim)
                worker.kill()
                worker.join()
                kills += 1
            else:
                pause(workers[victim])
                stopped[victim] = time.monotonic() + LEASE_S * 2
                pauses += 1
        while len(workers) < WORKERS:
            hire()
        deadline = time.monotonic() + 60
        while not all(status.ended for status in all_jobs(services)):
            job_attempts.requeue_lost(services)
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.join()
        for reader in readers:
            reader.join(10)
    statuses = all_jobs(services)
    stale = len(heard)
    print(f"{queued} jobs, {kills} kills, {pauses} pauses: {stale} stale writes refused")
    assert statuses == [JobStatus.SUCCEEDED] * queued
    with services.registry.read() as connection:
        ends = connection.execute(
            "SELECT subject, count(*) AS n FROM audit WHERE action = 'job.ended' GROUP BY subject"
        ).fetchall()
        attempts = connection.execute("SELECT sum(attempt) AS n FROM jobs").fetchone()["n"]
    assert attempts >= queued + kills // 2
    assert {row["n"] for row in ends} == {1}
    assert len(ends) == queued
    audits.verify(services, example.actor("aud"))
    services.close()
