"""NannyML's verdicts on windows handed over as files: run by an interpreter that has NannyML and nothing of Pilothouse.

``python verdicts_nannyml.py FOLDER`` judges each ``*.npz`` (see ``benchmarks/verdict_files.py``) and writes
``NAME.nannyml.json``: how many deviations of the reference's chunks each window's value lies above their mean (3 is the
default threshold). Drift by the default method (Jensen–Shannon), ``missing:NAME`` by MissingValuesCalculator, and
``auc`` by PerformanceCalculator, there below the mean.
"""

import json
import os
import sys
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import nannyml as nml
import numpy as np
import pandas as pd


def frame(held, prefix: str, columns: dict[str, str]) -> pd.DataFrame:
    """The reference (each column under the names of its variants) or all windows one after the other."""
    found = {}
    for name, base in columns.items():
        stored = held[f"r:{base}"] if prefix == "r" else held[f"w:{name}"].ravel()
        if f"k:{base}" in held:
            found[name] = pd.Series(pd.Categorical.from_codes(stored, held[f"k:{base}"]))
        else:
            found[name] = pd.Series(stored.astype(float))
    return pd.DataFrame(found)


def deviations(of_reference, of_windows, sign: float = 1.0) -> list[float]:
    """Values of windows above the mean of the reference's, in its deviations (ddof 0, as NannyML's thresholds)."""
    of_reference, of_windows = (np.asarray(v, dtype=float) for v in (of_reference, of_windows))
    spread = max(float(np.nanstd(of_reference)), 1e-12)
    return [float(x) for x in sign * (of_windows - np.nanmean(of_reference)) / spread]


def judge(path: Path) -> dict[str, list[float]]:
    """Deviations by column."""
    held = np.load(path, allow_pickle=False)
    meta = json.loads(str(held["meta"]))
    columns, size = meta["columns"], int(meta["rows"])
    if meta.get("scores"):
        return performance(held, size)
    texts = [name for name, base in columns.items() if f"k:{base}" in held]
    reference, windows = frame(held, "r", columns), frame(held, "w", columns)
    calculator = nml.UnivariateDriftCalculator(
        column_names=list(columns), treat_as_categorical=texts, chunk_size=size
    )
    fitted = calculator.fit(reference)
    table = fitted.calculate(windows).to_df()
    period = table[("chunk", "chunk", "period")].to_numpy()
    found = {}
    for name in columns:
        value = table[(name, "jensen_shannon", "value")].to_numpy()
        found[name] = deviations(value[period == "reference"], value[period == "analysis"])
        alert = table[(name, "jensen_shannon", "alert")].to_numpy()[period == "analysis"].astype(bool)
        ours = np.array(found[name]) > 3
        if (alert != ours).sum() > 0.02 * len(
            ours
        ) + 1:  # an upper threshold above 1 is cut to 1 by the library
            raise SystemExit(f"{path.name}, {name}: deviations do not give NannyML's own alerts")
    watched = [name for name in columns if meta["missing"].get(name)]
    if watched:
        calculator = nml.MissingValuesCalculator(column_names=watched, chunk_size=size)
        fitted = calculator.fit(reference)
        table = fitted.calculate(windows).to_df()
        period = table[("chunk", "period")].to_numpy()
        for name in watched:
            value = table[(name, "value")].to_numpy(dtype=float)
            found[f"missing:{name}"] = deviations(value[period == "reference"], value[period == "analysis"])
    return found


def performance(held, size: int) -> dict[str, list[float]]:
    """AUROC of each window against the reference's chunks; both tails alert by default, the lower one is the loss."""

    def rows(scores, truth) -> pd.DataFrame:
        return pd.DataFrame({"s": scores, "p": (scores > 0.5).astype(int), "y": truth})

    calculator = nml.PerformanceCalculator(
        metrics=["roc_auc"], y_true="y", y_pred="p", y_pred_proba="s",
        problem_type="classification_binary", chunk_size=size,
    )  # fmt: skip
    fitted = calculator.fit(rows(held["r:scores"], held["r:truth"]))
    found = {}
    for name in json.loads(str(held["meta"]))["columns"]:
        table = fitted.calculate(
            rows(held[f"w:{name}:scores"].ravel(), held[f"w:{name}:truth"].ravel())
        ).to_df()
        period = table[("chunk", "period")].to_numpy()
        value = table[("roc_auc", "value")].to_numpy(dtype=float)
        found[name] = deviations(value[period == "reference"], value[period == "analysis"], -1.0)
    return found


if __name__ == "__main__":
    for file in sorted(Path(sys.argv[1]).glob("*.npz")):
        file.with_suffix(".nannyml.json").write_text(json.dumps(judge(file)), "utf-8")
