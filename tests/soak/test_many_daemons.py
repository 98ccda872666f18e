"""Many daemons are started at the same moment, again and again: one leads, the others say which and end."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.registries import make_example
from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.system.leader import leader
from pilothouse.system.paths import WorkspacePaths
from support import wait_until
from support.soak_plan import size

DAEMONS = size(8, 20)
pytestmark = pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here")


def _one_is_left(children: list[subprocess.Popen[str]]) -> bool:
    return sum(child.poll() is None for child in children) == 1


def test_of_many_daemons_at_once_one_leads(tmp_path: Path) -> None:
    make_example(tmp_path / "w").services.close()
    paths = WorkspacePaths(tmp_path / "w")
    command = [
        sys.executable,
        "-I",
        "-m",
        "pilothouse.daemon.main",
        "--root",
        str(paths.root),
        "--no-serving",
    ]
    for _ in range(size(1, 50)):
        started = [
            subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
            for _ in range(DAEMONS)
        ]
        try:
            wait_until(functools.partial(_one_is_left, started), timeout=120)
            (first,) = [child for child in started if child.poll() is None]
            wait_until(lambda: control.hub_answers(paths.hub_socket), timeout=60)
            found = leader(paths.daemon_lock)
            assert found is not None
            assert found.pid == first.pid
            others = [child for child in started if child is not first]
            for child in others:
                assert child.stderr is not None
                assert "another daemon runs for this workspace" in child.stderr.read()
                assert child.returncode == 5
            assert control.stop(paths.root)
            assert first.wait(30) == 0
        finally:
            for child in started:
                child.kill()
                child.wait()
                assert child.stderr is not None
                child.stderr.close()
