"""Process that talks to a cluster, ``python -m pilothouse.execution.cluster.main``.

Dask's messages are pickles: whoever can send one to a process runs code in it. So the daemon, which has the database open,
never holds a connection to a cluster. It starts this program once, by exec, with one socket, and speaks the lines of the
launcher (``execution/launcher.py``) with it. This process opens no database and gives up, before it connects, all files but
those of jobs, artifacts and its certificates.

Beside the launcher's lines it writes ``{"cluster": {…}}``, what the scheduler tells of the cluster. When the socket ends it
ends the steps that run, and itself.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.confinement import confined, landlock, root
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.integrations.execution_settings import ExecutionSettings, execution_faults
from pilothouse.domain.jobs.jobs import StepExit, StepRequest

if TYPE_CHECKING:
    from pilothouse.execution.cluster.connection import Connection

EXIT_NO_ISOLATION, EXIT_NO_DASK, EXIT_UNSAFE = 3, 4, 5
"""Exit codes: this process cannot be confined; the extra is not installed; the address is open to others."""
_LONGEST_LINE = 64 << 20
_LONGEST_MESSAGE = 500
_FAREWELL_S = 4.0


def main() -> int:
    """Serve steps until the control socket ends."""
    options = _arguments()
    settings = ExecutionSettings(**json.loads(options.settings))
    if any(execution_faults(settings)):
        return EXIT_UNSAFE
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)  # it ends when its daemon does
    control = socket.socket(fileno=options.control)
    sys.path.extend(options.path)
    if not _confine(options):
        return EXIT_NO_ISOLATION
    try:
        import distributed  # noqa: F401
    except ImportError:
        return EXIT_NO_DASK
    # What goes wrong is in the state and in the ends of steps; the library would write tracebacks into the daemon's output.
    logging.disable(logging.CRITICAL)
    asyncio.run(_serve(control, settings, options))
    return 0


def _confine(options: argparse.Namespace) -> bool:
    """Give up all files but those of steps and certificates. False where that is required and the kernel cannot."""
    if not landlock.abi():
        return bool(options.isolation != "require")
    read, write = root.runtime_paths()
    certificates = [Path(file) for file in options.tls if file]
    folders = [Path(path) for path in options.open]
    readable = [*read, *confined.NETWORK_FILES, *certificates, *folders]
    landlock.restrict(readable, [*write, *folders[:1]], (), None)
    return True


async def _serve(control: socket.socket, settings: ExecutionSettings, options: argparse.Namespace) -> None:
    from pilothouse.execution.cluster.connection import Connection
    from pilothouse.execution.cluster.contract import GRACE_S, Digests
    from pilothouse.execution.cluster.launchers import Manner
    from pilothouse.execution.cluster.remote_step import RemoteStep

    reader, writer = await asyncio.open_unix_connection(sock=control, limit=_LONGEST_LINE)
    steps: dict[int, RemoteStep] = {}
    running: set[asyncio.Task[None]] = set()
    digests = Digests()

    def say(message: dict[str, Any]) -> None:
        if not writer.is_closing():
            writer.write(json.dumps(message).encode() + b"\n")

    def hear(said: dict[str, Any]) -> None:
        step = next((step for step in steps.values() if step.token == said.get("token")), None)
        if step is not None:
            step.heard(said)
        else:  # of an attempt that has ended here: it does not begin there
            task = asyncio.ensure_future(_turn_away(connection, said))
            running.add(task)
            task.add_done_callback(running.discard)

    def tell(state: dict[str, Any]) -> None:
        places = [
            {"job": step.job, "step": step.name, "worker": step.worker, "host": step.host}
            for step in steps.values()
        ]
        say({"cluster": {**state, "steps": places}})

    manner = Manner(options.isolation, options.package, tuple(options.path), GRACE_S)
    connection = Connection(settings, tuple(options.tls), dataclasses.asdict(manner), hear, tell)

    async def run(number: int, step: RemoteStep) -> None:
        try:
            exit_ = await step.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the daemon is to hear of it
            message = one_line(str(error) or type(error).__name__, _LONGEST_MESSAGE)
            exit_ = StepExit(1, None, 0.0, 0.0, "exited", message, host=step.host, worker=step.worker)
        del steps[number]
        say({"exit": number, **dataclasses.asdict(exit_)})
        await step.leave()

    keeper = asyncio.ensure_future(connection.keep())
    say({"ready": {}})
    with contextlib.suppress(ConnectionError):
        while line := await reader.readline():
            message = json.loads(line)
            if "run" in message:
                step = RemoteStep(connection, digests, StepRequest(**message["request"]), manner)
                steps[message["run"]] = step
                task = asyncio.ensure_future(run(message["run"], step))
                running.add(task)
                task.add_done_callback(running.discard)
            elif (asked := steps.get(message["cancel"])) is not None:
                asked.cancelled.set()
    for step in steps.values():
        step.cancelled.set()
    if running:
        await asyncio.wait(running, timeout=_FAREWELL_S)
    keeper.cancel()
    await connection.close()


async def _turn_away(connection: "Connection", said: dict[str, Any]) -> None:
    from pilothouse.execution.cluster import agent

    with contextlib.suppress(Exception):
        await connection.call(str(said["worker"]), agent.cancel, str(said["token"]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pilothouse-cluster")
    parser.add_argument("--control", type=int, required=True, help="descriptor of the control socket")
    parser.add_argument("--settings", required=True, help="the table [execution], as JSON")
    parser.add_argument("--tls", nargs=3, default=["", "", ""], help="authority, certificate and key")
    parser.add_argument("--isolation", choices=("require", "warn"), default="require")
    parser.add_argument("--steps-package", dest="package", required=True)
    parser.add_argument("--path", action="append", default=[], help="a folder to import that package from")
    parser.add_argument(
        "--open", action="append", default=[], help="folders of jobs, which it writes, and of artifacts"
    )
    return parser.parse_args()


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads of the library may hang
