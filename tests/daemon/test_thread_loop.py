"""The daemon's threads, lock and log, each alone."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pilothouse.daemon import logs
from pilothouse.daemon.thread_loop import ThreadGroup, Wakeup, repeat, watch
from pilothouse.domain.errors import ConflictError, UnavailableError
from pilothouse.system.leader import leader, leadership
from support import wait_until


def test_a_thread_that_dies_stops_all_and_is_named(caplog: pytest.LogCaptureFixture) -> None:
    parts = ThreadGroup()
    parts.start("steady", lambda: parts.stop.wait() and None)  # type: ignore[func-returns-value]
    parts.start("fragile", lambda: 1 / 0 and None)  # type: ignore[func-returns-value]
    wait_until(parts.stop.is_set)
    assert parts.join(5) == []
    assert parts.failed == "fragile"
    assert "the thread fragile died" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_thread_that_returns_early_counts_as_dead() -> None:
    parts = ThreadGroup()
    parts.start("hasty", lambda: None)
    wait_until(parts.stop.is_set)
    assert parts.failed == "hasty"


def test_work_is_done_at_each_ring_and_tried_again_after_a_trouble() -> None:
    parts = ThreadGroup()
    wakeup = parts.wakeup()
    turns: list[str] = []

    def work() -> None:
        turns.append("turn")
        if len(turns) == 2:
            raise UnavailableError("the disk is full")

    parts.start("worker", lambda: repeat(wakeup, work, at_least_every_s=60))
    wait_until(lambda: len(turns) == 1)
    wakeup.wake()
    wait_until(lambda: len(turns) == 3)
    parts.stop.set()
    assert parts.join(5) == []
    assert parts.failed == ""


def test_rings_during_work_are_one_more_turn() -> None:
    stop = threading.Event()
    wakeup = Wakeup(stop)
    turns: list[int] = []

    def work() -> None:
        turns.append(1)
        if len(turns) == 1:
            for _ in range(10):
                wakeup.wake()
        else:
            stop.set()
            wakeup.wake()

    repeat(wakeup, work, at_least_every_s=60)
    assert len(turns) == 2


def test_a_changed_database_rings_its_own_bells_only() -> None:
    stop = threading.Event()
    wakeups = {name: Wakeup(stop) for name in ("registry", "telemetry")}
    versions = {"registry": 1, "telemetry": 1}
    looks = threading.Semaphore(0)

    def registry() -> int:
        looks.release()
        return versions["registry"]

    thread = threading.Thread(
        target=watch,
        args=(stop, {registry: [wakeups["registry"]], lambda: versions["telemetry"]: [wakeups["telemetry"]]}),
    )
    thread.start()
    for _ in range(2):
        assert looks.acquire(timeout=5)
    for wakeup in wakeups.values():
        wakeup.wait(0)
    versions["registry"] = 2
    wait_until(wakeups["registry"]._woken.is_set)
    assert not wakeups["telemetry"]._woken.is_set()
    stop.set()
    thread.join()


def test_one_daemon_leads_a_workspace_and_the_others_are_told_its_pid(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    with leadership(path):
        assert leader(path).pid == os.getpid()  # type: ignore[union-attr]
        with pytest.raises(ConflictError, match=f"pid {os.getpid()}"), leadership(path):
            pass
    with leadership(path):
        pass


def test_a_killed_leader_leaves_the_lock_and_is_known_to_be_gone(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom pilothouse.system.leader import leadership\n"
        "with leadership(Path(sys.argv[1])):\n    print('leads', flush=True)\n    time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-I", "-c", code, path], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"leads\n"
    found = leader(path)
    assert found is not None
    assert found.pid == child.pid
    with pytest.raises(ConflictError), leadership(path):
        pass
    child.kill()
    child.wait()
    child.stdout.close()
    assert leader(path) is None
    with leadership(path):
        pass


def test_twelve_daemons_at_once_have_one_leader(tmp_path: Path) -> None:
    path = tmp_path / "daemon.lock"
    code = (
        "import sys\nfrom pathlib import Path\nfrom pilothouse.system.leader import leadership\n"
        "try:\n    with leadership(Path(sys.argv[1])):\n        print('leads', flush=True); sys.stdin.read()\n"
        "except Exception: print('follows', flush=True); sys.stdin.read()"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-I", "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(12)
    ]
    said = [child.stdout.readline() for child in children if child.stdout]
    for child in children:
        child.communicate()
    assert sorted(said) == [b"follows\n"] * 11 + [b"leads\n"]


def test_the_log_is_json_lines_for_its_owner_alone_with_tracebacks_inside(tmp_path: Path) -> None:
    path = tmp_path / "daemon.log"
    handler = logs.open_log(path)
    logger = logging.getLogger("pilothouse.daemon.test")
    try:
        logs.say(logger, logging.INFO, "job 3 ended", job=3)
        try:
            raise ValueError("two\nlines")
        except ValueError:
            logger.exception("it failed")
    finally:
        logs.close_log(handler)
    first, second = [json.loads(line) for line in path.read_text().splitlines()]
    assert (first["message"], first["job"], first["level"]) == ("job 3 ended", 3, "info")
    assert "ValueError: two\nlines" in second["traceback"]
    assert path.stat().st_mode & 0o777 == 0o600
