"""A replay by a real daemon in a confined process: by the command, killed in the middle, cancelled."""

import contextlib
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.cli.main import main
from pilothouse.composition import open_workspace
from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.jobs.replays import read_replay
from pilothouse.operations.jobs import jobs, replays
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import audits
from pilothouse.system.processes import descendants
from support import until_the_test_ends, wait_until
from support.replayed import MODEL, actor, make_replayed, serve

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Services, int]]:
    """A workspace with recorded traffic, and the pid of its daemon."""
    root = tmp_path / "a workspace"
    made = make_replayed(root, training='retry_after = "1s"')
    serve(made, 0, 20)
    made.close()
    daemon = control.start_in_background(root, serve_targets=False)
    try:
        yield until_the_test_ends(open_workspace(root)), daemon.pid
    finally:
        control.stop(root)


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_the_command_tells_what_was_found(
    running: tuple[Services, int], capfd: pytest.CaptureFixture[str]
) -> None:
    services, _ = running
    before = ["--workspace", str(services.paths.root), "--as", "ann"]
    assert exit_code(*before, "replay", f"models:/{MODEL}/2", "--against", f"models:/{MODEL}@champion") == 0
    shown = capfd.readouterr().out
    assert "late version 2 against version 1  on north south" in shown
    assert "v1 answers all 1,200 rows that it answered then equal to the bit" in shown
    assert "never stored, so neither replayed nor shown: passenger" in shown

    sampled = ["--on", "north", "--rows", "200", "--from", "2026-02-10"]
    assert exit_code(*before, "--json", "replay", f"{MODEL}/2", *sampled) == 0
    job = json.loads(capfd.readouterr().out)
    found = read_replay(job["result"])
    assert found is not None
    assert (found.found.rows, found.traffic.targets) == (200, ("north",))
    assert exit_code(*before, "job", str(job["id"])) == 0
    assert "RECORDED TRAFFIC" in capfd.readouterr().out

    # what was not answered then cannot be replayed, and the exit code says so
    assert exit_code(*before, "replay", f"{MODEL}/2", "--from", "2020-01-01", "--to", "2020-02-01") == 1
    assert "there is nothing to replay" in capfd.readouterr().out


def test_a_replay_that_is_killed_in_the_middle_is_run_again_and_recorded_once(
    running: tuple[Services, int],
) -> None:
    services, daemon = running
    ann = actor(services, "ann")
    first = replays.start_replay(services, ann, f"{MODEL}/2")
    wait_until(lambda: jobs.get_job(services, ann, first.id).status.ended, timeout=60)
    idle = set(descendants(daemon))

    def workers() -> list[int]:
        return [pid for pid in descendants(daemon) if pid not in idle]

    for _ in range(50):  # a step that ends before it is seen is asked for again
        job = replays.start_replay(services, ann, f"{MODEL}/2")
        wait_until(lambda number=job.id: workers() or _settled(services, number), timeout=30)
        for pid in workers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda number=job.id: _settled(services, number), timeout=30)
        if jobs.get_job(services, ann, job.id).failures:
            break
    wait_until(lambda: jobs.get_job(services, ann, job.id).status.ended, timeout=60)
    done = jobs.get_job(services, ann, job.id)
    assert (done.status, done.attempt) == (JobStatus.SUCCEEDED, 2), done.error
    assert "SIGKILL" in jobs.attempts_before(services, ann, job.id)[0]
    assert read_replay(done.result) is not None
    assert not [*services.paths.job_folder(job.id).rglob("*.arrow")]
    entries = audits.show(services, actor(services, "eve"), limit=200)
    replayed = [
        entry for entry in entries if entry.action == "version.replayed" and entry.detail["job"] == job.id
    ]
    assert len(replayed) == 1


def _settled(services: Services, number: int) -> bool:
    job = jobs.get_job(services, actor(services, "ann"), number)
    return job.status.ended or bool(job.failures)
