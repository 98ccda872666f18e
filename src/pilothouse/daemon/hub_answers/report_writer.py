"""Writer of reports: those that come together are one transaction, as after a wave, when every process has news at once."""

import logging
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.operations.fleet.processes import Pulse

log = logging.getLogger(__name__)

_Waiting = tuple[ServingReport, "Future[None]"]


class ReportWriter:
    """Only thread of the hub that takes reports in."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hub reports")
        self._waiting: deque[_Waiting] = deque()

    def submit(self, report: ServingReport) -> "Future[None]":
        """Future that is set once the report is taken in."""
        taken: Future[None] = Future()
        self._waiting.append((report, taken))
        self._thread.submit(self._take)
        return taken

    def _take(self) -> None:
        together: list[_Waiting] = []
        while self._waiting:
            report, taken = self._waiting.popleft()
            if taken.set_running_or_notify_cancel():
                together.append((report, taken))
        if together:  # else an earlier call has taken it
            self._write(together)

    def _write(self, together: list[_Waiting]) -> None:
        try:
            self._pulse.take_reports([report for report, _ in together])
        except PilothouseError as error:  # the disk or the database: each would fail in the same way
            for _, taken in together:
                taken.set_exception(error)
        except Exception as error:
            # an error of the program: the report that causes it must not take the others along
            if len(together) == 1:
                together[0][1].set_exception(error)
                return
            log.exception("%d reports could not be taken in together", len(together))
            for one in together:
                self._write([one])
        else:
            for _, taken in together:
                taken.set_result(None)
