"""Evidence of a trial as arrays: pairs of its shadow and arms of its canary, in the order in which they came.

Each answer names its ``watermark``: the next question begins after it, so that whoever folds the arrays, and keeps the
watermark in the transaction in which it keeps the sums, folds each row once. The order never changes.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import latency
from pilothouse.statistics.profiles.latency import LatencyProfile
from pilothouse.telemetry.rows.columns import Floats, Ints, decode_predictions
from pilothouse.telemetry.trials.columns import decode_outcomes, decode_pairs
from pilothouse.telemetry.trials.draws import counted_rows

_ROWS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class TrialName:
    """Trial of a roll-out on one target. ``challenger``: pairs of this version alone count, whatever a target says (a number of
    a roll-out comes again where a registry was restored); None: of whichever."""

    rollout: int
    model: str
    target: str
    challenger: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Rows that both versions answered: arrays of n rows. Labels are numbers of ``classes``, empty for a regression.

    ``champion_us`` and ``challenger_us`` are the processor time of the two models' calls in microseconds, at the first row of
    a request that each answered alone, else 0. ``outcomes`` are class numbers or values as float64, NaN in ``new_pairs``.
    ``dropped``, ``failed``, ``unfit``: requests that came with them and that the champion alone answered.
    """

    watermark: int
    more: bool
    """True where there is something after the watermark."""
    classes: tuple[str, ...]
    times: Ints
    champion_scores: Floats
    challenger_scores: Floats
    champion_labels: Ints
    challenger_labels: Ints
    champion_us: Ints
    challenger_us: Ints
    outcomes: Floats
    requests: int = 0
    dropped: int = 0
    failed: int = 0
    unfit: int = 0

    @property
    def rows(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True, eq=False)
class ArmOutcomes:
    """Rows of a canary's two arms whose outcome has become known: arrays of n rows, as in ``Pairs``. ``versions`` says by
    which version a row was answered, ``shares`` at which share of the challenger."""

    watermark: int
    more: bool
    classes: tuple[str, ...]
    versions: Ints
    shares: Floats
    times: Ints
    scores: Floats
    labels: Ints
    outcomes: Floats


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Requests that the champion answered while its challenger was in the shadow (``offered``), by what became of them.

    ``lost``: none of the others, since the process was killed before they were compared, or they are still under way.
    """

    offered: int = 0
    paired: int = 0
    dropped: int = 0
    failed: int = 0
    unfit: int = 0

    @property
    def lost(self) -> int:
        return max(self.offered - self.paired - self.dropped - self.failed - self.unfit, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Arm:
    """Requests that one version answered in a trial, those that failed, and how long the former took; the same of draws.
    Latencies are of those of which it is known."""

    version: int
    share: float
    requests: int
    rows: int
    errors: int
    latencies: LatencyProfile
    failed_draws: int
    draw_latencies: LatencyProfile
    """Of those requests that are a draw: the first one of each key."""
    answered_draws: int
    """Draws whose request was answered; a log may say of none how long it took."""

    @property
    def draws(self) -> int:
        """Draws, those whose request failed among them."""
        return self.answered_draws + self.failed_draws


def new_pairs(connection: Connection, trial: TrialName, after: int = 0, most: int = _ROWS_AT_ONCE) -> Pairs:
    """Pairs that came after a watermark, ``most`` rows or a few more; whole segments in the order in which they came."""
    found = find_trial(connection, trial)
    if found is None:
        return _pairs(after, False, (), [])
    number, classes = found
    after = given_out(connection, "trial_pairs", after)
    parts: list[tuple[dict[str, Any], tuple[int, int, int, int]]] = []
    rows, watermark, more = 0, after, False
    for pairs_id, data, *counts in connection.execute(
        "SELECT id, data, requests, dropped, failed, unfit FROM trial_pairs WHERE trial_id=? AND id>? "
        "AND challenger=coalesce(?, challenger) ORDER BY id",
        (number, after, trial.challenger),
    ):
        if rows >= most:
            more = True
            break
        watermark = pairs_id
        columns = _columns(data) if data is not None else None
        if columns is not None:
            rows += len(columns["times"])
            columns["outcomes"] = np.full(len(columns["times"]), np.nan)
            parts.append((columns, tuple(counts)))
        else:
            parts.append(({}, tuple(counts)))
    return _pairs(watermark, more, classes, parts)


def judged_pairs(
    connection: Connection, trial: TrialName, after: int = 0, most: int = _ROWS_AT_ONCE
) -> Pairs:
    """Pairs whose outcome has become known after a watermark, ``most`` rows or a few more, in the order in which the outcomes
    became known. Those that retention has deleted are left out."""
    found = find_trial(connection, trial)
    if found is None:
        return _pairs(after, False, (), [])
    number, classes = found
    after = given_out(connection, "trial_outcomes", after)
    parts: list[tuple[dict[str, Any], tuple[int, int, int, int]]] = []
    total, watermark, more = 0, after, False
    opened: tuple[int, dict[str, Any]] = (-1, {})
    for entry, judged, pairs_id, data in connection.execute(
        "SELECT o.id, o.data, p.id, p.data FROM trial_outcomes o JOIN trial_pairs p ON p.id = o.pairs_id "
        "WHERE o.trial_id=? AND o.id>? AND p.data IS NOT NULL AND p.challenger=coalesce(?, p.challenger) ORDER BY o.id",
        (number, after, trial.challenger),
    ):
        if total >= most:
            more = True
            break
        watermark = entry
        rows, outcomes = decode_outcomes(judged)
        if opened[0] != pairs_id:  # outcomes often come one by one
            opened = pairs_id, _columns(data)
        columns = {name: values[rows] if values.size else values for name, values in opened[1].items()}
        parts.append(({**columns, "outcomes": outcomes}, (0, 0, 0, 0)))
        total += len(rows)
    return _pairs(watermark, more, classes, parts)


def judged_arms(
    connection: Connection, trial: TrialName, after: int = 0, most: int = _ROWS_AT_ONCE
) -> ArmOutcomes:
    """Rows of a canary's arms, one a draw, whose outcome has become known after a watermark, ``most`` rows or a few more, in
    the order in which the outcomes became known."""
    found = find_trial(connection, trial)
    number, classes = found or (-1, ())
    after = given_out(connection, "trial_outcomes", after)
    numbers: dict[str | None, int] = {name: place for place, name in enumerate(classes)}
    parts: list[tuple[Any, ...]] = []
    total, watermark, more = 0, after, False
    for entry, judged, version, share, counted, start, count, data in connection.execute(
        "SELECT o.id, o.data, t.version, a.share, a.counted, b.segment_start, b.rows, s.predictions FROM trial_outcomes o "
        "JOIN batches b ON b.id = o.batch_id JOIN streams t ON t.id = b.stream_id "
        "JOIN trial_batches a ON a.batch_id = b.id AND a.trial_id = o.trial_id JOIN segments s ON s.id = b.segment_id "
        "WHERE o.trial_id=? AND o.id>? ORDER BY o.id",
        (number, after),
    ):
        if total >= most:
            more = True
            break
        watermark = entry
        rows, outcomes = decode_outcomes(judged)
        drawn = np.isin(rows, counted_rows(counted, count))
        rows, outcomes = rows[drawn], outcomes[drawn]
        answered = decode_predictions(data).part(start, count)
        labels = answered.coded_labels.mapped(numbers, -1)[rows] if classes else np.empty(0, np.int64)
        arm = np.full(len(rows), version, np.int64), np.full(len(rows), share)
        parts.append((*arm, answered.times[rows], answered.scores[rows], labels, outcomes))
        total += len(rows)
    kinds = (np.int64, np.float64, np.int64, np.float64, np.int64, np.float64)
    columns: list[Any] = [
        np.concatenate([np.empty(0, kind), *(part[i] for part in parts)]).astype(kind)
        for i, kind in enumerate(kinds)
    ]
    return ArmOutcomes(watermark, more, classes, *columns)


def pair_counts(connection: Connection, trial: TrialName) -> PairCounts:
    """Requests of a shadow so far, by what became of them."""
    found = find_trial(connection, trial)
    if found is None:
        return PairCounts()
    counted = connection.execute(
        "SELECT coalesce(sum(requests), 0), coalesce(sum(dropped), 0), coalesce(sum(failed), 0), "
        "coalesce(sum(unfit), 0) FROM trial_pairs WHERE trial_id=?",
        found[:1],
    ).fetchone()
    (offered,) = connection.execute(
        "SELECT coalesce(sum(requests), 0) FROM trial_arms WHERE trial_id=? AND share=0", found[:1]
    ).fetchone()
    return PairCounts(offered, *counted)


def arms(connection: Connection, trial: TrialName) -> list[Arm]:
    """Arms of a canary since the trial began, by share and version: arms are compared at one share, for only those were asked
    at the same time."""
    found = find_trial(connection, trial)
    parts: dict[tuple[float, int], list[tuple[Any, ...]]] = {}
    for share, version, *counted in connection.execute(
        "SELECT share, version, requests, rows, errors, latency, failed_draws, draw_latency, draws FROM trial_arms "
        "WHERE trial_id=? AND share>0 ORDER BY share, version, hour",
        (found[0] if found else -1,),
    ):
        parts.setdefault((share, version), []).append(tuple(counted))
    summed = []
    for (share, version), listed in parts.items():
        requests, rows, errors, every, failed, drawn, draws = zip(*listed, strict=True)
        latencies = [
            latency.merge_all([latency.decode(data) for data in column]) for column in (every, drawn)
        ]
        answered = sum(
            latency.decode(data).requests if count is None else count
            for data, count in zip(drawn, draws, strict=True)
        )
        summed.append(
            Arm(
                version, share, sum(requests), sum(rows), sum(errors), latencies[0], sum(failed), latencies[1], answered
            )
        )  # fmt: skip
    return summed


def given_out(connection: Connection, table: str, after: int) -> int:
    """A watermark, or the newest number of a table where it lies beyond: a backup's telemetry is older than its registry, and
    what comes after a restore gets the numbers that were folded in between."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name=?", (table,)).fetchone()
    return min(after, row[0] if row else 0)


def find_trial(connection: Connection, trial: TrialName) -> tuple[int, tuple[str, ...]] | None:
    """Number and classes of a trial; None where nothing of it has come."""
    row = connection.execute(
        "SELECT id, classes FROM trials WHERE rollout=? AND model=? AND target=?",
        (trial.rollout, trial.model, trial.target),
    ).fetchone()
    return (row[0], tuple(json.loads(row[1]))) if row else None


_OF_ROWS = ("times", "champion_scores", "challenger_scores", "champion_labels", "challenger_labels")


def _columns(data: bytes) -> dict[str, Any]:
    """Columns of a segment's rows, with the calls' times at the first row of each request."""
    pairs = decode_pairs(data)
    columns: dict[str, Any] = {name: getattr(pairs, name) for name in _OF_ROWS}
    for name in ("champion_us", "challenger_us"):
        of_rows = np.zeros(len(pairs.times), np.int64)
        of_rows[pairs.starts] = getattr(pairs, name)
        columns[name] = of_rows
    return columns


def _pairs(
    watermark: int,
    more: bool,
    classes: tuple[str, ...],
    parts: list[tuple[dict[str, Any], tuple[int, int, int, int]]],
) -> Pairs:
    def joined(name: str, kind: type) -> Any:
        columns = [columns[name] for columns, _ in parts if columns]
        return np.concatenate([np.empty(0, kind), *columns]).astype(kind)

    return Pairs(
        watermark,
        more,
        classes,
        joined("times", np.int64),
        joined("champion_scores", np.float64),
        joined("challenger_scores", np.float64),
        joined("champion_labels", np.int64),
        joined("challenger_labels", np.int64),
        joined("champion_us", np.int64),
        joined("challenger_us", np.int64),
        joined("outcomes", np.float64),
        *(sum(counts[i] for _, counts in parts) for i in range(4)),
    )
