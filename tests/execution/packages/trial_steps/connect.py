"""A step that opens connections where it may, and tries what it may not."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

from pilothouse.domain.jobs.jobs import StepRequest, StepResult


def run(request: StepRequest, report: object) -> StepResult:
    options = request.options

    def tcp() -> None:
        with socket.create_connection(("127.0.0.1", options["port"]), 20) as connection:
            assert connection.recv(5) == b"hello"

    def listen() -> None:
        with socket.socket() as door:
            door.listen()

    def bind() -> None:
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))

    def unix() -> None:
        socket.socket(socket.AF_UNIX)

    def unix_pair() -> None:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        one.close()
        other.close()

    def netlink() -> None:
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)

    def packet() -> None:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)

    def stranger() -> None:
        os.kill(options["stranger"], 0)

    def registry() -> None:
        Path(options["registry"]).read_bytes()

    def names() -> None:
        Path("/etc/hosts").read_bytes()

    attempts: dict[str, Callable[[], None]] = {
        "tcp": tcp,
        "listen": listen,
        "bind": bind,
        "unix": unix,
        "unix_pair": unix_pair,
        "netlink": netlink,
        "packet": packet,
        "stranger": stranger,
        "registry": registry,
        "names": names,
    }
    said = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            said[name] = "done"
        except Exception as error:  # noqa: BLE001
            said[name] = type(error).__name__
    secret = request.secret
    return StepResult(
        ok=True, record={"attempts": said, "secret": secret[::-1], "environment": str(dict(os.environ))}
    )
