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
    """Requests to one version in a batch: how long they took, how many failed; and the same of those that are a draw."""

    latencies: latency.LatencyProfile
    errors: int
    draw_latencies: latency.LatencyProfile
    failed_draws: int


def note_arm(
    connection: Connection, trial: int, arm: tuple[float, int], counted: Counted, now_us: int
) -> None:
    """Count requests to one version of a trial; ``arm`` is the share of the challenger and the version's number."""
    key = (trial, *arm, now_us - now_us % HOUR_US)
    row = connection.execute(
        "SELECT errors, latency, failed_draws, draw_latency FROM trial_arms "
        "WHERE trial_id=? AND share=? AND version=? AND hour=?",
        key,
    ).fetchone()
    if row is not None:
        counted = Counted(
            latency.merge_all((latency.decode(row[1]), counted.latencies)),
            counted.errors + row[0],
            latency.merge_all((latency.decode(row[3]), counted.draw_latencies)),
            counted.failed_draws + row[2],
        )
    profile = counted.latencies
    connection.execute(
        "INSERT OR REPLACE INTO trial_arms VALUES (?,?,?,?,?,?,?,?,?,?)",
        (
            *key,
            profile.requests,
            profile.rows,
            counted.errors,
            latency.encode(profile),
            counted.failed_draws,
            latency.encode(counted.draw_latencies),
        ),
    )


def note_batch(connection: Connection, trial: int, batch_id: int, share: float, counted: bytes) -> None:
    """Note that a batch is of an arm of a canary, whose outcomes are to be followed. ``counted``: which of its rows are a draw
    (``draws.encode_rows``)."""
    connection.execute("INSERT INTO trial_batches VALUES (?,?,?,?)", (batch_id, trial, share, counted))


def note_outcomes(
    connection: Connection,
    batch_id: int,
    classes: Sequence[str],
    offsets: Ints,
    known: tuple[Ints, AnyOutcomes],
    now_us: int,
) -> None:
    """Note outcomes that have become known for rows of a batch, where it is one of a trial: ``known`` are the numbers of the
    rows and their outcomes, ``offsets`` the places of all rows in the batch as it was sent."""
    rows, outcomes = known
    arm = connection.execute("SELECT trial_id FROM trial_batches WHERE batch_id=?", (batch_id,)).fetchone()
    if arm is not None:
        _put(connection, arm[0], ("batch_id", batch_id), rows, classes, outcomes, now_us)
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
        _put(connection, trial, ("pairs_id", pairs_id), paired[in_pairs], classes, outcomes[in_known], now_us)


def _put(
    connection: Connection,
    trial: int,
    of: tuple[str, int],
    rows: Ints,
    classes: Sequence[str],
    outcomes: AnyOutcomes,
    now_us: int,
) -> None:
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
