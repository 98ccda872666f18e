"""Rows that the tests of this folder share: every awkward value that production may send."""

import numpy as np

from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification

Columns = tuple[dict[str, np.ndarray], dict[str, list[str | None]], np.ndarray]


def draw(rows: int, seed: int = 0, shift: float = 0.0) -> Columns:
    """Rows with continuous, integer, mostly-zero and categorical columns and a score that ranks a little."""
    rng = np.random.default_rng(seed)
    numeric = {
        "amount": rng.lognormal(3 + shift, 1, rows),
        "level": rng.normal(10 + 2 * shift, 2, rows),
        "weekday": rng.integers(0, 7, rows).astype(float),
        "rain": np.where(rng.random(rows) < 0.9, 0.0, rng.exponential(1, rows)),
        "age": np.where(rng.random(rows) < 0.2, np.nan, rng.integers(0, 60, rows)),
    }
    categorical: dict[str, list[str | None]] = {
        "carrier": [("AA", "UA", "DL", None)[i] for i in rng.choice(4, rows, p=(0.5, 0.3, 0.15, 0.05))],
    }
    return numeric, categorical, rng.beta(2, 5, rows)


def specify(rows: int = 5000, seed: int = 1) -> ProfileSpecification:
    """The specification of such rows for a binary task."""
    numeric, categorical, scores = draw(rows, seed)
    return build_specification("binary", numeric, categorical, scores, ("0", "1"))


def outcomes(scores: np.ndarray, seed: int = 0) -> tuple[list[str], np.ndarray]:
    """Predicted labels and true 0 or 1 for scores that are the true probabilities."""
    truth = (np.random.default_rng(seed).random(len(scores)) < scores).astype(np.int64)
    return [str(int(score > 0.4)) for score in scores], truth
