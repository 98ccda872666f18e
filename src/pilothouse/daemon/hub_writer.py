"""Writer of the hub: batches that wait are committed together, by one thread, while others read and check the next ones.

No batch waits for others: the writer takes what there is when it is free, so an idle hub commits each batch by itself.
"""

import logging
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.wire import BatchReceipt, PredictionBatch
from pilothouse.operations.ingest import ingest
from pilothouse.operations.services import Services

log = logging.getLogger(__name__)

_BATCHES_A_COMMIT = 256
"""Batches of one commit at most."""
_ROWS_A_COMMIT = 50_000
"""Rows from which no further batch joins a commit."""

_Waiting = tuple[PredictionBatch, "Future[BatchReceipt]"]


class BatchWriter:
    """Only thread of the hub that writes predictions."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hub writer")
        self._waiting: deque[_Waiting] = deque()

    def submit(self, batch: PredictionBatch) -> "Future[BatchReceipt]":
        """Receipt of a batch, as a future that is set after its commit."""
        answer: Future[BatchReceipt] = Future()
        self._waiting.append((batch, answer))
        self._thread.submit(self._commit)
        return answer

    def _commit(self) -> None:
        taken, rows = list[_Waiting](), 0
        while self._waiting and len(taken) < _BATCHES_A_COMMIT and rows < _ROWS_A_COMMIT:
            batch, answer = self._waiting.popleft()
            if answer.set_running_or_notify_cancel():  # else its sender has gone, and will send it again
                taken.append((batch, answer))
                rows += batch.rows
        if taken:  # else an earlier call has taken it
            self._write(taken)

    def _write(self, taken: Sequence[_Waiting]) -> None:
        try:
            receipts = ingest.ingest_batches(self._services, [batch for batch, _ in taken])
        except PilothouseError as error:  # the disk or the database: each batch would fail in the same way
            for _, answer in taken:
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
            for (_, answer), receipt in zip(taken, receipts, strict=True):
                answer.set_result(receipt)
