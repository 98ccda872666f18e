"""Roll-outs played through the product: requests in telemetry with their outcomes, and the keeper that folds, judges and acts.

Only the traffic is made: which version answered what is drawn by the caller, everything else is the daemon's own code.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pilothouse.domain.formats.wire import Outcome, code_texts
from pilothouse.domain.rollouts.plan import Plan
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.promotion import deployments
from pilothouse.operations.rollouts import steering
from pilothouse.telemetry import VersionFacts
from support.flight_batches import NOW_US, batch_of, flights, specification
from support.rollout_plans import plan
from support.rollout_workspace import RolloutWorkspace
from support.trial_batches import pairs_of

MODEL, TARGET = "delay", "ewr"
_DAYS_AHEAD = 30_000
"""First of the flights whose features and times the requests have."""


def shadow_plan(false_rollbacks: float, margin: float) -> Plan:
    """A shadow on one target that ends by evidence, whatever number of pairs that takes."""
    wave: dict[str, Any] = {
        "name": "first",
        "select": {"name": TARGET},
        "step": [{"kind": "shadow", "requests": 1}, {"kind": "live", "go_on": "hand"}],
    }
    return plan(wave, {"name": "rest"}, false_rollbacks=false_rollbacks, margin=margin)


@dataclass(frozen=True)
class Traffic:
    """Requests in order: scores that champion and challenger gave, and what came true; float64[n] and bool[n]."""

    champion: np.ndarray
    challenger: np.ndarray
    late: np.ndarray

    def looks(self, size: int) -> Iterator[slice]:
        """The requests between two looks of the keeper."""
        for start in range(0, len(self.late), size):
            yield slice(start, min(start + size, len(self.late)))


@dataclass(frozen=True)
class Played:
    """How a roll-out ended, after how many requests, and why."""

    rolled_back: bool
    not_worse: bool
    requests: int
    why: str


class Simulation:
    """A workspace in which one roll-out follows another; version 1 stays live. ``rows``: requests between two looks."""

    def __init__(self, root: Path, of: Plan, rows: int) -> None:
        self.place, self.rows = RolloutWorkspace(root, of), rows
        self._numbers = itertools.count(2)
        self._sequence = itertools.count(1)
        self._table = flights().iloc[_DAYS_AHEAD : _DAYS_AHEAD + rows].reset_index(drop=True)

    def play(self, traffic: Traffic) -> Played:
        """Let a new version go out with this traffic, until the keeper has taken it back or let it go on."""
        place, version = self.place, next(self._numbers)
        if version > 2:
            place.example.add_version()
        number, sent = place.begin(version), 0
        place.keep()
        assert place.states(number)[TARGET] == "shadow"
        for look in traffic.looks(self.rows):
            self._send(number, version, traffic, look)
            place.keep()
            sent = look.stop
            if place.rollout(number).state is not RolloutState.RUNNING or place.live()[TARGET] == version:
                break
        ended = place.rollout(number)
        played = Played(
            ended.state is RolloutState.ROLLED_BACK, place.live()[TARGET] == version, sent, ended.why
        )
        self._put_back(number, ended.state)
        assert place.live() == dict.fromkeys(place.live(), 1)
        return played

    def _put_back(self, number: int, state: RolloutState) -> None:
        services, oscar = self.place.services, self.place.example.actor("oscar")
        if state.is_open:
            steering.abort(services, oscar, number, "the next one is to begin")
        if deployments.list_holds(services, oscar, MODEL):
            deployments.lift_hold(services, oscar, MODEL, "the next one is to begin")

    def _send(self, rollout: int, version: int, traffic: Traffic, look: slice) -> None:
        telemetry, sequence = self.place.services.telemetry, next(self._sequence)
        rows = self._table.iloc[: look.stop - look.start].assign(
            score=traffic.champion[look], label=(traffic.champion[look] > 0.5).astype(int).astype(str)
        )
        batch = dataclasses.replace(batch_of(rows, sequence, model=MODEL), rollout=rollout)
        telemetry.append(batch, _facts, NOW_US)
        scores = traffic.challenger[look]
        pairs = dataclasses.replace(
            pairs_of(rows, sequence, [(sequence, 0)], len(rows), model=MODEL),
            rollout=rollout,
            challenger=version,
            challenger_scores=scores.astype("<f8").tobytes(),
            challenger_labels=code_texts((scores > 0.5).astype(int).astype(str).tolist()),
        )
        telemetry.append_pairs(pairs, _facts, NOW_US)
        known = [
            Outcome(f"ewr-1.{sequence}.{i}", str(int(value))) for i, value in enumerate(traffic.late[look])
        ]
        telemetry.add_outcomes(known, NOW_US)


def _facts(model: str, version: int) -> VersionFacts:
    return VersionFacts(specification())
