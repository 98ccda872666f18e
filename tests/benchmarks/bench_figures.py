"""What the figures cost: metrics with intervals, the paired bootstrap, profiles, a look at the health of a fleet."""

import numpy as np
from bench import median_s, show

from pilothouse.statistics.performance.comparison import paired_bootstrap
from pilothouse.statistics.performance.metrics import compute_metrics
from pilothouse.statistics.profiles.profile import profile_rows
from pilothouse.statistics.profiles.scored_rows import ScoredRows, scored_rows
from support import flight_batches as flights


def run() -> None:
    """Milliseconds, on generated scores and on real flights."""
    chance = np.random.default_rng(3)
    scores = chance.random(40_000)
    truth = (chance.random(40_000) < scores).astype(int).astype(str).tolist()
    labels = (scores > 0.5).astype(int).astype(str).tolist()
    taken = median_s(lambda: compute_metrics(scored_rows("binary", truth, scores, labels, ("0", "1"))), 5)
    show("metrics: all of a binary task with intervals, 40,000 rows", f"{taken * 1000:.0f} ms")
    half, other = 20_000, np.clip(scores + chance.normal(0, 0.1, 40_000), 0, 1)

    def scored(by: np.ndarray) -> ScoredRows:
        return scored_rows("binary", truth[:half], by[:half], labels[:half], ("0", "1"))

    taken = median_s(lambda: paired_bootstrap("auc", scored(scores), scored(other)), 3)
    show("comparison: paired AUC, 20,000 rows, 500 resamples", f"{taken * 1000:.0f} ms")
    rows = flights.flights().head(50_000)
    numeric, categorical = flights.columns_of(rows)
    specification = flights.specification()
    taken = median_s(lambda: profile_rows(specification, numeric, categorical, rows["score"].to_numpy()), 5)
    show("profile: 50,000 flights, 12 features and the score", f"{taken * 1000:.0f} ms")
