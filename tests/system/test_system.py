"""Files, processes and Landlock, against the real kernel."""

import fcntl
import json
import os
import platform
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from pilothouse.confinement import landlock
from pilothouse.domain.errors import ConflictError, IntegrityError, NotFoundError
from pilothouse.domain.jobs.jobs import ProcessName
from pilothouse.system import files, processes
from pilothouse.system.leader import leadership
from support import wait_until

needs_landlock = pytest.mark.skipif(landlock.abi() < 4, reason="kernel without Landlock ABI 4")


def test_written_files_have_their_mode_and_leave_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "token"
    files.write_atomically(path, b"one")
    files.write_atomically(path, b"two", mode=0o444)
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o444
    assert list(tmp_path.iterdir()) == [path]


def test_digest_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256_file(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_reading_what_is_absent_or_no_json_says_where(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("{")
    with pytest.raises(NotFoundError, match="absent"):
        files.read_json(tmp_path / "absent")
    with pytest.raises(IntegrityError, match="bad: not JSON"):
        files.read_json(tmp_path / "bad")


def test_untrusted_files_are_not_read_through_links_pipes_or_without_bound(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(IntegrityError, match="regular file"):
            files.read_plain_file(tmp_path / name, 100)
    with pytest.raises(IntegrityError, match="at most 3"):
        files.read_plain_file(tmp_path / "secret", 3)
    assert files.read_plain_file(tmp_path / "secret", 6) == b"secret"


def test_a_process_is_known_by_boot_pid_and_start() -> None:
    own = processes.own_name()
    assert processes.is_alive(own)
    assert not processes.is_alive(ProcessName(own.boot_id, own.pid, own.started + 1))
    assert not processes.is_alive(ProcessName("another boot", own.pid, own.started))


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["sleep", "60"])
    name = processes.name_of(child.pid)
    assert name is not None
    child.kill()
    wait_until(lambda: not processes.is_alive(name))
    child.wait()


def test_killing_a_group_ends_grandchildren_that_ignore_sigterm() -> None:
    child = subprocess.Popen(["sh", "-c", "trap '' TERM; sleep 60 & sleep 60 & wait"], start_new_session=True)
    name = processes.name_of(child.pid)
    assert name is not None
    wait_until(lambda: len(processes.descendants(child.pid)) == 2)
    family = processes.descendants(child.pid)
    assert processes.kill_group(name, 0.05)
    wait_until(lambda: all(processes.name_of(pid) is None for pid in family))
    assert child.wait() == -signal.SIGKILL


def test_killing_a_group_spares_a_process_that_got_its_pid() -> None:
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    name = processes.name_of(child.pid)
    assert name is not None
    processes.kill_group(ProcessName(name.boot_id, name.pid, name.started - 1), 0.05)
    assert processes.is_alive(name)
    processes.kill_group(name, 0.05)
    child.wait()


def _restricted(code: str, *arguments: object) -> str:
    prelude = (
        "import sys, os, socket\nfrom pathlib import Path\nfrom pilothouse.confinement import landlock\n"
        "from pilothouse.confinement.root import runtime_paths\n"
        "read, write = runtime_paths()\n"
        "def attempt(action):\n    try:\n        action(); print('done')\n"
        "    except OSError: print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", prelude + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_landlock
def test_a_restricted_process_reaches_only_what_it_named(tmp_path: Path) -> None:
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside" / "file")
    said = _restricted(
        """
inside, outside = map(Path, sys.argv[1:])
landlock.restrict(read, [*write, inside], (), ())
attempt(lambda: (inside / "new").write_text("x"))
attempt(lambda: (outside / "file").read_text())
attempt(lambda: (outside / "new").write_text("x"))
attempt(lambda: (inside / "link").read_text())
attempt(lambda: os.link(outside / "file", inside / "hard"))
attempt(lambda: Path("/dev/null").write_text("x"))
import json, decimal, sqlite3
attempt(lambda: None)
""",
        tmp_path / "inside",
        tmp_path / "outside",
    )
    assert said.split() == ["done", *["refused"] * 4, "done", "done"]


@needs_landlock
def test_a_restricted_process_connects_to_named_ports_only() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as open_one, socket.create_server(("127.0.0.1", 0)) as other:
        said = _restricted(
            """
good, bad = map(int, sys.argv[1:])
landlock.restrict(read, write, (), (good,))
attempt(lambda: socket.create_connection(("127.0.0.1", good)))
attempt(lambda: socket.create_connection(("127.0.0.1", bad)))
attempt(lambda: socket.create_server(("127.0.0.1", 0)))
""",
            open_one.getsockname()[1],
            other.getsockname()[1],
        )
    assert said.split() == ["done", "refused", "refused"]


@needs_landlock
def test_a_process_with_threads_is_told_to_restrict_itself_earlier() -> None:
    if landlock.abi() >= 8:
        pytest.skip("this kernel restricts all threads at once")
    said = _restricted(
        """
import threading
held = threading.Event()
threading.Thread(target=held.wait).start()
try:
    landlock.restrict(read, write, (), ())
except Exception as error:
    print(error)
held.set()
"""
    )
    assert "before it starts a second one" in said


_FREED = """
import resource
from pathlib import Path
from pilothouse.system import memory
def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() >> 20
pieces = [b"x" * 100_000 for _ in range(1_000)]  # too small to be mapped one by one
kept = b"x" * 100_000  # lies behind them, so that the heap does not shrink by itself
del pieces
before = resident_mb()
memory.give_back()
print(before, resident_mb())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_freed_memory_goes_back_to_the_kernel() -> None:
    found = subprocess.run([sys.executable, "-c", _FREED], capture_output=True, text=True, check=True)
    before, after = map(int, found.stdout.split())
    assert before > 100
    assert after < before - 80


_FAULTS = """
import resource, sys
from pilothouse.system import memory
if sys.argv[1] == "hold":
    memory.hold()
def calculate():
    return [bytearray(1 << 20) for _ in range(12)]
for _ in range(3):
    calculate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    calculate()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
memory.give_back()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt(3) is glibc's")
def test_memory_that_is_held_is_not_asked_for_again() -> None:
    def faults(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    assert faults("hold") < faults("not") / 10


def _held_for_a_dead_daemon(path: Path) -> int:
    """A lock that somebody holds, in the name of a process that is gone."""
    gone = subprocess.Popen(["true"])
    name = ProcessName("a boot", gone.pid, 1)
    gone.wait()
    path.write_text(json.dumps(asdict(name)))
    descriptor = os.open(path, os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def test_a_daemon_waits_for_the_end_of_one_that_was_killed(tmp_path: Path) -> None:
    held = _held_for_a_dead_daemon(tmp_path / "lock")
    ending = threading.Timer(0.2, os.close, (held,))
    ending.start()
    with leadership(tmp_path / "lock") as leads:
        assert leads
    ending.join()


def test_a_lock_that_nobody_lets_go_of_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilothouse.system.leader._ENDS_WITHIN_S", 0.1)
    held = _held_for_a_dead_daemon(tmp_path / "lock")
    with pytest.raises(ConflictError, match="another daemon runs"), leadership(tmp_path / "lock"):
        pass
    os.close(held)


def test_a_file_that_finds_no_room_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match=r"report\.html") as found:
            files.write_atomically(tmp_path / "report.html", b"more than there is room for")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert found.value.filename == str(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []
