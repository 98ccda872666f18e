"""The script of a template that sends rows: what it says where it cannot."""

import subprocess
import sys
from pathlib import Path

import pytest

from pilothouse.operations.templates import catalogue

SEND = Path(catalogue.__file__).parent / "files" / "send.py"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected FILE and OUTCOME, found 0 arguments"),
        (["later.csv", "churned"], "no address on standard input"),
    ],
)
def test_a_call_without_what_it_needs_ends_with_a_sentence(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, str(SEND), *arguments], input="", capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert "Traceback" not in done.stderr
    assert not done.stdout
