"""Serving process: ``python -I -m pilothouse.serving.main --target T --hub unix:PATH --folder F --token-file F``.

It takes its port, gives up every file but its folder and its libraries and every connection but those to its port and to the
hub, and only then imports the libraries and loads models. SIGTERM: no new connection, running requests are answered, the
spool is flushed and offered to the hub, exit 0.
"""

import argparse
import contextlib
import fcntl
import json
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pilothouse.confinement import confined, probe
from pilothouse.domain.confinement import NONE, Offered, confines, describe, in_short, refusal
from pilothouse.domain.errors import ConflictError, InvalidInputError, PilothouseError, UnavailableError
from pilothouse.domain.identifiers import check_name
from pilothouse.serving import hub_address
from pilothouse.serving.access import speaks_tls
from pilothouse.system.files import write_atomically
from pilothouse.system.processes import own_name

log = logging.getLogger("pilothouse.serving")

Isolation = Literal["require", "warn"]

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""Variables by which BLAS and OpenMP libraries take their number of threads."""
_BACKLOG = 512
"""Connections that may wait to be accepted."""


def serve(
    target: str,
    hub: str,
    folder: Path,
    port: int = 0,
    token_file: Path | None = None,
    host: str = "127.0.0.1",
    isolation: Isolation = "require",
    spool_mb: int = 1_024,
) -> int:
    """Serve ``target`` until SIGTERM or SIGINT; return 0. ``hub`` is ``unix:PATH``; port 0 picks a free one.

    While the hub is away ``spool_mb`` MiB of predictions are kept, then requests are refused.

    Raises InvalidInputError (arguments), ConflictError (the folder is served already) or UnavailableError (the port is
    taken; a promise that no layer holds, and ``isolation`` is ``require``).
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    check_name(target, "target")
    hub_path = hub_address.socket_path(hub).absolute()
    folder = folder.absolute()
    token_file = (token_file or folder / "token").absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # several targets share the cores; the libraries read these variables when numpy is imported
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    with _locked(folder), _listening(host, port) as listener:
        port = listener.getsockname()[1]
        in_force = _give_up_all_but(folder, token_file, hub_path, port, isolation, probe.try_here())
        from pilothouse.serving.process import run  # imports numpy and scikit-learn, confined

        process = folder / "process.json"
        write_atomically(process, _process_document(target, host, port, speaks_tls(folder)))
        log.info("serving %s on %s:%d (%s)", target, host, port, in_force)
        try:
            run(target, hub_path, folder, token_file, listener, spool_mb * 2**20)
        finally:
            process.unlink(missing_ok=True)
    return 0


def _process_document(target: str, host: str, port: int, tls: bool) -> bytes:
    started = datetime.now(UTC).isoformat()
    document = {
        "process": asdict(own_name()),
        "host": host,
        "port": port,
        "target": target,
        "tls": tls,
        "started_at": started,
    }
    return json.dumps(document).encode()


def _give_up_all_but(
    folder: Path, token_file: Path, hub: Path, port: int, isolation: Isolation, offered: Offered
) -> str:
    """Confine this process. Returns what is in force, in words."""
    os.environ["TMPDIR"] = str(folder)
    os.environ["HOME"] = str(folder)
    try:
        if not confines(offered):
            raise UnavailableError(refusal(offered))
        try:
            if confined.needs_broker(offered):
                hub_address.use_broker(hub)
            confined.confine_serving(offered, [token_file], hub, folder, port)
        except OSError as error:
            raise UnavailableError(f"the process cannot be confined: {error}") from None
        return in_short(describe(offered))
    except UnavailableError as error:
        if isolation == "require":
            raise
        log.warning("serving without isolation: %s", error)
        return NONE


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock on the folder: two processes must not write one spool."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConflictError(f"{folder} is served by another process already") from None
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    if not 0 <= port <= 65_535:
        raise InvalidInputError(f"{port} is not a port: expected 0 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With its protocol: asyncio sets TCP_NODELAY only where it sees IPPROTO_TCP, and answers take 40 ms without.
        listener = socket.socket(family, kind, protocol)
    except (OSError, OverflowError) as error:
        raise InvalidInputError(f"{host}:{port} is not an address to listen on: {error}") from None
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise UnavailableError(f"cannot listen on {host}:{port}: {error.strerror}") from None
        yield listener


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the process. Errors are one line on stderr and the error's exit code."""
    parser = argparse.ArgumentParser(prog="pilothouse.serving", description="Serve one target.")
    parser.add_argument("--target", required=True)
    parser.add_argument("--hub", required=True, help="unix:PATH")
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--token-file", required=True, type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--isolation", choices=["require", "warn"], default="require")
    parser.add_argument("--spool-mb", type=int, default=1_024, help="kept at most while the hub is away")
    options = parser.parse_args(arguments)
    try:
        return serve(**vars(options))
    except PilothouseError as error:
        log.error("%s", error)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
