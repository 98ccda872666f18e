"""NannyML's domain classifier, at its defaults, on windows handed over as a file: run by an interpreter that has NannyML and
nothing of Pilothouse.

``python domain_classifier_nannyml.py FILE`` reads an ``npz`` with ``reference`` [rows, features] and ``windows`` [windows,
rows, features] and prints each window's [AUROC, alert] and the processor's seconds a window as JSON.
"""

import json
import os
import sys
import time

os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import numpy as np
import pandas as pd
from nannyml.drift.multivariate.domain_classifier import DomainClassifierCalculator


def main(file: str) -> None:
    """Fit on the reference, judge the windows one after the other."""
    os.sched_setaffinity(
        0, {max(os.sched_getaffinity(0))}
    )  # one core: LightGBM's threads wait for each other in a spin
    held = np.load(file, allow_pickle=False)
    windows = held["windows"]
    names = [f"f{i}" for i in range(windows.shape[2])]
    calculator = DomainClassifierCalculator(feature_column_names=names, chunk_size=windows.shape[1])
    calculator.fit(pd.DataFrame(held["reference"], columns=names))
    began = time.process_time()
    found = calculator.calculate(pd.DataFrame(windows.reshape(-1, len(names)), columns=names))
    taken = (time.process_time() - began) / len(windows)
    table = found.filter(period="analysis").to_df()
    part = table["domain_classifier_auroc"]
    values = [[float(v), bool(a)] for v, a in zip(part["value"], part["alert"], strict=True)]
    print(json.dumps({"windows": values, "cpu_s": taken}))


if __name__ == "__main__":
    main(sys.argv[1])
