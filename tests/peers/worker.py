"""Run by a peer's own interpreter: answers comparisons, one JSON line in, one out. ``python worker.py evidently|nannyml``

A line in: ``{"kind": "number"|"integer"|"boolean"|"text", "reference": […], "current": […]}`` (null: missing; NaN and
Infinity as Python's json writes them). A line out: for each statistic its value, or ``"error"`` with what was raised.
"""

import json
import logging
import os
import sys
import warnings

os.environ.update({"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"})  # neither may report its use
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)

import pandas as pd  # noqa: E402


def series(values, kind):
    """A column as a file of that type gives it to pandas."""
    if kind == "number":
        return pd.Series([float("nan") if v is None else v for v in values], dtype="float64")
    if kind in ("integer", "boolean") and None not in values:
        return pd.Series(values, dtype={"integer": "int64", "boolean": "bool"}[kind])
    return pd.Series(values, dtype="float64" if kind == "integer" else "object")


def attempt(act):
    """A value, or what was raised."""
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        return {"error": f"{type(error).__name__}: {error}"[:200]}


def evidently():
    """The default verdict, and each statistic on the cleaned columns."""
    import numpy as np
    from evidently.core.datasets import infer_column_type
    from evidently.legacy.calculations import data_drift
    from evidently.legacy.calculations.stattests import get_stattest
    from evidently.legacy.options.data_drift import DataDriftOptions
    from evidently.legacy.utils.data_operations import DatasetColumns, DatasetUtilityColumns

    empty = DatasetUtilityColumns(date=None, id=None, target=None, prediction=None)

    def default(reference, current, kind):
        numeric, names = kind.value == "num", ["x"]
        found = data_drift.get_one_column_drift(
            current_data=pd.DataFrame({"x": current}),
            reference_data=pd.DataFrame({"x": reference}),
            column_name="x",
            options=DataDriftOptions(),
            dataset_columns=DatasetColumns(
                utility_columns=empty,
                target_type=None,
                num_feature_names=names if numeric else [],
                cat_feature_names=[] if numeric else names,
                text_feature_names=[],
                datetime_feature_names=[],
                target_names=None,
                task=None,
            ),
            column_type=kind,
            agg_data=True,
        )
        return {
            "name": found.stattest_name,
            "value": float(found.drift_score),
            "drifts": bool(found.drift_detected),
        }

    def answer(asked):
        reference, current = (series(asked[side], asked["kind"]) for side in ("reference", "current"))
        kind = infer_column_type(current)
        clean = [s.replace([-np.inf, np.inf], np.nan).dropna() for s in (reference, current)]
        found = {
            "kind": kind.value,
            "default": attempt(lambda: default(reference.copy(), current.copy(), kind)),
        }
        methods = ["psi", "jensenshannon", "kl_div", "hellinger"]
        methods += ["ks", "wasserstein"] if kind.value == "num" else ["chisquare", "z"]
        for method in methods:
            found[method] = attempt(
                lambda method=method: float(
                    get_stattest(*clean, kind, method)(
                        clean[0].copy(), clean[1].copy(), kind, None
                    ).drift_score
                )
            )
        return found

    return answer


def nannyml():
    """Each chunk's value and alert, and the threshold, by method."""
    import nannyml as nml

    numbers = ["jensen_shannon", "hellinger", "kolmogorov_smirnov", "wasserstein"]
    categories = ["jensen_shannon", "hellinger", "chi2", "l_infinity"]

    def measure(reference, current, method, kind):
        calculator = nml.UnivariateDriftCalculator(
            column_names=["x"], continuous_methods=[method], categorical_methods=[method]
        )
        calculator.fit(pd.DataFrame({"x": reference}))
        found = calculator.calculate(pd.DataFrame({"x": current})).filter(period="analysis").data["x"][method]
        return {
            "values": [float(v) for v in found["value"]],
            "threshold": [float("nan") if v is None else float(v) for v in found["upper_threshold"]],
            "alerts": [bool(v) for v in found["alert"]],
        }

    def answer(asked):
        reference, current = (series(asked[side], asked["kind"]) for side in ("reference", "current"))
        methods = numbers if asked["kind"] in ("number", "integer") else categories
        methods = asked.get("methods") or methods
        return {m: attempt(lambda m=m: measure(reference, current, m, asked["kind"])) for m in methods}

    return answer


def main():
    """Answer until the input ends. What the library prints must not get into the answers."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    answer = {"evidently": evidently, "nannyml": nannyml}[sys.argv[1]]()
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
