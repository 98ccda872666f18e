"""Run by NannyML's own interpreter: CBPE or DLE on the references and windows of a folder, for bench_estimation.

Each ``NAME.npz`` holds ``reference/COLUMN`` and ``windows/COLUMN`` arrays, among them ``window`` (the number of the window).
Writes ``answers.json``: {name: {"metrics": {metric: [a value a window]}, "errors": {metric: [a sampling error a window]}}}.
"""

import json
import logging
import os
import sys
import warnings
from pathlib import Path

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import nannyml  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

CLASSES = ["roc_auc", "average_precision", "accuracy", "f1", "precision", "recall"]
NUMBERS = ["mae", "rmse"]


def estimator(reference: pd.DataFrame):
    """NannyML's own defaults; one chunk is one window."""
    shares = {int(name.split("_")[1]): name for name in reference if name.startswith("proba_")}
    if shares:
        made = nannyml.CBPE(
            y_pred_proba=shares,
            y_pred="label",
            y_true="truth",
            metrics=["accuracy"],
            chunk_number=1,
            problem_type="classification_multiclass",
        )
        return made.fit(reference), ["accuracy"]
    if "label" in reference:
        made = nannyml.CBPE(
            y_pred_proba="score",
            y_pred="label",
            y_true="truth",
            metrics=CLASSES,
            chunk_number=1,
            problem_type="classification_binary",
        )
        return made.fit(reference), CLASSES
    features = [name for name in reference if name not in ("score", "truth", "day", "window")]
    made = nannyml.DLE(
        feature_column_names=features, y_pred="score", y_true="truth", metrics=NUMBERS, chunk_number=1
    )
    return made.fit(reference), NUMBERS


def main(folder: Path) -> None:
    answers = {}
    for path in sorted(folder.glob("*.npz")):
        stored = np.load(path)
        reference, windows = (
            pd.DataFrame({key.split("/", 1)[1]: stored[key] for key in stored.files if key.startswith(part)})
            for part in ("reference/", "windows/")
        )
        fitted, metrics = estimator(reference)
        values, errors = {m: [] for m in metrics}, {m: [] for m in metrics}
        for _, window in windows.groupby("window"):
            found = (
                fitted.estimate(window.drop(columns=["truth", "window"])).filter(period="analysis").to_df()
            )
            for metric in metrics:
                values[metric].append(float(found[(metric, "value")].iloc[0]))
                errors[metric].append(float(found[(metric, "sampling_error")].iloc[0]))
        answers[path.stem] = {"metrics": values, "errors": errors}
    (folder / "answers.json").write_text(json.dumps(answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
