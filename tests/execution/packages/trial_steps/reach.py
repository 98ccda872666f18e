"""Try to reach what a step must not have; say for each attempt what came of it."""

import contextlib
import os
import socket
import sqlite3
from pathlib import Path

from pilothouse.domain.jobs.jobs import StepResult


def run(request, report):
    registry = Path(request.options["registry"])
    folder = Path(request.folder)
    link = folder / "link.db"
    link.symlink_to(registry)

    def through_descriptor():
        where = os.open(registry, os.O_PATH)
        return Path(f"/proc/self/fd/{where}").read_bytes()

    def through_sqlite(uri):
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as database:
            database.execute("CREATE TABLE forged (x)")

    def connect():
        socket.create_connection(("127.0.0.1", request.options["port"]), timeout=2)

    def kill():
        os.kill(request.options["daemon"], 0)

    attempts = {
        "read": lambda: registry.read_bytes(),
        "write": lambda: registry.write_bytes(b"forged"),
        "append": lambda: os.close(os.open(registry, os.O_WRONLY | os.O_APPEND)),
        "link": lambda: link.read_bytes(),
        "write link": lambda: link.write_bytes(b"forged"),
        "hard link": lambda: os.link(registry, folder / "hard.db"),
        "descriptor": through_descriptor,
        "parent's files": lambda: list(Path(f"/proc/{os.getppid()}/fd").iterdir()),
        "parent's memory": lambda: Path(f"/proc/{os.getppid()}/mem").read_bytes(),
        "daemon's environment": lambda: Path(f"/proc/{request.options['daemon']}/environ").read_bytes(),
        "sqlite": lambda: through_sqlite(f"file:{registry}"),
        "sqlite read": lambda: through_sqlite(f"file:{registry}?mode=ro"),
        "rename": lambda: registry.rename(folder / "mine.db"),
        "remove": lambda: registry.unlink(),
        "replace": lambda: (folder / "link.db").replace(registry),
        "beside": lambda: (registry.parent / "new").write_bytes(b""),
        "listing": lambda: list(registry.parent.iterdir()),
        "connect": connect,
        "listen": lambda: socket.create_server(("127.0.0.1", 0)),
        "signal": kill,
        "own file": lambda: (folder / "mine").write_bytes(b"x"),
        "input": lambda: Path(request.inputs["rows"]).read_bytes(),
        "write input": lambda: Path(request.inputs["rows"]).write_bytes(b"changed"),
    }
    record = {}
    for name, attempt in attempts.items():
        try:
            attempt()
            record[name] = "done"
        except (OSError, sqlite3.Error) as error:
            record[name] = type(error).__name__
    return StepResult(ok=True, record={"attempts": record})
