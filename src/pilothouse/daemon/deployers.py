"""Deployers in the daemon: the commands of all targets that have one, each in a thread of its own while it works."""

import logging
import math
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.models.target_file import Deployer
from pilothouse.operations.fleet.deployers import TargetDeployer
from pilothouse.operations.fleet.processes import Pulse, note_serving_end
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state
from pilothouse.store.deployed import deployer_states

log = logging.getLogger(__name__)

_AT_ONCE = 64
"""Commands that run at the same time, each with a thread that waits: as many may hang without holding up the others."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 60.0
"""Seconds after which a turn that could not be made is tried again."""
_LONGEST_FAULT = 300
_LOOK_AT_LEAST_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Fault:
    text: str
    pause_s: float
    again_at: float
    """Monotonic time."""


class DeployerKeeper:
    """Keeper of the commands. ``run`` in a thread of its own."""

    def __init__(self, services: Services, pulse: Pulse) -> None:
        self._services, self._pulse = services, pulse
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="deployer")
        self._known: dict[str, TargetDeployer] = {}
        self._turns: dict[str, Future[float]] = {}
        self._due: dict[str, float] = {}
        """Monotonic time of the next turn of a target where the registry does not change before."""
        self._seen: dict[str, int] = {}
        """State of the registry when the last turn of a target began."""
        self._faults: dict[str, _Fault] = {}

    def run(self, wakeup: Wakeup) -> None:
        """Look until the daemon stops; then commands that run are broken off."""
        try:
            repeat(wakeup, lambda: self.look(wakeup), at_least_every_s=_LOOK_AT_LEAST_EVERY_S)
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def look(self, wakeup: Wakeup) -> float:
        """Begin a turn of each target whose last one is over and that has something to do; returns the seconds after which one
        will have. What goes wrong with one holds up no other."""
        if write_state.state(self._services) is not None:
            return _LOOK_AT_LEAST_EVERY_S
        version = self._services.registry.data_version()
        with self._services.registry.read() as connection:
            described = deployer_states.command_targets(connection)
        for of_target in (self._known, self._faults, self._due, self._seen):
            for gone in of_target.keys() - described.keys():
                of_target.pop(gone)
        for target, plain in described.items():
            fault = self._faults.get(target)
            if fault is not None and time.monotonic() < fault.again_at:
                continue
            before = self._turns.get(target)
            if before is not None and not before.done():
                continue
            try:
                if before is not None:
                    del self._turns[target]
                    self._due[target] = time.monotonic() + before.result()
                    self._faults.pop(target, None)
                if self._seen.get(target) == version and time.monotonic() < self._due.get(target, 0.0):
                    continue
                self._seen[target] = version
                if target not in self._known:
                    self._known[target] = TargetDeployer(
                        self._services, self._pulse, target, wakeup.stop.is_set
                    )
                self._turns[target] = self._threads.submit(self._known[target].turn, _read(plain))
                self._turns[target].add_done_callback(partial(_wake_where_more_is_due, wakeup))
            except Exception as error:  # noqa: BLE001 - said, on record, and of this target alone
                self._take_fault(target, error)
        idle = [due for target, due in self._due.items() if target not in self._turns]
        return max(0.0, min(idle, default=math.inf) - time.monotonic())

    def _take_fault(self, target: str, error: Exception) -> None:
        """Say what went wrong in a turn: of ours, for what the command did is on record. The same is said once; it is tried
        again after a while, and meanwhile the target counts as down."""
        known = isinstance(error, PilothouseError)
        text = one_line(str(error) if known else f"{type(error).__name__}: {error}", _LONGEST_FAULT)
        before = self._faults.get(target)
        pause = min(_LONGEST_PAUSE_S, before.pause_s * 2 if before is not None else _FIRST_PAUSE_S)
        self._due[target] = time.monotonic() + pause
        self._faults[target] = _Fault(text, pause, self._due[target])
        self._known.pop(target, None)  # the next turn begins from what is on record
        if before is not None and before.text == text:
            return
        log.error("the deployer of %s: %s", target, text, exc_info=None if known else error)
        try:
            note_serving_end(self._services, target, f"its deployer could not be run: {text}")
        except PilothouseError as again:
            log.error("the deployer of %s: %s", target, again)


def _wake_where_more_is_due(wakeup: Wakeup, turn: Future[float]) -> None:
    """A target that is as it should be is looked at in its time: hundreds of them wake nobody."""
    if not turn.cancelled() and turn.exception() is None and turn.result() < _LOOK_AT_LEAST_EVERY_S:
        wakeup.wake()


def _read(plain: Mapping[str, Any]) -> Deployer:
    problems: list[str] = []
    read = read_dataclass(Deployer, plain, "deployer", problems)
    if read is None:
        raise PilothouseError(problems[0])
    return read
