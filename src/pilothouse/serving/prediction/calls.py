"""Calls of a model for requests that wait together (micro-batching), and the records of what they answered.

A call costs much the same for one row as for a hundred, so requests that wait together share one. A prediction's latency
runs from the moment its request has been read to the moment its answer is computed: waiting for the call before and the call
itself, not the flush to disk that follows.

Each call is also timed by the processor time of the process. While that is what it was and the call takes longer, the machine
is slow and not the model.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.predictor import Prediction
from pilothouse.serving.delivery.segments import PredictionRecord
from pilothouse.serving.delivery.spool import Entry
from pilothouse.serving.versions.live_versions import LoadedVersion

log = logging.getLogger(__name__)

_INT64, _FLOAT64 = np.dtype("<i8"), np.dtype("<f8")
"""Numbers as segments have them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Prediction that is on disk. ``first`` is the id of its first row."""

    prediction: Prediction
    first: PredictionId
    called_ns: int = 0
    """Duration of the call of the model, and its processor time (at most as much); 0 where it answered others too."""
    computed_ns: int = 0
    call: tuple[int, int] = (0, 0)
    """Begin by the performance counter and duration of the call, whomever else it answered."""


Deliver = Callable[[Answer | PilothouseError], None]


@dataclass(frozen=True, slots=True)
class Work:
    """Request to answer. ``deliver`` is called once, from any thread."""

    loaded: LoadedVersion
    columns: InputColumns
    event_times: npt.NDArray[np.int64]
    received_ns: int
    """Moment at which it had been read, by the performance counter."""
    deliver: Deliver
    rehearsal: bool = False
    """True for a measurement, whose answer is not spooled."""
    draw: int = 0
    """Key by which a canary drew the version that answers, hashed; 0 where there is none."""
    trace: str = ""
    """Trace context of the request as it is stored; empty without one."""


class ModelFailedError(PilothouseError):
    """Failure of a model: it raised an error, or gave an answer that is not a finite number."""


def groups(batch: Iterable[Work]) -> Iterable[list[Work]]:
    """Requests of one loaded version together, in the order in which they came."""
    together: dict[int, list[Work]] = {}
    for work in batch:
        together.setdefault(id(work.loaded.predictor), []).append(work)
    return together.values()


def rows_of(group: Iterable[Work]) -> int:
    """Rows of all the requests."""
    return sum(work.columns.rows for work in group)


def call(group: Sequence[Work]) -> list[Entry]:
    """Have the model answer the requests of one version in one call. Returns what is to be spooled; the completion of an entry
    delivers its answer. Rehearsals are delivered at once. Raises ModelFailedError."""
    began, computed = time.perf_counter_ns(), time.process_time_ns()
    loaded = group[0].loaded
    prediction = _predict(loaded, joined([work.columns for work in group]))
    called = time.perf_counter_ns() - began
    # of all threads, for a model may share its work out; what others did meanwhile hides waiting, never invents it
    computed = min(time.process_time_ns() - computed, called)
    loaded.costs.note(len(prediction.scores), computed)
    if len(group) == 1:
        return list(_entries(group[0], prediction, called, computed, (began, called), is_alone=True))
    entries: list[Entry] = []
    start = 0
    for work in group:
        end = start + work.columns.rows
        timed = (0, 0) if start else (called, computed)
        entries += _entries(work, _slice(prediction, start, end), *timed, (began, called))
        start = end
    return entries


def call_together_or_alone(group: Sequence[Work]) -> list[Entry]:
    """As ``call``; where it fails each request is answered alone, for one's values must not fail its neighbours."""
    try:
        return call(group)
    except ModelFailedError as error:
        if len(group) > 1:
            return [entry for work in group for entry in call_together_or_alone([work])]
        group[0].deliver(error)
        return []


def _entries(
    work: Work,
    prediction: Prediction,
    called_ns: int,
    computed_ns: int,
    call: tuple[int, int],
    *,
    is_alone: bool = False,
) -> Iterator[Entry]:
    """Entry of one request; none of a rehearsal, which is delivered."""
    if work.rehearsal:
        work.deliver(Answer(prediction, PredictionId("rehearsal", 0, 0), called_ns, computed_ns))
        return
    usual_ns = min(computed_ns * work.loaded.stretch, called_ns)
    stream, columns = work.loaded.stream, work.columns
    record = PredictionRecord(
        rows=columns.rows,
        event_times=work.event_times.astype(_INT64, copy=False).tobytes(),
        scores=prediction.scores.astype(_FLOAT64, copy=False).tobytes(),
        numeric=[columns.numeric[name].astype(_FLOAT64, copy=False).tobytes() for name in stream.numeric],
        categorical=[columns.categorical[name] for name in stream.categorical],
        labels=prediction.labels,
        latency_us=(time.perf_counter_ns() - work.received_ns) // 1_000,
        at_us=time.time_ns() // 1_000,
        called_us=called_ns // 1_000,
        usual_us=math.ceil(usual_ns / 1_000),
        draw=work.draw,
        trace=work.trace,
    )

    def complete(outcome: PredictionId | PilothouseError) -> None:
        if isinstance(outcome, PilothouseError):
            work.deliver(outcome)
        elif is_alone:
            work.deliver(Answer(prediction, outcome, called_ns, computed_ns, call))
        else:
            work.deliver(Answer(prediction, outcome, call=call))

    yield Entry(stream, record, complete)


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


def joined(parts: Sequence[InputColumns]) -> InputColumns:
    """Columns of several requests, one after another; all have the same."""
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
