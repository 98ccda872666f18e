#!/usr/bin/env bash
# pandera 0.35.0 with pandas 3.1.1 and with polars 2.1.0 (numpy 2.4.6, Python 3.11)
#
# Guess:    a check of a column gets the column: lambda column: column.isna().mean() < 0.1 refuses a column of which
#           three quarters are missing, and the schema says the same of a pandas and of a polars frame.
# Seen:     the pandas side takes missing values out of the column before the check is called (ignore_na=True is the
#           default of Check; it sounds as if only the verdict ignored them). The check always counts none and passes,
#           in a schema and in a class with @check. (Only a column in which all is missing is refused: the mean of nothing
#           is not below 0.1.) The same rule over the whole frame gets all rows and refuses, and so does the same rule on
#           polars. ignore_na=False hands all over.
# Output:   values handed over: column 1 of 4 (passes); ignore_na=False 4 of 4, frame 4 of 4, polars 4 of 4 (refused).
# Matters:  a limit for missing values, the most usual rule for rows that come in, can never alarm, and the gate reads
#           "passed". Shift and gap rules (diff, duplicates, order) too see a shorter column. Try each rule of a gate once on
#           rows that break it.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pandera==0.35.0 pandas==3.1.1 polars==2.1.0 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pandera.polars as pp
import polars as pl
from pandera.errors import SchemaError

frame = pd.DataFrame({"income": [1.0, np.nan, np.nan, np.nan]})
empty = pd.DataFrame({"income": [np.nan] * 4})
handed = []


def few_missing(column):
    handed.append(len(column))
    return column.isna().mean() < 0.1


def few_null(data):
    handed.append(data.lazyframe.collect().height)
    return data.lazyframe.select(pl.col(data.key).is_null().mean() < 0.1)


class Rows(pa.DataFrameModel):
    income: float = pa.Field(nullable=True)

    @pa.check("income")
    def few(cls, column):
        return few_missing(column)


def column(**settings):
    return pa.DataFrameSchema({"income": pa.Column(float, pa.Check(few_missing, **settings), nullable=True)})


cases = {
    "check of the column": (column(), frame),
    "the same, all missing": (column(), empty),
    "check in a class": (Rows.to_schema(), frame),
    "column, ignore_na=False": (column(ignore_na=False), frame),
    "check of the frame": (pa.DataFrameSchema(checks=pa.Check(lambda rows: few_missing(rows["income"]))), frame),
    "polars, check of the column": (
        pp.DataFrameSchema({"income": pp.Column(float, pp.Check(few_null), nullable=True)}),
        pl.DataFrame({"income": [1.0, None, None, None]}),
    ),
}
seen = {}
for name, (schema, rows) in cases.items():
    handed.clear()
    try:
        schema.validate(rows)
        verdict = "passes"
    except SchemaError:
        verdict = "refused"
    seen[name] = max(handed), verdict
    print(f"{name:28} {max(handed)} of 4 values handed over: {verdict}")
assert seen["check of the column"] == seen["check in a class"] == (1, "passes"), "the check sees missing values now"
assert seen["the same, all missing"] == (0, "refused"), "an empty column passes now"
for name in ("column, ignore_na=False", "check of the frame", "polars, check of the column"):
    assert seen[name] == (4, "refused"), f"{name} no longer sees missing values"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
