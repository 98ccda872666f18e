#!/usr/bin/env bash
# pyarrow 26.0.1 (pandas 3.1.1, polars 2.1.0 to compare, Python 3.11)
#
# Guess:    Table.join_asof(by=customer) with one row of unknown customer among the features: that row finds nobody, or another
#           row of unknown customer, and all other rows find what they found before.
# Seen:     with a key of whole numbers (int32, int64), one missing key in the right table takes the matches of all other
#           rows away. No error, no warning: the column is there, and empty. From some ten thousand rows on only the rows
#           from the batch on are hit in which the missing key stands, so the result is right up to a day and empty after it.
#           A missing key on the left does no harm; a key of text, and two keys, do not either. pandas.merge_asof
#           keeps the matches but gives a row without a key the features of another row without a key; polars does not.
# Output:   six rows of two customers: 6 matched; with one more right row of no key 0 matched, with the key as text 6.
#           200,000 rows, the missing key in the middle: 98,304 matched.
# Matters:  point-in-time features are joined so. One event before the log-in, and every training row after it says
#           "no history", which a model takes without complaint. Filter missing keys away on the right side before the join,
#           and compare the share of matched rows before and after.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pyarrow==26.0.1 pandas==3.1.1 polars==2.1.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa


def matched(left_keys, right_keys, kind=pa.int64(), times=None):
    """The features that the rows at 1, 2, … find in those half a step before, with Arrow, pandas and polars."""
    count = len(left_keys)
    left = pa.table({"at": np.arange(count) * 10 + 5, "who": pa.array(left_keys, pa.int64()).cast(kind)})
    right = pa.table({
        "at": np.arange(len(right_keys)) * 10, "who": pa.array(right_keys, pa.int64()).cast(kind),
        "spent": np.arange(len(right_keys)),
    })
    joined = left.join_asof(right, on="at", by="who", tolerance=-1_000_000)["spent"].to_pylist()
    as_pandas = pd.merge_asof(
        left.to_pandas(types_mapper=pd.ArrowDtype), right.to_pandas(types_mapper=pd.ArrowDtype), on="at", by="who"
    )["spent"]
    as_polars = pl.from_arrow(left).join_asof(pl.from_arrow(right), on="at", by="who", check_sortedness=False)["spent"]
    return joined, [None if pd.isna(one) else int(one) for one in as_pandas], as_polars.to_list()


six = [1, 2, 1, 2, 1, 2]
seen = {
    "no key missing": matched(six, six),
    "one missing on the right": matched(six, [*six, None]),
    "the same as int32": matched(six, [*six, None], pa.int32()),
    "the same as text": matched(six, [*six, None], pa.string()),
    "one missing on the left": matched([*six, None], six),
    "one missing on each side": matched([*six, None], [None, *six]),
}
for name, (arrow, pandas, polars) in seen.items():
    print(f"{name:26} pyarrow {arrow}\n{'':26} pandas  {pandas}\n{'':26} polars  {polars}")
many = 200_000
keys = (np.arange(many) % 5 + 1).tolist()
half = matched(keys, [None if row == many // 2 else key for row, key in enumerate(keys)])
found = [row for row, value in enumerate(half[0]) if value is not None]
print(f"{many} rows, the missing key in the middle: {len(found)} matched, the last of them row {found[-1]}")

right = [0, 1, 2, 3, 4, 5]
assert seen["no key missing"] == (right, right, right)
assert seen["one missing on the right"][0] == [None] * 6, "pyarrow keeps the matches beside a missing key now"
assert seen["one missing on the right"][1:] == (right, right)
assert seen["the same as int32"][0] == [None] * 6 and seen["the same as text"][0] == right
assert seen["one missing on the left"] == ([*right, None],) * 3
assert seen["one missing on each side"][1][-1] == 0, "pandas no longer matches a missing key with a missing key"
assert seen["one missing on each side"][2][-1] is None
assert found == list(range(len(found))) and 0 < len(found) < many - 1, "a long join is hit otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
