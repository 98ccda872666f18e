"""The daemon's end of a cluster: runs steps there by a process that holds the connection (``main``)."""

import contextlib
import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.integrations.execution_settings import ExecutionSettings
from pilothouse.domain.jobs.jobs import StepExit
from pilothouse.execution.cluster.contract import GRACE_S
from pilothouse.execution.launcher_client import STEPS_PACKAGE, Isolation, Launcher, LauncherConnection
from pilothouse.system.controlled_process import ending_text

log = logging.getLogger(__name__)

_WHY = {
    3: "isolation is required, and this kernel has no Landlock to confine it with",
    4: 'Dask cannot be imported: pip install "pilothouse[dask]"',
    5: "the address of the scheduler can be reached from other machines without TLS",
}
"""Exit codes of ``main`` in words."""
_FAREWELL_S = 10.0
"""Seconds that the process may take from the end of its socket to its own."""
OnState = Callable[[dict[str, Any]], None]


class ClusterRunner(Launcher):
    """Runner of steps on a cluster: speaks the launcher's lines with the process that holds the connection.

    ``jobs`` is the folder with the folders of steps, ``artifacts`` that of the inputs by digest. ``on_state`` is called about
    once a second with what the scheduler tells, from a thread of its own.
    """

    def __init__(
        self,
        settings: ExecutionSettings,
        root: Path,
        *,
        jobs: Path,
        artifacts: Path,
        closed: Sequence[Path] = (),
        isolation: Isolation = "require",
        steps_package: str = STEPS_PACKAGE,
        path: Sequence[Path] = (),
    ) -> None:
        super().__init__(
            closed=closed,
            opened=[jobs, artifacts],
            isolation=isolation,
            steps_package=steps_package,
            path=path,
            grace_s=GRACE_S,
        )
        self._settings = settings
        names = (settings.tls_ca, settings.tls_certificate, settings.tls_key)
        self._files = [str((root / name).resolve()) if name else "" for name in names]
        self.on_state: OnState = lambda state: None

    def start(self) -> None:
        """Start the process; it connects in the background. Raises UnavailableError where the extra or a file is missing."""
        if find_spec("distributed") is None:
            raise UnavailableError(
                'execution.engine is "dask", and Dask is not installed: pip install "pilothouse[dask]"'
            )
        for name, file in zip(("tls_ca", "tls_certificate", "tls_key"), self._files, strict=True):
            if file and not Path(file).is_file():
                raise UnavailableError(f"execution.{name}: {file} is no file; expected one in PEM")
        with self._lock:
            self._live_connection()

    def _connect(self) -> LauncherConnection:
        return _ClusterConnection(self._command(), lambda state: self.on_state(state))

    def _command(self) -> list[str]:
        command = [sys.executable, "-P", "-s", "-m", "pilothouse.execution.cluster.main"]
        command += ["--settings", json.dumps(dataclasses.asdict(self._settings)), "--tls", *self._files]
        command += ["--isolation", self._isolation, "--steps-package", self._package]
        for folder in self._path:
            command += ["--path", str(folder)]
        for folder in self._opened:
            command += ["--open", str(folder)]
        return command


class _ClusterConnection(LauncherConnection):
    """The process, which tells of the cluster too."""

    def __init__(self, command: list[str], on_state: OnState) -> None:
        self._on_state = on_state
        super().__init__(command)

    def lost_exit(self) -> StepExit:
        """A process that says why it cannot serve fails the step, for another attempt would meet the same; any other end loses
        the attempt."""
        # the socket ends a moment before the process, and who answers is not the thread that waits for it
        text = "the process that talks to the cluster went away"
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(_FAREWELL_S)
            if code in _WHY:
                return StepExit(1, None, 0.0, 0.0, "exited", f"no connection to the cluster: {_WHY[code]}")
            text = f"the process that talks to the cluster ended with {ending_text(code)}"
        return StepExit(None, None, 0.0, 0.0, "worker lost", text)

    def died(self, code: int) -> None:
        why = _WHY.get(code, ending_text(code))
        facts = {"pid": self.process.pid, "exit_code": code}
        log.error("the process that talks to the cluster ended: %s", why, extra={"facts": facts})

    def hear(self, said: dict[str, Any]) -> None:
        if "cluster" in said:
            self._on_state(said["cluster"])
        else:
            super().hear(said)
