"""Batches of trials made of real flights: pairs of a shadow, arms of a canary."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from pilothouse.domain.formats.wire import PairBatch, PairedRequests, PredictionBatch, code_texts
from support.flight_batches import batch_of

ROLLOUT = 7


def in_trial(batch: PredictionBatch, share: float = 0.0, errors: int = 0) -> PredictionBatch:
    """The same batch in the trial of roll-out 7."""
    return replace(batch, rollout=ROLLOUT, share=share, errors=errors)


def arm(rows: pd.DataFrame, sequence: int, version: int, share: float, errors: int = 0) -> PredictionBatch:
    """One request's rows, answered by one arm of a canary."""
    made = batch_of(rows, sequence, producer=f"arm-{version}", version=version)
    return in_trial(made, share, errors)


def pairs_of(
    rows: pd.DataFrame,
    sequence: int,
    of: Sequence[tuple[int, int]],
    size: int = 17,
    *,
    producer: str = "pairs-1",
    alone: tuple[int, int, int] = (0, 0, 0),
    target: str = "ewr",
    model: str = "flight-delay",
) -> PairBatch:
    """Pairs of requests of ``size`` rows, which are the champion's rows from ``of`` = (sequence, offset) on. The challenger
    gives the score of the other class."""
    scores = rows["score"].to_numpy(np.float64)
    other = 1 - scores
    k = len(of)

    def numbers(values: Sequence[int]) -> bytes:
        return np.array(values, "<i8").tobytes()

    return PairBatch(
        producer,
        sequence,
        target,
        ROLLOUT,
        model,
        1,
        2,
        len(rows),
        rows["at_us"].to_numpy("<i8").tobytes(),
        scores.tobytes(),
        other.tobytes(),
        code_texts(rows["label"].tolist()),
        code_texts([str(int(value > 0.5)) for value in other]),
        PairedRequests(
            code_texts(["ewr-1"] * k),
            numbers([number for number, _ in of]),
            numbers([offset for _, offset in of]),
            numbers([size] * k),
            numbers([200] * k),
            numbers([300] * k),
        ),
        *alone,
    )
