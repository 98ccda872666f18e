"""Real daemons and jobs that nobody watches: tried again, spared, searched, and ended to the last process."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.models.evaluation import GateOutcome
from pilothouse.domain.records import Job
from pilothouse.operations import catalogue
from pilothouse.operations.jobs import jobs, searches, trainings
from pilothouse.operations.workspace import apply_models
from pilothouse.system.processes import descendants, name_of
from support import wait_until
from support.small_workspace import ESTIMATOR, SmallWorkspace, make_small_workspace

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]

FIT = (
    "from sklearn.ensemble import HistGradientBoostingClassifier\n\n"
    "def fit(X, y, parameters, seed):\n{body}"
    "    return HistGradientBoostingClassifier(max_iter=4, **parameters).fit(X, y)\n"
)
OWN = 'function = "train.py:fit"\nretry_after = "1s"'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SmallWorkspace, int]]:
    """A workspace and the pid of its daemon, for all tests: half the time of such a test goes into a daemon's start."""
    made = make_small_workspace(tmp_path_factory.mktemp("unattended") / "w")
    try:
        yield made, control.start_in_background(made.root, serve_targets=False, slots=2).pid
    finally:
        control.stop(made.root)
        made.services.close()


@pytest.fixture
def daemon(shared: tuple[SmallWorkspace, int]) -> int:
    return shared[1]


@pytest.fixture
def small_workspace(shared: tuple[SmallWorkspace, int]) -> SmallWorkspace:
    """The workspace, with data on which no other test has trained."""
    shared[0].renew()
    return shared[0]


def log_of(small_workspace: SmallWorkspace, job: Job) -> str:
    return jobs.read_log(small_workspace.services, small_workspace.scientist, job.id)[0]


def trainer(small_workspace: SmallWorkspace, job: Job, daemon: int) -> int:
    """The pid of the training that printed the one that it has in its own namespace."""
    wait_until(lambda: "pid=" in log_of(small_workspace, job), timeout=30)
    printed = log_of(small_workspace, job).rpartition("pid=")[2].split()[0]
    (found,) = [pid for pid in descendants(daemon) if pid_inside(pid) == printed]
    return found


def pid_inside(pid: int) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith("NSpid:"))


def test_a_worker_that_somebody_kills_is_tried_again_after_its_snapshot(
    small_workspace: SmallWorkspace, daemon: int
) -> None:
    body = (
        "    import os, time\n    print('pid=%d' % os.getpid())\n"
        "    if os.path.basename(os.path.dirname(os.getcwd())) == '1':\n        time.sleep(60)\n"
    )
    small_workspace.write_model(OWN, code=FIT.format(body=body))
    job = small_workspace.train()
    os.kill(trainer(small_workspace, job, daemon), signal.SIGKILL)
    wait_until(lambda: small_workspace.job(job.id).status is JobStatus.QUEUED, timeout=10)
    waiting = small_workspace.job(job.id)
    assert (waiting.failures, waiting.error) == (1, "")
    assert "crashed: fit died of SIGKILL, which Pilothouse did not send; 2 attempts left" in waiting.message
    ended = small_workspace.ended(job.id)
    assert (ended.status, ended.attempt, ended.failures) == (JobStatus.SUCCEEDED, 2, 1), ended.error
    assert ended.result["reused"] == {"snapshot": "attempt 1"}


def test_a_step_of_which_nothing_has_changed_is_not_run_again(small_workspace: SmallWorkspace) -> None:
    first = small_workspace.ended(small_workspace.train().id)
    as_of = first.options["as_of"]
    from datetime import datetime

    def again(**options: object) -> Job:
        job = trainings.start_training(
            small_workspace.services,
            small_workspace.scientist,
            "delay",
            trainings.TrainingOptions(as_of=datetime.fromisoformat(as_of), **options),  # type: ignore[arg-type]
        )
        return small_workspace.ended(job.id)

    second = again()
    assert second.status is JobStatus.SUCCEEDED, second.error
    assert second.result["reused"] == dict.fromkeys(("snapshot", "fit", "evaluate"), f"job {first.id}")
    assert f"nothing that fit depends on has changed since job {first.id}" in log_of(small_workspace, second)
    other_seed = again(overrides={"training.seed": 5})
    assert other_seed.result["reused"] == {"snapshot": f"job {first.id}"}
    assert "reused" not in again(fresh=True).result
    small_workspace.renew()
    assert "reused" not in again().result


def test_a_search_is_jobs_of_its_own_and_the_best_goes_on(small_workspace: SmallWorkspace) -> None:
    search = "\n[training.search]\ncandidates = 4\nfolds = 3\n[training.search.parameters]\nmax_depth = [1, 2, 3, 4]\n"
    path = small_workspace.root / "models" / "delay" / "model.toml"
    small_workspace.write_model(ESTIMATOR)
    path.write_text(path.read_text().replace("[gates.data]", f"{search}\n[gates.data]"))
    from pilothouse.operations.workspace import apply_models

    apply_models.apply(small_workspace.services, small_workspace.admin)
    job = small_workspace.ended(small_workspace.train().id, timeout=120)
    assert (job.status, job.failures) == (JobStatus.SUCCEEDED, 0), job.error
    lines = searches.list_trials(small_workspace.services, small_workspace.scientist, job.id)
    assert [(line.state, line.rung) for line in lines] == [
        ("best", 2),
        ("dropped", 1),
        ("dropped", 0),
        ("dropped", 0),
    ]
    assert len(lines[0].scores) == 3

    def since(**options: bool) -> list[int]:
        listed = jobs.list_jobs(small_workspace.services, small_workspace.scientist, **options)
        return [other.id for other in listed if other.id >= job.id]

    assert since() == [job.id]
    assert len(since(trials=True)) == 1 + 4 + 2 + 1
    again = trainings.start_reproduction(
        small_workspace.services, small_workspace.scientist, f"models:/delay/{job.version}"
    )
    assert small_workspace.ended(again.id).result["identical"] is True


def test_no_process_is_left_of_a_trainer_that_ignores_the_signal_with_four_workers(
    small_workspace: SmallWorkspace, daemon: int
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
    small_workspace.write_model(OWN, code=FIT.format(body=body))
    job = small_workspace.train()
    trainer(small_workspace, job, daemon)
    family = [pid for pid in descendants(daemon) if name_of(pid)]
    assert len(family) >= 7  # launcher, supervisor, trainer and four of its own
    jobs.cancel_job(small_workspace.services, small_workspace.scientist, job.id)
    assert small_workspace.ended(job.id, timeout=10).status is JobStatus.CANCELLED
    wait_until(lambda: len([pid for pid in family if name_of(pid)]) == 1, timeout=10)


def test_a_gate_function_reaches_the_files_that_were_applied_with_it_and_no_others(
    small_workspace: SmallWorkspace,
) -> None:
    folder = small_workspace.root / "models" / "delay"
    (folder / "rules.py").write_text(
        "import json, pathlib\n"
        "LIMIT = json.loads(pathlib.Path(__file__).with_name('limits.json').read_text())\n"
    )
    (folder / "limits.json").write_text("0.1")
    (folder / "train.py").write_text("")
    (folder / "gate.py").write_text(
        "import os, rules\n\n"
        "def check(holdout, predictions, metrics):\n"
        "    names = sorted(os.listdir(os.path.dirname(__file__)))\n"
        "    return metrics['auc']['value'] > rules.LIMIT, ' '.join(names)\n"
    )
    text = (folder / "model.toml").read_text()
    (folder / "model.toml").write_text(
        text.replace("[gates.data]", '[gates]\nfunction = "gate.py:check"\n\n[gates.data]')
    )
    apply_models.apply(small_workspace.services, small_workspace.admin)

    job = small_workspace.ended(small_workspace.train().id)

    assert job.status is JobStatus.SUCCEEDED, job.error
    newest = catalogue.list_versions(small_workspace.services, small_workspace.scientist, "delay")[0]
    own = next(gate for gate in newest.gates if gate.gate == "function")
    assert own.outcome is GateOutcome.PASSED
    assert own.reason.endswith("gate.py limits.json rules.py")
