#!/usr/bin/env bash
# pandas writes 90 seconds as 90,000,000 or 90 while it says "ns frequency", and a missing duration as -9223372036854775808
#
# What:     pandas 3.1.1, DataFrame.to_sql() into SQLite (the same through polars'
#           write_database(engine="sqlalchemy"), which calls it).
# Guess:    the warning holds ("will be written as integer values (ns frequency)"): 90 s are 90000000000; a missing
#           duration is NULL like every other missing value.
# Seen:     since pandas 3 a duration keeps its own unit (microseconds by default, seconds or milliseconds where the
#           data say so), and to_sql writes the bare count: 90000000 for timedelta64[us], 90000 for [ms], 90 for [s],
#           90000000000 only for [ns] and for an Arrow duration of *microseconds*. The warning says ns each time. NaT
#           is stored as the integer -9223372036854775808, not NULL: count() counts it, avg() of one lag of 90 s and
#           one missing is minus 4.6e18. A missing datetime is a proper NULL.
# Why:      lateness of labels, training times and latencies are durations. Rows written before and after an upgrade
#           of pandas differ by a factor of 1000 in one column, and one missing lag turns every mean over it negative.
#           Convert to a float of seconds first.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check pandas==3.1.1 pyarrow==26.0.1
cat > "$work/write.py" <<'PY'
import datetime as dt
import sqlite3
import sys
import warnings

import pandas as pd
import pyarrow as pa

plain = pd.DataFrame({"lag": [dt.timedelta(seconds=90), None]})
frames = {str(plain["lag"].dtype) + " (default)": plain}
for unit in ("s", "ms", "ns"):
    frames[f"timedelta64[{unit}]"] = plain.astype({"lag": f"timedelta64[{unit}]"})
frames["arrow duration[us]"] = plain.astype({"lag": pd.ArrowDtype(pa.duration("us"))})
store = sqlite3.connect(":memory:")
stored, said = {}, set()
for number, (name, frame) in enumerate(frames.items()):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame.to_sql(f"lags_{number}", store, index=False)
    said |= {"ns frequency" in str(warning.message) for warning in caught}
    stored[name] = [value for (value,) in store.execute(f"SELECT lag FROM lags_{number}")]
    print(f"{name:26}", stored[name])
print("the warning says 'ns frequency' each time:", said == {True})
counted, mean = store.execute("SELECT count(lag), avg(lag) FROM lags_0").fetchone()
print("count(lag) of one lag and one missing:", counted, " avg(lag):", mean)
beside = pd.DataFrame({"at": pd.to_datetime(["2026-11-01", None])})
beside.to_sql("times", store, index=False)
times = [value for (value,) in store.execute("SELECT at FROM times")]
print("a missing datetime:", times)
missing = -(2**63)
expected = {
    "timedelta64[us] (default)": [90_000_000, missing],
    "timedelta64[s]": [90, missing],
    "timedelta64[ms]": [90_000, missing],
    "timedelta64[ns]": [90_000_000_000, missing],
    "arrow duration[us]": [90_000_000_000, missing],
}
if stored != expected or said != {True} or counted != 2 or mean > -4e18 or times[1] is not None:
    sys.exit(f"CHANGED: expected {expected}, NaT counted and the warning naming ns; saw {stored}, {counted}, {mean}, {said}, {times}")
print("as described: the unit is the column's own and NaT is a number")
PY
"$work/venv/bin/python" "$work/write.py"
