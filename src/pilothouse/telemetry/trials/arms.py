"""Arms of a trial: the requests and errors of each version in batches that say of which trial they are.

Everything here runs inside the caller's transaction, and does nothing with a batch of no trial.
"""

import numpy as np

from pilothouse.domain.formats.wire import PredictionBatch
from pilothouse.sqlite import Connection
from pilothouse.statistics.profiles import latency
from pilothouse.telemetry.intake.admission import VersionFacts
from pilothouse.telemetry.rows.requests import Requests
from pilothouse.telemetry.trials import register


def count(
    connection: Connection,
    batch: PredictionBatch,
    facts: VersionFacts,
    requests: Requests | None,
    now_us: int,
) -> None:
    """Count the requests of a batch (None: it has none) and its errors."""
    if not batch.rollout:
        return
    latencies = latency.empty_latencies()
    if requests is not None:
        latencies = latency.profile_latencies(
            requests.latency_us.astype(np.float64), requests.rows, (requests.called_us, requests.usual_us)
        )
    arm = batch.share, batch.version
    register.note_arm(
        connection, _trial(connection, batch, facts, now_us), arm, latencies, batch.errors, now_us
    )


def follow(
    connection: Connection, batch: PredictionBatch, batch_id: int, facts: VersionFacts, now_us: int
) -> None:
    """Have the outcomes of a canary's batch noted as they become known."""
    if batch.rollout and batch.share > 0:
        register.note_batch(connection, _trial(connection, batch, facts, now_us), batch_id, batch.share)


def _trial(connection: Connection, batch: PredictionBatch, facts: VersionFacts, now_us: int) -> int:
    classes = facts.specification.classes
    return register.trial_id(connection, batch.rollout, batch.model, batch.target, classes, now_us)
