"""Opening a registry, sharing it between threads and processes, and what its errors say."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.registries import Example
from pilothouse.domain.errors import ConflictError, IntegrityError, NotFoundError, UnavailableError
from pilothouse.sqlite import driver
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
from pilothouse.store.log import audit
from pilothouse.store.migrations import SCHEMA
from support import until_the_test_ends

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry.create(tmp_path / "registry.db")
    yield made
    made.close()


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process that runs ``code`` with the tests' modules at hand."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )


def put(registry: Registry, value: str) -> None:
    with registry.transaction() as connection:
        workspace.set_setting(connection, "value", value)


def get(registry: Registry) -> str | None:
    with registry.read() as connection:
        return workspace.setting(connection, "value")


def test_a_registry_is_for_its_owner_alone(registry: Registry) -> None:
    assert registry.path.stat().st_mode & 0o777 == 0o600


def test_an_exception_leaves_nothing_behind(registry: Registry) -> None:
    def fail() -> None:
        with registry.transaction() as connection:
            workspace.set_setting(connection, "value", "half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert get(registry) is None


def test_an_inner_unit_of_work_can_fail_alone(registry: Registry) -> None:
    with registry.transaction() as connection:
        workspace.set_setting(connection, "value", "outer")
        with contextlib.suppress(KeyError), registry.transaction():
            workspace.set_setting(connection, "value", "inner")
            raise KeyError

    assert get(registry) == "outer"


def test_an_inner_unit_of_work_goes_with_the_outer_one(registry: Registry) -> None:
    def fail() -> None:
        with registry.transaction():
            put(registry, "inner")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert get(registry) is None


def test_a_read_cannot_become_a_write(registry: Registry) -> None:
    with pytest.raises(RuntimeError, match="inside read"), registry.read(), registry.transaction():
        pass


def test_a_reader_sees_one_state_and_does_not_block_a_writer(registry: Registry) -> None:
    put(registry, "before")
    with registry.read() as connection:
        first = workspace.setting(connection, "value")
        writer = threading.Thread(target=put, args=(registry, "after"))
        writer.start()
        writer.join()
        assert (first, workspace.setting(connection, "value")) == ("before", "before")

    assert get(registry) == "after"


def test_threads_write_one_after_the_other(registry: Registry) -> None:
    def count() -> None:
        for _ in range(25):
            with registry.transaction() as connection:
                before = int(workspace.setting(connection, "value") or 0)
                workspace.set_setting(connection, "value", str(before + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert get(registry) == "100"


def test_the_data_version_moves_when_anybody_has_written(registry: Registry) -> None:
    other = Registry(registry.path)
    before = registry.data_version()
    assert registry.data_version() == before
    put(registry, "mine")
    mine = registry.data_version()
    put(other, "theirs")
    other.close()

    assert len({before, mine, registry.data_version()}) == 3


def test_a_registry_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not a workspace"):
        Registry(tmp_path / "registry.db")
    assert list(tmp_path.iterdir()) == []


def test_a_newer_schema_is_refused_with_what_to_do(registry: Registry) -> None:
    with registry.transaction() as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA.version + 1}")

    with pytest.raises(UnavailableError, match="install a newer Pilothouse"):
        Registry.upgrade(registry.path)


def test_another_database_is_not_taken_for_a_registry(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.touch(0o600)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE x (y)")
    connection.close()

    with pytest.raises(IntegrityError, match="not a registry"):
        Registry.upgrade(path)


def test_a_damaged_file_is_named(registry: Registry) -> None:
    registry.close()
    size = registry.path.stat().st_size
    for extra in ("-wal", "-shm"):
        registry.path.with_name(registry.path.name + extra).unlink(missing_ok=True)
    with registry.path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(size - 100))

    with pytest.raises(IntegrityError, match="restore a backup"):
        until_the_test_ends(Registry(registry.path)).check()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    path.write_bytes(b"not a database at all" * 100)
    path.chmod(0o600)

    with pytest.raises(IntegrityError, match="restore a backup"):
        Registry.upgrade(path)


def test_a_full_disk_is_said_and_changes_nothing(registry: Registry) -> None:
    with registry.transaction() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    with registry.read() as connection:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(UnavailableError, match="full: make room"):
        put(registry, "x" * 1_000_000)
    assert get(registry) is None


def test_a_lock_that_does_not_go_is_said(registry: Registry) -> None:
    other = driver.connect(str(registry.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with registry.read() as connection:
        connection.execute("PRAGMA busy_timeout = 50")

    with pytest.raises(UnavailableError, match="locked by another process"):
        put(registry, "x")
    other.execute("ROLLBACK")
    other.close()


def test_a_registry_that_others_may_write_is_refused(registry: Registry) -> None:
    registry.path.chmod(0o660)

    with pytest.raises(UnavailableError, match="chmod 600"):
        Registry(registry.path)


def test_a_copy_of_a_live_registry_is_whole(registry: Registry, tmp_path: Path) -> None:
    put(registry, "kept")
    registry.copy_to(tmp_path / "copy.db")

    copy = Registry.upgrade(tmp_path / "copy.db")
    copy.check()
    assert get(copy) == "kept"
    copy.close()


def test_pandas_is_imported_neither_to_read_nor_to_migrate(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.operations.workspace import workspaces
workspaces.initialise(Path(sys.argv[1]), "ada")
made = sorted({"pandas", "sklearn", "scipy"} & set(sys.modules))
print(made)
"""
    again = """
import sys
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.operations.workspace import workspaces, audits
from pilothouse.operations import catalogue
from pilothouse.operations.promotion import promotions, deployments
from pilothouse.operations.alerts import alerts
services = open_workspace(Path(sys.argv[1]))
catalogue.list_models(services, workspaces.identify(services, "ada"))
print(sorted({"pandas", "sklearn", "scipy", "sqlite_utils", "numpy", "apscheduler"} & set(sys.modules)))
"""
    for script in (code, again):
        process = start(script, tmp_path / "workspace")
        out, err = process.communicate(timeout=60)
        assert (out.strip(), err) == ("[]", "")


def test_many_processes_make_one_workspace(tmp_path: Path) -> None:
    code = """
import sys, os
from pathlib import Path
from pilothouse.domain.errors import ConflictError
from pilothouse.operations.workspace import workspaces
print("ready", flush=True)
sys.stdin.readline()
try:
    workspaces.initialise(Path(sys.argv[1]), sys.argv[2])
    print("made")
except ConflictError:
    print("refused")
"""
    names = ["ann", "bob", "cyd"]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "workspace"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert err == ""
        answers.append(out.strip())

    assert sorted(answers) == ["made", "refused", "refused"]


def test_a_writer_killed_in_a_transaction_leaves_nothing_and_no_lock(registry: Registry) -> None:
    code = """
import sys, time
from pathlib import Path
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
with Registry(Path(sys.argv[1])).transaction() as connection:
    workspace.set_setting(connection, "value", "half")
    print("inside", flush=True)
    sys.stdin.readline()
    time.sleep(60)
"""
    process = start(code, registry.path)
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()

    assert get(registry) is None
    put(registry, "next")
    registry.check()


def test_what_a_killed_writer_said_was_committed_is_there_and_the_chain_holds(registry: Registry) -> None:
    code = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from pilothouse.store.log import audit
from pilothouse.store.connection import Registry
registry = Registry(Path(sys.argv[1]))
while True:
    with registry.transaction() as connection:
        entry = audit.append(connection, at=datetime.now(UTC), actor="a", action="b", subject="c", detail={})
    print(entry.seq, flush=True)
"""
    process = start(code, registry.path)
    assert process.stdout is not None
    for _ in range(40):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    said = process.communicate()[0].split()

    with registry.read() as connection:
        head = audit.verify(connection)
    assert head.count >= int(said[-1] if said else 40)
    registry.check()


def test_two_approvers_in_two_processes_deploy_once(example: Example, tmp_path: Path) -> None:
    from pilothouse.operations.promotion import deployments, promotions

    requests = []
    for number in range(6):
        name = f"model-{number}"
        example.apply(name, promotion={"approvals": 1 + number % 2})
        example.add_version(name)
        requests.append(promotions.request_promotion(example.services, example.actor("sam"), name))
    code = """
import sys
from pathlib import Path
from datetime import timedelta
from fixtures.registries import START
from pilothouse.composition import open_workspace
from pilothouse.domain.errors import ConflictError
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import workspaces
services = open_workspace(Path(sys.argv[1]))
services.now = lambda: START + timedelta(hours=1)
actor = workspaces.identify(services, sys.argv[2])
todo = promotions.waiting_for(services, actor)
Path(sys.argv[3], sys.argv[2]).touch()
while len(list(Path(sys.argv[3]).iterdir())) < 2:
    pass
done = []
for request in todo:
    try:
        promotions.approve(services, actor, request.id, request.evidence_digest)
        done.append(request.id)
    except ConflictError:
        pass
print(*done)
"""
    barrier = tmp_path / "barrier"
    barrier.mkdir()
    pair = [start(code, example.root, name, barrier) for name in ("pat", "pia")]
    done = []
    for process in pair:
        out, err = process.communicate(timeout=60)
        assert err == ""
        done += [int(number) for number in out.split()]

    for request in requests:
        assert done.count(request.id) == request.policy.approvals
        assert (
            promotions.get_request(example.services, example.actor("vera"), request.id).status == "deployed"
        )
        history = deployments.list_deployments(
            example.services, example.actor("vera"), model=request.model, live_only=False
        )
        assert sorted((d.target, d.version, d.ended_at) for d in history) == [
            ("ewr", 1, None),
            ("jfk", 1, None),
        ]
    with example.services.registry.read() as connection:
        audit.verify(connection)


def test_threads_that_are_gone_leave_no_open_files(registry: Registry) -> None:
    def open_files_after(threads: int) -> int:
        for _ in range(threads):
            thread = threading.Thread(target=get, args=(registry,))
            thread.start()
            thread.join()
        links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        return sum(str(link.readlink()).startswith(str(registry.path)) for link in links)

    get(registry)
    # SQLite keeps a descriptor for the next connection while another one holds a lock: a few, and no more of them.
    assert open_files_after(30) <= open_files_after(3) + 1


def test_a_constraint_speaks_as_a_conflict(registry: Registry) -> None:
    with pytest.raises(ConflictError, match="refused the change"), registry.transaction() as connection:
        connection.execute("INSERT INTO settings (name, value) VALUES ('x', NULL)")
