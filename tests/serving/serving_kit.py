"""A small real model, a hub on a real unix socket, and serving processes started as the daemon starts them."""

import contextlib
import hashlib
import http.client
import json
import os
import secrets
import signal
import socket
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pilothouse.domain.formats.wire import (
    BatchReceipt,
    DesiredState,
    DesiredTrial,
    DesiredVersion,
    PairBatch,
    PredictionBatch,
    ServingReport,
)
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputColumn, InputSchema
from support import wait_until as _wait_until

wait_until = partial(_wait_until, timeout=40)
"""Patient: processes start slowly where others use the machine too."""

NUMBERS = ("distance", "hour", "seats", "temp")
CATEGORIES = ("carrier", "dest")


@dataclass(frozen=True)
class ModelFile:
    """A model as the artifact store would hold it."""

    name: str
    version: int
    model: bytes
    schema: bytes
    portable: bytes = b""

    @property
    def desired(self) -> DesiredVersion:
        """How the hub names it."""
        return DesiredVersion(
            self.name,
            self.version,
            hashlib.sha256(self.model).hexdigest(),
            hashlib.sha256(self.schema).hexdigest(),
            hashlib.sha256(self.portable).hexdigest() if self.portable else "",
        )


def schema(name: str, task: str = "binary") -> InputSchema:
    """Four numbers, two categories, a timestamp, a private column."""
    columns = [InputColumn(n, "number") for n in NUMBERS] + [InputColumn(c, "category") for c in CATEGORIES]
    classes = {"binary": ("0", "1"), "multiclass": ("early", "late", "on time"), "regression": ()}[task]
    return InputSchema(name, task, classes, "scheduled_at", tuple(columns), ("passenger",))


def train(
    name: str, version: int, task: str = "binary", seed: int = 0, estimator: str | None = None
) -> ModelFile:
    """A model on made-up flights, of histogram gradient boosting if nothing else is asked for."""
    from pilothouse.inference.columns import InputColumns
    from pilothouse.inference.encoding import frame
    from pilothouse.training.models.estimators import build_pipeline

    rng = np.random.default_rng(seed)
    n = 600
    shape = schema(name, task)
    columns = InputColumns(
        n,
        {column: rng.normal(size=n) for column in NUMBERS},
        {column: [str(v) for v in rng.choice(["AA", "UA", "DL"], n)] for column in CATEGORIES},
    )
    signal_ = columns.numeric["temp"] + 0.3 * rng.normal(size=n)
    kind = "Regressor" if task == "regression" else "Classifier"
    chosen = estimator or f"sklearn.ensemble.HistGradientBoosting{kind}"
    pipeline = build_pipeline(chosen, {"max_iter": 8}, shape, seed=seed, threads=1)
    outcomes: Any = signal_
    if task == "binary":
        outcomes = (signal_ > 0).astype(int)
    elif task == "multiclass":
        outcomes = np.array(["early", "on time", "late"])[np.digitize(signal_, [-0.5, 0.5])]
    pipeline.fit(frame(shape, columns), outcomes)
    return ModelFile(name, version, dump_model(pipeline), shape.to_bytes())


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Ends with all its connections and their threads."""

    request_queue_size = 64

    def __init__(self, *arguments: Any) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        for connection in self._connections.copy():
            with contextlib.suppress(OSError):  # the other end was quicker
                connection.shutdown(socket.SHUT_RDWR)
        super().server_close()


@dataclass
class TestHub:
    """The hub's routes over a unix socket, keeping what it is told. ``stop`` and ``start`` as often as wanted."""

    __test__ = False

    path: Path
    target: str = "ewr"
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    artifacts: dict[str, bytes] = field(default_factory=dict)
    state: DesiredState | None = None
    batches: list[PredictionBatch] = field(default_factory=list)
    pairs: list[PairBatch] = field(default_factory=list)
    knows_pairs: bool = True
    """False for a hub of before trials."""
    reports: list[ServingReport] = field(default_factory=list)
    refuse_batches_with: int = 0
    lose_receipts: int = 0
    reject_for: str = ""
    """Reason for which the rows of every batch are rejected; empty: they are taken."""
    conditional_hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    server: _Server | None = None

    @property
    def report(self) -> ServingReport | None:
        """The last report, None before the first."""
        return self.reports[-1] if self.reports else None

    def store(self, *models: ModelFile) -> None:
        """Have the artifacts of these versions."""
        for model in models:
            self.artifacts[model.desired.model_digest] = model.model
            self.artifacts[model.desired.schema_digest] = model.schema
            if model.portable:
                self.artifacts[model.desired.portable_digest] = model.portable

    def deploy(self, *models: ModelFile, private: dict[str, list[str]] | None = None) -> None:
        """Have and desire exactly these versions."""
        self.store(*models)
        self.desire(*models, private=private)

    def desire(
        self,
        *models: ModelFile,
        private: dict[str, list[str]] | None = None,
        trials: Sequence[DesiredTrial] = (),
    ) -> None:
        """Desire exactly these versions, and try these."""
        self.state = DesiredState(
            self.target,
            secrets.token_hex(4),
            [model.desired for model in models],
            private or {},
            list(trials),
        )

    def try_beside(self, live: ModelFile, challenger: ModelFile, mode: str, share: float = 0.0) -> None:
        """Desire a version, and another in the trial of roll-out 5."""
        self.store(live, challenger)
        self.desire(live, trials=[DesiredTrial(5, challenger.desired, mode, share, "salt")])

    def start(self) -> None:
        """Listen."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub.get(self)

            def do_POST(self) -> None:
                hub.post(self)

            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return "unix"

        self.path.unlink(missing_ok=True)
        self.server = _Server(str(self.path), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Go away, with every connection."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None
            self.path.unlink(missing_ok=True)

    def answer(self, request: BaseHTTPRequestHandler, status: int, body: bytes = b"") -> None:
        if self.server is None:  # stopped: connections that were open before go away too
            request.close_connection = True
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        if status != 304:
            request.wfile.write(body)

    def get(self, request: BaseHTTPRequestHandler) -> None:
        if request.headers["Authorization"] != f"Bearer {self.token}":
            self.answer(request, 401, b'{"error": "no valid token"}')
        elif request.path == "/v1/desired":
            assert self.state is not None
            if request.headers["If-None-Match"] == f'"{self.state.revision}"':
                self.conditional_hits += 1
                self.answer(request, 304)
            else:
                self.answer(request, 200, msgspec.msgpack.encode(self.state))
        else:
            data = self.artifacts.get(request.path.removeprefix("/v1/artifacts/"))
            self.answer(request, 404 if data is None else 200, data or b'{"error": "no such artifact"}')

    def post(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.headers["Authorization"] != f"Bearer {self.token}":
            self.answer(request, 401, b'{"error": "no valid token"}')
        elif request.path == "/v1/report":
            self.reports.append(msgspec.msgpack.decode(body, type=ServingReport))
            self.answer(request, 200)
        elif request.path == "/v1/baseline":  # as a hub of an earlier release
            self.answer(request, 404, b'{"error": "there is no such route"}')
        elif self.refuse_batches_with:
            self.answer(request, self.refuse_batches_with, b'{"error": "refused for the test"}')
        elif request.path == "/v1/pairs" and not self.knows_pairs:
            self.answer(request, 404, b'{"error": "there is no such route"}')
        else:
            of_pairs = request.path == "/v1/pairs"
            kept: list[Any] = self.pairs if of_pairs else self.batches
            batch = msgspec.msgpack.decode(body, type=PairBatch if of_pairs else PredictionBatch)
            with self.lock:
                key = (batch.producer, batch.sequence)
                duplicate = any((b.producer, b.sequence) == key for b in kept)
                if not duplicate:
                    kept.append(batch)
                if self.lose_receipts:  # committed, and the receipt never arrives
                    self.lose_receipts -= 1
                    request.close_connection = True
                    request.connection.shutdown(socket.SHUT_RDWR)
                    return
            receipt = BatchReceipt(batch.rows, 0, duplicate)
            if self.reject_for:
                receipt = BatchReceipt(0, batch.rows, duplicate, {self.reject_for: batch.rows})
            self.answer(request, 200, msgspec.msgpack.encode(receipt))

    def prediction_ids(self) -> list[str]:
        """The ids of all predictions that arrived."""
        return [f"{b.producer}.{b.sequence}.{row}" for b in self.batches for row in range(b.rows)]


@dataclass
class ServingProcess:
    """A real serving process."""

    process: subprocess.Popen[bytes]
    folder: Path
    log: Path
    port: int = 0

    def wait_for_port(self) -> None:
        """Until it listens."""

        def listening() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return (self.folder / "process.json").exists()

        wait_until(listening)
        self.port = json.loads((self.folder / "process.json").read_bytes())["port"]

    def wait_until_ready(self) -> None:
        """Until every desired model answers."""
        wait_until(lambda: self.ask("GET", "/v2/health/ready")[0] == 200)

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def infer(self, model: str, body: bytes) -> tuple[int, dict[str, Any]]:
        """Ask for predictions."""
        status, data = self.ask("POST", f"/v2/models/{model}/infer", body)
        return status, json.loads(data)

    def terminate(self) -> int:
        """SIGTERM, and its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(30)


def start_serving(folder: Path, hub: TestHub, *arguments: str) -> ServingProcess:
    """Start ``python -I -m pilothouse.serving.main``."""
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "token").write_text(hub.token)
    (folder / "process.json").unlink(missing_ok=True)
    log = folder.parent / f"{folder.name}.log"
    command = [sys.executable, "-I", "-m", "pilothouse.serving.main", "--target", hub.target]
    command += ["--hub", f"unix:{hub.path}", "--folder", str(folder), "--token-file", str(folder / "token")]
    with log.open("ab") as stream:
        process = subprocess.Popen([*command, *arguments], stderr=stream, stdout=stream, cwd="/")
    return ServingProcess(process, folder, log)


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path is short enough for a unix socket."""
    with tempfile.TemporaryDirectory(prefix="ph-", dir=os.environ.get("TMPDIR", "/tmp")) as folder:
        yield Path(folder)


def body_of(rows: int = 3, **changes: Any) -> bytes:
    """A request for a model of ``schema``; ``changes`` replace or add whole tensors."""
    tensors: dict[str, Any] = {
        name: {"name": name, "shape": [rows], "datatype": "FP64", "data": [0.5 * i for i in range(rows)]}
        for name in NUMBERS
    }
    for name in CATEGORIES:
        tensors[name] = {"name": name, "shape": [rows], "datatype": "BYTES", "data": ["AA"] * rows}
    for name, tensor in changes.items():
        tensors[name] = None if tensor is None else {"name": name, "shape": [rows], **tensor}
    return json.dumps({"inputs": [tensor for tensor in tensors.values() if tensor is not None]}).encode()


def outputs_of(answer: dict[str, Any]) -> dict[str, list[Any]]:
    """Output name to data."""
    return {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
