"""A real tracking server of MLflow on loopback."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_S = 600


@contextmanager
def tracking_server(python: Path, folder: Path, workers: int = 1) -> Iterator[str]:
    """``HOST:PORT`` of a server on the SQLite store in ``folder``, ended with all its processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (folder / "server.log").open("wb")
    command = [
        python, "-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--host", "127.0.0.1",
        "--port", str(port), "--workers", str(workers), "--disable-security-middleware",
    ]  # fmt: skip
    environment = {**os.environ, "TMPDIR": str(folder)}  # it leaves locks there
    process = subprocess.Popen(
        command, cwd=folder, stdout=log, stderr=log, env=environment, start_new_session=True
    )
    try:
        deadline = time.monotonic() + _START_S
        while not _answers(port):
            assert process.poll() is None, (folder / "server.log").read_text()[-2_000:]
            assert time.monotonic() < deadline, "the tracking server did not start"
            time.sleep(0.2)
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        log.close()
        (folder / "server.log").unlink()


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
