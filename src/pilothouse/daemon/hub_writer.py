"""Writer of the hub: batches that wait are committed together, by one thread, while others read and check the next ones.

No batch waits for others: the writer takes what there is when it is free, so an idle hub commits each batch by itself. Each
door has a lane of its own, and lanes take turns: however much waits in one, a batch of another is in the next commit. How many
bytes wait is bounded by the room of each door, which a request holds until it is answered.
"""

import itertools
import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from pilothouse.daemon.exports.metrics_server import HubStanding
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.wire import BatchReceipt, PredictionBatch
from pilothouse.operations.ingest import ingest
from pilothouse.operations.services import Services

log = logging.getLogger(__name__)

_BATCHES_A_COMMIT = 256
"""Batches of one commit at most."""
_ROWS_A_COMMIT = 50_000
"""Rows from which no further batch joins a commit."""

_MINUTE_S = 60.0

_Waiting = tuple[PredictionBatch, "Future[BatchReceipt]", float]
"""Batch, its receipt, and the monotonic time at which it came."""


class BatchWriter:
    """Only thread of the hub that writes predictions."""

    def __init__(self, services: Services, lanes: Sequence[str] = ("",)) -> None:
        """``lanes``: of each commit the first one has the first turn."""
        self._services = services
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hub writer")
        self._waiting: dict[str, deque[_Waiting]] = {lane: deque() for lane in lanes}
        self._longest = _Longest()

    def submit(self, batch: PredictionBatch, lane: str = "") -> "Future[BatchReceipt]":
        """Receipt of a batch, as a future that is set after its commit."""
        answer: Future[BatchReceipt] = Future()
        self._waiting[lane].append((batch, answer, time.monotonic()))
        self._thread.submit(self._commit)
        return answer

    def standing(self) -> HubStanding:
        """What waits now, and how long commits take."""
        now = time.monotonic()
        waiting = sum(len(lane) for lane in self._waiting.values())
        oldest = max((now - _oldest(lane, now) for lane in self._waiting.values()), default=0.0)
        return HubStanding(waiting, oldest, self._longest.of_last_minute(now))

    def _commit(self) -> None:
        taken, rows = list[_Waiting](), 0
        for lane in itertools.cycle(self._waiting.values()):
            if not any(self._waiting.values()) or len(taken) >= _BATCHES_A_COMMIT or rows >= _ROWS_A_COMMIT:
                break
            if not lane:
                continue
            batch, answer, came = lane.popleft()
            if answer.set_running_or_notify_cancel():  # else its sender has gone, and will send it again
                taken.append((batch, answer, came))
                rows += batch.rows
        if taken:  # else an earlier call has taken it
            self._write(taken)

    def _write(self, taken: Sequence[_Waiting]) -> None:
        try:
            receipts = ingest.ingest_batches(self._services, [batch for batch, _, _ in taken])
        except PilothouseError as error:  # the disk or the database: each batch would fail in the same way
            for _, answer, _ in taken:
                answer.set_exception(error)
        except Exception as error:
            # an error of the program: the batch that causes it must not take the others along
            if len(taken) == 1:
                taken[0][1].set_exception(error)
                return
            log.exception("%d batches could not be committed together", len(taken))
            for entry in taken:
                self._write([entry])
        else:
            now = time.monotonic()
            self._longest.add(now, now - min(came for _, _, came in taken))
            for (_, answer, _), receipt in zip(taken, receipts, strict=True):
                answer.set_result(receipt)


def _oldest(lane: deque[_Waiting], now: float) -> float:
    """When the oldest of a lane came; ``now`` where none waits. The writer may take it meanwhile."""
    try:
        return lane[0][2]
    except IndexError:
        return now


class _Longest:
    """Longest of the times of the last minute, by the minute that runs and the one before."""

    def __init__(self) -> None:
        self._began, self._now, self._before = time.monotonic(), 0.0, 0.0

    def add(self, now: float, seconds: float) -> None:
        self._turn(now)
        self._now = max(self._now, seconds)

    def of_last_minute(self, now: float) -> float:
        self._turn(now)
        return max(self._now, self._before)

    def _turn(self, now: float) -> None:
        if now - self._began >= _MINUTE_S:
            self._before = self._now if now - self._began < 2 * _MINUTE_S else 0.0
            self._began, self._now = now, 0.0
