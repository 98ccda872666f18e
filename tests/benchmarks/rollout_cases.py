"""Simulated roll-outs: real versions on real flights in their order of time, latencies and failed requests by drawn laws."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
REQUESTS, LOOK = 20_000, 500
"""Requests of a roll-out, and between two looks."""
HARM = 0.02
"""What a version that is worse gets wrong beside: a share of the requests."""
FEATURES = (
    "distance",
    "hour",
    "weekday",
    "seats",
    "plane_year",
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
)
CHAMPION_UNTIL, CHALLENGER_UNTIL = 4, 7
"""Months (not included) up to which the versions were trained; requests come from then on."""


@dataclass(frozen=True)
class Versions:
    """Two versions' scores of the same rows in order of time, and what came true; float64[rows] and bool[rows]."""

    title: str
    champion: np.ndarray
    challenger: np.ndarray
    late: np.ndarray
    in_order: bool = False
    """Whether a roll-out's requests follow each other as they came; else their rows are drawn from all."""

    @property
    def disagree(self) -> float:
        """Share of requests on which the labels differ."""
        return float(((self.champion > 0.5) != (self.challenger > 0.5)).mean())

    @property
    def error(self) -> float:
        """Mean error rate of the two, which is that of both once their roles are drawn."""
        wrong = [((s > 0.5) != self.late).mean() for s in (self.champion, self.challenger)]
        return float(np.mean(wrong))


def versions() -> list[Versions]:
    """A champion of January to March, boosted trees; beside it the same retrained up to June, and a logistic regression."""
    import pandas as pd
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    table = pd.read_parquet(ROOT / "sample_data" / "flights.parquet").sort_values("scheduled_at")
    month = table["scheduled_at"].dt.month.to_numpy()
    x, late = table[list(FEATURES)].to_numpy(np.float64), table["late"].to_numpy().astype(bool)
    old, new, ahead = month < CHAMPION_UNTIL, month < CHALLENGER_UNTIL, month >= CHALLENGER_UNTIL
    trees = [
        HistGradientBoostingClassifier(max_iter=80, early_stopping=False, random_state=7).fit(
            x[rows], late[rows]
        )
        for rows in (old, new)
    ]
    plain = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(x[new], late[new])
    scores = [model.predict_proba(x[ahead])[:, 1] for model in (*trees, plain)]
    return [
        Versions("retrained, in order of time", scores[0], scores[1], late[ahead], in_order=True),
        Versions("retrained, rows drawn", scores[0], scores[1], late[ahead]),
        Versions("logistic, rows drawn", scores[0], scores[2], late[ahead]),
    ]


@dataclass(frozen=True)
class Rollout:
    """Requests in order: for each, both versions' losses (wrong or right, Brier), and a draw of 0 to 1 for the arm."""

    wrong: tuple[np.ndarray, np.ndarray]
    brier: tuple[np.ndarray, np.ndarray]
    draw: np.ndarray
    scores: tuple[np.ndarray, np.ndarray] | None = None
    late: np.ndarray | None = None
    """What the losses come from: scores of challenger and champion, and what came true."""

    def looks(self) -> Iterator[slice]:
        """The requests between looks."""
        for start in range(0, REQUESTS, LOOK):
            yield slice(start, start + LOOK)


def rollout(of: Versions, seed: int, harm: float, together: int = 1) -> Rollout:
    """Requests of one roll-out; consecutive ones start at a drawn moment. Which version has which role is drawn for each
    request (or ``together`` of them, such as a day's), so that neither is worse, whatever they are worth; then, of the requests
    that the challenger got right, so many are turned (score s to 1 − s) that it is wrong on a share of ``harm`` more."""
    rng = np.random.default_rng([seed, round(1000 * harm)])
    rows = rng.integers(len(of.late), size=REQUESTS)
    if of.in_order:
        rows = (rows[0] + np.arange(REQUESTS)) % len(of.late)
    swapped = np.repeat(rng.random(-(-REQUESTS // together)) < 0.5, together)[:REQUESTS]
    ours = np.where(swapped, of.champion[rows], of.challenger[rows])
    theirs = np.where(swapped, of.challenger[rows], of.champion[rows])
    late = of.late[rows]
    right = (ours > 0.5) == late
    turned = right & (rng.random(REQUESTS) < harm / (1 - of.error))
    ours = np.where(turned, 1 - ours, ours)
    scores = (ours, theirs)
    wrong = tuple((s > 0.5) != late for s in scores)
    brier = tuple((s - late) ** 2 for s in scores)
    return Rollout((wrong[0], wrong[1]), (brier[0], brier[1]), rng.random(REQUESTS), scores, late)


@dataclass(frozen=True)
class Keyed:
    """Requests in order, each of a client with a key of its own: whether the challenger takes the key, whether the answer is
    wrong, and whether the request is the first of its key."""

    own: np.ndarray
    wrong: np.ndarray
    first: np.ndarray


def keyed(seed: int, keys: int, harm: float, share: float) -> Keyed:
    """Requests of so many clients, of which a few send most (weights of Zipf's law). How often a client's requests are answered
    wrong is the client's own (beta law with mean 0.2 and deviation 0.2), whichever version answers; the challenger is wrong on
    a share of ``harm`` more of the others."""
    rng = np.random.default_rng([seed, 3, keys, round(1000 * harm)])
    weights = 1 / np.arange(1, keys + 1)
    of = rng.choice(keys, REQUESTS, p=weights / weights.sum())
    own = (rng.random(keys) < share)[of]
    rates = rng.beta(0.6, 2.4, keys)[of]
    rates = np.where(own, rates + harm * (1 - rates), rates)
    first = np.zeros(REQUESTS, bool)
    first[np.unique(of, return_index=True)[1]] = True
    return Keyed(own, rng.random(REQUESTS) < rates, first)


def latencies(rng: np.random.Generator, requests: int) -> np.ndarray:
    """Latencies in µs: log-normal about 8 ms, and one request in fifty that waits ten times as long."""
    usual = rng.lognormal(9.0, 0.4, requests)
    return np.where(rng.random(requests) < 0.02, 10 * usual, usual)
