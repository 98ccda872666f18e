#!/usr/bin/env bash
# A second SQLite library in the process drops the first one's write lock
#
# What:     pysqlite3 0.6.1 (bundles SQLite 3.53.4) holding BEGIN IMMEDIATE; in the same process the standard sqlite3
#           module, apsw 3.54.1.0, or a plain open().read() of the file (to hash it, say) looks at the same database
#           and closes it.
# Guess:    a reader never takes another connection's write lock away; at worst it is told "database is locked". And a
#           second writer in the same process is refused like any other.
# Seen:     each copy of SQLite has its own table of open files, while the kernel's POSIX locks belong to the whole
#           process and all of them on a file go as soon as *any* descriptor of it is closed. In journal mode DELETE
#           one SELECT through the other library, or reading the bytes once, is enough: another process then gets
#           BEGIN IMMEDIATE although the first transaction is still open. In WAL it takes another library (the locks
#           are on the -shm file), not the bytes. A second connection of the same library does no harm. In both modes
#           the other library in the same process is granted the write lock at once while the first one holds it.
# Why:      a console that keeps its registry through pysqlite3 (for a newer SQLite) and lets a report, a pandas or
#           ADBC reader or a digest of the file look at it through another copy has two writers at a time, and no
#           error anywhere. One library per process, digests from a child process or through the backup API.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pysqlite3==0.6.1 apsw==3.54.1.0
cat > "$work/holder.py" <<'PY'
import sqlite3
import subprocess
import sys

import apsw
import pysqlite3

mode, reader, path = sys.argv[1:]
INTRUDER = """
import sys, pysqlite3
other = pysqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
try:
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    print("granted")
except pysqlite3.OperationalError:
    print("refused")
"""


def another_process() -> str:
    return subprocess.run([sys.executable, "-c", INTRUDER, path], capture_output=True, text=True, check=True).stdout.strip()


def look(module) -> None:
    connection = module.connect(path) if module is not apsw else apsw.Connection(path)
    list(connection.execute("SELECT count(*) FROM version"))
    connection.close()


def write(module) -> str:
    connection = module.connect(path, isolation_level=None, timeout=0)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
        return "granted"
    except module.OperationalError:
        return "refused"
    finally:
        connection.close()


READERS = {
    "pysqlite3": lambda: look(pysqlite3),
    "sqlite3": lambda: look(sqlite3),
    "apsw": lambda: look(apsw),
    "bytes": lambda: open(path, "rb").read(),
    "write-pysqlite3": lambda: write(pysqlite3),
    "write-sqlite3": lambda: write(sqlite3),
}
held = pysqlite3.connect(path, isolation_level=None)
held.execute(f"PRAGMA journal_mode={mode}")
held.execute("CREATE TABLE IF NOT EXISTS version(number INTEGER)")
held.execute("BEGIN IMMEDIATE")
before = another_process()
said = READERS[reader]()
after = said if reader.startswith("write") else another_process()
assert held.in_transaction
print(before, after)
held.execute("ROLLBACK")
PY
cat > "$work/table.py" <<'PY'
import subprocess
import sys
import tempfile
from pathlib import Path

EXPECTED = {
    ("delete", "pysqlite3"): "refused refused",
    ("delete", "sqlite3"): "refused granted",
    ("delete", "apsw"): "refused granted",
    ("delete", "bytes"): "refused granted",
    ("delete", "write-pysqlite3"): "refused refused",
    ("delete", "write-sqlite3"): "refused granted",
    ("wal", "pysqlite3"): "refused refused",
    ("wal", "sqlite3"): "refused granted",
    ("wal", "apsw"): "refused granted",
    ("wal", "bytes"): "refused refused",
    ("wal", "write-pysqlite3"): "refused refused",
    ("wal", "write-sqlite3"): "refused granted",
}
print(f"{'journal':8} {'then, in the holding process':28} another writer before / after")
wrong = []
for (mode, reader), expected in EXPECTED.items():
    with tempfile.TemporaryDirectory() as folder:
        seen = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("holder.py")), mode, reader, f"{folder}/registry.db"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    print(f"{mode:8} {reader:28} {seen.replace(' ', ' / ')}")
    if seen != expected:
        wrong.append(f"{mode}, {reader}: expected {expected!r}, saw {seen!r}")
if wrong:
    sys.exit("CHANGED: " + "; ".join(wrong))
print("as described: another SQLite library in the process frees the write lock that pysqlite3 holds")
PY
"$work/venv/bin/python" "$work/table.py"
