"""A real daemon is killed at a named point of a roll-out's act; the next one goes on or goes back, and never does both.

``tests/operations/test_rollouts_killed.py`` kills a keeper at each point; here it is the daemon itself, with threads, lock and
recovery: at one drawn point in the suite, at every one in the long form.
"""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.rollouts import steering
from pilothouse.operations.workspace import audits
from support import rollout_killed, wait_until
from support.rollout_plans import plan
from support.rollout_workspace import RolloutWorkspace
from support.soak_plan import LONG, seeded

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]
BY_HAND = plan(
    {"name": "first", "select": {"name": "ewr"}, "step": [{"kind": "live", "go_on": "hand"}]},
    {"name": "rest"},
)
ONE, FIRST = {"ewr": 1, "jfk": 1, "lga": 1}, {"ewr": 2, "jfk": 1, "lga": 1}
ALL = {"ewr": 2, "jfk": 2, "lga": 2}
OUTSIDE = "before the act", "before the commit", "after the commit"
REACHED = {
    "forward": (
        *OUTSIDE, "after the swap forward", "after the states of the targets", "after the step is entered",
        "after the place is moved", "after the end", "after the event",
    ),
    "back": (
        *OUTSIDE, "after the swap back", "after the states of the targets", "after the end", "after the event",
        "after the alert",
    ),
}  # fmt: skip
"""Points that a daemon comes to as it takes the rest live and completes, and as it goes back."""
CASES = [(way, point) for way, points in REACHED.items() for point in sorted(points)]
PATIENCE_S = 60


def drawn() -> list[tuple[str, str]]:
    """Cases of this run. The seed is that of the day, so that all workers of a run draw the same."""
    os.environ.setdefault("PILOTHOUSE_SEED", str(datetime.now(UTC).toordinal()))
    return CASES if LONG else seeded("points of a roll-out").sample(CASES, 1)


def reported(place: RolloutWorkspace, way: str) -> bool:
    """True; on the way back once ewr has said to the daemon of now that it cannot load the version: what was heard before a
    daemon's start counts for nothing."""
    if way == "back":
        place.example.time = datetime.now(UTC)
        place.report("ewr", 1, failed="no memory")
    return True


@pytest.mark.parametrize(("way", "point"), drawn())
def test_a_daemon_that_is_killed_at_a_point_is_followed_by_one_that_ends_the_roll_out(
    tmp_path: Path, way: str, point: str
) -> None:
    place = RolloutWorkspace(tmp_path / "w", BY_HAND)
    root = place.example.root
    place.example.time = datetime.now(UTC)
    try:
        number = place.begin()
        place.keep()
        assert place.live() == FIRST
        if way == "forward":
            steering.go_on(place.services, place.example.actor("oscar"), number)
        command = [sys.executable, rollout_killed.__file__, "daemon", str(root), point]
        with (tmp_path / "out").open("wb") as out:
            killed = subprocess.Popen(command, stdout=out, stderr=out, cwd="/")
        try:
            if way == "back":
                wait_until(lambda: control.hub_answers(place.services.paths.hub_socket), PATIENCE_S)
            wait_until(lambda: reported(place, way) and killed.poll() is not None, PATIENCE_S, 0.2)
            assert killed.returncode == -signal.SIGKILL, (tmp_path / "out").read_text()
        finally:
            killed.kill()
        live = place.live()
        assert live in ((FIRST, ALL) if way == "forward" else (FIRST, ONE))
        there = {target for target, version in live.items() if version == 2}
        assert {target for target, found in place.states(number).items() if found == "live"} == there

        control.start_in_background(root, serve_targets=False)
        wait_until(lambda: reported(place, way) and not place.rollout(number).state.is_open, PATIENCE_S, 0.2)
        ended = place.rollout(number).state
        assert ended is (RolloutState.COMPLETED if way == "forward" else RolloutState.ROLLED_BACK)
        assert place.live() == (ALL if way == "forward" else ONE)
        events = place.events(number)
        assert len([event for event in events if event in ("completed", "rolled back", "aborted")]) == 1
        assert events.count("entered") == (2 if way == "forward" else 1)
        audits.verify(place.services, place.example.actor("aud"))
    finally:
        control.stop(root)
        place.example.close()
