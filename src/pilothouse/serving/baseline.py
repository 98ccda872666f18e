"""Baseline latency of a version on this machine without traffic: what its latency is later compared with.

Measured like the latency of a real request: from its body to its computed answer, through the same thread.
"""

import math
import threading
import time
from collections.abc import Callable

import numpy as np

from pilothouse.domain.errors import PilothouseError, UnavailableError
from pilothouse.serving.client_codec import infer_body
from pilothouse.serving.live_versions import LoadedVersion
from pilothouse.serving.protocol import read_inference
from pilothouse.serving.worker import Answer, Work

_WARM_UP, _REPEATS = 5, 60
"""Requests that are not counted, and requests that are."""
_PATIENCE_S = 60.0
"""Seconds after which one prediction counts as failed."""


def measure_baseline(loaded: LoadedVersion, submit: Callable[[Work], None], stopping: threading.Event) -> int:
    """95th percentile (nearest rank) in microseconds over requests of one row, of zeros and missing categories.

    Raises PilothouseError where the model fails on it, UnavailableError where it takes a minute or the process stops.
    """
    body = infer_body(loaded.schema.columns, [dict.fromkeys(loaded.schema.numeric, 0.0)])
    times = sorted([_one(loaded, body, submit, stopping) for _ in range(_WARM_UP + _REPEATS)][_WARM_UP:])
    return times[math.ceil(0.95 * len(times)) - 1] // 1_000


def _one(
    loaded: LoadedVersion, body: bytes, submit: Callable[[Work], None], stopping: threading.Event
) -> int:
    done = threading.Event()
    deliveries: list[tuple[int, Answer | PilothouseError]] = []

    def deliver(outcome: Answer | PilothouseError) -> None:
        deliveries.append((time.perf_counter_ns(), outcome))
        done.set()

    start = time.perf_counter_ns()
    request = read_inference(body, loaded.schema, loaded.private)
    submit(Work(loaded, request.columns, np.zeros(1, dtype=np.int64), start, deliver, rehearsal=True))
    if stopping.is_set() or not done.wait(_PATIENCE_S):
        raise UnavailableError(f"one prediction takes longer than {_PATIENCE_S:.0f} seconds")
    end, outcome = deliveries[0]
    if isinstance(outcome, PilothouseError):
        raise outcome
    return end - start
