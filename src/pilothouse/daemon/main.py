"""Main function of the daemon, ``run_daemon``: everything that happens in a workspace without a user at a terminal.

The order of the start is a rule: the lock first, then the launcher by exec, then databases, then threads.
"""

import argparse
import contextlib
import functools
import logging
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from pilothouse.daemon.logs import LogFormat, close_log, open_log, say
from pilothouse.domain.confinement import Offered, describe, promise_lines, unheld
from pilothouse.domain.errors import NotFoundError, PilothouseError
from pilothouse.execution.launcher_client import Isolation, Launcher
from pilothouse.system import memory
from pilothouse.system.leader import leadership
from pilothouse.system.paths import WorkspacePaths
from pilothouse.system.programs import service_manager

if TYPE_CHECKING:
    from pilothouse.daemon.threads import DaemonThreads

log = logging.getLogger("pilothouse.daemon.main")  # by name: run with -m this module is called __main__

EXIT_DEAD_THREAD = 70
"""Exit code of a daemon of which a thread died (EX_SOFTWARE of sysexits.h)."""
_PATIENCE_S = 10.0
"""Seconds that threads have to end."""
_LOOK_EVERY_S = 0.25
_STANDBY_LOOKS_EVERY_S = 0.05
_DESCRIPTORS = 8_192
DRAIN = signal.SIGUSR1
"""Signal on which the daemon starts no further job and ends when the running ones have ended."""


def run_daemon(
    root: Path,
    *,
    isolation: Isolation = "require",
    slots: int = 1,
    serve_targets: bool = True,
    standby: bool = False,
    log_format: LogFormat = "text",
) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code: 0, or 70 where a part of the daemon died.

    With ``standby`` wait, all libraries imported, until the daemon that leads has gone, then lead. Raises NotFoundError
    (no workspace), ConflictError (another daemon leads) or UnavailableError (no isolation, a database that cannot be
    opened).
    """
    paths = WorkspacePaths(root.resolve())
    if not paths.registry.exists():
        raise NotFoundError(
            f"{root} is not a workspace: it has no state/registry.db; make one with pilothouse init"
        )
    stop = threading.Event()
    launcher = Launcher(
        closed=[paths.state], opened=[paths.jobs, paths.artifacts], isolation=isolation, grace_s=3.0
    )
    with _signals() as stop_pipe:

        def wait() -> bool:
            return not stop.is_set() and not _read(stop_pipe, _STANDBY_LOOKS_EVERY_S)

        try:
            if standby:
                launcher.start()
                service_manager.notify("READY=1", "STATUS=stands by")
            with leadership(paths.daemon_lock, wait if standby else None) as leads:
                if not leads:
                    return 0
                with _logging(paths.daemon_log, log_format):
                    try:
                        launcher.start()
                        return _lead(paths, launcher, isolation, slots, serve_targets, stop, stop_pipe)
                    except PilothouseError as error:
                        say(log, logging.CRITICAL, str(error))
                        raise
        finally:
            launcher.stop()


def _lead(
    paths: WorkspacePaths,
    launcher: Launcher,
    isolation: Isolation,
    slots: int,
    serve_targets: bool,
    stop: threading.Event,
    stop_pipe: socket.socket,
) -> int:
    # before numpy is imported: the matrices are too small to be shared out
    for library in ("OMP", "OPENBLAS"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    _raise_descriptors()
    # Only now, after the launcher's exec: no step can inherit what these open.
    from pilothouse.composition import open_workspace
    from pilothouse.daemon.threads import DaemonThreads
    from pilothouse.operations.fleet import processes

    services = open_workspace(
        paths.root, progress=say_progress(), tell=functools.partial(say, log, logging.INFO)
    )
    left: list[str] = []
    try:
        # opened here, so that a damaged file is reported before the daemon counts as running
        _ = services.telemetry
        in_force = describe(launcher.offered)
        if (killed := processes.daemon_killed(services)) is not None:
            pid, heard = killed
            message = f"the daemon before, pid {pid}, ended without saying so: last heard of {heard:%Y-%m-%d %H:%M:%S} UTC"
            say(log, logging.WARNING, message, pid=pid, last_heard=heard.isoformat())
        name = processes.announce_daemon(services, in_force, isolation)
        say(log, logging.INFO, "the daemon starts", root=str(paths.root), pid=name.pid, isolation=in_force)
        _say_isolation(launcher.offered)
        threads = DaemonThreads(
            services, launcher, name, isolation=isolation, slots=slots, serve_targets=serve_targets, stop=stop
        )
        try:
            threads.start()
            service_manager.notify("READY=1", f"STATUS=leads {paths.root}")
            _wait_for_the_end(threads, stop, stop_pipe)
            log.info("the daemon stops")
        finally:
            service_manager.notify("STOPPING=1")
            left = threads.end(_PATIENCE_S)
        if left:
            say(log, logging.WARNING, f"still busy at the end: {', '.join(left)}")
        failed = threads.failed
        processes.announce_stop(services, f"{failed} died" if failed else "asked to")
        say(log, logging.INFO, "the daemon has stopped", failed=failed)
        return EXIT_DEAD_THREAD if failed else 0
    finally:
        if not left:  # closing a connection that a busy thread uses would crash the process
            services.close()


def _raise_descriptors() -> None:
    """Take the descriptors that this account may have, up to what the doors of a large fleet need: the usual 1,024 are soft."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def say_progress() -> Callable[[int, int], None]:
    """What says in the log how far the registry is brought to this release: at its begin, and each tenth."""
    said = -1

    def tell(done: int, total: int) -> None:
        nonlocal said
        if (tenth := 10 * done // max(total, 1)) > said:
            said = tenth
            text = f"{done:,} of {total:,} rows are brought to this release"
            say(log, logging.INFO, text, done=done, total=total)
            service_manager.notify(f"STATUS={text}")

    return tell


def _say_isolation(offered: Offered) -> None:
    """Write into the log which layer holds each promise, and what is different where some are missing."""
    if missing := unheld(offered):
        say(log, logging.WARNING, f"jobs and models run unconfined: nothing here holds {', '.join(missing)}")
        return
    for line in promise_lines(offered):
        say(log, logging.INFO, f"confinement of {line}")
    if not offered.namespaces:
        say(
            log,
            logging.INFO,
            "no shared memory of its own can be given to a job: joblib runs without worker processes",
        )


def _wait_for_the_end(threads: "DaemonThreads", stop: threading.Event, stop_pipe: socket.socket) -> None:
    """Wait until the daemon is asked to stop, or has drained; meanwhile tell the service manager that no part is stuck."""
    every_s = service_manager.watchdog_every_s()
    said_at = 0.0
    stuck_before: list[str] = []
    while not stop.is_set() and not threads.drained:
        request = _read(stop_pipe, _LOOK_EVERY_S)
        if request == b"s":
            return
        if request == b"d":
            say(
                log, logging.INFO, "no job is begun any more; the daemon stops when those that run have ended"
            )
            service_manager.notify("STATUS=drains")
            threads.drain()
        stuck = threads.stuck
        if stuck != stuck_before:
            say(
                log,
                logging.CRITICAL if stuck else logging.INFO,
                f"stuck: {', '.join(stuck) or 'nothing any more'}",
            )
            stuck_before = stuck
        if every_s is not None and not stuck and time.monotonic() - said_at >= every_s:
            said_at = time.monotonic()
            service_manager.notify("WATCHDOG=1")


def _read(stop_pipe: socket.socket, timeout_s: float) -> bytes:
    """Byte that a signal has sent within that time: ``s`` stop, ``d`` drain; empty for none."""
    return stop_pipe.recv(1) if select.select([stop_pipe], [], [], timeout_s)[0] else b""


@contextlib.contextmanager
def _logging(path: Path, form: LogFormat) -> Iterator[None]:
    handler = open_log(path, form)
    try:
        yield
    finally:
        close_log(handler)


@contextlib.contextmanager
def _signals() -> Iterator[socket.socket]:
    """Socket from which a byte can be read for each signal. Outside of the main thread (in tests) signals are left alone.

    A handler must not touch locks, also not those of a threading.Event: the main thread may hold it just then.
    """
    stop_pipe, stop_pipe_writer = socket.socketpair()

    def handle(number: int, frame: FrameType | None) -> None:
        stop_pipe_writer.send(b"d" if number == DRAIN else b"s")

    with stop_pipe, stop_pipe_writer:
        if threading.current_thread() is not threading.main_thread():
            yield stop_pipe
            return
        numbers = (signal.SIGTERM, signal.SIGINT, DRAIN)
        before = {number: signal.signal(number, handle) for number in numbers}
        before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # its terminal may go
        try:
            yield stop_pipe
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line ``python -I -m pilothouse.daemon.main``, as a daemon in the background is started."""
    parser = argparse.ArgumentParser(prog="pilothouse-daemon")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--isolation", choices=("require", "warn"), default="require")
    parser.add_argument("--slots", type=int, default=1)
    parser.add_argument("--no-serving", dest="serve_targets", action="store_false")
    parser.add_argument("--standby", action="store_true")
    options = parser.parse_args(arguments)
    memory.hold()
    try:
        return run_daemon(**vars(options))
    except PilothouseError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code


if __name__ == "__main__":
    ended = main()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    # nothing is left to do: threads in calls of others, and libraries taken down one by one, would hold up who waits
    os._exit(ended)
