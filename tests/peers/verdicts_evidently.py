"""Evidently's verdicts on windows handed over as files: run by an interpreter that has Evidently and nothing of Pilothouse.

``python verdicts_evidently.py FOLDER`` judges each ``*.npz`` (see ``benchmarks/verdict_files.py``) and writes
``NAME.evidently.json``: for each column the drift score over its threshold in each window, by the test that
``DataDriftPreset`` chooses by default. The tests are called directly: a whole report takes over a second a window.
"""

import json
import os
import sys
from pathlib import Path

os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import pandas as pd
from evidently.legacy.calculations.stattests.registry import get_stattest
from evidently.legacy.core import ColumnType


def judge(path: Path) -> dict[str, list[float]]:
    """Scores in units of the default threshold (above 1: drift); NaN where a column of a window is empty."""
    held = np.load(path, allow_pickle=False)
    meta = json.loads(str(held["meta"]))
    found: dict[str, list[float]] = {}
    for name, base in meta["columns"].items():
        reference = series(held, f"r:{base}", base)
        kind = ColumnType.Categorical if f"k:{base}" in held else ColumnType.Numerical
        scores = []
        for window in held[f"w:{name}"]:
            current = values(window, held, base)
            if not len(current):
                scores.append(float("nan"))
                continue
            test = get_stattest(reference, current, kind, None)
            result = test(reference, current, kind, None)
            if test.name not in ("wasserstein", "jensenshannon"):
                raise SystemExit(f"{path.name}, {name}: a distance was expected, Evidently chose {test.name}")
            scores.append(float(result.drift_score) / float(result.actual_threshold))
        found[name] = scores
    return found


def series(held, key: str, base: str) -> pd.Series:
    """A stored column without its missing values, which Evidently drops too."""
    return values(held[key], held, base)


def values(stored, held, base: str) -> pd.Series:
    """Numbers, or texts for codes; missing ones left out."""
    if f"k:{base}" in held:
        return pd.Series(held[f"k:{base}"][stored[stored >= 0]].astype(object))
    return pd.Series(stored[np.isfinite(stored)].astype(float))


if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.npz")):
        file.with_suffix(".evidently.json").write_text(json.dumps(judge(file)), "utf-8")
