#!/usr/bin/env bash
# Between SQLite 3.51 and 3.53 the text of a stored double changed, so keys, indexes and digests made in SQL no longer match
#
# What:     apsw 3.51.3.0 and apsw 3.54.1.0 (each bundles the SQLite of its number) on one and the same database file.
#           The standard module of Debian 12/13 and Python's installers still bring the older spelling; pysqlite3
#           0.6.1 brings 3.53.4 and so the newer.
# Guess:    a file is readable by every SQLite 3 and the same query over the same rows gives the same answer; an
#           upgrade of the library may add functions, not change the value of x || ''.
# Seen:     up to 3.51 a REAL turned into text has 15 significant digits (0.1+0.2 is '0.3'), from 3.53 on it has as
#           many as the double needs ('0.30000000000000004'): in CAST, in ||, in json_object() and in every function
#           that takes text. So (1) a UNIQUE generated key 'psi:0.3' does not stop the very same row from coming in
#           again as 'psi:0.30000000000000004'; (2) an index on such an expression, written by the older library,
#           hides the row: the same WHERE finds 0 rows through the index and 1 row without it, until REINDEX; PRAGMA
#           integrity_check of the newer library names it; (3) a digest over json_object() of an unchanged row
#           differs, so an audit chain computed in SQL "breaks" at the upgrade.
# Why:      two processes of one console (one on pysqlite3, one on the fall-back sqlite3) spell one stored metric
#           differently at the same time. Let SQL never make text of a double that is compared or hashed later: quote
#           in Python, or keep the eight bytes.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
for version in 3.51.3.0 3.54.1.0; do
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --target "$work/$version" "apsw==$version"
done
cat > "$work/use.py" <<'PY'
import hashlib
import json
import sys

import apsw

path, first = sys.argv[1], sys.argv[2] == "first"
store = apsw.Connection(path)
if first:
    store.execute(
        """
        CREATE TABLE finding(psi REAL NOT NULL, key TEXT GENERATED ALWAYS AS ('psi:' || psi) STORED UNIQUE);
        CREATE TABLE metric(name TEXT, value REAL);
        CREATE INDEX metric_shown ON metric(name || '=' || value);
        INSERT INTO finding(psi) VALUES (0.1 + 0.2);
        INSERT INTO metric VALUES ('auc', 0.1 + 0.2);
        """
    )


def one(query: str):
    return store.execute(query).fetchall()[0][0]


seen = {
    "sqlite": apsw.sqlitelibversion(),
    "stored": one("SELECT psi FROM finding").hex(),
    "text": one("SELECT psi || '' FROM finding"),
    "json": one("SELECT json_object('psi', psi) FROM finding"),
    "found by the index": one("SELECT count(*) FROM metric INDEXED BY metric_shown WHERE name || '=' || value = 'auc=' || value"),
    "found without": one("SELECT count(*) FROM metric NOT INDEXED WHERE name || '=' || value = 'auc=' || (0.1 + 0.2)"),
    "index lookup": one("SELECT count(*) FROM metric INDEXED BY metric_shown WHERE name || '=' || value = 'auc=' || (0.1 + 0.2)"),
    "integrity": one("PRAGMA integrity_check"),
}
seen["digest"] = hashlib.sha256(seen["json"].encode()).hexdigest()[:12]
try:
    store.execute("INSERT INTO finding(psi) VALUES (0.1 + 0.2)")
    seen["same row again"] = "accepted"
except apsw.ConstraintError:
    seen["same row again"] = "refused"
print(json.dumps(seen))
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
    command = [sys.executable, str(work / "use.py"), str(work / "registry.db"), turn]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


old, new = run("3.51.3.0", "first"), run("3.54.1.0", "then")
for name in old:
    print(f"{name:20} {old[name]!s:34} {new[name]}")
checks = {
    "the stored double is the same": old["stored"] == new["stored"],
    "15 digits before": (old["text"], old["json"]) == ("0.3", '{"psi":0.3}'),
    "17 digits after": (new["text"], new["json"]) == ("0.30000000000000004", '{"psi":0.30000000000000004}'),
    "the digest differs": old["digest"] != new["digest"],
    "the unique key holds only before": (old["same row again"], new["same row again"]) == ("refused", "accepted"),
    "the index hides the row after": (old["index lookup"], new["index lookup"], new["found without"]) == (1, 0, 1),
    "integrity_check names it only after": old["integrity"] == "ok" and "metric_shown" in new["integrity"],
}
if broken := [name for name, held in checks.items() if not held]:
    sys.exit("CHANGED: " + "; ".join(broken))
print("as described: one file, one double, two spellings")
PY
"$work/venv/bin/python" "$work/compare.py"
