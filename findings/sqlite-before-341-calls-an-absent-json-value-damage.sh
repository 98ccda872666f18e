#!/usr/bin/env bash
# A sound database with CHECK (json_valid(column)) on a column that may be NULL is "damaged" to SQLite up to 3.40
#
# What:     apsw 3.40.0.0 and apsw 3.54.1.0 (each bundles the SQLite of its number) on one database file. 3.40.1 is the
#           sqlite3 of Debian 12 and of the Pythons built there.
# Guess:    a CHECK is passed where its expression is NULL, and json_valid(NULL) is NULL like every function of NULL: so
#           the constraint lets NULL in, in every SQLite 3, and PRAGMA integrity_check of a sound file says "ok".
# Seen:     json_valid(NULL) is 0 in 3.40 and NULL in 3.54. A file written by the newer library is read by the older
#           one, but its PRAGMA integrity_check says "CHECK constraint failed in note" for each row with NULL, and the
#           insertion of such a row is refused: a dump of the file cannot be loaded again by the older library.
# Why:      an auditor who looks at an archive with the system's sqlite3 is told that it is damaged, and a restore from
#           a dump stops half-way. Name NULL: CHECK (detail IS NULL OR json_valid(detail)).
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
for version in 3.40.0.0 3.54.1.0; do
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --target "$work/$version" "apsw==$version"
done
cat > "$work/use.py" <<'PY'
import json
import sys

import apsw

path, turn = sys.argv[1:]
store = apsw.Connection(path)
if turn == "write":
    store.cursor().execute(
        "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT, detail TEXT CHECK (json_valid(detail)));"
        "INSERT INTO note VALUES (1, 'plain', NULL), (2, 'with detail', '{}');"
        "CREATE TABLE named (detail TEXT CHECK (detail IS NULL OR json_valid(detail))); INSERT INTO named VALUES (NULL);"
    )


def tried(statement: str) -> str:
    try:
        store.cursor().execute(statement)
        return "done"
    except apsw.ConstraintError as error:
        return str(error)


print(
    json.dumps(
        {
            "sqlite": apsw.sqlitelibversion(),
            "json_valid(NULL)": list(store.cursor().execute("SELECT json_valid(NULL)"))[0][0],
            "integrity_check": [row[0] for row in store.cursor().execute("PRAGMA integrity_check")],
            "a new row": tried("INSERT INTO note (text) VALUES ('new')"),
            "a new row where NULL is named": tried("INSERT INTO named VALUES (NULL)"),
        }
    )
)
PY
cat > "$work/compare.py" <<'PY'
import json
import os
import subprocess
import sys
from pathlib import Path

work = Path(__file__).parent


def run(version: str, turn: str) -> dict:
    environment = {**os.environ, "PYTHONPATH": str(work / version)}
    command = [sys.executable, str(work / "use.py"), str(work / "notes.db"), turn]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


new, old = run("3.54.1.0", "write"), run("3.40.0.0", "look")
for name in new:
    print(f"{name:32} {new[name]!s:24} {old[name]}")
checks = {
    "NULL after, 0 before": (new["json_valid(NULL)"], old["json_valid(NULL)"]) == (None, 0),
    "sound after": new["integrity_check"] == ["ok"],
    "damaged before": set(old["integrity_check"]) == {"CHECK constraint failed in note"},
    "a row with NULL is refused before": "CHECK" in old["a new row"],
    "and let in after": new["a new row"] == "done",
    "NULL by name is let in by both": {new["a new row where NULL is named"], old["a new row where NULL is named"]} == {"done"},
}
if broken := [name for name, held in checks.items() if not held]:
    sys.exit("CHANGED: " + "; ".join(broken))
print("as described: one sound file, two verdicts")
PY
"$work/venv/bin/python" "$work/compare.py"
