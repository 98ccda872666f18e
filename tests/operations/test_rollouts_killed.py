"""A daemon that is killed at any point of an act of a roll-out: the act is done or not, never in part, and the roll-out goes on
or back as it would have."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pilothouse.domain.rollouts.rollout import RolloutState
from support import rollout_killed
from support.rollout_plans import TWO_WAVES, plan
from support.rollout_workspace import RolloutWorkspace

ONE = {"ewr": 1, "jfk": 1, "lga": 1}
FIRST = {"ewr": 2, "jfk": 1, "lga": 1}
ALL = {"ewr": 2, "jfk": 2, "lga": 2}
PATIENT = plan(
    {"name": "first", "select": {"name": "ewr"}, "step": [{"kind": "live", "requests": 5, "patience": "1h"}]},
    {"name": "rest"},
)
Live = dict[str, int]


def entering(place: RolloutWorkspace) -> None:
    """The first wave is about to go live."""


def passing(place: RolloutWorkspace) -> None:
    """The first step is about to pass, and the rest to go live."""
    place.keep()
    place.example.pass_time(hours=1)


def catching_up(place: RolloutWorkspace) -> None:
    """A target is back that was passed over."""
    place.report("lga", 1)
    place.silence("lga")
    passing(place)
    place.keep()
    place.report("lga", 1)


def going_back(place: RolloutWorkspace) -> None:
    """ewr cannot load the version."""
    place.report("ewr", 1)
    place.keep()
    place.report("ewr", 1, failed="no memory")


def losing_patience(place: RolloutWorkspace) -> None:
    """No traffic has come for as long as the step has patience."""
    place.keep()
    place.example.pass_time(hours=2)


CASES: dict[str, tuple[Callable[[RolloutWorkspace], None], tuple[Live, ...], Live, RolloutState]] = {
    "entering": (entering, (ONE, FIRST), FIRST, RolloutState.RUNNING),
    "passing": (passing, (FIRST, ALL), ALL, RolloutState.COMPLETED),
    "catching up": (catching_up, ({**ALL, "lga": 1}, ALL), ALL, RolloutState.COMPLETED),
    "going back": (going_back, (FIRST, ONE), ONE, RolloutState.ROLLED_BACK),
    "losing patience": (losing_patience, (FIRST,), FIRST, RolloutState.PAUSED),
}
"""Before the kill, what may be live after it, what is live in the end, and the roll-out's state then."""
REACHED = {
    "entering": {
        "before the act", "after the swap forward", "after the states of the targets", "after the step is entered",
        "after the event", "before the commit", "after the commit",
    },
    "passing": {
        "before the act", "after the swap forward", "after the states of the targets", "after the step is entered",
        "after the place is moved", "after the end", "after the event", "before the commit", "after the commit",
    },
    "catching up": {
        "before the act", "after the swap forward", "after the states of the targets", "after the event",
        "before the commit", "after the commit",
    },
    "going back": {
        "before the act", "after the swap back", "after the states of the targets", "after the end", "after the event",
        "after the alert", "before the commit", "after the commit",
    },
    "losing patience": {
        "before the act", "after the pause", "after the event", "before the commit", "after the commit",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def killer() -> Iterator[subprocess.Popen[str]]:
    """A process that forks keepers which are killed."""
    with subprocess.Popen(
        [sys.executable, rollout_killed.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def kill(killer: subprocess.Popen[str], place: RolloutWorkspace, point: str) -> str:
    """Let a keeper be killed at a point; how it ended."""
    assert killer.stdin is not None
    assert killer.stdout is not None
    asked = [str(place.example.root), place.example.time.isoformat(), point]
    killer.stdin.write(json.dumps(asked) + "\n")
    killer.stdin.flush()
    return str(json.loads(killer.stdout.readline()))


@pytest.mark.parametrize(
    ("case", "point"), [(case, point) for case in CASES for point in sorted(REACHED[case])]
)
def test_killed_at_a_point_it_has_done_an_act_or_not_and_goes_on(
    tmp_path: Path, killer: subprocess.Popen[str], case: str, point: str
) -> None:
    prepare, allowed, live, state = CASES[case]
    place = RolloutWorkspace(tmp_path / "workspace", PATIENT if case == "losing patience" else TWO_WAVES)
    number = place.begin()
    prepare(place)

    assert kill(killer, place, point) == rollout_killed.REACHED
    assert place.live() in allowed
    there = {target for target, version in place.live().items() if version == 2}
    assert {target for target, found in place.states(number).items() if found == "live"} == there
    place.keep()

    assert place.live() == live
    assert place.rollout(number).state is state
    events = place.events(number)
    ends = [event for event in events if event in ("completed", "rolled back", "aborted")]
    assert len(ends) == (state not in (RolloutState.RUNNING, RolloutState.PAUSED))
    waves = {"entering": 1, "passing": 2, "catching up": 2, "going back": 1, "losing patience": 1}[case]
    assert events.count("entered") == waves
