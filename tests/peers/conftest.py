"""Comparisons with the real libraries run by ``make test-peers`` alone: it builds what they need."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PEERS = HERE.parents[1] / ".peers"

sys.path.insert(0, str(HERE))

if os.environ.get("PILOTHOUSE_PEERS") != "1":
    collect_ignore_glob = ["test_*.py"]

Ask = Callable[[dict[str, Any]], dict[str, Any]]


def _worker(name: str) -> Iterator[Ask]:
    python = PEERS / name / "bin" / "python"
    assert python.exists(), f"{python} is not there: run make test-peers"
    worker = subprocess.Popen(
        [str(python), "-I", str(HERE / "worker.py"), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    into, out = worker.stdin, worker.stdout
    assert json.loads(out.readline()) == "ready"

    def ask(question: dict[str, Any]) -> dict[str, Any]:
        into.write(json.dumps(question) + "\n")
        into.flush()
        found: dict[str, Any] = json.loads(out.readline())
        return found

    try:
        yield ask
    finally:
        into.close()
        worker.wait(30)


@pytest.fixture(scope="session")
def evidently_itself() -> Iterator[Ask]:
    """The installed Evidently, asked over a pipe."""
    yield from _worker("evidently")


@pytest.fixture(scope="session")
def nannyml_itself() -> Iterator[Ask]:
    """The installed NannyML, asked over a pipe."""
    yield from _worker("nannyml")
