"""Shadow: the challenger of a trial answers copies of requests, after the champion's answers have left.

What the champion has answered waits here, within bounds, and is answered by one thread a few times a second, many requests in
one call: a call costs much the same for one row as for a hundred, so the champion hardly notices. Nobody waits for an answer:
what is too much is dropped, what fails is counted, and the pairs go to the spool.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identifiers import PredictionId
from pilothouse.inference.columns import InputColumns
from pilothouse.inference.predictor import Prediction
from pilothouse.serving.delivery.pair_records import PairRecord, PairStream
from pilothouse.serving.delivery.spool import Entry, Spool
from pilothouse.serving.prediction.calls import Answer, joined
from pilothouse.serving.prediction.trial_arms import columns_for
from pilothouse.serving.prediction.vital_threads import vital_thread
from pilothouse.serving.versions.live_versions import LoadedTrial

log = logging.getLogger(__name__)

ROUND_S = 0.25
"""Seconds for which requests gather."""
_MOST_ROWS = 16_384
"""Rows that may wait; a request beyond them is dropped."""
_ROWS_A_CALL = 256
"""Rows from which no further request joins a call: a long one would hold the interpreter from the champion."""
_SHORTEST_NS = 1_000
"""Processor time of a call below which it is not compared: the clock has missed it."""
_SAID_EVERY_S = 60.0
"""Seconds between two lines in the log about a challenger that fails."""


Alone = tuple[int, int, int]


@dataclass(slots=True)
class ShadowCounts:
    """Requests of one shadow since the process began: paired, or answered by the champion alone and why. The event loop counts
    ``full`` and ``unfit``, the shadow's thread the others."""

    paired: int = 0
    full: int = 0
    """Requests that found no room here, and those whose pairs found none in the spool."""
    lost: int = 0
    failed: int = 0
    unfit: int = 0

    @property
    def alone(self) -> "Alone":
        """Requests that the champion alone answered: dropped, failed, unfit."""
        return self.full + self.lost, self.failed, self.unfit


@dataclass(frozen=True, slots=True)
class _Offer:
    """Request that the champion has answered."""

    trial: LoadedTrial
    columns: InputColumns
    event_times: npt.NDArray[np.int64]
    answer: Answer


@dataclass(frozen=True, slots=True)
class _Paired:
    """Requests with the challenger's answers; ``computed_us``: processor time of a call that was made for one alone."""

    offers: list[_Offer]
    prediction: Prediction
    computed_us: int = 0


class Shadow:
    """Thread behind the answers. ``offer`` is for the thread of the event loop."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._waiting: deque[_Offer] = deque()
        self._offered_rows = self._taken_rows = 0  # each of one thread: their difference waits
        self.counts: dict[PairStream, ShadowCounts] = {}
        self._told: dict[PairStream, Alone] = {}
        """Counts that are in the spool."""
        self._refused: deque[tuple[PairStream, int, Alone]] = deque()
        """What the spool did not take: requests that were paired, and counts."""
        self._said_at = -_SAID_EVERY_S
        self._awake, self._stopping = threading.Event(), threading.Event()
        self._thread = vital_thread(self._run, "shadow")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end."""
        self._stopping.set()
        self._awake.set()
        self._thread.join()

    def offer(
        self,
        trial: LoadedTrial,
        columns: InputColumns,
        event_times: npt.NDArray[np.int64],
        answer: Answer,
    ) -> None:
        """Have a request that the champion has answered compared, if there is time for it."""
        counts = self._counts(trial.pairs)
        if trial.unfit:
            counts.unfit += 1
        elif self._offered_rows - self._taken_rows >= _MOST_ROWS or not self._spool.takes_pairs:
            counts.full += 1
        else:
            self._waiting.append(_Offer(trial, columns, event_times, answer))
            self._offered_rows += columns.rows
        if not self._awake.is_set():
            self._awake.set()

    def _counts(self, stream: PairStream) -> ShadowCounts:
        counts = self.counts.get(stream)
        if counts is None:
            counts = self.counts[stream] = ShadowCounts()
        return counts

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._awake.wait()
            self._stopping.wait(ROUND_S)
            self._awake.clear()
            self._round()
        self._round()

    def _round(self) -> None:
        offers = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._taken_rows += sum(offer.columns.rows for offer in offers)
        try:
            self._compare(offers)
        except Exception:  # a fault of ours: the champion answers on
            log.exception("%d requests could not be compared in the shadow", len(offers))
            for offer in offers:
                self.counts[offer.trial.pairs].lost += 1

    def _compare(self, offers: Sequence[_Offer]) -> None:
        by_trial: dict[int, list[_Offer]] = {}
        for offer in offers:
            by_trial.setdefault(id(offer.trial), []).append(offer)
        paired: dict[PairStream, list[_Paired]] = {}
        for group in by_trial.values():
            stream = group[0].trial.pairs
            answered = list(self._answered(group))
            self.counts[stream].failed += len(group) - sum(len(part.offers) for part in answered)
            paired.setdefault(stream, []).extend(answered)
        while self._refused:
            stream, requests, untold = self._refused.popleft()
            self.counts[stream].lost += requests
            self.counts[stream].paired -= requests
            self._told[stream] = _less(self._told[stream], untold)
        for stream, counts in list(self.counts.items()):
            self._spool_pairs(stream, counts, paired.get(stream, []))

    def _answered(self, group: Sequence[_Offer]) -> list[_Paired]:
        """Answers to the requests of one trial: to one alone, its call timed as the champion's was, to the others together.
        Those that the challenger fails on are left out."""
        alone = next((offer for offer in group if offer.answer.computed_ns >= _SHORTEST_NS), None)
        parts = [[alone]] if alone is not None else []
        rows = _ROWS_A_CALL
        for offer in group:
            if offer is alone:
                continue
            if rows >= _ROWS_A_CALL:
                parts.append([])
                rows = 0
            parts[-1].append(offer)
            rows += offer.columns.rows
        return [paired for part in parts for paired in self._call(part)]

    def _call(self, offers: list[_Offer]) -> list[_Paired]:
        challenger = offers[0].trial.challenger
        try:
            columns = columns_for(challenger.schema, joined([offer.columns for offer in offers]))
            began = time.thread_time_ns()
            prediction = challenger.predictor.predict_columns(columns)
            if prediction.scores.shape != (columns.rows,) or not np.isfinite(prediction.scores).all():
                raise ValueError("the model gave no number for a row")
        except Exception as error:  # noqa: BLE001 - estimators raise what they like
            if len(offers) > 1:  # one's values must not cost the others their pairs
                return [paired for offer in offers for paired in self._call([offer])]
            self._say(offers[0].trial, error)
            return []
        took_us = max((time.thread_time_ns() - began) // 1_000, 1)
        is_timed = len(offers) == 1 and offers[0].answer.computed_ns >= _SHORTEST_NS
        return [_Paired(offers, prediction, took_us if is_timed else 0)]

    def _say(self, trial: LoadedTrial, error: Exception) -> None:
        if time.monotonic() - self._said_at >= _SAID_EVERY_S:
            self._said_at = time.monotonic()
            version = trial.challenger.version
            why = f"{type(error).__name__}: {one_line(str(error))}"
            log.warning("models:/%s/%d failed in the shadow: %s", version.model, version.version, why)

    def _spool_pairs(self, stream: PairStream, counts: ShadowCounts, paired: Sequence[_Paired]) -> None:
        """Have pairs, and counts that have changed, written to the spool; what it does not take counts as dropped."""
        now = counts.alone
        untold = _less(now, self._told.get(stream, (0, 0, 0)))
        requests = sum(len(part.offers) for part in paired)
        if not requests and not any(untold):
            return
        counts.paired += requests
        self._told[stream] = now

        def complete(outcome: PredictionId | PilothouseError) -> None:
            if isinstance(outcome, PilothouseError):
                self._refused.append((stream, requests, untold))

        self._spool.put(Entry(stream, _record(paired, untold), complete))


def _less(counts: Alone, before: Alone) -> Alone:
    dropped, failed, unfit = (now - then for now, then in zip(counts, before, strict=True))
    return dropped, failed, unfit


def _record(paired: Sequence[_Paired], counts: Alone) -> PairRecord:
    offers = [offer for part in paired for offer in part.offers]
    return PairRecord(
        rows=sum(offer.columns.rows for offer in offers),
        event_times=b"".join(offer.event_times.astype("<i8", copy=False).tobytes() for offer in offers),
        champion_scores=b"".join(
            offer.answer.prediction.scores.astype("<f8", copy=False).tobytes() for offer in offers
        ),
        challenger_scores=b"".join(
            part.prediction.scores.astype("<f8", copy=False).tobytes() for part in paired
        ),
        champion_labels=[label for offer in offers for label in offer.answer.prediction.labels],
        challenger_labels=[label for part in paired for label in part.prediction.labels],
        producers=[offer.answer.first.producer for offer in offers],
        sequences=[offer.answer.first.sequence for offer in offers],
        offsets=[offer.answer.first.offset for offer in offers],
        request_rows=[offer.columns.rows for offer in offers],
        champion_us=[
            offer.answer.computed_ns // 1_000 if part.computed_us else 0
            for part in paired
            for offer in part.offers
        ],
        challenger_us=[part.computed_us for part in paired for _ in part.offers],
        dropped=counts[0],
        failed=counts[1],
        unfit=counts[2],
    )
