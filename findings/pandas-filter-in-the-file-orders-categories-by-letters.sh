#!/usr/bin/env bash
# pandas 3.1.1 × pyarrow 26.0.1, polars 2.1.0, duckdb 2.0.1 (numpy 2.4.6, Python 3.11)
#
# Guess:    read_parquet(path, filters=[("risk", ">=", "mid")]) gives the rows of frame[frame.risk >= "mid"]; the file
#           keeps the ordered category (low < mid < high), and read_parquet gives it back ordered.
# Seen:     the filter is worked out on the words, by their letters: "high" < "low" < "mid". What comes
#           back is an ordered category again, so the same condition on it drops rows that the filter let through. polars and DuckDB compare by letters
#           too, and so agree with the wrong answer. Written as polars.Enum the same file compares by rank in polars.
#           Categories that are numbers do not come back as categories at all (Parquet keeps only dictionaries of text;
#           Feather keeps both).
# Output:   rows >= mid: in memory [0, 2], by the filter [2].
# Matters:  "all runs of risk mid or higher" leaves out exactly the high ones, and three tools confirm it. Filter the
#           file by equality (in), never by order, or store the rank as a number beside the word. A model whose category
#           codes come from the dtype gets a number back where the category was of numbers.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    pandas==3.1.1 pyarrow==26.0.1 polars==2.1.0 duckdb==2.0.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys

import duckdb
import pandas as pd
import polars as pl

path = sys.argv[1] + "/runs.parquet"
frame = pd.DataFrame(
    {
        "id": range(4),
        "risk": pd.Categorical(["high", "low", "mid", "low"], categories=["low", "mid", "high"], ordered=True),
        "grade": pd.Categorical([3, 1, 3, 2], categories=[1, 2, 3], ordered=True),
    }
)
frame.to_parquet(path)
whole = pd.read_parquet(path)
print("read back:", whole["risk"].dtype, "ordered" if whole["risk"].cat.ordered else "unordered", "| grade:", whole["grade"].dtype)
assert whole["risk"].cat.ordered and list(whole["risk"].cat.categories) == ["low", "mid", "high"], "the order is lost"
assert whole["grade"].dtype == "int64", "a category of numbers comes back as a category now"

frame.to_feather(path + ".feather")
feather = pd.read_feather(path + ".feather")["grade"].dtype
print("grade through Feather:", feather)
assert isinstance(feather, pd.CategoricalDtype), "Feather no longer keeps a category of numbers"

memory = whole[whole["risk"] >= "mid"]["id"].tolist()
filtered = pd.read_parquet(path, filters=[("risk", ">=", "mid")])["id"].tolist()
through_polars = pl.scan_parquet(path).filter(pl.col("risk") >= "mid").collect()["id"].to_list()
through_duckdb = [row[0] for row in duckdb.sql(f"SELECT id FROM '{path}' WHERE risk >= 'mid' ORDER BY id").fetchall()]
print("risk >= mid: in memory", memory, "| by the filter", filtered, "| polars", through_polars, "| DuckDB", through_duckdb)
below = pd.read_parquet(path, filters=[("risk", "<", "mid")])
print("by the filter risk < mid:", below["risk"].tolist(), "of which really below:", int((below["risk"] < "mid").sum()))
assert memory == [0, 2], "pandas no longer compares by rank in memory"
assert filtered == [2], "the filter in the file compares by rank now"
assert through_polars == [2] and through_duckdb == [2], "polars or DuckDB compares by rank now"
assert below["risk"].tolist() == ["high", "low", "low"], "the filter risk < mid no longer lets high through"

enum = path + ".enum"
words = pl.Series("risk", ["high", "low", "mid", "low"], dtype=pl.Enum(["low", "mid", "high"]))
pl.DataFrame({"id": [0, 1, 2, 3], "risk": words}).write_parquet(enum)
ranked = pl.scan_parquet(enum).filter(pl.col("risk") >= "mid").collect()["id"].to_list()
print("polars on its own Enum:", ranked)
assert ranked == [0, 2], "polars no longer compares an Enum by rank"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
