"""What a played stream is worth, by numpy and scikit-learn from the raw rows: no figure of the program's own statistics."""

import importlib
import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from stream_cases import Case
from stream_play import Learnt, Played, day_at, score

from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.monitoring.findings import EstimateFinding
from pilothouse.domain.records import Alert
from pilothouse.telemetry.windows.readings import DRIFT, ESTIMATE, PERFORMANCE, Reading, finding_of

ROOT = Path(__file__).resolve().parents[2]
PEER = ROOT / ".peers" / "nannyml" / "bin" / "python"
THEIRS = {"auc": "roc_auc"}
AFTER = timedelta(days=28)
"""Time after the first retraining in which its gain is measured."""
_PLENTY = 40_000
_FEWEST_ROWS = 100
_SEED = 77


def metric_of(task: str, frame: pd.DataFrame) -> float:
    """AUC, accuracy or mean absolute error of scored rows."""
    from sklearn.metrics import accuracy_score, mean_absolute_error, roc_auc_score

    if task == "binary":
        if frame["truth"].nunique() < 2:
            return float("nan")
        return float(roc_auc_score(frame["truth"], frame["score"]))
    if task == "multiclass":
        return float(accuracy_score(frame["truth"], frame["label"]))
    return float(mean_absolute_error(frame["truth"], frame["score"]))


def loss_between(task: str, before: float, after: float) -> float:
    """How much worse ``after`` is."""
    return after - before if task == "regression" else before - after


# --- alerts


@dataclass(frozen=True)
class AlertCounts:
    """Alerts on the performance and on the inputs of a stream, against the known date of its change."""

    right: int = 0
    late: int = 0
    false: int = 0
    missed: int = 0
    undated: int = 0
    """Alerts on the inputs of a real stream, or of one whose inputs are a part of what moves: no date says what they are."""


def count_alerts(played: Played) -> AlertCounts:
    """Right: opened by the first or second window that holds the change (of a gradual one, that holds all of it, or before);
    late: by a later one; false: before the change, or where nothing of the kind has changed. Of a real stream an alert on the
    performance is right where the metric of its window is worse than the hold-out's beyond chance, by days drawn again."""
    case = played.case
    kind_of = {"performance": "performance", "data_drift": "inputs", "score_drift": "inputs"}
    wanted = {"concept": "performance", "inputs": "inputs", "": "", None: "performance"}[case.changes]
    right = late = false = undated = 0
    for alert in played.alerts:
        kind = kind_of.get(alert.kind, alert.kind)
        if case.changes is None:
            if kind == "inputs":
                undated += 1
            elif kind == "performance" and _lost(played, alert.version, alert.effective_at):
                right += 1
            else:
                false += 1
        elif kind == wanted and _holds_change(played, alert):
            if _windows_until(played, alert.version, wanted, alert.effective_at) <= 2:
                right += 1
            else:
                late += 1
        elif (
            case.changes == "concept" and alert.kind == "score_drift" and alert.effective_at > case.changed_at
        ):
            undated += 1  # the scores of a version trained on new rows are others
        else:
            false += 1
    missed = int(wanted != "" and case.changes is not None and not right and not late)
    return AlertCounts(right, late, false, missed, undated)


def _holds_change(played: Played, alert: Alert) -> bool:
    """Whether something of the change came after the newest row that judged the version."""
    case, held = played.case, played.versions[alert.version].holdout
    if case.changed_at is None or case.last_changed_at is None:
        return False
    return alert.effective_at > case.changed_at and held["at"].max() < case.last_changed_at


def _windows_until(played: Played, version: int, wanted: str, at: datetime) -> int:
    """Windows with the change in them that were closed when an alert opened; of a gradual change with all of it."""
    monitor = PERFORMANCE if wanted == "performance" else DRIFT
    whole = played.case.last_changed_at
    assert whole is not None
    return sum(1 for reading in played.readings[version, monitor] if whole < from_us(reading.end_us) <= at)


def _lost(played: Played, version: int, until: datetime) -> bool:
    """Whether the window that ends then is worse than the version's hold-out in 97.5 % of drawings of days."""
    ends = [r for r in played.readings[version, PERFORMANCE] if from_us(r.end_us) <= until]
    if not ends:
        return False
    window, held = _rows_of(played, version, ends[-1]), played.versions[version].holdout
    chance, task = np.random.default_rng(_SEED), played.case.task
    draws = [
        loss_between(task, metric_of(task, _drawn(held, chance)), metric_of(task, _drawn(window, chance)))
        for _ in range(200)
    ]
    return float(np.quantile(draws, 0.025)) > 0


def _drawn(frame: pd.DataFrame, chance: np.random.Generator) -> pd.DataFrame:
    days = frame["at"].dt.floor("D")
    places = list(frame.groupby(days).indices.values())
    return frame.iloc[np.concatenate([places[i] for i in chance.integers(0, len(places), len(places))])]


def _rows_of(played: Played, version: int, reading: Reading) -> pd.DataFrame:
    """The rows that a window is about, those merged with it too."""
    served, window = played.served, reading.window
    inside = (served["at"] >= window.since) & (served["at"] < window.end) & (served["version"] == version)
    return served[inside]


# --- retraining


@dataclass(frozen=True)
class Gain:
    """The first retraining since the change that an alert started: its day of the stream, how far its day of the change is from
    the true one, what became of it, and the metric of the version before it, of itself and of the attainable in the days after.
    """

    day: float
    days_off: float | None
    live: bool
    status: str
    before: float
    after: float
    attainable: float
    days: float
    note: str = ""

    def share(self, task: str) -> float | None:
        """Gain as a share of the attainable; None where nothing is attainable, or the metric would hardly move."""
        possible = -loss_between(task, self.before, self.attainable)
        if possible <= 0.02 * abs(self.before):
            return None
        gained = -loss_between(task, self.before, self.after) if self.live else 0.0
        return gained / possible


def first_gain(played: Played) -> Gain | None:
    """What the first retraining since the change gained; None where an alert started none, or the stream ends with it. One
    before the change, after a false alert, cannot learn it, and the days after it are not of one law."""
    case = played.case
    since = case.changed_at or case.live_from
    about = (j for j in played.retrainings if datetime.fromisoformat(j.options["as_of"]) > since)
    job = next((j for j in about if j.version is not None), None)
    if job is None or job.version is None:
        return None
    clock = datetime.fromisoformat(job.options["as_of"])
    changed = job.options.get("changed_at")
    off = None
    if changed and case.changed_at is not None:
        off = (datetime.fromisoformat(changed) - case.changed_at) / timedelta(days=1)
    served = played.served
    later = served[(served["at"] > clock) & (served["at"] <= clock + AFTER)]
    if later.empty:
        return None
    first_day = played.live_since.get(job.version)
    live = first_day is not None and first_day <= day_at(case, clock) + 1
    champion = int(served.loc[served["at"] <= clock, "version"].iloc[-1])
    rows = later[["at", *case.features, "truth"]]
    if case.draw is not None:  # the law of these days, by plenty of rows
        days = (rows["at"] - pd.Timestamp(case.live_from)) // pd.Timedelta(days=1)
        chance = np.random.default_rng(_SEED)
        fresh = case.draw(chance.choice(days.to_numpy(), _PLENTY), chance)
        rows = case.draw(chance.choice(days.to_numpy(), _PLENTY), chance)
        ideal = _scored_by(case, _plain(case).fit(_matrix(case, fresh), fresh["truth"]), rows)
    else:
        start = datetime.fromisoformat(changed) if changed else clock
        ideal = _cross_fitted(case, rows, start)
    status = f"version {job.version} {'live' if live else str(played.versions[job.version].version.status)}"
    return Gain(
        day_at(case, clock),
        off,
        live,
        status,
        metric_of(case.task, score(played.versions[champion].predictor, case, rows)),
        metric_of(case.task, score(played.versions[job.version].predictor, case, rows)),
        metric_of(case.task, ideal),
        later["at"].dt.floor("D").nunique(),
        "; ".join(str(note) for note in job.result.get("notes", [])) if job.result else "",
    )


def _plain(case: Case) -> Any:
    """The estimator of the stream, made by scikit-learn alone: scaled numbers and one-hot groups, but for trees."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    module, name = case.estimator.rsplit(".", 1)
    estimator = getattr(importlib.import_module(module), name)(**case.parameters)
    return estimator if "Hist" in name else make_pipeline(StandardScaler(), estimator)


def _matrix(case: Case, rows: pd.DataFrame) -> np.ndarray:
    """Numbers as they are; a column of 0 and 1 for each category of the whole stream."""
    parts = [rows[[n for n in case.features if n not in case.categoricals]].to_numpy(float)]
    for name in case.categoricals:
        values = sorted(case.frame[name].unique())
        parts.append((rows[name].to_numpy(object)[:, None] == np.array(values, object)[None]).astype(float))
    return np.hstack(parts)


def _scored_by(case: Case, model: Any, rows: pd.DataFrame) -> pd.DataFrame:
    matrix = _matrix(case, rows)
    if case.task == "binary":
        return rows.assign(score=model.predict_proba(matrix)[:, 1])
    answers = model.predict(matrix)
    return rows.assign(score=answers) if case.task == "regression" else rows.assign(label=answers)


def _cross_fitted(case: Case, rows: pd.DataFrame, since: datetime) -> pd.DataFrame:
    """Rows of a real stream as models with hindsight score them: each week by one that learnt all others, those since the
    change or all of the stream's, whichever is nearer to the truth."""
    week = (rows["at"] - rows["at"].iloc[0]) // pd.Timedelta(days=7)
    tried = []
    for start in (pd.Timestamp(since), case.frame["at"].iloc[0]):
        parts = []
        for number in sorted(week.unique()):
            part = rows[week == number]
            learnt = case.frame[(case.frame["at"] >= start) & ~case.frame["at"].isin(part["at"])]
            parts.append(_scored_by(case, _plain(case).fit(_matrix(case, learnt), learnt["truth"]), part))
        tried.append(pd.concat(parts))
    return min(tried, key=lambda frame: loss_between(case.task, 0.0, metric_of(case.task, frame)))


# --- estimates without outcomes


@dataclass(frozen=True)
class Estimates:
    """Mean absolute error of the estimate without outcomes over the windows of a stream, that of "nothing has changed" (the
    metric of the hold-out), NannyML's, and the share of windows inside the 95 % band."""

    windows: int
    ours: float
    nothing: float
    theirs: float | None
    inside: float


def judge_estimates(played: Played) -> Estimates | None:
    """Estimates of every version beside what the raw rows say; None where there is none."""
    task, rows = played.case.task, []
    for number, learnt in played.versions.items():
        windows, found = [], []
        for reading in played.readings[number, ESTIMATE]:
            finding = finding_of(reading, EstimateFinding)
            window = _rows_of(played, number, reading)
            if finding.value is None or finding.low is None or len(window) < _FEWEST_ROWS:
                continue
            windows.append(window)
            found.append(finding)
        if not windows:
            continue
        nothing = metric_of(task, learnt.holdout)
        theirs = _nannyml(played.case, learnt, windows)
        for finding, window, peer in zip(found, windows, theirs or [None] * len(windows), strict=True):
            truth = metric_of(task, window)
            inside = finding.low <= truth <= finding.high
            rows.append(
                (abs(finding.value - truth), abs(nothing - truth), peer and abs(peer - truth), inside)
            )
    if not rows:
        return None
    ours, none, peers, inside = zip(*rows, strict=True)
    theirs_mean = None if any(p is None for p in peers) else float(np.mean(peers))
    return Estimates(
        len(rows), float(np.mean(ours)), float(np.mean(none)), theirs_mean, float(np.mean(inside))
    )


def _nannyml(case: Case, learnt: Learnt, windows: list[pd.DataFrame]) -> list[float] | None:
    """NannyML's estimates of the windows; None where it is not installed."""
    if not PEER.exists():
        return None
    with tempfile.TemporaryDirectory() as folder:
        every = pd.concat([window.assign(window=i) for i, window in enumerate(windows)], ignore_index=True)
        numbers = [n for n in case.features if n not in case.categoricals]
        probabilities = [c for c in learnt.holdout if c.startswith("proba_")]
        columns = [*(numbers if case.task == "regression" else ()), "score", "truth"]
        columns += ["label", *probabilities] if case.task != "regression" else []
        parts = {f"reference/{name}": learnt.holdout[name].to_numpy() for name in columns}
        parts |= {f"windows/{name}": every[name].to_numpy() for name in [*columns, "window"]}
        np.savez(Path(folder) / "stream.npz", **parts)
        done = subprocess.run(
            [PEER, ROOT / "tests" / "peers" / "nannyml_estimates.py", folder],
            check=False, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        if done.returncode:
            print(
                f"NannyML ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}", flush=True
            )
            return None
        answer = json.loads((Path(folder) / "answers.json").read_text())["stream"]["metrics"]
    values: list[float] = answer[THEIRS.get(case.metric, case.metric)]
    return values
