#!/usr/bin/env bash
# datasets 5.2.0 (dill 0.4.1, pyarrow 26.0.1, Python 3.11)
#
# Guess:    Dataset.map keeps its result under a fingerprint of the function, so an edited function is computed anew, as
#           the documentation of the cache says, wherever it is written.
# Seen:     that holds for functions of the script that is run. A function of an imported module goes into the
#           fingerprint by its name alone: after the module was edited, a new process gets the rows that the old code
#           made, from the disk and without a word. So does a function of the script that calls the imported one, and
#           filter() keeps the old choice of rows. A changed constant in the script is seen, one in the module is not.
# Output:   after "times 1" became "times 100": in the script [100, 200, 300]; imported, called, partial: [1, 2, 3].
# Matters:  code moved from a notebook into a module, as one should, trains on features of an older version of itself,
#           and another person's empty cache gives other rows under the same commit. A cache key must hold the digest of the
#           code that ran and of what it calls; else pass load_from_cache_file=False, or the commit as fn_kwargs.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    datasets==5.2.0 dill==0.4.1 multiprocess==0.70.19 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import functools
import json
import sys
from pathlib import Path

import datasets
import steps

folder = Path(sys.argv[1])
factor = int((folder / "factor").read_text())
datasets.disable_progress_bars()
rows = datasets.load_dataset("parquet", data_files=str(folder / "rows.parquet"), split="train", cache_dir=str(folder / "cache"))


def in_the_script(row):
    return {"y": row["x"] * factor}


def calls_the_module(row):
    return steps.times(row)


print(json.dumps({
    "in the script": list(rows.map(in_the_script)["y"]),
    "imported": list(rows.map(steps.times)["y"]),
    "calls the imported": list(rows.map(calls_the_module)["y"]),
    "partial of the imported": list(rows.map(functools.partial(steps.times, more=0))["y"]),
    "filter": list(rows.filter(steps.small)["x"]),
    "imported, no cache": list(rows.map(steps.times, load_from_cache_file=False)["y"]),
}))
PY
export HF_HOME="$work/home" HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
"$work/venv/bin/python" -c "import pandas, sys; pandas.DataFrame({'x': [1, 2, 3]}).to_parquet(sys.argv[1])" "$work/rows.parquet"
for factor in 1 100; do
    echo "$factor" > "$work/factor"
    cat > "$work/steps.py" <<PY
def times(row, more=0):
    return {"y": row["x"] * $factor + more}


def small(row):
    return row["x"] * $factor < 3
PY
    nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work" > "$work/$factor.json" 2> "$work/progress" \
        || { cat "$work/progress" >&2; exit 1; }
done
"$work/venv/bin/python" - "$work" <<'PY'
import json
import sys
from pathlib import Path

before, after = (json.loads((Path(sys.argv[1]) / f"{factor}.json").read_text()) for factor in (1, 100))
for name in before:
    print(f"{name:24} times 1: {before[name]!s:10} then times 100: {after[name]}")
assert before["in the script"] == before["imported"] == [1, 2, 3] and before["filter"] == [1, 2]
assert after["in the script"] == after["imported, no cache"] == [100, 200, 300], "the edited code is not run at all"
for name in ("imported", "calls the imported", "partial of the imported"):
    assert after[name] == [1, 2, 3], f"{name}: the edit of the module is seen now"
assert after["filter"] == [1, 2], "filter sees the edit of the module now"
PY
echo "behaviour as described"
