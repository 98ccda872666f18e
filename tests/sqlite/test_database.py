"""The machinery under both databases: version gate, units of work, errors in words."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pilothouse.domain.errors import IntegrityError, InvalidInputError, UnavailableError
from pilothouse.sqlite import Connection, Database, Schema, driver
from pilothouse.sqlite.connection import has_wal_reset_bug
from pilothouse.sqlite.database import copy_database
from pilothouse.sqlite.errors import errors_named
from support import until_the_test_ends, wait_until
from support.leftovers import held


def make_tables(connection: Connection, progress: object = None) -> None:
    connection.execute("CREATE TABLE t(n INTEGER NOT NULL) STRICT")


class Numbers(Database):
    schema = Schema("list of numbers", 7, 1, make_tables)


def add_column(connection: Connection, progress: object = None) -> None:
    connection.execute("ALTER TABLE t ADD COLUMN m INTEGER")


class NewerNumbers(Database):
    schema = Schema("list of numbers", 7, 2, add_column)


class Letters(Database):
    schema = Schema("list of letters", 8, 1, make_tables)


def numbers(database: Database) -> list[tuple[int]]:
    with database.read() as connection:
        return list(connection.execute("SELECT n FROM t"))


def descriptors_of(database: Database) -> list[str]:
    """What this process has open of a file and what lies beside it."""
    return [place for place in held().descriptors.values() if place.startswith(str(database.path))]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return until_the_test_ends(Numbers.create(tmp_path / "a.db"))


@pytest.mark.parametrize(
    ("version", "affected"),
    [((3, 40, 1), True), ((3, 51, 2), True), ((3, 51, 3), False), ((3, 50, 7), False), ((3, 50, 6), True),
     ((3, 44, 6), False), ((3, 45, 0), True), ((3, 53, 4), False)],
)  # fmt: skip
def test_versions_with_the_wal_reset_bug_are_known(version: tuple[int, int, int], affected: bool) -> None:
    assert has_wal_reset_bug(version) is affected


def test_a_connection_is_in_wal_with_full_sync_and_foreign_keys(database: Database) -> None:
    with database.read() as connection:
        settings = [
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "recursive_triggers")
        ]
    assert settings == ["wal", 2, 1, 1]
    assert database.path.stat().st_mode & 0o777 == 0o600


def test_a_failed_unit_of_work_leaves_nothing(database: Database) -> None:
    def insert_then_fail() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO t VALUES (1)")
            raise RuntimeError("half done")

    with pytest.raises(RuntimeError, match="half done"):
        insert_then_fail()
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_writers_of_many_threads_wait_for_each_other(database: Database) -> None:
    def add(times: int) -> None:
        for _ in range(times):
            with database.transaction() as connection:
                (n,) = connection.execute("SELECT count(*) FROM t").fetchone()
                connection.execute("INSERT INTO t VALUES (?)", (n,))

    threads = [threading.Thread(target=add, args=(25,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.execute("SELECT count(DISTINCT n), count(*) FROM t").fetchone() == (100, 100)


def test_a_commit_of_anybody_moves_the_data_version(database: Database) -> None:
    before = database.data_version()
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
    wait_until(lambda: database.data_version() != before)


def test_a_file_that_is_no_database_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_bytes(b"not a database at all" * 100)
    (tmp_path / "a.db").chmod(0o600)
    with pytest.raises(IntegrityError, match=r"a\.db is damaged"):
        Numbers(tmp_path / "a.db")


def test_another_kind_of_file_is_not_taken_for_ours(database: Database) -> None:
    for open_ in (Letters, Letters.upgrade, Letters.create):
        with pytest.raises(IntegrityError, match=r"a\.db is not a list of letters"):
            open_(database.path)


def test_an_older_file_is_upgraded_once_and_a_newer_one_refused(database: Database) -> None:
    with pytest.raises(
        UnavailableError, match="has schema 1, this Pilothouse knows schema 2: open its workspace"
    ):
        NewerNumbers(database.path)
    for _ in range(2):
        with NewerNumbers.upgrade(database.path).read() as connection:
            assert connection.execute("SELECT n, m FROM t").fetchall() == []
    with pytest.raises(UnavailableError, match="install a newer Pilothouse"):
        Numbers.upgrade(database.path)


def test_a_number_that_no_row_can_have_is_said_to_be_out_of_range(database: Database) -> None:
    with pytest.raises(InvalidInputError, match="64 bits"), database.read() as connection:
        connection.execute("SELECT 1 WHERE ? = 1", (2**63,))
    with pytest.raises(OverflowError, match="cannot convert float"), database.read():
        int(float("inf"))


def test_a_file_that_threads_make_at_once_is_made_once(tmp_path: Path) -> None:
    made: list[Database] = []
    threads = [
        threading.Thread(target=lambda: made.append(Numbers.create(tmp_path / "b.db"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 4
    for each in made:
        each.close()
    assert [path.name for path in tmp_path.iterdir()] == ["b.db"]


def test_a_file_that_has_gone_is_not_made_again(database: Database) -> None:
    database.path.unlink()
    with ThreadPoolExecutor(1) as pool, pytest.raises(UnavailableError, match=r"a\.db cannot be opened"):
        pool.submit(numbers, database).result()  # another thread has no connection yet
    assert not database.path.exists()


def test_a_constraint_stays_the_callers_business(database: Database) -> None:
    with pytest.raises(driver.IntegrityError), database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (NULL)")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"nowhere/a\.db cannot be made: No such file"):
        Numbers.create(tmp_path / "nowhere/a.db")


def test_the_connection_of_a_thread_that_is_gone_is_closed(database: Database) -> None:
    def read() -> None:
        with database.read() as connection:
            connection.execute("SELECT 1")

    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3


def test_a_copy_of_a_live_database_is_whole(database: Database, tmp_path: Path) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (7)")
    database.copy_to(tmp_path / "copy.db")
    assert numbers(until_the_test_ends(Numbers(tmp_path / "copy.db"))) == [(7,)]


def test_a_full_disk_under_a_copy_is_told_as_such(tmp_path: Path) -> None:
    """SQLite's backup interface gives its errors no code."""
    with pytest.raises(UnavailableError, match="is full: make room"), errors_named(tmp_path / "copy.db"):
        raise driver.OperationalError("database or disk is full")


def test_closing_leaves_a_connection_that_works_to_its_thread(tmp_path: Path) -> None:
    database = Numbers.create(tmp_path / "n.db")
    begun, found = threading.Event(), []

    def work() -> None:
        with database.read() as connection:
            count = (
                "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r LIMIT 200000) SELECT n FROM r"
            )
            rows = connection.execute(count)
            begun.set()
            found.append(sum(1 for _ in rows))

    thread = threading.Thread(target=work)
    thread.start()
    assert begun.wait(10)
    database.close()
    thread.join()
    assert found == [200_000]
    assert descriptors_of(database) == []


def test_closing_closes_the_connections_of_all_threads_for_good(tmp_path: Path) -> None:
    database = Numbers.create(tmp_path / "n.db")
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (7)")
    with ThreadPoolExecutor(3) as pool:
        together = threading.Barrier(3)

        def read() -> list[tuple[int]]:
            together.wait(10)
            return numbers(database)

        assert [task.result() for task in [pool.submit(read) for _ in range(3)]] == [[(7,)]] * 3
        database.data_version()
        assert descriptors_of(database)
        database.close()
        assert descriptors_of(database) == []
        for work in (numbers, Database.data_version):
            with pytest.raises(UnavailableError, match="was closed"):
                pool.submit(work, database).result()
    assert descriptors_of(database) == []


def test_what_is_under_way_when_it_is_closed_comes_to_its_end(tmp_path: Path) -> None:
    database = Numbers.create(tmp_path / "n.db")
    with database.transaction() as connection:
        connection.execute("INSERT INTO t VALUES (1)")
        database.close()
        with database.transaction() as same:
            same.execute("INSERT INTO t VALUES (2)")
    assert descriptors_of(database) == []
    assert numbers(until_the_test_ends(Numbers(database.path))) == [(1,), (2,)]


def test_threads_that_end_while_it_is_closed_close_nothing_twice(tmp_path: Path) -> None:
    """In a process of its own: SQLite does not survive a connection that two threads close."""
    code = """
import sys, threading
sys.setswitchinterval(1e-6)
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from sqlite.test_database import Numbers, UnavailableError, numbers
def read(database):
    try:
        numbers(database)
    except UnavailableError:
        pass
for number in range(150):
    database = Numbers.create(Path(sys.argv[2]) / "n.db")
    work = [threading.Thread(target=read, args=(database,)) for _ in range(3)]
    work += [threading.Thread(target=database.close) for _ in range(2)]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
print("whole")
"""
    tests = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tests), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr[-2_000:]


def test_a_connection_that_cannot_be_prepared_is_closed(tmp_path: Path) -> None:
    Numbers.create(tmp_path / "n.db").close()

    def refuse(_: Connection) -> None:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now") as refused:
        Numbers(tmp_path / "n.db", refuse)
    assert [place for place in held().descriptors.values() if "n.db" in place] == []
    assert refused.value.args == ("not now",)


def test_a_copy_is_of_one_state_and_is_not_begun_anew_by_what_others_write(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.sqlite.database._PAGES_AT_ONCE", 1)
    with database.transaction() as connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(9_000)])
    told: list[tuple[int, int]] = []

    def write(done: int, total: int) -> None:
        told.append((done, total))
        with database.transaction() as connection:
            connection.execute("INSERT INTO t VALUES (-1)")

    copy_database(database.path, tmp_path / "copy.db", write)
    assert numbers(until_the_test_ends(Numbers.upgrade(tmp_path / "copy.db"))) == [(n,) for n in range(9_000)]
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))
    assert len(told) > 10
