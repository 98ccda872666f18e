"""Send the rows of a csv file to a model, day by day, and print their outcomes for `pilothouse labels`.

pilothouse curl MODEL TARGET --wait --json | python3 data/send.py FILE OUTCOME > outcomes.csv

FILE has the features, the time of each row as `at`, and its outcome in the column OUTCOME, which is kept back.
"""

import csv
import io
import itertools
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

if len(sys.argv) != 3:
    sys.exit(f"expected FILE and OUTCOME, found {len(sys.argv) - 1} arguments\n\n{__doc__}")
file, outcome = sys.argv[1:]
address = sys.stdin.read()
if not address.strip():
    sys.exit("no address on standard input: pilothouse curl gave none, and says why above")
url = json.loads(address)["url"]
outcomes = csv.writer(sys.stdout)
outcomes.writerow(["prediction_id", "outcome"])
with Path(file).open(newline="") as stream:
    for _, rows in itertools.groupby(csv.DictReader(stream), key=lambda row: row["at"][:10]):
        day = list(rows)
        known = [row.pop(outcome) for row in day]
        body = io.StringIO()
        writer = csv.DictWriter(body, list(day[0]))
        writer.writeheader()
        writer.writerows(day)
        request = urllib.request.Request(url, body.getvalue().encode(), {"Content-Type": "text/csv"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                predicted = json.load(answer)["rows"]
        except urllib.error.HTTPError as refusal:
            sys.exit(
                f"{url} refused the rows of {day[0]['at']}: {refusal.read(1_000).decode(errors='replace')}"
            )
        outcomes.writerows((row["prediction_id"], true) for row, true in zip(predicted, known, strict=True))
