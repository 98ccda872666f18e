"""Roll-outs on flights through telemetry, folded evidence and keeper: they end as their pairs' test alone says, at that look.

The long form is ``make bench-rollouts``: 2,000 roll-outs a case, beside the rules of others.
"""

from pathlib import Path

import numpy as np
import pytest

from pilothouse.statistics.sequential import paired_errors
from pilothouse.statistics.sequential.paired_errors import PairedErrors
from pilothouse.statistics.sequential.verdicts import Settings
from support.flight_batches import flights
from support.simulated_rollouts import Simulation, Traffic, shadow_plan

LOOK, REQUESTS, RATE, MARGIN = 500, 6_000, 0.05, 0.01
ROLLOUTS = 8


def traffic(seed: int, harm: float) -> Traffic:
    """Flights as they came, answered by two rules of thumb whose roles are drawn for each; with harm so many more are wrong."""
    rng = np.random.default_rng([seed, round(1_000 * harm)])
    start = int(rng.integers(len(flights()) - REQUESTS))
    rows = flights().iloc[start : start + REQUESTS]
    late = rows["late"].to_numpy().astype(bool)
    by_hour = np.where(rows["hour"] >= 19, 0.7, 0.3)
    by_rain = np.where((rows["hour"] >= 20) | (rows["precip"] > 0.05), 0.7, 0.3)
    swapped = rng.random(REQUESTS) < 0.5
    champion, challenger = np.where(swapped, by_rain, by_hour), np.where(swapped, by_hour, by_rain)
    right = (challenger > 0.5) == late
    turned = right & (rng.random(REQUESTS) < harm / right.mean())
    return Traffic(champion, np.where(turned, 1 - challenger, challenger), late)


def alone(of: Traffic) -> tuple[str, int]:
    """What the pairs' own test says at looks as far apart, and after how many requests."""
    settings, seen = Settings(level=RATE, margin=MARGIN), PairedErrors()
    for look in of.looks(LOOK):
        wrong = [(scores[look] > 0.5) != of.late[look] for scores in (of.challenger, of.champion)]
        seen = seen.plus(paired_errors.count(wrong[0], wrong[1]))
        if paired_errors.log_e_worse(seen, 0.0) >= settings.log_needed:
            return "rolled back", look.stop
        if paired_errors.log_e_better(seen, MARGIN) >= settings.log_safe:
            return "not worse", look.stop
    return "", len(of.late)


@pytest.mark.parametrize(("harm", "at_least"), [(0.0, 0), (0.02, 2), (0.06, ROLLOUTS)])
def test_what_the_keeper_does_is_what_the_test_of_the_pairs_says(
    tmp_path: Path, harm: float, at_least: int
) -> None:
    simulation = Simulation(tmp_path / "w", shadow_plan(RATE, MARGIN), LOOK)
    back = 0
    for seed in range(ROLLOUTS):
        of = traffic(seed, harm)
        played = simulation.play(of)
        said = "rolled back" if played.rolled_back else "not worse" if played.not_worse else ""
        assert (said, played.requests) == alone(of), played
        back += played.rolled_back
    simulation.place.example.close()
    assert back >= at_least
    assert harm > 0 or back <= 1, "a rate of 5 % promised: two of eight are seen in one of twenty such tests"
