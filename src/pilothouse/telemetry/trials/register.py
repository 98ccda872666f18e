"""Trials on record, the arms of canaries, and the outcomes of both kinds as they become known.

Everything here runs inside the caller's transaction.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.formats.time_units import HOUR_US
from pilothouse.sqlite import Connection
from pilothouse.sqlite.inserts import insert
from pilothouse.statistics.profiles import latency
from pilothouse.telemetry.rows.columns import AnyOutcomes, Ints
from pilothouse.telemetry.trials.columns import decode_pairs, encode_outcomes
from pilothouse.telemetry.trials.draws import counted_rows


def trial_id(
    connection: Connection, rollout: int, model: str, target: str, classes: Sequence[str], now_us: int
) -> int:
    """Number of a trial, given out when something of it comes first."""
    row = connection.execute(
        "SELECT id FROM trials WHERE rollout=? AND model=? AND target=?", (rollout, model, target)
    ).fetchone()
    if row is not None:
        return int(row[0])
    columns: dict[str, object] = {
        "rollout": rollout,
        "model": model,
        "target": target,
        "classes": json.dumps(list(classes)),
        "first_received": now_us,
    }
    return insert(connection, "trials", columns)


def classes_of(connection: Connection, trial: int) -> list[str]:
    """Classes of a trial, of which labels and outcomes are the numbers; empty for a regression."""
    (listed,) = connection.execute("SELECT classes FROM trials WHERE id=?", (trial,)).fetchone()
    classes: list[str] = json.loads(listed)
    return classes


@dataclass(frozen=True, slots=True)
class Counted:
    """Requests to one version: their number and their rows, how many failed beside, how long they took (where that is known);
    and the same of those that are a draw."""

    requests: int
    rows: int
    errors: int
    latencies: latency.LatencyProfile
    draws: int
    failed_draws: int
    draw_latencies: latency.LatencyProfile

    def plus(self, other: "Counted") -> "Counted":
        """The requests of both."""
        return Counted(
            self.requests + other.requests,
            self.rows + other.rows,
            self.errors + other.errors,
            latency.merge_all((self.latencies, other.latencies)),
            self.draws + other.draws,
            self.failed_draws + other.failed_draws,
            latency.merge_all((self.draw_latencies, other.draw_latencies)),
        )


def note_arm(
    connection: Connection, trial: int, arm: tuple[float, int], counted: Counted, now_us: int
) -> None:
    """Count requests to one version of a trial; ``arm`` is the share of the challenger and the version's number."""
    key = (trial, *arm, now_us - now_us % HOUR_US)
    row = connection.execute(
        "SELECT requests, rows, errors, latency, draws, failed_draws, draw_latency FROM trial_arms "
        "WHERE trial_id=? AND share=? AND version=? AND hour=?",
        key,
    ).fetchone()
    if row is not None:
        requests, rows, errors, every, draws, failed, drawn = row
        of_draws = latency.decode(drawn)
        draws = of_draws.requests if draws is None else draws
        counted = counted.plus(
            Counted(requests, rows, errors, latency.decode(every), draws, failed, of_draws)
        )
    connection.execute(
        "INSERT OR REPLACE INTO trial_arms (trial_id, share, version, hour, requests, rows, errors, latency, failed_draws, "
        "draw_latency, draws) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            *key,
            counted.requests,
            counted.rows,
            counted.errors,
            latency.encode(counted.latencies),
            counted.failed_draws,
            latency.encode(counted.draw_latencies),
            counted.draws,
        ),
    )


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a batch that are of an arm: at which share of the challenger, of which hour of a log (microseconds; 0 of a
    serving process, whose batches are taken whole), and which of them are a draw (``draws.encode_rows``)."""

    batch_id: int
    share: float
    hour: int
    counted: bytes


def note_part(connection: Connection, trial: int, part: Part) -> None:
    """Note that rows of a batch are of an arm of a canary: once for a batch, a share and an hour."""
    connection.execute(
        "INSERT INTO trial_batches (batch_id, trial_id, share, hour, counted) VALUES (?,?,?,?,?)",
        (part.batch_id, trial, part.share, part.hour, part.counted),
    )


def note_outcomes(
    connection: Connection,
    batch_id: int,
    classes: Sequence[str],
    offsets: Ints,
    known: tuple[Ints, AnyOutcomes],
    now_us: int,
) -> None:
    """Note outcomes that have become known for rows of a batch, where it is one of a trial: ``known`` are the numbers of the
    rows and their outcomes, ``offsets`` the places of all rows in the batch as it was sent. Those of a log's hour that is in
    the trial are late, and are counted alone."""
    rows, outcomes = known
    for trial, share, hour, counted in connection.execute(
        "SELECT trial_id, share, hour, counted FROM trial_batches WHERE batch_id=?", (batch_id,)
    ).fetchall():
        if hour == 0:
            put_outcomes(connection, trial, ("batch_id", batch_id), rows, classes, outcomes, now_us)
            continue
        late = int(np.isin(rows, counted_rows(counted, len(offsets))).sum())
        connection.execute(
            "UPDATE trial_hours SET late_outcomes = late_outcomes + ? WHERE trial_id=? AND hour=? AND share=?",
            (late, trial, hour, share),
        )
    segments = connection.execute(
        "SELECT p.id FROM batches b JOIN streams s ON s.id = b.stream_id JOIN trial_links l ON "
        "l.producer_id = b.producer_id AND l.sequence = b.sequence JOIN trial_pairs p ON p.id = l.pairs_id "
        "JOIN trials t ON t.id = p.trial_id WHERE b.id=? AND t.target = s.target AND t.model = s.model "
        "AND p.champion = s.version ORDER BY p.id",
        (batch_id,),
    ).fetchall()  # what a target says of another's batches, or of another version's, are no pairs of its own
    for (pairs_id,) in segments:
        note_pair_outcomes(connection, pairs_id, batch_id, classes, (offsets, rows, outcomes), now_us)


def note_pair_outcomes(
    connection: Connection,
    pairs_id: int,
    batch_id: int,
    classes: Sequence[str],
    known: tuple[Ints, Ints, AnyOutcomes],
    now_us: int,
) -> None:
    """Note outcomes of a batch for the pairs of one segment: ``known`` are the places of all rows in the batch as it was sent,
    the numbers of the rows whose outcomes are known, and these outcomes by the version's ``classes``."""
    offsets, rows, outcomes = known
    trial, data, producer, sequence = connection.execute(
        "SELECT p.trial_id, p.data, b.producer_id, b.sequence FROM trial_pairs p, batches b WHERE p.id=? AND b.id=?",
        (pairs_id, batch_id),
    ).fetchone()
    paired, places = decode_pairs(data).rows_of(producer, sequence)
    found, in_pairs, in_known = np.intersect1d(places, offsets[rows], return_indices=True)
    if found.size:
        put_outcomes(
            connection, trial, ("pairs_id", pairs_id), paired[in_pairs], classes, outcomes[in_known], now_us
        )


def put_outcomes(
    connection: Connection,
    trial: int,
    of: tuple[str, int],
    rows: Ints,
    classes: Sequence[str],
    outcomes: AnyOutcomes,
    now_us: int,
) -> None:
    """Put outcomes (by the version's ``classes``) of rows of a batch or of a segment of pairs into a trial."""
    if classes:  # the numbers of the version's classes to those of the trial's
        own = {name: number for number, name in enumerate(classes_of(connection, trial))}
        table = np.array([own.get(name, -1) for name in classes], np.int64)
        outcomes = table[outcomes.astype(np.int64)]
        rows, outcomes = rows[outcomes >= 0], outcomes[outcomes >= 0]
    order = np.argsort(rows, kind="stable")
    columns = {
        "trial_id": trial,
        of[0]: of[1],
        "received": now_us,
        "data": encode_outcomes(rows[order], outcomes[order]),
    }
    insert(connection, "trial_outcomes", columns)
