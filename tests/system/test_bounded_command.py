"""Programs of the user's within bounds: what they leave running is ended, however soon they end themselves."""

from pathlib import Path

import pytest

from pilothouse.system.programs.bounded_command import run_bounded
from support import wait_until


@pytest.mark.parametrize("lasts", ["", "sleep 0.3;"])
def test_what_a_command_leaves_running_is_ended(tmp_path: Path, lasts: str) -> None:
    script = f"sleep 60 & echo $!; {lasts} exit 0"
    end = run_bounded(
        ["sh", "-c", script],
        b"{}",
        folder=tmp_path,
        environment={"PATH": "/usr/bin:/bin"},
        timeout_s=30,
    )
    assert end.code == 0
    wait_until(lambda: not lives(int(end.last_line)))


def lives(pid: int) -> bool:
    """True for a process that is there and has not ended, whether or not somebody has waited for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
