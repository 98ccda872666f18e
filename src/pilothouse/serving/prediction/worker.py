"""Worker: one thread that predicts what takes longer than the event loop may wait, in front of the spool.

Requests that arrive while one call runs share the next (``calls``).
"""

import queue

from pilothouse.serving.delivery.spool import Spool
from pilothouse.serving.prediction.calls import Work, call_together_or_alone, groups
from pilothouse.serving.prediction.vital_threads import vital_thread

MAXIMUM_BATCH_ROWS = 4_096
"""Rows from which no further request joins a call."""


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
            for group in groups(batch):
                for entry in call_together_or_alone(group):
                    self._spool.put(entry)

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
