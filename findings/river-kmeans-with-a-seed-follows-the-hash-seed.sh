#!/usr/bin/env bash
# River's KMeans(seed=1) puts most rows into other clusters in the next process, on the same stream
#
# What:     river 0.26.1 on one Python, the same script started with PYTHONHASHSEED 0, 1, 2 and 3 (Python draws it
#           anew for each process).
# Guess:    seed=1 fixes the clusterer: every run over the same stream gives the same labels, as the parameter says.
# Seen:     each distance goes through set(keys of the centre, keys of the row), and the order of a set of feature
#           names follows the hash seed of the process. The seeded generator hands the coordinates of a new centre to
#           the features in just that order, so the initial centres differ and with them the clusters: 239 to 483 of
#           500 labels are others, and not only by another numbering: 7 to 16 % of all pairs of rows are together in
#           one run and apart in the other. Rows with integers as feature names, or one fixed PYTHONHASHSEED, are
#           repeatable.
# Why:      a re-run of the recorded stream after an incident does not give what the live model said, though version,
#           seed and data are the same: "reproduce" fails honestly and nobody finds why. Record PYTHONHASHSEED with a
#           run and set it for the job and its replay.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: river==0.26.1
cat > "$work/stream.py" <<'PY'
import json
import random
import sys

from river import cluster

names = [0, 1, 2, 3, 4, 5] if sys.argv[1:] == ["numbers"] else ["delay", "distance", "hour", "load", "seats", "wind"]


def stream():
    draw = random.Random(7)
    for _ in range(500):
        row = {name: round(draw.gauss(0, 1), 1) for name in names}
        yield row


clusters = cluster.KMeans(n_clusters=4, halflife=0.4, seed=1)
labels = []
for row in stream():
    clusters.learn_one(row)
    labels.append(clusters.predict_one(row))
print(json.dumps(labels))
PY
cat > "$work/compare.py" <<'PY'
import json
import os
import subprocess
import sys
from pathlib import Path


def run(seed: int, *names: str) -> list:
    environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
    command = [sys.executable, str(Path(__file__).with_name("stream.py")), *names]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def differing(first: list, other: list) -> int:
    return sum(a != b for a, b in zip(first, other, strict=True))


def pairs_parted(first: list, other: list) -> float:
    """Share of the pairs of rows that one run puts together and the other apart."""
    parted = [(first[i] == first[j]) != (other[i] == other[j]) for i in range(len(first)) for j in range(i)]
    return sum(parted) / len(parted)


first, *others = [run(seed) for seed in range(4)]
again = run(0)
numbers = [run(seed, "numbers") for seed in range(2)]
labels = [differing(first, other) for other in others]
parted = [pairs_parted(first, other) for other in others]
print("hash seeds 1, 2, 3 against hash seed 0, KMeans(seed=1) over the same 500 rows")
print("labels that differ        ", labels)
print("pairs parted or joined    ", [f"{share:.0%}" for share in parted])
print("the same hash seed again  ", "equal" if again == first else "differs")
print("integers as feature names ", "equal" if numbers[0] == numbers[1] else "differs")
checks = {
    "more than a tenth of the labels differ": max(labels) > 50,
    "the groups themselves differ": max(parted) > 0.05,
    "one hash seed is repeatable": again == first,
    "integer names are repeatable": numbers[0] == numbers[1],
}
if broken := [name for name, held in checks.items() if not held]:
    sys.exit("CHANGED: " + "; ".join(broken))
print("as described: seed=1 is not the only seed")
PY
"$work/venv/bin/python" "$work/compare.py"
