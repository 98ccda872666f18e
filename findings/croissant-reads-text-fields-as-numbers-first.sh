#!/usr/bin/env bash
# mlcroissant 1.1.1 (pandas 3.1.1, numpy 2.4.6, Python 3.11)
#
# Guess:    a field that the Croissant description declares as sc:Text comes out as the text in the CSV file; one that
#           is declared sc:Boolean is true or false or an error; sc:Integer refuses 3.9.
# Seen:     the file goes through a typeless CSV reader first and is cast to the declared type afterwards. "007" comes
#           out as b'7', "1.10" as b'1.1', "NA" as None; a 16-digit account number beside one empty cell comes out
#           another number, b'9007199254740992.0' for 9007199254740993. "no" of a Boolean field is True, 3.9 of an
#           Integer field is 3. Text comes as bytes. No warning.
# Output:   007 -> b'7'; 9007199254740993 beside an empty cell -> b'9007199254740992.0'; no -> True; 3.9 -> 3.
# Matters:  the description is there so that a stranger reads the data as its owner meant it. Join keys, postcodes and
#           codes of products are changed by the reader, and whether a long id survives depends on whether any other
#           row is empty. An importer of Croissant takes types and digests from the description and reads the file with
#           a reader of its own, with the declared types from the start.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check \
    mlcroissant==1.1.1 pandas==3.1.1 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import hashlib
import json
import logging
import sys
import warnings

import mlcroissant as mlc

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
folder = sys.argv[1]


def records(data_type, *cells):
    """Column `a` as the library reads it, declared with the type; column `n` only numbers the rows."""
    text = "a,n\n" + "".join(f"{cell},{number}\n" for number, cell in enumerate(cells))
    path = f"{folder}/rows.csv"
    with open(path, "w") as file:
        file.write(text)
    resource = mlc.FileObject(
        id="rows.csv", name="rows.csv", content_url=path, encoding_formats=["text/csv"],
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
    field = mlc.Field(
        id="rows/a", name="a", data_types=[data_type],
        source=mlc.Source(file_object="rows.csv", extract=mlc.Extract(column="a")),
    )
    metadata = mlc.Metadata(
        name="small", description="small", url="https://example.org/small", license="MIT", version="1.0.0",
        date_published="2026-11-01", cite_as="none", distribution=[resource],
        record_sets=[mlc.RecordSet(id="rows", name="rows", fields=[field])],
    )
    with open(f"{folder}/croissant.json", "w") as file:
        json.dump(metadata.to_json(), file, default=str)
    return [row["rows/a"] for row in mlc.Dataset(jsonld=f"{folder}/croissant.json").records("rows")]


for label, data_type, cells, wanted in (
    ("Text, leading zeros", mlc.DataType.TEXT, ("007", "010"), [b"7", b"10"]),
    ("Text, trailing zero", mlc.DataType.TEXT, ("1.10", "2.0"), [b"1.1", b"2.0"]),
    ("Text, the word NA", mlc.DataType.TEXT, ("NA", "EU"), [None, b"EU"]),
    ("Text, long ids", mlc.DataType.TEXT, ("9007199254740993", "12"), [b"9007199254740993", b"12"]),
    ("Text, long id, a gap", mlc.DataType.TEXT, ("9007199254740993", ""), [b"9007199254740992.0", None]),
    ("Boolean, no and yes", mlc.DataType.BOOL, ("no", "yes"), [True, True]),
    ("Integer, 3.9", mlc.DataType.INTEGER, ("1", "3.9"), [1, 3]),
):
    got = records(data_type, *cells)
    print(f"{label:22}{cells!s:30}-> {got}")
    assert got == wanted, f"{label}: expected {wanted}, mlcroissant reads it otherwise now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py" "$work"
echo "behaviour as described"
