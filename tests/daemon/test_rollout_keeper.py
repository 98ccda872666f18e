"""A real daemon takes a version through its waves and is killed between two; the next one goes on, and goes back."""

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.rollouts import steering
from pilothouse.system.processes import is_alive
from support import wait_until
from support.rollout_plans import plan
from support.rollout_workspace import RolloutWorkspace

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]
BY_HAND = plan(
    {"name": "first", "select": {"name": "ewr"}, "step": [{"kind": "live", "go_on": "hand"}]},
    {"name": "second", "select": {"name": "jfk"}, "step": [{"kind": "live", "go_on": "hand"}]},
    {"name": "rest"},
)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[RolloutWorkspace]:
    made = RolloutWorkspace(tmp_path / "w", BY_HAND)
    made.example.time = datetime.now(UTC)
    try:
        yield made
    finally:
        control.stop(made.example.root)
        made.example.close()


def test_a_killed_daemon_is_followed_by_one_that_goes_on_from_there(place: RolloutWorkspace) -> None:
    root = place.example.root
    daemon = control.start_in_background(root, serve_targets=False)
    number = place.begin()
    wait_until(lambda: place.live()["ewr"] == 2, timeout=20)
    assert place.live() == {"ewr": 2, "jfk": 1, "lga": 1}

    os.kill(daemon.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(daemon))
    place.example.time = datetime.now(UTC)
    steering.go_on(place.services, place.example.actor("oscar"), number)
    control.start_in_background(root, serve_targets=False)
    wait_until(lambda: place.live()["jfk"] == 2, timeout=20)
    assert place.live() == {"ewr": 2, "jfk": 2, "lga": 1}
    assert place.events(number) == ["made", "entered", "released", "passed", "entered"]

    place.example.time = datetime.now(UTC)
    place.report("ewr", 1, failed="no memory")
    wait_until(lambda: place.rollout(number).state is RolloutState.ROLLED_BACK, timeout=20)
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}
    assert place.rollout(number).why == "ewr cannot load delay/2: no memory"
    said = "roll-out 1 of delay/2 goes back: ewr cannot load delay/2: no memory"
    wait_until(lambda: said in place.services.paths.daemon_log.read_text())  # it is written after the act
