"""Logs of two versions of ``delay`` on a platform of others, of which one is a canary: who answered what, and wrongly."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

BEGAN = datetime(2025, 6, 2, 6, 30, tzinfo=UTC)
"""Newest event before the canary."""


def history(version: int = 1, rows: int = 120) -> pd.DataFrame:
    """A log of the live version before a canary, one row in ten minutes."""
    times = [BEGAN - timedelta(minutes=10 * n) for n in range(rows)]
    late = np.arange(rows) % 2
    return _frame(times, late, np.zeros(rows, bool), [f"before-{version}-{n}" for n in range(rows)])


@dataclass(frozen=True)
class Platform:
    """A platform that gives version 2 a ``share`` of its requests, ``an_hour`` of them; rates of wrong answers by version."""

    share: float
    an_hour: int
    wrong: tuple[float, float]
    seed: int = 1

    def hours(self, first: int, count: int) -> dict[int, pd.DataFrame]:
        """Logs by version of whole hours, the first one being that after ``BEGAN``."""
        rng = np.random.default_rng([self.seed, first])
        start = BEGAN.replace(minute=0) + timedelta(hours=1 + first)
        rows = self.an_hour * count
        times = [start + timedelta(hours=n / self.an_hour) for n in range(rows)]
        late, drawn = rng.integers(2, size=rows), rng.random(rows) < self.share
        rates = np.where(drawn, self.wrong[1], self.wrong[0])
        frame = _frame(times, late, rng.random(rows) < rates, [f"r-{first}-{n}" for n in range(rows)])
        return {1: frame[~drawn], 2: frame[drawn]}


def _frame(
    times: Sequence[datetime], late: np.ndarray, wrong: np.ndarray, ids: Sequence[str]
) -> pd.DataFrame:
    answered = late ^ wrong
    return pd.DataFrame(
        {
            "event_time": pd.to_datetime(pd.Series(times)),
            "wind": 8.0 + 4 * late,
            "load": np.arange(len(late)) % 20,
            "score": np.where(answered, 0.75, 0.25),
            "truth": late.astype(str),
            "prediction_id": ids,
        }
    )


def written(frame: pd.DataFrame, path: Path) -> Path:
    """The log as a file of the kind that its name says."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path
