"""Answers of a canary's arms as arrays, in the order in which their batches came, whether outcomes are known or not."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.sqlite import Connection
from pilothouse.telemetry.rows.columns import Floats, Ints, decode_predictions
from pilothouse.telemetry.trial_pairs import TrialName, find_trial, given_out
from pilothouse.telemetry.trials.draws import counted_rows

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class ArmAnswered:
    """Rows of a canary's arms, one for each draw: arrays of n rows. ``versions`` says by which version a row was answered,
    ``shares`` at which share of the challenger; labels are numbers of ``classes``, empty for a regression. The next question
    begins after the ``watermark``."""

    watermark: int
    more: bool
    classes: tuple[str, ...]
    versions: Ints
    shares: Floats
    scores: Floats
    labels: Ints


def answered_arms(
    connection: Connection, trial: TrialName, after: int = 0, most: int = _ROWS_AT_ONCE
) -> ArmAnswered:
    """Rows that came after a watermark, ``most`` or a few more: whole batches (of logs hours) in the order in which they
    came."""
    number, classes = find_trial(connection, trial) or (-1, ())
    after = given_out(connection, "trial_batches", after)
    numbers: dict[str | None, int] = {name: place for place, name in enumerate(classes)}
    parts: list[tuple[Any, ...]] = []
    total, watermark, more = 0, after, False
    for part, version, share, counted, start, rows, data in connection.execute(
        "SELECT a.id, t.version, a.share, a.counted, b.segment_start, b.rows, s.predictions FROM trial_batches a "
        "JOIN batches b ON b.id = a.batch_id JOIN streams t ON t.id = b.stream_id JOIN segments s ON s.id = b.segment_id "
        "WHERE a.trial_id=? AND a.id>? ORDER BY a.id",
        (number, after),
    ):
        if total >= most:
            more = True
            break
        watermark = part
        answered = decode_predictions(data).part(start, rows)
        drawn = counted_rows(counted, answered.rows)
        labels = answered.coded_labels.mapped(numbers, -1)[drawn] if classes else np.full(len(drawn), -1)
        parts.append(
            (np.full(len(drawn), version), np.full(len(drawn), share), answered.scores[drawn], labels)
        )
        total += len(drawn)
    kinds = (np.int64, np.float64, np.float64, np.int64)
    columns: list[Any] = [
        np.concatenate([np.empty(0, kind), *(part[i] for part in parts)]).astype(kind)
        for i, kind in enumerate(kinds)
    ]
    return ArmAnswered(watermark, more, classes, *columns)
