"""The demo's report: a promise is kept, broken, or not reached where the replay was cut short."""

from datetime import date
from pathlib import Path

import pytest

from pilothouse.demo import steps
from pilothouse.demo.progress import Progress
from pilothouse.demo.report import Check, drill_check, judged
from pilothouse.demo.steps import Demo
from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.rollouts.rollout import RolloutState
from support.rollout_plans import plan
from support.rollout_workspace import RolloutWorkspace

CUT = date(2013, 6, 4)


@pytest.mark.parametrize(
    ("check", "cut", "reached", "found"),
    [
        (
            Check("retrained", False, "ewr 1", comes_later=True),
            CUT,
            False,
            "not reached by --until 2013-06-04: ewr 1",
        ),
        (Check("retrained", False, "ewr 1", comes_later=True), None, True, "ewr 1"),
        (Check("retrained", True, "ewr 2", comes_later=True), CUT, True, "ewr 2"),
        (Check("stored once", False, "1 stored, 2 answered"), CUT, True, "1 stored, 2 answered"),
    ],
)
def test_only_what_may_still_come_is_not_reached(
    check: Check, cut: date | None, reached: bool, found: str
) -> None:
    seen = judged(check, cut)
    assert (seen.kept, seen.reached, seen.found) == (check.kept, reached, found)


def test_a_drill_that_went_live_is_not_reached_where_the_replay_was_cut_short_and_broken_at_the_storys_end(
    tmp_path: Path,
) -> None:
    place = RolloutWorkspace(tmp_path, plan({"name": "all"}))
    number = place.begin()
    place.keep()
    drill, reader = place.rollout(number), place.example.actor("pat")
    assert drill.state is RolloutState.COMPLETED
    check = drill_check(Demo(place.services, reader, reader, Progress()), drill)

    cut = judged(check, CUT)
    assert (cut.kept, cut.reached) == (False, False)
    assert cut.found.startswith(f"not reached by --until 2013-06-04: delay/2 in roll-out {number}: completed")
    whole = judged(check, None)
    assert (whole.kept, whole.reached) == (False, True)


def test_waiting_goes_on_while_something_moves_and_ends_when_nothing_does() -> None:
    demo = Demo(None, Actor("ada"), Actor("petra"), Progress())  # type: ignore[arg-type]
    moves = iter(range(4))
    polls = 0

    def done() -> bool:
        nonlocal polls
        polls += 1
        return False

    with pytest.raises(UnavailableError, match="they do not answer: nothing has moved for 0 s"):
        steps.wait(
            demo, done, "waiting", "they do not answer", progress=lambda: next(moves, 3), patience=0.15
        )
    assert polls >= 4, "each move renews the patience"
