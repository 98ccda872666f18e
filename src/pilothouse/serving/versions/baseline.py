"""Baseline latency of a version on this machine without traffic: what its latency is later compared with.

Measured like the latency of a real request: from its body to its computed answer, through the same thread. It notes the load
under which it was taken: the duration of the model's calls over their processor time.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pilothouse.domain.errors import PilothouseError, UnavailableError
from pilothouse.serving.bodies.client_codec import infer_body
from pilothouse.serving.bodies.protocol import read_inference
from pilothouse.serving.prediction.calls import Answer, Work
from pilothouse.serving.versions.live_versions import LoadedVersion

_WARM_UP, _REPEATS = 5, 60
"""Requests that are not counted, and requests that are."""
_PATIENCE_S = 60.0
"""Seconds after which one prediction counts as failed."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The 95th percentile (nearest rank) in microseconds, and the duration of the calls over their processor time."""

    p95_us: int
    stretch: float


def measure_baseline(
    loaded: LoadedVersion, submit: Callable[[Work], None], stopping: threading.Event
) -> Baseline:
    """Baseline over requests of one row, of zeros and missing categories.

    Raises PilothouseError where the model fails on it, UnavailableError where it takes a minute or the process stops.
    """
    body = _body(loaded)
    answers = [_one(loaded, body, submit, stopping) for _ in range(_WARM_UP + _REPEATS)][_WARM_UP:]
    times = sorted(took_ns for took_ns, _ in answers)
    called, computed = (
        sum(ns) for ns in zip(*((a.called_ns, a.computed_ns) for _, a in answers), strict=True)
    )
    return Baseline(times[math.ceil(0.95 * len(times)) - 1] // 1_000, called / max(computed, 1))


def rehearse(loaded: LoadedVersion, submit: Callable[[Work], None], stopping: threading.Event) -> None:
    """Have a version whose baseline is known answer one such request. Raises as ``measure_baseline`` does."""
    _one(loaded, _body(loaded), submit, stopping)


def _body(loaded: LoadedVersion) -> bytes:
    return infer_body(loaded.schema.columns, [dict.fromkeys(loaded.schema.numeric, 0.0)])


def _one(
    loaded: LoadedVersion, body: bytes, submit: Callable[[Work], None], stopping: threading.Event
) -> tuple[int, Answer]:
    """Nanoseconds that one request took, and its answer."""
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
    return end - start, outcome
