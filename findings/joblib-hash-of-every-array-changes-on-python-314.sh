#!/usr/bin/env bash
# joblib.hash() of every array and table changes on Python 3.14, with the same joblib, numpy and pandas
#
# What:     joblib 1.6.0, numpy 2.5.5, pandas 3.1.1 on Python 3.13 and 3.14.
# Guess:    joblib.hash is a digest of the content; it pins its pickle protocol for that very purpose, so the same
#           libraries give the same digest on every Python. Lists, dicts and strings confirm it.
# Seen:     the digest of every numpy array, pandas Series and DataFrame is another one on 3.14. The hasher pickles a
#           *dtype* by a bare pickle.dumps(), whose default protocol went from 4 to 5 in 3.14, while all the rest is
#           pinned to protocol 3. Passing the protocol of 3.13 as the default gives the old digest back.
# Why:      joblib.Memory caches of training data and features are cold after the upgrade (each function runs again,
#           the old results stay on disk), and a data-set identity kept as joblib.hash says "other data" for the same
#           rows: a reproduction is refused, a drift reference is "stale". Hash the bytes (and the dtype's name)
#           yourself.
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
cat > "$work/digests.py" <<'PY'
import json
import pickle

import joblib
import numpy as np
import pandas as pd

samples = {
    "dict of lists": {"lr": 0.1, "depth": [3, 5]},
    "string": "flight-delay",
    "array of float64": np.array([0.1, 0.2]),
    "array of int64": np.arange(3),
    "DataFrame": pd.DataFrame({"x": [1.0, 2.0], "s": ["a", "b"]}),
    "Series": pd.Series([1.0, 2.0]),
}
seen = {name: joblib.hash(sample) for name, sample in samples.items()}
modern = pickle.DEFAULT_PROTOCOL
plain = pickle.dumps
pickle.dumps = lambda value, protocol=4, **options: plain(value, protocol, **options)
seen["array of float64, protocol 4 by default"] = joblib.hash(samples["array of float64"])
print(json.dumps({"default protocol": modern, **seen}))
PY
for version in 3.13 3.14; do
  interpreter=$(python_of "$version")
  "$interpreter" -m venv "$work/$version"
  "$work/$version/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: joblib==1.6.0 numpy==2.5.5 pandas==3.1.1
  "$work/$version/bin/python" "$work/digests.py" > "$work/$version.json"
done
cat > "$work/compare.py" <<'PY'
import json
import sys
from pathlib import Path

old, new = (json.loads(Path(sys.argv[1], f"{version}.json").read_text()) for version in ("3.13", "3.14"))
for name in old:
    print(f"{name:42} 3.13: {str(old[name])[:12]:14} 3.14: {str(new[name])[:12]:14} {'equal' if old[name] == new[name] else 'differs'}")
equal = {name for name in old if old[name] == new[name]}
expected = {"dict of lists", "string", "array of float64, protocol 4 by default"}
if equal != expected or (old["default protocol"], new["default protocol"]) != (4, 5):
    sys.exit(f"CHANGED: expected only {sorted(expected)} to be equal, saw {sorted(equal)}")
print("as described: arrays and tables have another digest on 3.14")
PY
"$work/3.14/bin/python" "$work/compare.py" "$work"
