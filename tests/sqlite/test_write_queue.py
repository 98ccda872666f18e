"""The queue before the write lock: in order, between processes and threads, and never for ever."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pilothouse.sqlite import write_queue
from pilothouse.sqlite.write_queue import WriteQueue, queue_file
from support import wait_until

HOLD = """
import sys, time
from pathlib import Path
from pilothouse.sqlite.write_queue import WriteQueue
with WriteQueue(Path(sys.argv[1])).turn():
    print("mine", flush=True)
    time.sleep(60)
"""


@contextmanager
def held_by_a_process(database: Path) -> Iterator["subprocess.Popen[str]"]:
    child = subprocess.Popen([sys.executable, "-c", HOLD, str(database)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "mine\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()  # type: ignore[union-attr]


def waiting(database: Path) -> int:
    """How many wait: for ``next`` in the kernel, where proc_locks(5) has an arrow, and for ``now`` with it in hand."""
    inode = f":{queue_file(database).stat().st_ino} "
    lines = [line for line in Path("/proc/locks").read_text().splitlines() if inode in line]
    return sum("->" in line or line.rstrip().endswith(" 0 0") for line in lines)


@contextmanager
def turn_in(database: Path) -> Iterator[None]:
    """A turn of somebody who has not written before and leaves the queue afterwards."""
    with closing(WriteQueue(database)) as queue, queue.turn():
        yield


def write_once(database: Path) -> None:
    with turn_in(database):
        pass


def test_who_asks_first_writes_first(tmp_path: Path) -> None:
    database, order = tmp_path / "a.db", []

    def write(number: int) -> None:
        with turn_in(database):
            order.append(number)

    threads = []
    with turn_in(database):
        for number in range(12):
            threads.append(threading.Thread(target=write, args=(number,)))
            threads[-1].start()
            wait_until(lambda number=number: waiting(database) == number + 1)  # type: ignore[misc]
        assert order == []
    for thread in threads:
        thread.join(10)
    # The one that was first waits by itself; the others are let in one by one behind it.
    assert order == list(range(12))


def test_one_who_has_written_does_not_pass_those_who_wait(tmp_path: Path) -> None:
    database, order = tmp_path / "a.db", []
    greedy = WriteQueue(database)

    def write() -> None:
        with turn_in(database):
            order.append("the other")

    with greedy.turn():
        other = threading.Thread(target=write)
        other.start()
        wait_until(lambda: waiting(database) == 1)
    for _ in range(3):
        with greedy.turn():
            order.append("greedy")
    other.join(10)
    assert order == ["the other", "greedy", "greedy", "greedy"]
    greedy.close()


def test_a_killed_writer_lets_the_next_one_in(tmp_path: Path) -> None:
    database, done = tmp_path / "a.db", threading.Event()

    def write() -> None:
        with turn_in(database):
            done.set()

    with held_by_a_process(database) as child:
        other = threading.Thread(target=write)
        other.start()
        wait_until(lambda: waiting(database) == 1)
        child.kill()
        assert done.wait(2)
    other.join(10)


def test_a_stopped_writer_is_not_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, queue = tmp_path / "a.db", WriteQueue(tmp_path / "a.db")
    with held_by_a_process(database) as child:
        os.kill(child.pid, signal.SIGSTOP)
        monkeypatch.setattr(write_queue, "PATIENCE_S", 0.2)
        with queue.turn():
            pass
        monkeypatch.setattr(write_queue, "PATIENCE_S", 60.0)
        began = time.monotonic()
        for _ in range(100):  # it does not wait again behind a queue that does not move
            with queue.turn():
                pass
        assert time.monotonic() - began < 30
        child.kill()
        child.wait()
    write_once(database)
    with queue.turn():
        pass
    other = threading.Thread(target=write_once, args=(database,))
    with queue.turn():  # and it is in order again once that moves
        other.start()
        wait_until(lambda: waiting(database) == 1)
    other.join(10)
    queue.close()


def test_where_no_file_can_be_made_nobody_waits(tmp_path: Path) -> None:
    with WriteQueue(tmp_path / "absent" / "a.db").turn(), WriteQueue(tmp_path / "absent" / "a.db").turn():
        pass
