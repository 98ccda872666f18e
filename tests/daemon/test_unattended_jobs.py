"""Real daemons and jobs that nobody watches: tried again, spared, searched, and ended to the last process."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.daemon import control
from pilothouse.domain.jobs import JobStatus
from pilothouse.domain.records import Job
from pilothouse.operations.jobs import jobs, searches, trainings
from pilothouse.system import landlock
from pilothouse.system.processes import descendants, name_of
from support import wait_until
from workshop import ESTIMATOR, Workshop, make_workshop

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(landlock.abi() < 4, reason="kernel without Landlock ABI 4"),
]

FIT = (
    "from sklearn.ensemble import HistGradientBoostingClassifier\n\n"
    "def fit(X, y, parameters, seed):\n{body}"
    "    return HistGradientBoostingClassifier(max_iter=4, **parameters).fit(X, y)\n"
)
OWN = 'function = "train.py:fit"\nretry_after = "1s"'


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = make_workshop(tmp_path / "w")
    try:
        yield made
    finally:
        control.stop(made.root)
        made.services.close()


def start(workshop: Workshop, slots: int = 1) -> int:
    return control.start_in_background(workshop.root, serve_targets=False, slots=slots).pid


def log_of(workshop: Workshop, job: Job) -> str:
    return jobs.read_log(workshop.services, workshop.scientist, job.id)[0]


def trainer(workshop: Workshop, job: Job) -> int:
    """The pid that the training printed."""
    wait_until(lambda: "pid=" in log_of(workshop, job), timeout=30)
    return int(log_of(workshop, job).rpartition("pid=")[2].split()[0])


def test_a_worker_that_somebody_kills_is_tried_again_after_its_snapshot(workshop: Workshop) -> None:
    body = (
        "    import os, time\n    print('pid=%d' % os.getpid())\n"
        "    if os.path.basename(os.path.dirname(os.getcwd())) == '1':\n        time.sleep(60)\n"
    )
    workshop.write_model(OWN, code=FIT.format(body=body))
    start(workshop)
    job = workshop.train()
    os.kill(trainer(workshop, job), signal.SIGKILL)
    wait_until(lambda: workshop.job(job.id).status is JobStatus.QUEUED, timeout=10)
    waiting = workshop.job(job.id)
    assert (waiting.failures, waiting.error) == (1, "")
    assert "crashed: fit died of SIGKILL, which Pilothouse did not send; 2 attempts left" in waiting.message
    ended = workshop.ended(job.id)
    assert (ended.status, ended.attempt, ended.failures) == (JobStatus.SUCCEEDED, 2, 1), ended.error
    assert ended.result["reused"] == {"snapshot": "attempt 1"}


def test_a_step_of_which_nothing_has_changed_is_not_run_again(workshop: Workshop) -> None:
    start(workshop)
    first = workshop.ended(workshop.train().id)
    as_of = first.options["as_of"]
    from datetime import datetime

    def again(**options: object) -> Job:
        job = trainings.start_training(
            workshop.services, workshop.scientist, "delay", as_of=datetime.fromisoformat(as_of), **options
        )  # type: ignore[arg-type]
        return workshop.ended(job.id)

    second = again()
    assert second.status is JobStatus.SUCCEEDED, second.error
    assert second.result["reused"] == dict.fromkeys(("snapshot", "fit", "evaluate"), "job 1")
    assert "nothing that fit depends on has changed since job 1" in log_of(workshop, second)
    other_seed = again(overrides={"training.seed": 5})
    assert other_seed.result["reused"] == {"snapshot": "job 1"}
    assert "reused" not in again(fresh=True).result
    source = workshop.root / "data" / "rows.csv"
    source.write_text(source.read_text() + "2025-03-05 00:00:00,9.000,0.5000,0\n")
    assert "reused" not in again().result


def test_a_search_is_jobs_of_its_own_and_the_best_goes_on(workshop: Workshop) -> None:
    search = "\n[training.search]\ncandidates = 4\nfolds = 3\n[training.search.parameters]\nmax_depth = [1, 2, 3, 4]\n"
    path = workshop.root / "models" / "delay" / "model.toml"
    workshop.write_model(ESTIMATOR)
    path.write_text(path.read_text().replace("[gates.data]", f"{search}\n[gates.data]"))
    from pilothouse.operations.workspace import apply_models

    apply_models.apply(workshop.services, workshop.admin)
    start(workshop, slots=2)
    job = workshop.ended(workshop.train().id, timeout=120)
    assert (job.status, job.failures) == (JobStatus.SUCCEEDED, 0), job.error
    lines = searches.list_trials(workshop.services, workshop.scientist, job.id)
    assert [(line.state, line.rung) for line in lines] == [
        ("best", 2),
        ("dropped", 1),
        ("dropped", 0),
        ("dropped", 0),
    ]
    assert len(lines[0].scores) == 3
    assert [other.id for other in jobs.list_jobs(workshop.services, workshop.scientist)] == [job.id]
    assert len(jobs.list_jobs(workshop.services, workshop.scientist, trials=True)) == 1 + 4 + 2 + 1
    again = trainings.start_reproduction(workshop.services, workshop.scientist, "models:/delay/1")
    assert workshop.ended(again.id).result["identical"] is True


def test_no_process_is_left_of_a_trainer_that_ignores_the_signal_with_four_workers(
    workshop: Workshop,
) -> None:
    body = (
        "    import os, signal, time\n    from joblib import Parallel, delayed\n"
        "    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "    children = []\n"
        "    for _ in range(4):\n"
        "        pid = os.fork()\n"
        "        if not pid:\n            os.setsid()\n            time.sleep(120)\n            os._exit(0)\n"
        "    print('pid=%d' % os.getpid())\n    time.sleep(120)\n"
    )
    workshop.write_model(OWN, code=FIT.format(body=body))
    daemon = start(workshop)
    job = workshop.train()
    trainer(workshop, job)
    family = [pid for pid in descendants(daemon) if name_of(pid)]
    assert len(family) >= 7  # launcher, supervisor, trainer and four of its own
    jobs.cancel_job(workshop.services, workshop.scientist, job.id)
    assert workshop.ended(job.id, timeout=10).status is JobStatus.CANCELLED
    wait_until(lambda: len([pid for pid in family if name_of(pid)]) == 1, timeout=10)
