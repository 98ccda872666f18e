#!/usr/bin/env bash
# fastparquet 2026.9.0 (pandas 3.1.1, pyarrow 26.0.1, Python 3.11)
#
# Guess:    a Parquet file whose parts list the same categories in another order is read with the labels that were
#           written: each part of the file holds its own dictionary, and pyarrow reads it so. Or the append is refused.
# Seen:     fastparquet keeps the numbers of each part and the names of one of them, the last. After an append of a frame with the
#           categories in another order the FIRST rows, which nobody touched, come back with other labels; two
#           categories in another order are simply swapped. So it reads a file that pyarrow wrote in two parts, too. Missing values,
#           counts of rows and the set of labels stay what they are; no warning. The file is sound: pyarrow reads it right.
#           A file of one part is always right. astype to the type of the first frame does not help: to pandas the two
#           types are equal, and it leaves the order; cat.set_categories helps. (Known to fastparquet: its issue 949, open.)
# Output:   written approved rejected approved + rejected approved: read rejected approved rejected + rejected approved.
# Matters:  pandas orders categories by what occurs first or by letters of what is there, so a day without one label
#           is enough to turn labels round, and pandas.read_parquet takes fastparquet where pyarrow is not installed. Accuracy falls
#           below chance, or a segment gets another segment's figures. Store labels as text, or compare counts by label
#           after reading with those before writing.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check fastparquet==2026.9.0 pandas==3.1.1 pyarrow==26.0.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import sys
import warnings

import fastparquet
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

warnings.simplefilter("ignore", DeprecationWarning)
work = sys.argv[1]


def frame(values, categories):
    return pd.DataFrame({"label": pd.Categorical(values, categories=categories)})


def read(path):
    """The labels by fastparquet, by pandas with fastparquet and by pandas with pyarrow."""
    by = [fastparquet.ParquetFile(path).to_pandas(), *(pd.read_parquet(path, engine=name) for name in ("fastparquet", "pyarrow"))]
    return [one["label"].astype(object).tolist() for one in by]


first = frame(["approved", "rejected", "approved"], ["approved", "rejected"])
second = frame(["rejected", "approved"], ["rejected", "approved"])
written = [*first["label"], *second["label"]]
turned = ["rejected", "approved", "rejected", "rejected", "approved"]

fastparquet.write(f"{work}/appended.parquet", first)
before = read(f"{work}/appended.parquet")
fastparquet.write(f"{work}/appended.parquet", second, append=True)
appended = read(f"{work}/appended.parquet")

tables = [pa.Table.from_pandas(one) for one in (first, second)]
with pq.ParquetWriter(f"{work}/arrow.parquet", tables[0].schema) as writer:
    for table in tables:
        writer.write_table(table)
arrow = read(f"{work}/arrow.parquet")

fastparquet.write(f"{work}/same.parquet", first)
fastparquet.write(f"{work}/same.parquet", second.assign(label=second["label"].cat.set_categories(["approved", "rejected"])), append=True)
same = read(f"{work}/same.parquet")
fastparquet.write(f"{work}/cast.parquet", first)
fastparquet.write(f"{work}/cast.parquet", second.astype(first.dtypes.to_dict()), append=True)
cast = read(f"{work}/cast.parquet")

print("written:                        ", written)
print("read by fastparquet, appended:  ", appended[0])
print("read by fastparquet, by pyarrow:", arrow[0])
print("read by pyarrow:                ", appended[2], arrow[2] == written)
assert before == [list(first["label"])] * 3
assert appended[0] == appended[1] == turned, "fastparquet reads the appended labels otherwise now"
assert arrow[0] == arrow[1] == turned, "fastparquet reads the labels of pyarrow's file otherwise now"
assert appended[2] == arrow[2] == written
assert cast[0] == turned, "a cast to the first type puts the categories in its order now"
assert same == [written] * 3, "the same order on both sides is read wrongly as well now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
