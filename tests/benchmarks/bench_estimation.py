"""Performance without outcomes: how far estimates lie from what was measured, against NannyML's on the same windows.

``python tests/benchmarks/bench.py estimation``. NannyML runs in ``.peers/nannyml`` (``make .peers/nannyml/.done``); without
it the peer's columns are left out.
"""

import json
import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from bench import show
from estimation_cases import Case, bikes, drifts, flights, losses

from pilothouse.statistics import performance_estimation
from pilothouse.statistics.performance import outcomes
from pilothouse.statistics.profiles.outcome_profile import profile_outcomes
from pilothouse.statistics.profiles.profile import Profile, profile_rows
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.statistics.reference import DatedRows, build_reference

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / ".peers" / "nannyml" / "bin" / "python"
THEIRS = {"auc": "roc_auc"}
BINARY = ("auc", "average_precision", "accuracy", "f1", "precision", "recall")
REGRESSION = ("mae", "rmse")


def run() -> None:
    """Mean absolute errors, coverage of the bands, and what an estimate costs."""
    for title, make, metrics in (
        ("flights", flights, BINARY),
        ("generated drifts", drifts, BINARY),
        ("bikes", bikes, REGRESSION),
        ("generated losses", losses, REGRESSION),
    ):
        compare(title, make, metrics)


def compare(title: str, make: Callable[[], Iterable[Case]], metrics: tuple[str, ...]) -> None:
    """Estimate every window of every case, ours and theirs, and lay both over what was measured."""
    cases = list(make())
    theirs = ask_peer(cases)
    found, learning, looking = [], 0.0, 0.0
    for case in cases:
        specification, estimator, seconds = learn(case)
        learning += seconds
        for number, window in enumerate(case.windows):
            days = [profile for _, profile in profiled(specification, dated(window))]
            for metric in metrics:
                began = time.perf_counter()
                value = performance_estimation.estimate(specification, estimator, days, metric)
                looking += time.perf_counter() - began
                truth = measured(specification, window, metric)
                row = {
                    "group": case.group,
                    "metric": metric,
                    "plain": number == 0,
                    "ours": abs(value.value - truth),
                    "inside": value.low <= truth <= value.high,
                    "width": value.high - value.low,
                }
                if theirs:
                    name = THEIRS.get(metric, metric)
                    peer = theirs[case.name]["metrics"][name][number]
                    width = 3 * theirs[case.name]["errors"][name][number]
                    row |= {"theirs": abs(peer - truth), "theirs_inside": abs(peer - truth) <= width}
                found.append(row)
    table = pd.DataFrame(found)
    windows = sum(len(case.windows) for case in cases)
    sizes = sorted(len(case.reference) for case in cases)
    show(
        f"estimation, {title}",
        f"{windows} windows",
        f"{len(cases)} hold-outs of {sizes[0]:,} to {sizes[-1]:,} rows",
    )
    for (group, metric), part in table.groupby(["group", "metric"], sort=False):
        line(f"  {group}: {metric}", part)
    for metric, part in table.groupby("metric", sort=False):
        line(f"  {title}, all: {metric}", part)
    first = table[table["plain"]]
    show(
        f"  {title}: inside the 95 % band",
        f"{table['inside'].mean():.1%}",
        f"the first windows {first['inside'].mean():.1%}",
    )
    show(f"  {title}: learning from one hold-out", f"{learning / len(cases) * 1000:.0f} ms")
    show(f"  {title}: one estimate from profiles", f"{looking / len(table) * 1000:.1f} ms")


def line(what: str, part: pd.DataFrame) -> None:
    """One line: our mean absolute error, theirs, and the share inside our band."""
    ours = part["ours"].mean()
    against = f"inside {part['inside'].mean():.0%}, width {part['width'].mean():.3g}"
    if "theirs" in part:
        theirs = part["theirs"].mean()
        against = (
            f"NannyML {theirs:.4g}, ratio {ours / theirs:.3f}; {against}; "
            f"NannyML's ± 3 errors {part['theirs_inside'].mean():.0%}"
        )
    show(what, f"{ours:.4g}", against)


def ask_peer(cases: list[Case]) -> dict[str, dict[str, dict[str, list[float]]]]:
    """NannyML's estimates of the same windows; empty where it is not installed."""
    if not PEER.exists():
        show("NannyML is not installed: make .peers/nannyml/.done", "skipped")
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases:
            windows = pd.concat([window.assign(window=i) for i, window in enumerate(case.windows)])
            parts = {f"reference/{name}": case.reference[name].to_numpy() for name in case.reference}
            parts |= {f"windows/{name}": windows[name].to_numpy() for name in windows}
            np.savez(Path(folder) / f"{case.name}.npz", **parts)
        subprocess.run(
            [PEER, ROOT / "tests" / "peers" / "nannyml_estimates.py", folder],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return json.loads((Path(folder) / "answers.json").read_text())


def dated(frame: pd.DataFrame) -> DatedRows:
    """The frame as statistics take it."""
    numeric = {
        name: frame[name].to_numpy(float)
        for name in frame
        if name not in ("score", "truth", "label", "day") and not name.startswith("proba_")
    }
    classes = "label" in frame
    truth = frame["truth"].astype(str).to_numpy(object) if classes else frame["truth"].to_numpy(float)
    labels = frame["label"].astype(str).to_numpy(object) if classes else np.empty(0, object)
    return DatedRows(
        frame["day"].to_numpy(np.int64), numeric, {}, frame["score"].to_numpy(float), labels, truth
    )


def profiled(specification: ProfileSpecification, rows: DatedRows) -> list[tuple[int, Profile]]:
    """The profile of each day."""
    return [(day, profile_rows(specification, part.numeric, {}, part.scores)) for day, part in rows.by_day()]


def learn(case: Case) -> tuple[ProfileSpecification, performance_estimation.Estimator, float]:
    """The reference of a version as the evaluate step makes it, what is learnt from it, and in how many seconds."""
    rows = dated(case.reference)
    task, metric = ("binary", "auc") if "label" in case.reference else ("regression", "mae")
    specification = build_specification(
        task, dict(rows.numeric), {}, rows.scores, ("0", "1") if task == "binary" else ()
    )
    began = time.perf_counter()
    reference = build_reference(specification, metric, rows, rows, {})
    estimator = performance_estimation.learn(specification, reference.pooled, reference.pooled)
    assert estimator is not None
    return specification, estimator, time.perf_counter() - began


def measured(specification: ProfileSpecification, window: pd.DataFrame, metric: str) -> float:
    """The metric once truth is in."""
    rows = dated(window)
    profile = profile_outcomes(specification, rows.scores, rows.labels, rows.outcomes)
    if metric in ("precision", "recall"):
        hits = float(profile.confusion[1, 1])
        of = profile.confusion[:, 1].sum() if metric == "precision" else profile.confusion[1].sum()
        return hits / float(of) if of else math.nan
    return outcomes.measured(specification, profile, metric).value
