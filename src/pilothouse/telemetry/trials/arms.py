"""Arms of a trial: the requests and errors of each version in batches that say of which trial they are.

Everything here runs inside the caller's transaction, and does nothing with a batch of no trial.
"""

import numpy as np

from pilothouse.domain.formats.wire import PredictionBatch
from pilothouse.sqlite import Connection
from pilothouse.statistics.arrays import Flags
from pilothouse.statistics.profiles import latency
from pilothouse.telemetry.intake.admission import VersionFacts
from pilothouse.telemetry.rows.requests import Requests
from pilothouse.telemetry.trials import register
from pilothouse.telemetry.trials.draws import Drawn, drawn, note_places


def count(
    connection: Connection,
    batch: PredictionBatch,
    facts: VersionFacts,
    requests: Requests | None,
    now_us: int,
) -> Drawn | None:
    """Count the requests of a batch (None: it has none) and its errors; returns which of them are a draw, None outside of a
    canary."""
    if not batch.rollout:
        return None
    trial = _trial(connection, batch, facts, now_us)
    found = drawn(connection, trial, batch, requests) if batch.share > 0 else None
    every = _profile(requests, None)
    of_draws = every if found is None else _profile(requests, found.requests)
    failed = batch.errors if found is None else found.failed
    counted = register.Counted(
        every.requests, every.rows, batch.errors, every, of_draws.requests, failed, of_draws
    )
    register.note_arm(connection, trial, (batch.share, batch.version), counted, now_us)
    return found


def _profile(requests: Requests | None, which: Flags | None) -> latency.LatencyProfile:
    if requests is None or (which is not None and not which.any()):
        return latency.empty_latencies()
    every = np.ones(len(requests.rows), np.bool_) if which is None else which
    return latency.profile_latencies(
        requests.latency_us[every].astype(np.float64),
        requests.rows[every],
        (requests.called_us[every], requests.usual_us[every]),
    )


def follow(
    connection: Connection,
    batch: PredictionBatch,
    batch_id: int,
    facts: VersionFacts,
    counted: bytes,
    now_us: int,
) -> None:
    """Have the outcomes of a canary's batch noted as they become known, of the rows that count."""
    trial = _trial(connection, batch, facts, now_us)
    register.note_part(connection, trial, register.Part(batch_id, batch.share, 0, counted))
    note_places(connection, trial, batch, batch_id)


def _trial(connection: Connection, batch: PredictionBatch, facts: VersionFacts, now_us: int) -> int:
    classes = facts.specification.classes
    return register.trial_id(connection, batch.rollout, batch.model, batch.target, classes, now_us)
