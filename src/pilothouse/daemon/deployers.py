"""Deployers in the daemon: the commands of all targets that have one, each in a thread of its own while it works."""

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pilothouse.daemon.thread_loop import Wakeup, repeat
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.domain.models.target_file import Deployer
from pilothouse.operations.fleet.deployers import TargetDeployer
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import write_state
from pilothouse.store.deployed import deployer_states

log = logging.getLogger(__name__)

_AT_ONCE = 8
"""Commands that run at the same time."""
_LOOK_AT_LEAST_EVERY_S = 1.0


class DeployerKeeper:
    """Keeper of the commands. ``run`` in a thread of its own."""

    def __init__(self, services: Services, pulse: Pulse) -> None:
        self._services, self._pulse = services, pulse
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="deployer")
        self._known: dict[str, TargetDeployer] = {}
        self._turns: dict[str, Future[None]] = {}

    def run(self, wakeup: Wakeup) -> None:
        """Look until the daemon stops; then commands that run are broken off."""
        try:
            repeat(wakeup, lambda: self.look(wakeup), at_least_every_s=_LOOK_AT_LEAST_EVERY_S)
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def look(self, wakeup: Wakeup) -> None:
        """Begin a turn of each target whose last one is over."""
        if write_state.state(self._services) is not None:
            return
        with self._services.registry.read() as connection:
            described = deployer_states.command_targets(connection)
        for target in self._known.keys() - described.keys():
            del self._known[target]
        for target, plain in described.items():
            before = self._turns.get(target)
            if before is not None and not before.done():
                continue
            self._tell(target, before)
            if target not in self._known:
                self._known[target] = TargetDeployer(self._services, self._pulse, target, wakeup.stop.is_set)
            self._turns[target] = self._threads.submit(self._known[target].turn, _read(plain))

    def _tell(self, target: str, turn: "Future[None] | None") -> None:
        """Say what went wrong in the last turn: of ours, for what the command did is on record."""
        error = turn.exception() if turn is not None else None
        if isinstance(error, PilothouseError):
            log.error("the deployer of %s: %s", target, error)
        elif error is not None:
            raise error


def _read(plain: Mapping[str, Any]) -> Deployer:
    problems: list[str] = []
    read = read_dataclass(Deployer, plain, "deployer", problems)
    if read is None:
        raise PilothouseError(problems[0])
    return read
