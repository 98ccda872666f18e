"""Verdicts on categories of two files: how often nothing is found to be something, and how often something is found.

``python tests/benchmarks/bench_two_files.py [DRAWS]`` prints the table of docs/monitoring.md.
"""

import sys
from collections.abc import Iterator

import numpy as np

from pilothouse.statistics.arrays import Floats
from pilothouse.statistics.profiles.samples import Categories
from pilothouse.statistics.table_drift import ColumnDrift, table_drift

ROWS = (300, 3_000, 30_000)
POWER_AT = ((300, 300), (3_000, 3_000), (30_000, 3_000), (3_000, 30_000))
SHARES = (0.01, 0.02, 0.05)
NEW = 10
"""Categories that the new rows are of."""


def probabilities(law: str, categories: int) -> Floats:
    weights = np.ones(categories) if law == "uniform" else 1 / np.arange(1.0, categories + 1)
    return np.asarray(weights / weights.sum(), np.float64)


def sample(rng: np.random.Generator, law: Floats, rows: int, new: float = 0.0) -> Categories:
    """Rows drawn from a law, a share ``new`` of them from NEW categories that it does not have."""
    drawn = rng.choice(len(law), rows, p=law)
    drawn = np.where(rng.random(rows) < new, len(law) + rng.integers(0, NEW, rows), drawn)
    names, codes = np.unique(drawn, return_inverse=True)
    return Categories(codes.astype(np.int64), tuple(map(str, names)))


def verdicts(
    rng: np.random.Generator, law: Floats, rows: tuple[int, int], draws: int, new: float = 0.0
) -> Iterator[ColumnDrift]:
    for _ in range(draws):
        yield table_drift({"k": sample(rng, law, rows[0])}, {"k": sample(rng, law, rows[1], new)})[0]


def row(law_name: str, categories: int, draws: int) -> str:
    law, rng = probabilities(law_name, categories), np.random.default_rng(categories)
    false = []
    for reference in ROWS:
        for current in ROWS:
            found = list(verdicts(rng, law, (reference, current), draws))
            false.append((np.mean(["unseen" in c.worse for c in found]), np.mean([c.drifts for c in found])))
    unseen, drifts = (100 * np.array(column) for column in zip(*false, strict=True))
    cells = [law_name, f"{categories:,}"]
    cells += [f"{values.mean():.1f}, {values.max():.1f}" for values in (unseen, drifts)]
    for rows in POWER_AT:
        found_of = [
            100 * np.mean(["unseen" in c.worse for c in verdicts(rng, law, rows, max(draws // 5, 1), share)])
            for share in SHARES
        ]
        cells.append(" / ".join(f"{value:.0f}" for value in found_of))
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    for law in ("uniform", "Zipf"):
        for categories in (2, 50, 800, 5_000):
            print(row(law, categories, draws), flush=True)


if __name__ == "__main__":
    main()
