"""Client of the launcher in the daemon: starts it, hands it steps, receives their exits, and starts it again if it died."""

import contextlib
import dataclasses
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from pilothouse.confinement import probe, root
from pilothouse.domain.confinement import Offered, confines, refusal
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.jobs.jobs import ProgressLine, StepExit, StepRequest, StepResult
from pilothouse.execution.step_files import EARLY_END, ProgressTail, check_inputs, read_result
from pilothouse.execution.step_process import HASH_SEED, PROGRESS_FILE, REQUEST_FILE
from pilothouse.system.files import write_atomically

log = logging.getLogger(__name__)

Isolation = Literal["require", "warn"]
STEPS_PACKAGE = "pilothouse.training.steps"
_LOOK_EVERY_S = 0.1
"""Seconds between two looks at a step's progress and cancellation."""
_LOST = StepExit(None, None, 0.0, 0.0, "signalled")
"""Exit of a step whose launcher died."""


class Launcher:
    """Launcher process. Start it before any database is opened; ``run_step`` may be called from any thread.

    ``closed`` are folders that no step may be given (the workspace's state) but for what lies in ``opened`` (the folders
    of jobs and artifacts). ``grace_s`` is the time between SIGTERM and SIGKILL. ``offered`` are the layers of confinement to
    use; None: those that the kernel gives.
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
    ) -> None:
        self._closed, self._opened = tuple(closed), tuple(opened)
        self._isolation = isolation
        self._package = steps_package
        self._path = tuple(path)
        self._grace_s = grace_s
        self._offered = offered
        self._lock = threading.Lock()
        self._connection: _Connection | None = None

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
        write_atomically(folder / REQUEST_FILE, json.dumps(plain).encode())
        with self._lock:
            connection = self._live_connection()
        exit_ = self._follow(connection, plain, cancel, ProgressTail(folder / PROGRESS_FILE, on_progress))
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
        connection: "_Connection",
        plain: dict[str, Any],
        cancel: threading.Event,
        tail: ProgressTail,
    ) -> StepExit:
        number, answers = connection.submit(plain, self._grace_s)
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
            return StepExit(**answer) if answer is not None else _LOST

    def _live_connection(self) -> "_Connection":
        if self._connection is None or not self._connection.alive:
            if self._connection is not None:
                self._connection.close()
            self._connection = _Connection(self._command())
        return self._connection

    def _command(self) -> list[str]:
        # Neither the working folder nor a user's own packages decide what is imported. Not -I, which would ignore the hash
        # seed: the environment is ours (``_environment``).
        command = [sys.executable, "-P", "-s", "-m", "pilothouse.execution.launcher"]
        command += ["--isolation", self._isolation, "--steps-package", self._package]
        command += ["--offered", json.dumps(dataclasses.asdict(self.offered))]
        for folder in self._path:
            command += ["--path", str(folder)]
        return command


class _Connection:
    """Launcher process with its socket, and a thread that hands each answer to the caller that waits for it."""

    def __init__(self, command: list[str]) -> None:
        own_end, launcher_end = socket.socketpair()
        with launcher_end:
            self.process = subprocess.Popen(
                [*command, "--control", str(launcher_end.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(launcher_end.fileno(),),
                start_new_session=True,  # a Ctrl-C at the daemon's terminal is the daemon's to handle
                cwd="/",
                env=_environment(),
            )
        self._socket = own_end
        self._lock = threading.Lock()
        self._last = 0
        self._waiting: dict[int, queue.SimpleQueue[dict[str, Any] | None]] = {}
        self.alive = True
        self._is_closing = False
        self._reader = threading.Thread(target=self._read, name="launcher", daemon=True)
        self._reader.start()

    def submit(
        self, request: dict[str, Any], grace_s: float
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
        self.send({"run": number, "request": request, "grace_s": grace_s})
        return number, answers

    def send(self, message: dict[str, Any]) -> None:
        """Send one line. A launcher that is gone is noticed by the reader."""
        with contextlib.suppress(OSError), self._lock:
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def close(self) -> None:
        """End the launcher and wait for it."""
        self._is_closing = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self._socket.close()

    def _read(self) -> None:
        with contextlib.suppress(OSError), self._socket.makefile("rb") as lines:
            for line in lines:
                answer = json.loads(line)
                if "exit" in answer:
                    self._hand_over(answer.pop("exit"), answer)
        with self._lock:
            self.alive = False
            ended_by_itself = not self._is_closing
            for answers in self._waiting.values():
                answers.put(None)
        if ended_by_itself:
            code = self.process.wait()
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            facts = {"pid": self.process.pid, "exit_code": code, "steps": len(self._waiting)}
            log.error("the launcher of steps ended: %s", how, extra={"facts": facts})

    def _hand_over(self, number: int, answer: dict[str, Any]) -> None:
        with self._lock:
            self._waiting.pop(number).put(answer)


def _environment() -> dict[str, str]:
    """Environment of the launcher, and so of every step: nothing that could be a secret."""
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "OPENBLAS_NUM_THREADS": "1",
        "GOMP_SPINCOUNT": "1000",  # a busy machine: threads that wait by spinning made a fit 10 to 50 times slower
        # Libraries draw at random in the order of a set of names: the same training has to draw the same (river's KMeans).
        "PYTHONHASHSEED": HASH_SEED,
        **kept,
    }
