"""Serving process, started by hand: ``python -I -m pilothouse.serving.main --target T --hub unix:PATH --folder F
--token-file F``; the daemon's are forked by a serving host (``serving/host.py``). On another machine the hub is
``https://HOST:PORT``.

On another machine a parent holds the port, and starts it again at once where it dies (``serving/standby.py``).

It takes its port, gives up every file but its folder and its libraries and every connection but those to its port and to the
hub, and only then loads models. SIGTERM: no new connection, running requests are answered, the spool is flushed and offered to
the hub, exit 0.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.confinement import confined, probe
from pilothouse.domain.confinement import NONE, Offered, confines, describe, in_short, refusal
from pilothouse.domain.errors import ConflictError, PilothouseError, UnavailableError
from pilothouse.domain.identifiers import check_name
from pilothouse.serving.assignment import Assignment, Isolation
from pilothouse.serving.delivery import hub_address
from pilothouse.serving.delivery.credential import TOKEN_VARIABLE, Credential
from pilothouse.serving.web.access import Access
from pilothouse.serving.web.listening import Address, Listeners, listening
from pilothouse.system.files import write_atomically
from pilothouse.system.processes import own_name

log = logging.getLogger("pilothouse.serving")

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Variables by which BLAS and OpenMP libraries take their number of threads."""
_LOCK_PATIENCE_S, _LOCK_LOOK_S = 2.0, 0.02
"""Seconds for which a folder's lock is waited for on another machine, and between two looks."""


def serve(
    target: str,
    hub: str,
    folder: Path,
    address: Address = Address(),  # noqa: B008 - frozen
    token: Credential | None = None,
    isolation: Isolation = "require",
    spool_mb: int = 1_024,
    authority: Path | None = None,
) -> int:
    """Serve ``target`` until SIGTERM or SIGINT; return the exit code. ``hub`` is ``unix:PATH`` or ``https://HOST:PORT``, whose
    certificate is checked by those in the file ``authority``. The token lies in the folder if nothing else is said.

    While the hub is away ``spool_mb`` MiB of predictions are kept, then requests are refused.

    Raises InvalidInputError (arguments), ConflictError (the folder is served already) or UnavailableError (the port is
    taken; a promise that no layer holds, and ``isolation`` is ``require``).
    """
    log_to_stderr()
    check_name(target, "target")
    hub_at = hub_address.read_address(hub, authority)
    folder = folder.absolute()
    token = token or Credential(folder / "token")
    token = replace(token, file=token.file.absolute())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # several targets share the cores; the libraries read these variables when numpy is imported
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    assignment = Assignment(target, hub_at, folder, token, isolation, spool_mb)
    watched = hub_at.path is not None
    # one that was killed leaves its lock a moment later, with the process that it had started
    with locked(folder, 0.0 if watched else _LOCK_PATIENCE_S), listening(address) as listeners:
        offered = probe.try_here()
        if watched:  # by the daemon of its workspace
            serve_on(listeners, assignment, offered)
            return 0
        from pilothouse.serving.standby import Standby  # with the libraries, which only this parent has

        return Standby(
            listeners, assignment, lambda started: serve_on(listeners, assignment, offered, started)
        ).run()


def serve_on(
    listeners: Listeners,
    assignment: Assignment,
    offered: Offered,
    on_started: Callable[[], None] = lambda: None,
) -> None:
    """Serve on ``listeners`` in this process, which is given up for it, until SIGTERM or SIGINT. The folder must be locked.

    ``on_started`` is called once, from another thread, when the first versions answer or could not be loaded. Raises
    UnavailableError where a promise of confinement is not held and is required.
    """
    folder = assignment.folder
    host, port = listeners.http.getsockname()[:2]
    in_force = _give_up_all_but(assignment, listeners.ports, offered)
    access = Access(folder)  # a file that cannot be used ends the process before it counts as started
    from pilothouse.serving.process import run  # imports numpy: confined, where no serving host has done so

    process = folder / "process.json"
    write_atomically(
        process, _process_document(assignment.target, host, listeners.ports, access.tls is not None)
    )
    log.info("serving %s on %s:%d (%s)", assignment.target, host, port, in_force)
    try:
        run(assignment, listeners, access, on_started)
    finally:
        process.unlink(missing_ok=True)


def log_to_stderr() -> None:
    """Have this process log to its standard error."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )


def _process_document(target: str, host: str, ports: tuple[int, ...], tls: bool) -> bytes:
    started = datetime.now(UTC).isoformat()
    document = {
        "process": asdict(own_name()),
        "host": host,
        "port": ports[0],
        "grpc_port": ports[1] if len(ports) > 1 else None,
        "target": target,
        "tls": tls,
        "started_at": started,
    }
    return json.dumps(document).encode()


def _give_up_all_but(assignment: Assignment, ports: Sequence[int], offered: Offered) -> str:
    """Confine this process. Returns what is in force, in words."""
    folder, hub = assignment.folder, assignment.hub
    os.environ["TMPDIR"] = str(folder)
    os.environ["HOME"] = str(folder)
    try:
        if not confines(offered):
            raise UnavailableError(refusal(offered))
        try:
            if hub.path is None or confined.needs_broker(offered):
                hub_address.use_broker(hub)
            confined.confine_serving(offered, [assignment.token.file], hub.path, folder, ports)
        except OSError as error:
            raise UnavailableError(f"the process cannot be confined: {error}") from None
        return in_short(describe(offered))
    except UnavailableError as error:
        if assignment.isolation == "require":
            raise
        log.warning("serving without isolation: %s", error)
        return NONE


def given_token(file: Path | None, folder: Path) -> Credential:
    """Token of a file that was named, of the environment, or of the folder. The variable is taken out of the environment."""
    text = os.environ.pop(TOKEN_VARIABLE, "").strip()
    return Credential(file or folder / "token", "" if file is not None else text)


@contextlib.contextmanager
def locked(folder: Path, patience_s: float = 0.0) -> Iterator[None]:
    """Lock on a folder: two processes must not write one spool. Raises ConflictError where another one has it, for that
    long."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + patience_s
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise ConflictError(f"{folder} is served by another process already") from None
                time.sleep(_LOCK_LOOK_S)
        yield
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the process. Errors are one line on stderr and the error's exit code."""
    parser = argparse.ArgumentParser(prog="pilothouse.serving", description="Serve one target.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--hub", required=True, help="unix:PATH or https://HOST:PORT")
    parser.add_argument("--ca", type=Path, help="certificates by which the hub's own is checked")
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument(
        "--token-file", type=Path, help=f"else the variable {TOKEN_VARIABLE}, or FOLDER/token"
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--grpc-port", type=int, help="where gRPC is served; nowhere otherwise")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--isolation", choices=["require", "warn"], default="require")
    parser.add_argument("--spool-mb", type=int, default=1_024, help="kept at most while the hub is away")
    options = vars(parser.parse_args(arguments))
    address = Address(*(options.pop(name) for name in ("host", "port", "grpc_port")))
    token = given_token(options.pop("token_file"), options["folder"])
    try:
        authority = options.pop("ca")
        return serve(**options, address=address, token=token, authority=authority)
    except PilothouseError as error:
        log.error("%s", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
