"""MLServer in an environment of its own, for bench_serving: one process, no telemetry, an estimator on an encoded matrix.

``.peers/mlserver`` is made by ``make .peers/mlserver/.done``. The estimator is fitted there on the rows that ours is fitted
on, so that no model file passes between two environments.
"""

import contextlib
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

PYTHON = Path(__file__).resolve().parents[2] / ".peers" / "mlserver" / "bin" / "python"
_FIT = """
import importlib, json, sys
import joblib, numpy as np
estimator, parameters, rows, output = sys.argv[1:]
module, name = estimator.rsplit(".", 1)
data = np.load(rows)
model = getattr(importlib.import_module(module), name)(**json.loads(parameters))
joblib.dump(model.fit(data["matrix"], data["outcomes"]), output)
"""
_START_S = 120


@contextlib.contextmanager
def serving(
    folder: Path, name: str, estimator: str, parameters: Mapping[str, Any], matrix: Any, outcomes: Any
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Process that answers for the estimator as ``/v2/models/NAME/infer``, and its port."""
    np.savez(folder / "rows.npz", matrix=np.asarray(matrix, np.float64), outcomes=outcomes)
    fit = [PYTHON, "-c", _FIT, estimator, json.dumps(dict(parameters)), folder / "rows.npz"]
    subprocess.run([*fit, folder / "model.joblib"], check=True)
    ports = _free_ports(3)
    (folder / "settings.json").write_text(
        json.dumps(
            {
                "host": "127.0.0.1",
                "parallel_workers": 0,
                "http_port": ports[0],
                "grpc_port": ports[1],
                "metrics_port": ports[2],
                "metrics_endpoint": None,
                "logging_settings": None,
                "debug": False,
            }
        )
    )
    (folder / "model-settings.json").write_text(
        json.dumps(
            {
                "name": name,
                "implementation": "mlserver_sklearn.SKLearnModel",
                "parameters": {"uri": "./model.joblib"},
            }
        )
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [PYTHON.parent / "mlserver", "start", folder], stdout=log, stderr=log, cwd=folder
        )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{ports[0]}/v2/models/{name}/ready")
        yield process, ports[0]
    finally:
        process.terminate()
        process.wait()


def body(matrix: Any) -> bytes:
    """Request of encoded rows for their probabilities."""
    rows, columns = np.shape(matrix)
    tensor = {
        "name": "predict",
        "shape": [rows, columns],
        "datatype": "FP64",
        "data": np.ravel(matrix).tolist(),
    }
    return json.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]}).encode()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.2)
    raise RuntimeError("MLServer did not start")


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        bound = [stack.enter_context(socket.socket()) for _ in range(number)]
        for one in bound:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in bound]
