"""Course of a trial over time: newest rows that each version answered, losses where outcomes are known, and latencies."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.sqlite import Connection
from pilothouse.telemetry.rows.columns import Floats, Ints, Predictions, decode_predictions
from pilothouse.telemetry.trial_pairs import TrialName, find_trial
from pilothouse.telemetry.trials.columns import decode_outcomes, decode_pairs

_MOST_ROWS = 60_000
"""Rows that are read of each version: a chart has room for far fewer points."""


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What one version answered: ``times`` (µs) and ``scores`` of rows, ``losses`` (wrong or right, or absolute errors) with
    NaN where no outcome is known; ``asked`` (µs) and ``latency_us`` of requests, in the shadow the processor time of calls."""

    version: int
    times: Ints
    scores: Floats
    losses: Floats
    asked: Ints
    latency_us: Ints


def answered(connection: Connection, trial: TrialName) -> list[Answered]:
    """What each version of a trial answered, by version: pairs of the shadow and arms of the canary, the newest of each."""
    found = find_trial(connection, trial)
    if found is None:
        return []
    parts = [*_of_pairs(connection, *found), *_of_arms(connection, *found)]
    versions = sorted({part.version for part in parts})
    return [joined([part for part in parts if part.version == number]) for number in versions]


def joined(parts: list[Answered]) -> Answered:
    """What one version answered in several parts."""
    names = ("times", "scores", "losses", "asked", "latency_us")
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
    return Answered(parts[0].version, *columns)


def _of_pairs(connection: Connection, number: int, classes: tuple[str, ...]) -> list[Answered]:
    parts: list[Answered] = []
    rows = 0
    for pairs_id, champion, challenger, data in connection.execute(
        "SELECT id, champion, challenger, data FROM trial_pairs WHERE trial_id=? AND data IS NOT NULL ORDER BY id DESC",
        (number,),
    ):
        if rows >= _MOST_ROWS:
            break
        pairs = decode_pairs(data)
        rows += len(pairs.times)
        outcomes = _outcomes(connection, "pairs_id", pairs_id, len(pairs.times))
        asked = pairs.times[pairs.starts]
        for version, scores, labels, called in (
            (champion, pairs.champion_scores, pairs.champion_labels, pairs.champion_us),
            (challenger, pairs.challenger_scores, pairs.challenger_labels, pairs.challenger_us),
        ):
            alone = called > 0
            losses = _losses(classes, scores, labels, outcomes)
            parts.append(Answered(version, pairs.times, scores, losses, asked[alone], called[alone]))
    return parts


def _of_arms(connection: Connection, number: int, classes: tuple[str, ...]) -> list[Answered]:
    parts: list[Answered] = []
    rows, segments = 0, set[int]()
    numbers: dict[str | None, int] = {name: place for place, name in enumerate(classes)}
    decoded: dict[int, tuple[int, Predictions]] = {}
    for batch, version, segment, start, count in connection.execute(
        "SELECT DISTINCT b.id, t.version, b.segment_id, b.segment_start, b.rows FROM trial_batches a "
        "JOIN batches b ON b.id = a.batch_id JOIN streams t ON t.id = b.stream_id "
        "WHERE a.trial_id=? AND b.segment_id IS NOT NULL ORDER BY b.id DESC",
        (number,),
    ):
        if rows >= 2 * _MOST_ROWS:
            break
        rows += count
        # many batches of a version lie in one segment, and follow each other
        if decoded.get(version, (-1,))[0] != segment:
            (data,) = connection.execute("SELECT predictions FROM segments WHERE id=?", (segment,)).fetchone()
            decoded[version] = segment, decode_predictions(data)
        whole = decoded[version][1]
        part = whole.part(start, count)
        labels = part.coded_labels.mapped(numbers, -1) if classes else np.empty(0, np.int64)
        losses = _losses(classes, part.scores, labels, _outcomes(connection, "batch_id", batch, part.rows))
        none = np.empty(0, np.int64)
        asked = latency = none
        if segment not in segments and len(whole.requests):
            asked, latency = (
                np.frombuffer(column, "<i8").astype(np.int64)
                for column in (whole.requests.at_us, whole.requests.latency_us)
            )
        segments.add(segment)
        parts.append(Answered(version, part.times, part.scores, losses, asked, latency))
    return parts


def _outcomes(connection: Connection, of: str, number: int, rows: int) -> Floats:
    """Outcomes of the rows of a segment of pairs or of a batch, NaN where none is known."""
    outcomes = np.full(rows, np.nan)
    for (data,) in connection.execute(
        f"SELECT data FROM trial_outcomes WHERE {of}=? ORDER BY id",  # noqa: S608 - one of two names
        (number,),
    ):
        places, known = decode_outcomes(data)
        outcomes[places] = known
    return outcomes


def _losses(classes: tuple[str, ...], scores: Floats, labels: Any, outcomes: Floats) -> Floats:
    if not classes:
        return np.abs(scores - outcomes)
    return np.where(np.isnan(outcomes), np.nan, (labels != outcomes).astype(np.float64))
