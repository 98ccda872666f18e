"""Client of the launcher in the daemon: starts it, hands it steps, receives their exits, and starts it again if it died."""

import dataclasses
import json
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pilothouse.confinement import probe, root
from pilothouse.domain.confinement import Offered, confines, refusal
from pilothouse.domain.errors import PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.jobs import ProgressLine, StepExit, StepRequest, StepResult
from pilothouse.execution.step_files import EARLY_END, ProgressTail, check_inputs, read_result
from pilothouse.execution.step_process import HASH_SEED, NICENESS, PROGRESS_FILE, REQUEST_FILE
from pilothouse.system.controlled_process import CLEAN_ENVIRONMENT, ControlledProcess, ending_text
from pilothouse.system.credentials import read_credentials
from pilothouse.system.files import write_atomically

log = logging.getLogger(__name__)

Isolation = Literal["require", "warn"]
STEPS_PACKAGE = "pilothouse.training.steps"
_LOOK_EVERY_S = 0.1
"""Seconds between two looks at a step's progress and cancellation."""
_PATIENCE_S = 15.0
"""Seconds that the launcher has to end, and its steps with it."""
_LOST = StepExit(None, None, 0.0, 0.0, "signalled")
"""Exit of a step whose launcher died."""


class Launcher:
    """Launcher process. Start it before any database is opened; ``run_step`` may be called from any thread.

    ``closed`` are folders that no step may be given (the workspace's state) but for what lies in ``opened`` (the folders
    of jobs and artifacts). ``grace_s`` is the time between SIGTERM and SIGKILL. ``offered`` are the layers of confinement to
    use; None: those that the kernel gives. ``niceness`` is that of steps.
    """

    def __init__(
        self,
        *,
        closed: Sequence[Path] = (),
        opened: Sequence[Path] = (),
        isolation: Isolation = "require",
        steps_package: str = STEPS_PACKAGE,
        path: Sequence[Path] = (),
        grace_s: float = 5.0,
        offered: Offered | None = None,
        niceness: int = NICENESS,
    ) -> None:
        self._closed, self._opened = tuple(closed), tuple(opened)
        self._isolation = isolation
        self._package = steps_package
        self._path = tuple(path)
        self._grace_s = grace_s
        self._offered = offered
        self._niceness = niceness
        self.place: int | None = None
        """Number of the next step among those that run on this machine; None: the launcher counts its own."""
        self._lock = threading.Lock()
        self._connection: LauncherConnection | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """Pid of the launcher while it runs."""
        connection = self._connection
        return connection.process.pid if connection is not None and connection.alive else None

    @property
    def offered(self) -> Offered:
        """Layers of confinement that its steps are given."""
        if self._offered is None:
            self._offered = probe.offered()
        return self._offered

    def start(self) -> None:
        """Start the launcher; it imports in the background. Raises UnavailableError where isolation is required and not
        available."""
        if self._isolation == "require" and not confines(self.offered):
            raise UnavailableError(refusal(self.offered))
        if self._isolation == "require":
            read, write = root.runtime_paths()
            check_inputs([*read, *write], self._closed, ())
        with self._lock:
            self._live_connection()

    def stop(self) -> None:
        """Close the socket, on which the launcher ends every step and itself."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def run_step(
        self,
        request: StepRequest,
        cancel: threading.Event,
        on_progress: Callable[[ProgressLine], None],
    ) -> tuple[StepExit, StepResult | None]:
        """Run one step to its end. ``cancel`` is looked at, and progress handed on, ten times a second.

        The result is None where the process left none that is valid. A launcher that dies under a step yields an exit
        without code and signal. Raises InvalidInputError for an input that no step may see, UnavailableError where no
        launcher can be started.
        """
        check_inputs([Path(path) for path in request.inputs.values()], self._closed, self._opened)
        folder = Path(request.folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        plain = dataclasses.asdict(request)
        write_atomically(folder / REQUEST_FILE, json.dumps(plain).encode(), durably=False)
        try:
            secret = read_credentials(request.credentials) if request.credentials else None
        except PilothouseError as error:
            return _not_started(str(error)), None
        with self._lock:
            connection = self._live_connection()
        tail = ProgressTail(folder / PROGRESS_FILE, on_progress)
        exit_ = self._follow(connection, plain, secret, cancel, tail)
        if exit_.message:
            facts = {"job": request.job, "step": request.step}
            log.error(
                "step %s of job %d: %s", request.step, request.job, exit_.message, extra={"facts": facts}
            )
        result = read_result(folder, exit_.seal)
        # what a process left that did not end by itself, or ended with a code of its own, is nobody's word
        return exit_, result if result is None or result.error != EARLY_END or exit_.exit_code == 0 else None

    def _follow(
        self,
        connection: "LauncherConnection",
        plain: dict[str, Any],
        secret: bytes | None,
        cancel: threading.Event,
        tail: ProgressTail,
    ) -> StepExit:
        number, answers = connection.submit(plain, self._grace_s, secret, self.place)
        cancelled = False
        while True:
            try:
                answer = answers.get(timeout=_LOOK_EVERY_S)
            except queue.Empty:
                tail.read()
                if cancel.is_set() and not cancelled:
                    cancelled = True
                    connection.send({"cancel": number})
                continue
            tail.read()
            return StepExit(**answer) if answer is not None else connection.lost_exit()

    def _live_connection(self) -> "LauncherConnection":
        if self._connection is None or not self._connection.alive:
            if self._connection is not None:
                self._connection.close()
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> "LauncherConnection":
        return LauncherConnection(self._command())

    def _command(self) -> list[str]:
        # Neither the working folder nor a user's own packages decide what is imported. Not -I, which would ignore the hash
        # seed: the environment is ours (``_environment``).
        command = [sys.executable, "-P", "-s", "-m", "pilothouse.execution.launcher"]
        command += ["--isolation", self._isolation, "--steps-package", self._package]
        command += ["--offered", json.dumps(dataclasses.asdict(self.offered))]
        command += ["--niceness", str(self._niceness)]
        for folder in self._path:
            command += ["--path", str(folder)]
        return command


class LauncherConnection(ControlledProcess):
    """Launcher process. Each answer is handed to the caller that waits for it."""

    def __init__(self, command: list[str]) -> None:
        self._last = 0
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        super().__init__(command, _environment(), name="launcher", patience_s=_PATIENCE_S)

    def submit(
        self, request: dict[str, Any], grace_s: float, secret: bytes | None = None, place: int | None = None
    ) -> tuple[int, "queue.SimpleQueue[dict[str, Any] | None]"]:
        """Hand over a step. Returns its number, and the queue that its exit will come in (None if the launcher dies
        first)."""
        answers: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        with self._lock:
            self._last += 1
            number = self._last
            self._waiting[number] = answers
            if not self.alive:
                answers.put(None)
        message = {
            "run": number,
            "request": request,
            "grace_s": grace_s,
            "secret": secret is not None,
            "place": place,
        }
        if secret is None:
            self.send(message)
            return number, answers
        # a file in memory goes over the socket and is the step's alone: the launcher, of which every step is a fork, never
        # has what is in it
        descriptor = os.memfd_create("secret", os.MFD_CLOEXEC)
        try:
            os.write(descriptor, secret)
            self.tell(json.dumps(message).encode() + b"\n", [descriptor])
        finally:
            os.close(descriptor)
        return number, answers

    def send(self, message: dict[str, Any]) -> None:
        """Send one line. A launcher that is gone is noticed by the reader."""
        self.tell(json.dumps(message).encode() + b"\n")

    def hear(self, said: dict[str, Any]) -> None:
        if "exit" in said:
            with self._lock:
                answers = self._waiting.pop(said.pop("exit"))
            answers.put(said)

    def gone(self) -> None:
        for answers in self._waiting.values():
            answers.put(None)

    def lost_exit(self) -> StepExit:
        """Exit of a step that the process had when it ended."""
        return _LOST

    def died(self, code: int) -> None:
        facts = {"pid": self.process.pid, "exit_code": code, "steps": len(self._waiting)}
        log.error("the launcher of steps ended: %s", ending_text(code), extra={"facts": facts})


def _not_started(message: str) -> StepExit:
    return StepExit(1, None, 0.0, 0.0, "exited", one_line(message, 1_000))


def _environment() -> dict[str, str]:
    """Environment of the launcher, and so of every step: nothing that could be a secret."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {
        **CLEAN_ENVIRONMENT,
        "OPENBLAS_NUM_THREADS": "1",
        "GOMP_SPINCOUNT": "1000",  # a busy machine: threads that wait by spinning made a fit 10 to 50 times slower
        # Libraries draw at random in the order of a set of names: the same training has to draw the same (river's KMeans).
        "PYTHONHASHSEED": HASH_SEED,
        **kept,
    }
