#!/usr/bin/env bash
# pycocotools 2.0.11 (numpy 2.4.6, Python 3.11)
#
# Guess:    detections that are the true boxes themselves have an average precision of 1, however the annotations of the
#           COCO file are numbered; the format asks for whole numbers that differ.
# Seen:     a detection keeps the number of the annotation that it matched, and 0 means that it matched none. The detection
#           on the annotation with the number 0 is an error, at each overlap, and its object was missed. Files numbered
#           from 1 are right. No warning, and the sums are plausible.
# Output:   three objects found exactly: numbered from 1, AP 1.0, recall 1.0; from 0, AP 0.44, recall 0.67. Twenty objects:
#           0.89 and 0.95. A class with one object, whose annotation it is: AP 0.0 instead of 1.0.
# Matters:  code that writes such a file likes to count from 0. The loss hits the class of the first box, is large where
#           objects are few (a hospital's rare finding), and two models are compared on it. Number annotations from 1, and
#           try the evaluation with the labels themselves as detections: it must give 1.
# Date:     2026-11
set -euo pipefail
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$PYTHON" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --no-compile --disable-pip-version-check pycocotools==2.0.11 numpy==2.4.6
cat > "$work/check.py" <<'PY'
import contextlib
import io
import warnings

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def evaluated(first, objects, classes=1):
    """(AP, recall, AP by class) of detections that are the labels; object i is alone on image i, of class i % classes."""
    boxes = [{"image_id": i + 1, "category_id": i % classes + 1, "bbox": [10, 10, 20, 20]} for i in range(objects)]
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i + 1, "width": 100, "height": 100} for i in range(objects)],
        "categories": [{"id": k + 1, "name": f"class {k + 1}"} for k in range(classes)],
        "annotations": [{"id": first + i, "area": 400, "iscrowd": 0, **box} for i, box in enumerate(boxes)],
    }
    truth.createIndex()
    detected = truth.loadRes([{"score": 0.9 - i / 100, **box} for i, box in enumerate(boxes)])
    run = COCOeval(truth, detected, "bbox")
    run.evaluate()
    run.accumulate()
    run.summarize()
    by_class = run.eval["precision"][:, :, :, 0, -1].mean(axis=(0, 1))
    return float(run.stats[0]), float(run.stats[8]), by_class.round(3).tolist()


seen = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for objects, classes in ((3, 1), (20, 1), (3, 3)):
        for first in (0, 1, 1000):
            with contextlib.redirect_stdout(io.StringIO()):
                seen[objects, classes, first] = evaluated(first, objects, classes)
            precision, recall, by_class = seen[objects, classes, first]
            print(f"{objects:2} objects, {classes} classes, numbered from {first:4}: "
                  f"AP {precision:.3f}, recall {recall:.3f}, by class {by_class}")
assert all(np.allclose(value[:2], 1) for (_, _, first), value in seen.items() if first), "numbers from 1 on are wrong too"
assert np.isclose(seen[3, 1, 0][1], 2 / 3) and seen[3, 1, 0][0] < 0.5, "annotation 0 counts as found now"
assert np.isclose(seen[20, 1, 0][1], 0.95) and seen[20, 1, 0][0] < 0.9
assert seen[3, 3, 0][2] == [0.0, 1.0, 1.0]
assert not said, "pycocotools warns now"
PY
nice -n 10 "$work/venv/bin/python" "$work/check.py"
echo "behaviour as described"
