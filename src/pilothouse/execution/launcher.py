"""Launcher, ``python -I -m pilothouse.execution.launcher``: a clean parent from which the processes of steps are forked.

The daemon has threads and open databases and cannot fork safely; a fresh interpreter pays seconds for its imports. So the
daemon starts this program once, by exec, with one socket. It imports the libraries, never fits or predicts (a process
that has once fitted with OpenMP forks children that hang), opens no database, and forks one supervisor a step.

Where there are namespaces, each supervisor is forked into its own.

It reads JSON lines ``{"run": ID, "request": {…}, "grace_s": S, "secret": false}`` (with ``true`` a file beside the line holds
the step's secret, which the launcher hands on and never reads; ``"place": N`` where somebody else counts the steps that run on
this machine) and ``{"cancel": ID}``, and writes ``{"ready": …}`` and
``{"exit": ID, …StepExit}``. When the socket ends, every step ends, and so does the launcher.
"""

import argparse
import contextlib
import dataclasses
import gc
import importlib
import itertools
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable
from typing import Any

from pilothouse.confinement import namespaces, root
from pilothouse.domain.confinement import Offered, confines
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.jobs.job_kinds import KINDS
from pilothouse.domain.jobs.jobs import StepExit, StepRequest
from pilothouse.execution.step_process import NICENESS, Turn, look_up_thread_pools
from pilothouse.execution.step_supervisor import (
    CANCEL,
    Supervised,
    become_reaper,
    is_first,
    kill_family,
    supervise,
)
from pilothouse.system.processes import descendants

_LIBRARIES = [
    "joblib",
    "pandas",
    "pyarrow.parquet",
    "pyarrow.compute",
    "scipy.stats",
    "scipy.sparse",
    "skops.io",
    "threadpoolctl",
    "sklearn.calibration",
    "sklearn.compose",
    "sklearn.dummy",
    "sklearn.ensemble",
    "sklearn.impute",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.metrics",
    "sklearn.model_selection",
    "sklearn.naive_bayes",
    "sklearn.neighbors",
    "sklearn.neural_network",
    "sklearn.pipeline",
    "sklearn.preprocessing",
    "sklearn.svm",
    "sklearn.tree",
    "sklearn.experimental.enable_halving_search_cv",
]
"""Modules that steps use, imported once for all of them."""
_FAREWELL_S = 3.0
"""Seconds that supervisors have to end their steps before they are killed."""
_LONGEST_MESSAGE = 500
_MOST_SECRETS = 64
"""Files that come with one read of the control socket at most."""
EXIT_NO_ISOLATION = 3
"""Exit code of a launcher that must isolate steps and cannot."""


def main() -> int:
    """Serve steps until the control socket ends."""
    options = _arguments()
    layers = Offered(**json.loads(options.offered))
    offered = layers if confines(layers) else None
    if options.isolation == "require" and offered is None:
        return EXIT_NO_ISOLATION
    if offered is not None and not offered.namespaces:
        # No shared memory of its own can be given to a job, and joblib's worker processes need some.
        os.environ["JOBLIB_MULTIPROCESSING"] = "0"
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # the launcher ends when its daemon does
    control = socket.socket(fileno=options.control)
    started = time.monotonic()
    sys.path.extend(options.path)
    _import_libraries(options.package)
    namespaces.may_mount()  # looked up once for all steps, as are the places of the libraries
    root.look_up_runtime()
    with contextlib.suppress(ImportError):
        look_up_thread_pools()
    gc.collect()
    gc.freeze()  # a child's collector shall not touch, and so copy, what all children share
    become_reaper()
    launcher = _Launcher(control, options.package, offered, options.niceness)
    with contextlib.suppress(
        ConnectionError
    ):  # the other end may have gone meanwhile: then nothing is served
        launcher.say(
            {"ready": {"isolated": offered is not None, "seconds": round(time.monotonic() - started, 3)}}
        )
    try:
        launcher.serve()
    finally:
        launcher.farewell()
    return 0


class _Launcher:
    """Control socket, and one channel for each step that runs."""

    def __init__(
        self, control: socket.socket, package: str, offered: Offered | None, niceness: int = NICENESS
    ) -> None:
        self._control = control
        self._package = package
        self._offered = offered
        self._niceness = niceness
        self._buffer = b""
        self._secrets: list[int] = []
        self._channels: dict[int, socket.socket] = {}
        self._supervisors: dict[int, int] = {}
        self._places: dict[int, int] = {}
        """Place of each step that runs, the first that is free: so no two are bound to one processor beside a free one."""
        self._first_place = os.getpid()  # launchers of one machine do not know of each other
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ, None)

    def say(self, message: dict[str, Any]) -> None:
        """Send one line to the daemon. Raises OSError when it is gone."""
        self._control.sendall(json.dumps(message).encode() + b"\n")

    def serve(self) -> None:
        """Serve until the daemon's end of the socket is closed."""
        with contextlib.suppress(ConnectionError):
            while True:
                for key, _ in self._selector.select():
                    if key.data is not None:
                        self._step_ended(key.data)
                    elif not self._read_control():
                        return

    def farewell(self) -> None:
        """End every step: its supervisor sees its channel close."""
        for channel in self._channels.values():
            channel.close()
        deadline = time.monotonic() + _FAREWELL_S
        while descendants(os.getpid()) and time.monotonic() < deadline:
            time.sleep(0.02)
        self._kill_strays(())

    def _read_control(self) -> bool:
        data, secrets, _, _ = socket.recv_fds(self._control, 1 << 16, _MOST_SECRETS)
        self._secrets += secrets
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "run" in message:
                secret = self._secrets.pop(0) if message.get("secret") else None
                try:
                    self._start(message, secret)
                finally:
                    if secret is not None:
                        os.close(secret)
            elif (channel := self._channels.get(message["cancel"])) is not None:
                with contextlib.suppress(ConnectionError):  # it ended meanwhile
                    channel.send(CANCEL)
        return bool(data)

    def _start(self, message: dict[str, Any], secret: int | None) -> None:
        """Fork the supervisor of a step, with a channel to it. What is lacking for that fails this step alone."""
        number, request, grace_s = message["run"], StepRequest(**message["request"]), message["grace_s"]
        told: int | None = message.get("place")
        free = (place for place in itertools.count() if place not in self._places.values())
        place = next(free)
        turn = Turn(self._first_place + place if told is None else told, self._niceness)
        ends: tuple[socket.socket, ...] = ()
        try:
            ends = launcher_end, supervisor_end = socket.socketpair()
            self._selector.register(launcher_end, selectors.EVENT_READ, number)
            pid = namespaces.fork_into(network=request.network) if is_first(self._offered) else os.fork()
        except OSError as error:
            for end in ends:
                end.close()
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(end)
            self.say({"exit": number, **dataclasses.asdict(_not_run(error))})
            return
        if not pid:
            how = Supervised(
                self._package,
                self._offered,
                grace_s,
                secret,
                turn,
            )
            _run_supervisor(request, supervisor_end, how)
        supervisor_end.close()
        self._channels[number], self._supervisors[number], self._places[number] = launcher_end, pid, place

    def _step_ended(self, number: int) -> None:
        """Reap a supervisor and pass its answer on to the daemon."""
        channel, pid = self._channels.pop(number), self._supervisors.pop(number)
        del self._places[number]
        self._selector.unregister(channel)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = channel.recv(1 << 16)
        channel.close()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if not answer:  # the supervisor was killed: its descendants are this process's now
            how = f"signal {-code}" if code < 0 else f"code {code}"
            lost = StepExit(
                None, int(signal.SIGKILL), 0.0, 0.0, "signalled", f"its supervisor ended with {how}"
            )
            with contextlib.suppress(OSError):
                self._kill_strays(self._supervisors.values())
            answer = json.dumps(dataclasses.asdict(lost)).encode()
        self.say({"exit": number, **json.loads(answer)})

    def _kill_strays(self, spared: Iterable[int]) -> None:
        """Kill and reap every descendant that belongs to no supervisor in ``spared``."""
        kept = list(spared)
        while strays := kill_family(os.getpid(), kept):
            for pid in strays:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)


def _run_supervisor(request: StepRequest, channel: socket.socket, how: Supervised) -> None:
    """Supervise a step in the fork, answer, and leave without the launcher's clean-up."""
    try:
        try:
            exit_ = supervise(request, channel, how)
        except Exception as error:  # noqa: BLE001 - whatever it is, the daemon is to hear of it
            traceback.print_exc()
            exit_ = _not_run(error)
        with contextlib.suppress(ConnectionError):
            channel.sendall(json.dumps(dataclasses.asdict(exit_)).encode())
    finally:
        os._exit(0)


def _not_run(error: Exception) -> StepExit:
    message = one_line(str(error) or type(error).__name__, _LONGEST_MESSAGE)
    return StepExit(1, None, 0.0, 0.0, "exited", message)


def _import_libraries(package: str) -> None:
    """Import what steps use, once for all of them. A missing library fails only the step that needs it."""
    steps = {step.name for kind in KINDS.values() for step in kind.steps}
    for name in (*_LIBRARIES, package, *(f"{package}.{step}" for step in sorted(steps))):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pilothouse-launcher")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the control socket")
    parser.add_argument("--isolation", choices=("require", "warn"), default="require")
    parser.add_argument("--offered", default="{}", help="the layers of confinement, as JSON")
    parser.add_argument(
        "--steps-package", dest="package", required=True, help="the one package steps come from"
    )
    parser.add_argument("--path", action="append", default=[], help="a folder to import that package from")
    parser.add_argument("--niceness", type=int, default=NICENESS, help="of steps, beyond this process's own")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
