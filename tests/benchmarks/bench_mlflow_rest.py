"""Import of an MLflow registry by its server's REST API, beside the same requests made again by a loop that reads no answer.

``bench_mlflow_rest.py MLFLOW_PYTHON [VERSIONS [WORKERS]]``: an environment with MLflow; a number of versions that 200 divides,
with as many runs and five curves of twenty points each; the server's worker processes. The loop shows what the server can do.
``MLFLOW_STORE`` names a store that is there already.
"""

import http.client
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, local
from typing import Any
from urllib.parse import urlencode

from ecosystem.mlflow.server import tracking_server
from pilothouse.foreign.http_client import HttpClient, Parameters
from pilothouse.foreign.mlflow_server import MlflowServer

HERE = Path(__file__).parents[1] / "ecosystem" / "mlflow"
FIRST = 200
AT_ONCE = 8
Request = tuple[str, str, bytes | None]


class Noting(HttpClient):
    """Client that notes what it asks for."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.asked: list[Request] = []
        self._noting = Lock()

    def chunks(
        self, path: str, parameters: Parameters = (), body: object | None = None, most: int = 1 << 30
    ) -> Generator[bytes, None, None]:
        query = f"?{urlencode(list(parameters))}" if parameters else ""
        data = None if body is None else json.dumps(body).encode()
        with self._noting:
            self.asked.append(("GET" if data is None else "POST", path + query, data))
        yield from super().chunks(path, parameters, body, most)


def main() -> None:
    python = Path(sys.argv[1]).absolute()
    versions = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    workers = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Path(os.environ["MLFLOW_STORE"]) if "MLFLOW_STORE" in os.environ else folder / "store"
        if not store.exists():
            quiet: dict[str, Any] = {"check": True, "stdout": subprocess.DEVNULL}
            subprocess.run([python, HERE / "write_many.py", store, str(FIRST)], **quiet)
            subprocess.run([python, HERE / "multiply_store.py", store, str(versions // FIRST)], **quiet)
        pilothouse = Path(sys.executable).parent / "pilothouse"
        workspace = folder / "workspace"
        subprocess.run([pilothouse, "init", workspace, "--solo"], check=True, capture_output=True)
        with tracking_server(python, store, workers) as address:
            uri = f"http://{address}"
            command = [pilothouse, "-w", workspace, "--json", "import", "mlflow", uri, "--files", "none"]
            for what, more in (("first import", []), ("second import", []), ("import --again", ["--again"])):
                with measured(what, address):
                    done = subprocess.run([*command, *more], capture_output=True, text=True)
                    assert done.returncode == 0, done.stderr
                counts = json.loads(done.stdout)
                print("   ", {key: counts[key] for key in ("versions", "runs", "runs_changed", "runs_known")})
            asked = noted(uri)
            with measured(f"the first import's {len(asked):,} requests by a loop", address):
                replayed(address, asked)
        shutil.rmtree(workspace)


def noted(uri: str) -> list[Request]:
    """Requests of a first import, in their order."""
    client = Noting(uri)
    source = MlflowServer(client)
    for _ in source.models(()):
        pass
    for page in source.versions(()):
        for _ in source.runs(sorted({one.run for one in page}), frozenset()):
            pass
    source.close()
    return client.asked


def replayed(address: str, asked: list[Request]) -> None:
    """Make the requests again, eight at a time, each thread on a connection that it keeps."""
    kept = local()

    def ask(one: Request) -> None:
        if not hasattr(kept, "connection"):
            kept.connection = http.client.HTTPConnection(address, timeout=300)
        method, path, body = one
        kept.connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        kept.connection.getresponse().read()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ask, asked))


@contextmanager
def measured(what: str, address: str) -> Iterator[None]:
    """Print seconds of the clock, and of processor time here and of the server."""
    port = address.rpartition(":")[2]
    before, began = (server_spent(port), spent()), time.perf_counter()
    yield
    took = time.perf_counter() - began
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    theirs, ours = server_spent(port) - before[0], spent() - before[1]
    print(
        f"{what}: {took:.1f} s; processor time {ours:.1f} s here, {theirs:.1f} s of the server; "
        f"largest process so far {memory:.0f} MB",
        flush=True,
    )


def server_spent(port: str) -> float:
    """Processor time of the processes of the session whose leader serves a port, in seconds."""
    total, leader = 0.0, ""
    found: list[tuple[str, float]] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        found.append((words[3], (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")))
        if b"server" in command and port.encode() in command:
            leader = words[3]
    for session, took in found:
        total += took if session == leader else 0.0
    return total


def spent() -> float:
    """Processor time of this process and of those that it has waited for, in seconds."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


if __name__ == "__main__":
    main()
