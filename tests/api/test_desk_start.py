"""What a desk imports before its first call, and a short command before it prints: little of the program."""

import subprocess
import sys

import pytest

SELDOM = (
    "numpy",
    "pyarrow",
    "pilothouse.domain.records",
    "pilothouse.domain.monitoring.monitoring",
    "pilothouse.telemetry",
)
"""Modules that a first call does not need. Hundreds of record classes are made when the last four are imported."""


@pytest.mark.parametrize(
    ("started", "left_out"),
    [
        ("pilothouse.desk.calls", SELDOM),
        ("pilothouse.cli.commands.workspaces.workspace", ("numpy", "pyarrow")),
    ],
)
def test_a_start_leaves_alone_what_a_first_call_does_not_need(
    started: str, left_out: tuple[str, ...]
) -> None:
    program = f"import sys, {started}; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert started in loaded.splitlines()
    assert [name for name in left_out if name in loaded.splitlines()] == []
