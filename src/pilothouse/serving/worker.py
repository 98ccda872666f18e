"""Worker: one thread that predicts, with one call of the model for requests that wait together (micro-batching).

A scikit-learn call costs much the same for one row as for a hundred, so requests that arrive while one call runs share
the next. A prediction's latency runs from the moment its request has been read to the moment its answer is computed:
waiting for the call before and the call itself, not the flush to disk that follows.

Each call is also timed by the processor time of the process. While that is what it was and the call takes longer, the machine
is slow and not the model.
"""

import logging
import math
import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.identifiers import PredictionId
from pilothouse.domain.safe_text import one_line
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.predictor import Prediction
from pilothouse.serving.live_versions import LoadedVersion
from pilothouse.serving.segments import PredictionRecord
from pilothouse.serving.spool import Spool
from pilothouse.serving.vital_threads import vital_thread

log = logging.getLogger(__name__)

MAXIMUM_BATCH_ROWS = 4_096
"""Rows from which no further request joins a call."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Prediction that is on disk. ``first`` is the id of its first row."""

    prediction: Prediction
    first: PredictionId
    called_ns: int = 0
    """Duration of the call of the model, and its processor time (at most as much), of a rehearsal."""
    computed_ns: int = 0


Deliver = Callable[[Answer | PilothouseError], None]


@dataclass(frozen=True, slots=True)
class Work:
    """Request to answer. ``deliver`` is called from another thread, once."""

    loaded: LoadedVersion
    columns: InputColumns
    event_times: npt.NDArray[np.int64]
    received_ns: int
    """Moment at which it had been read, by the performance counter."""
    deliver: Deliver
    rehearsal: bool = False
    """True for a measurement, whose answer is not spooled."""


class ModelFailedError(PilothouseError):
    """Failure of a model: it raised an error, or gave an answer that is not a finite number."""


class Worker:
    """Thread that predicts, in front of the spool."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = vital_thread(self._run, "worker")

    def start(self) -> None:
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Have ``work`` answered."""
        self._waiting.put(work)

    def stop(self) -> None:
        """Answer waiting requests, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        going = True
        while going:
            batch, going = self._take()
            for group in _groups(batch):
                self._answer(group)

    def _take(self) -> tuple[list[Work], bool]:
        """Requests for one call: waits for the first and takes those that wait with it, up to a bound of rows. False at
        the end."""
        work = self._waiting.get()
        batch: list[Work] = []
        rows = 0
        while work is not None:
            batch.append(work)
            rows += work.columns.rows
            if rows >= MAXIMUM_BATCH_ROWS:
                return batch, True
            try:
                work = self._waiting.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _answer(self, group: Sequence[Work]) -> None:
        began, computed = time.perf_counter_ns(), time.process_time_ns()
        try:
            prediction = _predict(group[0].loaded, _joined([work.columns for work in group]))
        except PilothouseError as error:
            if len(group) == 1:
                group[0].deliver(error)
                return
            for work in group:  # one request's values must not fail its neighbours
                self._answer([work])
            return
        called = time.perf_counter_ns() - began
        # of all threads, for a model may share its work out; what others did meanwhile hides waiting, never invents it
        computed = min(time.process_time_ns() - computed, called)
        start = 0
        for work in group:
            end = start + work.columns.rows
            whole = prediction if len(group) == 1 else _slice(prediction, start, end)
            self._keep(work, whole, *((called, computed) if work is group[0] else (0, 0)))
            start = end

    def _keep(self, work: Work, prediction: Prediction, called_ns: int, computed_ns: int) -> None:
        if work.rehearsal:
            work.deliver(Answer(prediction, PredictionId("rehearsal", 0, 0), called_ns, computed_ns))
            return
        usual_ns = min(computed_ns * work.loaded.stretch, called_ns)
        stream = work.loaded.stream
        record = PredictionRecord(
            rows=work.columns.rows,
            event_times=work.event_times.astype("<i8", copy=False).tobytes(),
            scores=prediction.scores.astype("<f8", copy=False).tobytes(),
            numeric=[
                work.columns.numeric[name].astype("<f8", copy=False).tobytes() for name in stream.numeric
            ],
            categorical=[work.columns.categorical[name] for name in stream.categorical],
            labels=prediction.labels,
            latency_us=(time.perf_counter_ns() - work.received_ns) // 1_000,
            at_us=time.time_ns() // 1_000,
            called_us=called_ns // 1_000,
            usual_us=math.ceil(usual_ns / 1_000),
        )

        def complete(outcome: PredictionId | PilothouseError) -> None:
            answer = outcome if isinstance(outcome, PilothouseError) else Answer(prediction, outcome)
            work.deliver(answer)

        self._spool.append(stream, record, complete)


def _groups(batch: Sequence[Work]) -> Iterator[list[Work]]:
    """Requests of one loaded version together, in the order in which they came."""
    groups: dict[int, list[Work]] = {}
    for work in batch:
        groups.setdefault(id(work.loaded.predictor), []).append(work)
    yield from groups.values()


def _predict(loaded: LoadedVersion, columns: InputColumns) -> Prediction:
    try:
        prediction = loaded.predictor.predict_columns(columns)
    except Exception as error:  # estimators raise what they like
        # the client gets one line, the log the rest
        log.warning("models:/%s/%d failed", loaded.version.model, loaded.version.version, exc_info=True)
        raise ModelFailedError(f"the model failed: {type(error).__name__}: {one_line(str(error))}") from None
    if prediction.scores.shape != (columns.rows,) or not np.isfinite(prediction.scores).all():
        raise ModelFailedError("the model gave no number for a row")
    return prediction


def _joined(parts: Sequence[InputColumns]) -> InputColumns:
    if len(parts) == 1:
        return parts[0]
    return InputColumns(
        sum(part.rows for part in parts),
        {name: np.concatenate([part.numeric[name] for part in parts]) for name in parts[0].numeric},
        {name: [v for part in parts for v in part.categorical[name]] for name in parts[0].categorical},
    )


def _slice(prediction: Prediction, start: int, end: int) -> Prediction:
    probabilities = prediction.probabilities
    return Prediction(
        prediction.scores[start:end],
        prediction.labels[start:end],
        None if probabilities is None else probabilities[start:end],
    )
