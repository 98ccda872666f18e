"""Engine of a daemon: each step goes to the cluster, where there is one, or to the launcher on this machine."""

import threading
from collections.abc import Callable

from pilothouse.domain.integrations.execution_settings import AT_HOME
from pilothouse.domain.jobs.jobs import ProgressLine, StepExit, StepRequest, StepResult
from pilothouse.execution.pipeline import StepRunner

_LOOK_EVERY_S = 0.25


class Engine:
    """Runner of steps. With a cluster, steps that read a source stay at home, where ``slots`` of them run at once."""

    def __init__(self, home: StepRunner, cluster: StepRunner | None = None, slots: int = 1) -> None:
        self._home, self._cluster = home, cluster
        self._turns = threading.Semaphore(slots)

    def run_step(
        self, request: StepRequest, cancel: threading.Event, on_progress: Callable[[ProgressLine], None]
    ) -> tuple[StepExit, StepResult | None]:
        """Run a step where it belongs."""
        if self._cluster is None:
            return self._home.run_step(request, cancel, on_progress)
        if request.step not in AT_HOME and not request.network:
            return self._cluster.run_step(request, cancel, on_progress)
        while not self._turns.acquire(timeout=_LOOK_EVERY_S):
            if cancel.is_set():
                return StepExit(None, None, 0.0, 0.0, "cancelled"), None
        try:
            return self._home.run_step(request, cancel, on_progress)
        finally:
            self._turns.release()
