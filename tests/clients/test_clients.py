"""Clients as they come, each in its own environment, against a serving process: every prediction is answered, and stored."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
ENVIRONMENTS = ROOT / ".clients"


@contextmanager
def serving(*arguments: str, port: str = "port") -> Iterator[tuple[int, dict[str, Any]]]:
    """Port of a serving process in a process of its own, and after its end what became of it."""
    path = os.pathsep.join((str(ROOT / "tests"), str(ROOT / "tests" / "serving")))
    server = subprocess.Popen(
        [sys.executable, str(HERE / "serve.py"), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert server.stdin is not None
    assert server.stdout is not None
    end: dict[str, Any] = {}
    try:
        yield json.loads(server.stdout.readline())[port], end
        server.stdin.close()
        end.update(json.loads(server.stdout.readline()))
    finally:
        server.stdin.close()
        server.wait(60)
        server.stdout.close()


def run(client: str, *command: str, **environment: str) -> str:
    """Output of a command of a client's environment, which has to end well."""
    folder = ENVIRONMENTS / client / "bin"
    assert (folder / "python").exists(), f"{folder} is not there: run make test-clients"
    done = subprocess.run(
        [str(folder / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        timeout=1_200,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-4_000:]
    return done.stdout


@pytest.mark.parametrize(
    ("client", "arguments"), [("triton", ()), ("kserve", ()), ("mlserver", ()), ("mlflow", ("--one",))]
)
def test_a_client_as_it_comes_is_answered_and_its_events_are_stored(
    client: str, arguments: tuple[str, ...]
) -> None:
    with serving(*arguments) as (port, end):
        answered = int(run(client, "python", str(HERE / f"ask_{client}.py"), str(port)).split()[-1])
    assert end == {"rows": answered, "code": 0, "faults": []}


def test_the_manifest_of_the_deployer_for_kserve_fits_kserve_s_own_models() -> None:
    assert int(run("kserve", "python", str(HERE / "check_kserve_manifest.py"))) > 30


def test_tritonclient_is_answered_over_grpc_and_its_events_are_stored() -> None:
    with serving(port="grpc_port") as (port, end):
        answered = int(run("triton", "python", str(HERE / "ask_triton_grpc.py"), str(port)).split()[-1])
    assert end == {"rows": answered, "code": 0, "faults": []}


@pytest.mark.parametrize("client", ["triton", "kserve", "mlflow"])
def test_the_example_of_a_client_in_the_documents_is_answered(client: str) -> None:
    page = (ROOT / "docs" / "serving.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found = [block for block in blocks if client in block and "tritonclient.grpc" not in block]
    assert len(found) == 1
    with serving("--documented") as (port, end):
        assert run(client, "python", "-c", found[0].replace("8102", str(port))).strip()
    assert end["faults"] == []


def test_the_example_of_grpc_in_the_documents_is_answered() -> None:
    page = (ROOT / "docs" / "serving.md").read_text("utf-8")
    (found,) = (
        block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "tritonclient.grpc" in block
    )
    with serving("--documented", port="grpc_port") as (port, end):
        assert run("triton", "python", "-c", found.replace("8202", str(port))).strip()
    assert end["faults"] == []


def test_schemathesis_finds_nothing_against_the_published_description() -> None:
    with serving() as (port, end):
        found = run(
            "triton",
            "schemathesis",
            "--config-file",
            str(HERE / "schemathesis.toml"),
            "run",
            f"http://127.0.0.1:{port}/openapi.json",
            "--max-examples",
            os.environ.get("CASES", "30"),
            SCHEMATHESIS_HOOKS=str(HERE / "schemathesis_hooks.py"),
        )
        print(found[found.index("Test cases:") :])
    assert end["code"] == 0
    assert end["faults"] == []
