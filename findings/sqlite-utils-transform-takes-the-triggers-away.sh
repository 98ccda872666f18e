#!/usr/bin/env bash
# sqlite-utils makes a table anew for any change of it and brings the indexes back, but not the triggers that guard the rows
#
# What:     sqlite-utils 4.2.1, Table.transform (as a library and as the command), on a log that a trigger keeps append-only.
# Guess:    indexes, foreign keys and views survive, so triggers do; or it refuses a table that has some. Its documents say
#           that triggers are "not automatically upgraded", which reads as: still there, perhaps out of date.
# Seen:     after transform(not_null=...), a change that touches no trigger, the index is there and the trigger is gone. An
#           UPDATE that was refused before goes through. No error, no warning.
# Why:      triggers are how a SQLite file keeps an audit log append-only. Somebody tidies up a copy of a registry with the
#           best-known tool for SQLite, and the guard is gone without a trace in any row. So triggers are part of what is
#           verified: the doctor and the verification of the log compare them with the release's own.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "sqlite-utils==4.2.1"
"$work/venv/bin/python" - "$work/log.db" <<'PY'
import sqlite3
import sys

import sqlite_utils

path = sys.argv[1]
store = sqlite_utils.Database(path)
store["log"].insert_all([{"id": number, "actor": "ana"} for number in range(1, 4)], pk="id")
store["log"].create_index(["actor"])
store.execute("CREATE TRIGGER log_stays BEFORE UPDATE ON log BEGIN SELECT RAISE(ABORT, 'rows are only added'); END")
store.conn.commit()


def seen() -> dict[str, object]:
    plain = sqlite3.connect(path)
    kinds = {kind: [row[0] for row in plain.execute("SELECT name FROM sqlite_schema WHERE type = ?", (kind,))] for kind in ("index", "trigger")}
    try:
        with plain:
            plain.execute("UPDATE log SET actor = 'rui' WHERE id = 2")
        kinds["update"] = "went through"
    except sqlite3.IntegrityError as error:
        kinds["update"] = f"refused: {error}"
    plain.close()
    return kinds


before = seen()
store["log"].transform(not_null={"actor"})
store.conn.commit()
after = seen()
print("before", before)
print("after ", after)
assert before["trigger"] == ["log_stays"] and before["update"] == "refused: rows are only added"
assert after["index"] == before["index"]
assert after["trigger"] == [] and after["update"] == "went through"
print("seen: the index came back, the trigger did not")
PY
