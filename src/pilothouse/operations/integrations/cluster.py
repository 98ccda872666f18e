"""The cluster that runs steps: its settings in force, and its last state, which the daemon keeps in ``state/cluster.json``."""

import json
import threading
import time
from collections.abc import Sequence
from typing import Any

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.integrations.execution_settings import ExecutionSettings
from pilothouse.domain.jobs.cluster import STALE_AFTER_S, ClusterState
from pilothouse.domain.models.dataclass_reader import read_dataclass
from pilothouse.operations.authorisation import authorise
from pilothouse.operations.integrations import integration_files
from pilothouse.operations.services import Services
from pilothouse.store.work import jobs
from pilothouse.system.files import read_json, write_atomically

_WRITE_EVERY_S = 2.0
_LONGEST = 300


def settings_in_force(services: Services) -> ExecutionSettings:
    """Where steps run."""
    with services.registry.read() as connection:
        return integration_files.in_force(connection).execution or ExecutionSettings()


def cluster_state(services: Services, actor: Actor) -> ClusterState | None:
    """The cluster as it was a moment ago; None where steps run on this machine, or nobody has told of it since. Raises
    NotAllowedError."""
    authorise(services, actor)
    if settings_in_force(services).engine == "local":
        return None
    try:
        plain = read_json(services.paths.cluster)
    except PilothouseError:
        return None
    state = read_dataclass(ClusterState, _in_lines(plain), "cluster", [])
    return state if state is not None and time.time() - state.at < STALE_AFTER_S else None


def job_hosts(services: Services, actor: Actor, numbers: Sequence[int]) -> dict[int, str]:
    """Host of a cluster on which a step of each job runs just now, or ran last; a job that never left this machine has
    none. Raises NotAllowedError."""
    state = cluster_state(services, actor)
    with services.registry.read() as connection:
        ran = jobs.last_hosts(connection, tuple(numbers))
    return ran | ({step.job: step.host for step in state.steps if step.host} if state else {})


class StateKeeper:
    """Writer of the state, by the daemon alone."""

    def __init__(self, services: Services) -> None:
        self._path = services.paths.cluster
        self._lock = threading.Lock()
        self._written_at = 0.0
        self._connected: bool | None = None

    def keep(self, state: dict[str, Any]) -> None:
        """Keep what was told, every few seconds, and at once where the connection came or went."""
        with self._lock:
            now, connected = time.monotonic(), bool(state.get("connected"))
            if now - self._written_at < _WRITE_EVERY_S and connected == self._connected:
                return
            self._written_at, self._connected = now, connected
            write_atomically(self._path, json.dumps(_in_lines(state)).encode())

    def remove(self) -> None:
        """Remove it: nobody keeps it any more."""
        self._path.unlink(missing_ok=True)


def _in_lines(value: Any) -> Any:
    """What came from other machines, each text of it in one bounded line."""
    if isinstance(value, str):
        return one_line(value, _LONGEST)
    if isinstance(value, dict):
        return {str(key): _in_lines(item) for key, item in value.items()}
    return [_in_lines(item) for item in value] if isinstance(value, list) else value
