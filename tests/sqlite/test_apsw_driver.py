"""The driver over APSW: it answers as pysqlite3 does, and a whole workspace lives on it."""

import gc
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pilothouse.domain.errors import UnavailableError
from pilothouse.sqlite import connection as connections
from support import until_the_test_ends

pytest.importorskip("apsw")
from pilothouse.sqlite import apsw_driver

TABLES = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, part NOT NULL DEFAULT 0 CHECK (part < 9)) STRICT"
    .replace("part NOT", "part INTEGER NOT"),
    "CREATE TABLE u (id INTEGER PRIMARY KEY, t INTEGER REFERENCES t)",
    "CREATE TRIGGER counted AFTER INSERT ON t BEGIN INSERT INTO u (t) VALUES (new.id); INSERT INTO u (t) VALUES (new.id); END",
    "PRAGMA foreign_keys = ON",
)  # fmt: skip

OPERATIONS: list[tuple[str, Any]] = [
    ("INSERT INTO t (name) VALUES (?)", ("a",)),
    ("  insert or replace into t (id, name) values (:id, :name)", {"id": 7, "name": "b"}),
    ("INSERT INTO t (name) VALUES ('c'), ('d') RETURNING id, name AS \"called so\"", ()),
    ("INSERT INTO t (name) VALUES ('a')", ()),
    ("INSERT INTO t (id, name) VALUES (7, 'x')", ()),
    ("INSERT INTO t (id, name, part) VALUES (8, 'x', NULL)", ()),
    ("INSERT INTO t (id, name, part) VALUES (8, 'x', 10)", ()),
    ("INSERT INTO t (id, name, part) VALUES (8, 'x', 'text')", ()),
    ("INSERT INTO t (id) VALUES ('text')", ()),
    ("INSERT INTO u (t) VALUES (99)", ()),
    ("UPDATE t SET part = part + 1", ()),
    ("UPDATE t SET part = 2 WHERE id < ?", [0]),
    ("UPDATE t SET part = 3 WHERE 0 RETURNING id", ()),
    ("DELETE FROM u WHERE id < 3", ()),
    ("REPLACE INTO u (id, t) VALUES (20, 7)", ()),
    ("SELECT id, name, part FROM t ORDER BY id", ()),
    ("SELECT * FROM t WHERE 0", ()),
    ("SELECT count(*) FROM u", ()),
    ("SELECT ?, ?, ?, ?, ?", (None, 1 << 62, 2.5, "ü\x00€", b"\x00\xff")),
    ("SELECT ?, ?, ?", (True, float("inf"), float("nan"))),
    ("SELECT typeof(?)", (bytearray(b"x"),)),
    ("BEGIN IMMEDIATE", ()),
    ("BEGIN", ()),
    ("SAVEPOINT s", ()),
    ("INSERT INTO u (id) VALUES (30)", ()),
    ("ROLLBACK TO s", ()),
    ("RELEASE s", ()),
    ("RELEASE s", ()),
    ("COMMIT", ()),
    ("ROLLBACK", ()),
    ("PRAGMA user_version = 3", ()),
    ("PRAGMA user_version", ()),
    ("EXPLAIN QUERY PLAN SELECT name FROM t WHERE id = 1", ()),
    ("SELEC 1", ()),
    ("SELECT", ()),
    ("SELECT * FROM nowhere", ()),
    ("SELECT nothing FROM t", ()),
    ("SELECT zeroblob(3000000000)", ()),
    ("SELECT json('{')", ()),
    ("SELECT abs(-9223372036854775808)", ()),
    ("SELECT 1;", ()),
    ("SELECT 1 ; -- said\n", ()),
    ("SELECT 1; /* said */", ()),
    ("SELECT ';' ;", ()),
    ("SELECT 1; SELECT 2", ()),
    ("DELETE FROM t; DELETE FROM u", ()),
    ("SELECT 1; x", ()),
    ("SELECT ?, ?", (1,)),
    ("SELECT ?", (1, 2)),
    ("SELECT ?", ()),
    ("SELECT ?", (1 << 70,)),
    ("SELECT ?", ("\ud800",)),
    ("SELECT 1\x00", ()),
    ("SELECT RAISE(ABORT, 'no')", ()),
    ("SELECT CAST(x'ff' AS TEXT) AS n", ()),
    ("SELECT id FROM t ORDER BY id; ", ()),
    ("SELECT total(part), group_concat(name) FROM t", ()),
]


@pytest.fixture
def other() -> ModuleType:
    """The driver that this one stands in for."""
    return pytest.importorskip("pysqlite3.dbapi2")


def opened(driver: Any, path: Path | str = ":memory:", **options: Any) -> Any:
    return until_the_test_ends(driver.connect(path, isolation_level=None, check_same_thread=False, **options))


def told(work: Callable[[], Any]) -> Any:
    """What ``work`` gives, or the error that it raises."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whichever it is, it is compared
        code = getattr(error, "sqlite_errorcode", None)
        name = getattr(error, "sqlite_errorname", None)
        return type(error).__name__, code, name, str(error) if code is not None else ""


def outcome(connection: Any, sql: str, parameters: Any) -> Any:
    """All that can be seen of a statement."""

    def work() -> Any:
        cursor = connection.execute(sql, parameters)
        names = [column[0] for column in cursor.description or ()]
        return cursor.fetchall(), names, cursor.description is None, cursor.rowcount, cursor.lastrowid

    answer = repr(told(work))  # NaN equals nothing
    return answer, connection.in_transaction, connection.total_changes


def test_every_operation_answers_as_with_pysqlite3(other: ModuleType) -> None:
    ours, theirs = opened(apsw_driver), opened(other)
    for sql in TABLES:
        assert outcome(ours, sql, ()) == outcome(theirs, sql, ())
    for sql, parameters in OPERATIONS:
        assert outcome(ours, sql, parameters) == outcome(theirs, sql, parameters), sql
    assert ours.execute("SELECT * FROM t").fetchall() == theirs.execute("SELECT * FROM t").fetchall()


def test_every_name_that_the_program_takes_from_its_driver_is_there(other: ModuleType) -> None:
    root = Path(connections.__file__).parent.parent
    text = "".join(path.read_text() for path in root.rglob("*.py"))
    taken = {part.split("driver.", 1)[1] for part in set(_words(text)) if re.match(r"driver\.\w", part)}
    assert len(taken) > 10
    for name in taken:
        ours, theirs = getattr(apsw_driver, name), getattr(other, name)
        if isinstance(theirs, int):
            assert ours == theirs, name


def _words(text: str) -> Iterator[str]:
    word = ""
    for letter in text:
        if letter.isalnum() or letter in "_.":
            word += letter
            continue
        yield word
        word = ""


def row_facts(driver: Any) -> list[Any]:
    """What a row with names says, in every way that one can be asked."""
    connection = opened(driver)
    connection.row_factory = driver.Row
    query = "SELECT 1 AS Id, 'x' AS name, 3 AS NAME, 4 AS 'a b'"
    row, same = connection.execute(query).fetchone(), connection.execute(query).fetchone()
    differs = connection.execute(query.replace("Id", "id")).fetchone()
    plain = connection.cursor()
    plain.row_factory = None
    return [
        row["Id"], row["ID"], row["name"], row["NAME"], row["a b"], row[0], row[-1], row[1:3],
        row.keys(), list(row), len(row), tuple(row), dict(row), [*reversed(row)], "x" in row, (*row,),
        row == same, hash(row) == hash(same), row == differs, row == (1, "x", 3, 4), bool(row),
        told(lambda: row["none"]), told(lambda: row[4]), [*map(tuple, connection.execute(query))],
        plain.execute("SELECT 1").fetchall(), connection.execute("SELECT 1 AS a").fetchall()[0]["a"],
        str(told(lambda: row["none"])), connection.execute("SELECT ?, ?, ?, ?", row).fetchone()[1],
    ]  # fmt: skip


def test_rows_with_names_are_asked_as_with_pysqlite3(other: ModuleType) -> None:
    assert row_facts(apsw_driver) == row_facts(other)


def refusals(driver: Any, folder: Path) -> list[Any]:
    """What a connection says when something is in its way."""
    folder.mkdir()
    path = folder / "a.db"
    first, second = opened(driver, path, timeout=0.01), opened(driver, path, timeout=0.01)
    first.execute("CREATE TABLE t (a)")
    first.execute("BEGIN IMMEDIATE")
    found = [told(lambda: second.execute("BEGIN IMMEDIATE"))]
    first.execute("COMMIT")
    read_only = opened(driver, f"{path.as_uri()}?mode=ro", uri=True)
    found.append(told(lambda: read_only.execute("INSERT INTO t VALUES (1)")))
    found.append(told(lambda: opened(driver, f"{(folder / 'b.db').as_uri()}?mode=rw", uri=True)))
    found.append((folder / "b.db").exists())
    first.execute(f"PRAGMA max_page_count = {first.execute('PRAGMA page_count').fetchone()[0]}")
    found.append(told(lambda: first.execute("INSERT INTO t VALUES (zeroblob(100000))")))
    second.set_authorizer(
        lambda action, *_: driver.SQLITE_DENY if action == driver.SQLITE_READ else driver.SQLITE_OK
    )
    found.append(told(lambda: second.execute("SELECT a FROM t")))
    second.set_authorizer(None)
    second.set_progress_handler(lambda: 1, 100)
    endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r"
    found.append(told(lambda: second.execute(endless).fetchone()))
    second.set_progress_handler(None, 0)
    cursor = second.execute("SELECT 1 UNION SELECT 2")
    cursor.close()
    found.append(told(cursor.fetchone))
    cursor = second.execute("SELECT 1 UNION SELECT 2")
    second.close()
    second.close()
    found.extend(told(work) for work in (
        cursor.fetchone, lambda: second.execute("SELECT 1"), lambda: second.in_transaction, lambda: second.total_changes,
        lambda: second.executemany("SELECT 1", []), second.cursor, second.commit,
    ))  # fmt: skip
    (folder / "c.db").write_bytes(b"no database" * 1000)
    other = opened(driver, folder / "c.db")
    found.append(told(lambda: other.execute("SELECT * FROM sqlite_schema")))
    return found


def test_what_is_in_the_way_is_said_as_with_pysqlite3(other: ModuleType, tmp_path: Path) -> None:
    ours, theirs = refusals(apsw_driver, tmp_path / "ours"), refusals(other, tmp_path / "theirs")
    assert ours == theirs
    assert ours[0][:3] == ("OperationalError", apsw_driver.SQLITE_BUSY, "SQLITE_BUSY")


def test_of_two_statements_none_runs() -> None:
    connection = opened(apsw_driver)
    connection.execute("CREATE TABLE t (a)")
    for sql in (
        "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)",
        "SELECT 1; DROP TABLE t",
        "SELECT 1;--\nSELECT 2",
    ):
        with pytest.raises(apsw_driver.Warning, match="one statement at a time"):
            connection.execute(sql)
    with pytest.raises(apsw_driver.Warning, match="one statement at a time"):
        connection.executemany("INSERT INTO t VALUES (?); DELETE FROM t", [(1,), (2,)])
    assert connection.execute("SELECT * FROM t").fetchall() == []


def test_a_text_without_a_statement_gives_nothing() -> None:
    for sql in ("", " ", "-- said", ";"):
        cursor = opened(apsw_driver).execute(sql)
        assert (cursor.description, cursor.rowcount, cursor.fetchall()) == (None, -1, [])


def test_many_rows_are_written_from_anything_that_gives_them() -> None:
    connection = opened(apsw_driver)
    connection.execute("CREATE TABLE t (a UNIQUE, b)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", ((i, str(i)) for i in range(1000)))
    connection.executemany(
        "INSERT INTO t VALUES (:a, :b); -- with a comment", [{"a": 1000, "b": ""}, {"a": 1001, "b": ""}]
    )
    connection.executemany("UPDATE t SET b = ? WHERE a = ? RETURNING a", [("x", 1), ("y", 2)])
    connection.executemany("INSERT INTO t VALUES (?, ?)", [])
    assert connection.execute("SELECT count(*), sum(a) FROM t").fetchone() == (1002, 501501)
    assert connection.execute("SELECT b FROM t WHERE a IN (1, 2)").fetchall() == [("x",), ("y",)]
    with pytest.raises(apsw_driver.IntegrityError):
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(2000, ""), (1, ""), (2001, "")])
    assert connection.execute("SELECT max(a) FROM t").fetchone() == (2000,)


def test_a_cursor_that_nobody_holds_gives_its_statement_up_at_once() -> None:
    connection = opened(apsw_driver)
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,), (3,)])
    gc.disable()
    try:
        assert connection.execute("SELECT a FROM t").fetchone() == (1,)
        for row in connection.execute("SELECT a FROM t"):
            assert row == (1,)
            break
        connection.execute("DROP TABLE t")  # which SQLite refuses while a statement reads it
    finally:
        gc.enable()


def test_rows_are_read_on_after_a_loop_that_ended_early() -> None:
    cursor = opened(apsw_driver).execute("VALUES (1), (2), (3), (4)")
    for row in cursor:
        assert row == (1,)
        break
    assert next(cursor) == (2,)
    assert cursor.fetchone() == (3,)
    assert cursor.fetchall() == [(4,)]
    assert next(cursor, None) is None


def test_a_block_is_kept_whole_or_nothing_of_it(tmp_path: Path) -> None:
    connection = opened(apsw_driver, tmp_path / "a.db")
    with connection:
        connection.executescript(
            "CREATE TABLE t (a UNIQUE); INSERT INTO t VALUES (1); SELECT * FROM t; INSERT INTO t VALUES (2);"
        )
    with pytest.raises(apsw_driver.IntegrityError), connection:
        connection.executemany("INSERT INTO t VALUES (?)", [(3,), (1,)])
    assert not connection.in_transaction
    connection.execute("BEGIN")
    connection.execute("DELETE FROM t")
    connection.rollback()
    connection.commit()
    assert opened(apsw_driver, tmp_path / "a.db").execute("SELECT a FROM t").fetchall() == [(1,), (2,)]


def test_statements_are_told_with_their_values() -> None:
    connection = opened(apsw_driver)
    heard: list[str] = []
    connection.set_trace_callback(heard.append)
    connection.execute("SELECT ?, ?", ("it's", 2))
    connection.set_trace_callback(None)
    connection.execute("SELECT 3")
    assert heard == ["SELECT 'it''s', 2"]


def test_a_copy_is_whole_and_another_thread_closes(tmp_path: Path) -> None:
    connection, copy = opened(apsw_driver), opened(apsw_driver, tmp_path / "copy.db")
    connection.execute("CREATE TABLE t (a)")
    connection.executemany("INSERT INTO t VALUES (zeroblob(?))", [(5000,)] * 200)
    connection.backup(copy)
    thread = threading.Thread(target=lambda: (connection.close(), copy.close()))
    thread.start()
    thread.join()
    assert opened(apsw_driver, tmp_path / "copy.db").execute("SELECT count(*) FROM t").fetchone() == (200,)
    with pytest.raises(apsw_driver.ProgrammingError):
        connection.backup(copy)


def test_the_first_sound_library_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pysqlite3.dbapi2", None)
    assert connections.choose_driver() is apsw_driver
    monkeypatch.setattr(apsw_driver, "sqlite_version_info", (3, 51, 2))
    assert connections.choose_driver().__name__ == "sqlite3.dbapi2"
    monkeypatch.setitem(sys.modules, "pilothouse.sqlite.apsw_driver", None)
    assert connections.choose_driver().__name__ == "sqlite3.dbapi2"


def test_a_refusal_says_what_to_install_into_which_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections.driver, "sqlite_version_info", (3, 46, 1))
    with pytest.raises(UnavailableError) as refused:
        connections.check_library()
    assert f"run {sys.executable} -m pip install --upgrade apsw, which brings" in str(refused.value)


def start(code: str, *arguments: object) -> "subprocess.Popen[str]":
    """A process in which pysqlite3 cannot be imported, so that the program finds APSW."""
    alone = "import sys\nsys.modules['pysqlite3'] = None\n"
    command = [sys.executable, "-c", alone + code, *map(str, arguments)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def answer(code: str, *arguments: object) -> str:
    process = start(code, *arguments)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, ""), err
    return out.strip()


FORMS = """
from pathlib import Path
from pilothouse.sqlite import driver
from pilothouse.store import migrations
from pilothouse.store.connection import Registry
assert driver.__name__ == "pilothouse.sqlite.apsw_driver", driver
def schema(registry):
    with registry.read() as connection:
        return sorted((row["name"], " ".join((row["sql"] or "").split())) for row in
                      connection.execute("SELECT name, sql FROM sqlite_schema"))
everything, folder = dict(migrations.MIGRATIONS), Path(sys.argv[1])
fresh = Registry.create(folder / "fresh.db")
for count in range(1, len(everything)):
    migrations.MIGRATIONS = dict(list(everything.items())[:count])
    path = folder / f"{count}.db"
    Registry.create(path).close()
    connection = driver.connect(path, isolation_level=None)
    connection.execute(f"PRAGMA user_version = {count}")
    connection.close()
    migrations.MIGRATIONS = everything
    upgraded = Registry.upgrade(path)
    assert schema(upgraded) == schema(fresh)
    upgraded.check()
print(len(everything))
"""

WORKSPACE = """
from pathlib import Path
from pilothouse.composition import open_workspace
from pilothouse.operations.workspace import audits, doctor, workspaces
from pilothouse.operations.upkeep import backups, restores
from pilothouse.sqlite import driver
assert driver.__name__ == "pilothouse.sqlite.apsw_driver", driver
root, folder = Path(sys.argv[1]), Path(sys.argv[2])
workspaces.initialise(root, "ada")
services = open_workspace(root)
ada = workspaces.identify(services, "ada")
backups.backup(services, ada, folder / "copy.tar")
restores.restore(folder / "copy.tar", folder / "again")
services.close()
again = open_workspace(folder / "again")
failed = [f for f in doctor.diagnose(again, workspaces.identify(again, "ada")) if not f.ok and f.check in
          ("sqlite", "registry", "telemetry", "audit chain", "records")]
assert not failed, failed
again.close()
print("whole")
"""

WRITER = """
from datetime import UTC, datetime
from pathlib import Path
from pilothouse.store.log import audit
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
registry = Registry(Path(sys.argv[1]))
with registry.transaction() as connection:
    workspace.set_setting(connection, "kept", "whole")
    audit.append(connection, at=datetime.now(UTC), actor="ada", action="kept", subject="workspace", detail={})
with registry.transaction() as connection:
    workspace.set_setting(connection, "value", "half")
    print("inside", flush=True)
    sys.stdin.readline()
"""

READER = """
from pathlib import Path
from pilothouse.store import workspace
from pilothouse.store.connection import Registry
registry = Registry(Path(sys.argv[1]))
registry.check()
with registry.transaction() as connection:
    print(workspace.setting(connection, "kept"), workspace.setting(connection, "value"))
"""


def test_every_form_of_the_registry_is_brought_up_to_date(tmp_path: Path) -> None:
    assert int(answer(FORMS, tmp_path)) > 1


def test_a_workspace_is_made_copied_and_restored_and_a_killed_writer_leaves_nothing(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    assert answer(WORKSPACE, root, tmp_path) == "whole"
    database = next(root.rglob("registry.db"))
    writer = start(WRITER, database)
    assert writer.stdout is not None
    assert writer.stdout.readline() == "inside\n"
    writer.kill()
    writer.communicate()
    assert answer(READER, database) == "whole None"
