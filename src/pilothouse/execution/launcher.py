"""Launcher, ``python -I -m pilothouse.execution.launcher``: a clean parent from which the processes of steps are forked.

The daemon has threads and open databases and cannot fork safely; a fresh interpreter pays seconds for its imports. So the
daemon starts this program once, by exec, with one socket. It imports the libraries, never fits or predicts (a process
that has once fitted with OpenMP forks children that hang), opens no database, and forks one supervisor a step.

It reads JSON lines ``{"run": ID, "request": {…}, "grace_s": S}`` and ``{"cancel": ID}``, and writes ``{"ready": …}`` and
``{"exit": ID, …StepExit}``. When the socket ends, every step ends, and so does the launcher.
"""

import argparse
import contextlib
import dataclasses
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from typing import Any

from pilothouse.domain.job_kinds import KINDS
from pilothouse.domain.jobs import StepExit, StepRequest
from pilothouse.execution.step_supervisor import CANCEL, become_reaper, supervise
from pilothouse.system import landlock
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
EXIT_NO_ISOLATION = 3
"""Exit code of a launcher that must isolate steps and cannot."""


def main() -> int:
    """Serve steps until the control socket ends."""
    options = _arguments()
    isolated = landlock.confines()
    if options.isolation == "require" and not isolated:
        return EXIT_NO_ISOLATION
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # the launcher ends when its daemon does
    control = socket.socket(fileno=options.control)
    started = time.monotonic()
    sys.path.extend(options.path)
    _import_libraries(options.package)
    gc.collect()
    gc.freeze()  # a child's collector shall not touch, and so copy, what all children share
    become_reaper()
    launcher = _Launcher(control, options.package, isolated=isolated)
    with contextlib.suppress(
        ConnectionError
    ):  # the other end may have gone meanwhile: then nothing is served
        launcher.say({"ready": {"isolated": isolated, "seconds": round(time.monotonic() - started, 3)}})
    try:
        launcher.serve()
    finally:
        launcher.farewell()
    return 0


class _Launcher:
    """Control socket, and one channel for each step that runs."""

    def __init__(self, control: socket.socket, package: str, *, isolated: bool) -> None:
        self._control = control
        self._package = package
        self._isolated = isolated
        self._buffer = b""
        self._channels: dict[int, socket.socket] = {}
        self._supervisors: dict[int, int] = {}
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
        data = self._control.recv(1 << 16)
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "run" in message:
                self._start(message["run"], StepRequest(**message["request"]), message["grace_s"])
            elif (channel := self._channels.get(message["cancel"])) is not None:
                with contextlib.suppress(ConnectionError):  # it ended meanwhile
                    channel.send(CANCEL)
        return bool(data)

    def _start(self, number: int, request: StepRequest, grace_s: float) -> None:
        """Fork the supervisor of a step, with a channel to it."""
        launcher_end, supervisor_end = socket.socketpair()
        pid = os.fork()
        if not pid:
            _run_supervisor(request, supervisor_end, self._package, self._isolated, grace_s)
        supervisor_end.close()
        self._channels[number], self._supervisors[number] = launcher_end, pid
        self._selector.register(launcher_end, selectors.EVENT_READ, number)

    def _step_ended(self, number: int) -> None:
        """Reap a supervisor and pass its answer on to the daemon."""
        channel, pid = self._channels.pop(number), self._supervisors.pop(number)
        self._selector.unregister(channel)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = channel.recv(1 << 16)
        channel.close()
        os.waitpid(pid, 0)
        if not answer:  # the supervisor was killed: its descendants are this process's now
            self._kill_strays(self._supervisors.values())
            answer = json.dumps(
                dataclasses.asdict(StepExit(None, int(signal.SIGKILL), 0.0, 0.0, "signalled"))
            ).encode()
        self.say({"exit": number, **json.loads(answer)})

    def _kill_strays(self, spared: Any) -> None:
        """Kill and reap every descendant that belongs to no supervisor in ``spared``."""
        kept = {pid for supervisor in spared for pid in (supervisor, *descendants(supervisor))}
        while strays := [pid for pid in descendants(os.getpid()) if pid not in kept]:
            for pid in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for pid in strays:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)


def _run_supervisor(
    request: StepRequest, channel: socket.socket, package: str, isolated: bool, grace_s: float
) -> None:
    """Supervise a step in the fork, answer, and leave without the launcher's clean-up."""
    try:
        exit_ = supervise(request, channel, package, isolated=isolated, grace_s=grace_s)
        with contextlib.suppress(ConnectionError):
            channel.sendall(json.dumps(dataclasses.asdict(exit_)).encode())
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(0)


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
    parser.add_argument(
        "--steps-package", dest="package", required=True, help="the one package steps come from"
    )
    parser.add_argument("--path", action="append", default=[], help="a folder to import that package from")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
