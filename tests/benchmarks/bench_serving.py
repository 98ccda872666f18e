"""Real serving processes under real requests, every row durable in the spool before its answer.

Beside another build of Pilothouse where ``SERVING_BESIDE`` names its folder: both answer for the same models at once, and
are asked in turns, so that a busy machine slows both. ``constant`` is a model that takes no time: what is left is the way of
a request. Beside MLServer where its environment is made (``serving_mlserver``): the estimator alone on an encoded matrix.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import serving_kit as kit
import serving_mlserver as mlserver
from bench import show

from pilothouse.inference.columns import InputColumns
from pilothouse.inference.encoding import frame
from pilothouse.inference.portable.packaging import packaged
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.serving.bodies.client_codec import infer_body
from pilothouse.training.models.estimators import build_pipeline

ROUNDS = int(os.environ.get("SERVING_ROUNDS", "5"))
SECONDS = float(os.environ.get("SERVING_SECONDS", "2"))
CELLS = ((1, 1), (1, 16), (17, 16), (1, 64))
"""Rows of a request, and connections."""
NUMBERS, CATEGORIES = 12, 4
MODELS = {
    "boosting": ("sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 100}),
    "logistic": ("sklearn.linear_model.LogisticRegression", {}),
    "forest": ("sklearn.ensemble.RandomForestClassifier", {"n_estimators": 100, "max_depth": 12}),
    "constant": ("sklearn.linear_model.LogisticRegression", {}),
}
_START = """
import os, sys
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, sys.argv.pop(1))
if sys.argv.pop(1) == "constant":
    import numpy as np
    from pilothouse.inference import predictor
    def constant(self, columns):
        rows = columns.rows
        return predictor.Prediction(np.full(rows, 0.25), ["0"] * rows, np.full((rows, 2), 0.5))
    predictor.Predictor.predict_columns = constant
from pilothouse.serving.main import main
sys.exit(main())
"""


@dataclass
class Server:
    """Serving process of one build, or of a peer."""

    build: str
    pid: int
    port: int
    requests: dict[int, bytes]
    """Bodies by rows."""

    def cpu_s(self) -> float:
        """Processor time of its threads so far, finer than the kernel's ticks."""
        total = 0
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9


def run() -> None:
    """Every model and load; a line each, medians of rounds."""
    models = os.environ.get("SERVING_MODELS", ",".join([*MODELS, "forest+logistic"])).split(",")
    for name in models:
        with _serving(*name.split("+")) as (servers, schemas):
            if len(schemas) > 1:
                _mixed(name, servers, schemas)
                continue
            for rows, connections in CELLS:
                _cell(name, servers, rows, connections)


def _mixed(name: str, servers: list[Server], schemas: list[InputSchema]) -> None:
    """Requests of the last model, one row on four connections, while the first has eight connections of 17 rows."""
    heavy, light = schemas[0].model, schemas[-1].model
    p99: dict[str, list[float]] = {server.build: [] for server in servers}
    for number in range(ROUNDS + 1):
        for server in servers if number % 2 else servers[::-1]:
            behind = _client(server.port, heavy, 8, body(schemas[0], 17), SECONDS + 1)
            figures = _load(server.port, light, 4, body(schemas[-1], 1))
            behind.communicate()
            if number:
                p99[server.build].append(figures["p99_us"] / 1_000)
    show(
        f"serving: {light} beside {heavy}, p99",
        f"{statistics.median(p99['ours']):.1f} ms",
        f"beside {statistics.median(p99['beside']):.1f} ms" if "beside" in p99 else "",
    )


def _cell(name: str, servers: list[Server], rows: int, connections: int) -> None:
    taken: dict[str, list[dict[str, float]]] = {server.build: [] for server in servers}
    for number in range(ROUNDS + 1):
        for server in servers if number % 2 else servers[::-1]:
            before = server.cpu_s()
            figures = _load(server.port, name, connections, server.requests[rows])
            figures["cpu_us"] = (server.cpu_s() - before) * 1e6 / figures["requests"]
            if number:  # the first round warms up
                taken[server.build].append(figures)
    medians = {
        build: {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}
        for build, rounds in taken.items()
    }
    ours = medians["ours"]
    beside = ""
    for build in [build for build in medians if build != "ours"]:
        other = medians[build]
        beside += (
            f"; {build} {other['per_s']:,.0f} req/s, p99 {other['p99_us'] / 1000:.1f} ms, {other['cpu_us']:,.0f} µs: "
            f"{ours['per_s'] / other['per_s']:.2f} x, p99 {ours['p99_us'] / other['p99_us']:.2f}, "
            f"CPU {ours['cpu_us'] / other['cpu_us']:.2f}"
        )
    show(
        f"serving: {name}, {rows} row{'s' if rows > 1 else ''}, {connections} connection{'s' if connections > 1 else ''}",
        f"{ours['per_s']:,.0f} req/s",
        f"p50 {ours['p50_us'] / 1000:.2f} ms, p99 {ours['p99_us'] / 1000:.1f} ms, {ours['cpu_us']:,.0f} µs of CPU{beside}",
    )


def _load(port: int, name: str, connections: int, body: bytes) -> dict[str, float]:
    client = _client(port, name, connections, body, SECONDS)
    figures: dict[str, float] = json.loads(client.communicate()[0])
    return figures


def _client(port: int, name: str, connections: int, body: bytes, seconds: float) -> subprocess.Popen[bytes]:
    """Process that asks; it prints what it measured."""
    command = [sys.executable, "-I", str(Path(__file__).parent / "serving_load.py")]
    command += [str(port), f"/v2/models/{name}/infer", str(connections), str(seconds)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(body)
    process.stdin.close()
    process.stdin = None
    return process


@contextlib.contextmanager
def _serving(*names: str) -> Iterator[tuple[list[Server], list[InputSchema]]]:
    """Processes of each build that serve these models, and the models' schemas."""
    here = Path(__file__).resolve().parents[2]
    builds = {"ours": here}
    if os.environ.get("SERVING_BESIDE"):
        builds["beside"] = Path(os.environ["SERVING_BESIDE"])
    trained = [train(name) for name in names]
    with contextlib.ExitStack() as stack:
        servers = []
        for build, folder in builds.items():
            place = stack.enter_context(kit.short_folder())
            hub = kit.TestHub(place / "hub.sock")
            hub.start()
            stack.callback(hub.stop)
            hub.deploy(*((portable if build == "ours" else model) for model, portable, _ in trained))
            process = start(folder / "src", names[0], place / "ewr", hub)
            stack.callback(process.terminate)
            process.wait_for_port()
            process.wait_until_ready()
            bodies = {rows: body(trained[0][2], rows) for rows, _ in CELLS}
            servers.append(Server(build, process.process.pid, process.port, bodies))
        if len(names) == 1 and names[0] != "constant" and mlserver.PYTHON.exists():
            servers.append(stack.enter_context(_peer(names[0])))
        yield servers, [schema for _, _, schema in trained]


@contextlib.contextmanager
def _peer(name: str) -> Iterator[Server]:
    """MLServer with the estimator of a model, on the rows as our encoding gives them to it."""
    schema = _schema(name)
    columns, outcomes = _rows(schema)
    estimator, parameters = MODELS[name]
    given: dict[str, Any] = dict(parameters)
    pipeline = build_pipeline(estimator, given, schema, seed=0, threads=1)
    pipeline.fit(frame(schema, columns), outcomes)
    encoded = np.asarray(pipeline[:-1].transform(frame(schema, columns)), np.float64)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with mlserver.serving(place, name, estimator, parameters, encoded, outcomes) as (process, port):
            bodies = {rows: mlserver.body(encoded[:rows]) for rows, _ in CELLS}
            yield Server("mlserver", process.pid, port, bodies)


def start(source: Path, name: str, folder: Path, hub: kit.TestHub) -> kit.ServingProcess:
    folder.mkdir(mode=0o700)
    (folder / "token").write_text(hub.token)
    log = folder.parent / "log"
    command = [sys.executable, "-I", "-c", _START, str(source), name, "--target", hub.target]
    command += ["--hub", f"unix:{hub.path}", "--folder", str(folder), "--token-file", str(folder / "token")]
    with log.open("ab") as stream:
        process = subprocess.Popen(command, stderr=stream, stdout=stream, cwd="/")
    return kit.ServingProcess(process, folder, log)


def _schema(name: str) -> InputSchema:
    columns = [InputColumn(f"number_{i}", "number") for i in range(NUMBERS)]
    columns += [InputColumn(f"category_{i}", "category") for i in range(CATEGORIES)]
    return InputSchema(name, "binary", ("0", "1"), "at", tuple(columns), (), ("NA", ""))


def train(name: str) -> tuple[kit.ModelFile, kit.ModelFile, InputSchema]:
    """Model as skops has it, in the portable form where it has one, and its schema."""
    schema = _schema(name)
    columns, outcomes = _rows(schema)
    estimator, parameters = MODELS[name]
    given: dict[str, Any] = dict(parameters)
    pipeline = build_pipeline(estimator, given, schema, seed=0, threads=1)
    pipeline.fit(frame(schema, columns), outcomes)
    model = kit.ModelFile(name, 1, dump_model(pipeline), schema.to_bytes())
    written = packaged(Predictor(model.model, schema), columns, generated=0)
    portable = model if written.data is None else replace(model, model=written.data)
    return model, portable, schema


def _rows(schema: InputSchema) -> tuple[InputColumns, Any]:
    """Rows that all are trained on, and their outcomes."""
    random = np.random.default_rng(0)
    n = 5_000
    values = [f"v{i}" for i in range(20)]
    columns = InputColumns(
        n,
        {column: random.normal(size=n) for column in schema.numeric},
        {column: [str(v) for v in random.choice(values, n)] for column in schema.categorical},
    )
    outcomes = (columns.numeric["number_0"] * columns.numeric["number_1"] + random.normal(size=n) > 0).astype(
        int
    )
    return columns, outcomes


def body(schema: InputSchema, rows: int) -> bytes:
    random = np.random.default_rng(rows)
    records = [
        {column: float(random.normal()) for column in schema.numeric}
        | {column: f"v{random.integers(20)}" for column in schema.categorical}
        for _ in range(rows)
    ]
    return infer_body(schema.columns, records)
