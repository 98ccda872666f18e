#!/usr/bin/env bash
# The same list comprehension filters by the module's threshold on Python 3.11 and by the function's on 3.12 and later
#
# What:     pandas 3.1.1 query("psi > @threshold"), duckdb 2.0.1 replacement scan, numexpr 2.14.2 evaluate(), and
#           patsy 1.0.3 formulas, each called in a list comprehension (and, for contrast, in a generator expression
#           and a loop) inside a function whose argument has the name of a module-level default. Python 3.11 and 3.12,
#           same libraries.
# Guess:    a name in the expression means what it would mean in the Python around it: the function's argument. Or, at
#           worst, an error.
# Seen:     these libraries look into the caller's frame. Up to 3.11 a list comprehension is a frame of its own that
#           holds only the variables that its code mentions, and a name inside a string is not mentioned: the look-up
#           falls through to the module's global, in silence. From 3.12 on list comprehensions are inlined (PEP 709)
#           and the argument is found. A generator expression is still a frame of its own: wrapping the same thing in
#           sum(...) or list(...) reads the global on every version. A plain loop is right everywhere. Nothing is
#           raised: the number is simply another one.
# Why:      per-model thresholds read from a policy, default at module level: "how many windows are above the
#           threshold" is 3 on the server's 3.11 and 1 on the laptop's 3.12, with the same lock file. A test on one
#           interpreter proves nothing; pass values explicitly (local_dict=, context=, parameters) and never by frame.
# Date:     2026-11
set -euo pipefail
python_of() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
  echo "this needs Python $1: neither python$1 on PATH nor a pyenv version" >&2
  exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/scope.py" <<'PY'
import json

import duckdb
import numexpr
import numpy as np
import pandas as pd
import patsy

windows = [pd.DataFrame({"psi": [0.05, 0.15, 0.25]})]
threshold = 0.0
factor = np.array([1.0])
events = pd.DataFrame({"id": [1]})


def by_pandas(threshold):
    as_list = [len(window.query("psi > @threshold")) for window in windows]
    as_generator = list(len(window.query("psi > @threshold")) for window in windows)
    as_loop = []
    for window in windows:
        as_loop.append(len(window.query("psi > @threshold")))
    return as_list + as_generator + as_loop


def by_duckdb(events):
    as_list = [duckdb.sql(query).fetchall()[0][0] for query in ["SELECT count(*) FROM events"]]
    as_generator = list(duckdb.sql(query).fetchall()[0][0] for query in ["SELECT count(*) FROM events"])
    as_loop = []
    for query in ["SELECT count(*) FROM events"]:
        as_loop.append(duckdb.sql(query).fetchall()[0][0])
    return as_list + as_generator + as_loop


def by_numexpr(factor):
    as_list = [float(numexpr.evaluate("sum(factor)")) for _ in range(1)]
    as_generator = list(float(numexpr.evaluate("sum(factor)")) for _ in range(1))
    as_loop = []
    for _ in range(1):
        as_loop.append(float(numexpr.evaluate("sum(factor)")))
    return as_list + as_generator + as_loop


def by_patsy(factor):
    rows = {"x": np.array([2.0])}
    as_list = [np.asarray(patsy.dmatrix("I(x * factor) - 1", rows)).item() for _ in range(1)]
    as_generator = list(np.asarray(patsy.dmatrix("I(x * factor) - 1", rows)).item() for _ in range(1))
    as_loop = []
    for _ in range(1):
        as_loop.append(np.asarray(patsy.dmatrix("I(x * factor) - 1", rows)).item())
    return as_list + as_generator + as_loop


print(json.dumps({
    "pandas query": by_pandas(0.2),
    "duckdb sql": by_duckdb(pd.DataFrame({"id": [1, 2, 3]})),
    "numexpr": by_numexpr(np.array([1.0, 2.0])),
    "patsy": by_patsy(np.array([5.0])),
}))
PY
for version in 3.11 3.12; do
  interpreter=$(python_of "$version")
  "$interpreter" -m venv "$work/$version"
  "$work/$version/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
    pandas==3.1.1 numpy==2.4.6 duckdb==2.0.1 numexpr==2.14.2 patsy==1.0.3
  "$work/$version/bin/python" "$work/scope.py" > "$work/$version.json"
done
cat > "$work/compare.py" <<'PY'
import json
import sys
from pathlib import Path

seen = {version: json.loads(Path(sys.argv[1], f"{version}.json").read_text()) for version in ("3.11", "3.12")}
LOCAL = {"pandas query": 1, "duckdb sql": 3, "numexpr": 3.0, "patsy": 10.0}
GLOBAL = {"pandas query": 3, "duckdb sql": 1, "numexpr": 1.0, "patsy": 2.0}
wrong = []
for library in LOCAL:
    for version, answers in seen.items():
        in_list = GLOBAL if version == "3.11" else LOCAL
        expected = [in_list[library], GLOBAL[library], LOCAL[library]]
        print(f"{library:14} Python {version}: list {answers[library][0]}, generator {answers[library][1]}, loop {answers[library][2]}")
        if answers[library] != expected:
            wrong.append(f"{library} on {version}: expected {expected}, saw {answers[library]}")
if wrong:
    sys.exit("CHANGED: " + "; ".join(wrong))
print("as described: list = global on 3.11, argument from 3.12; generator = global everywhere; loop = argument everywhere")
PY
"$work/3.12/bin/python" "$work/compare.py" "$work"
