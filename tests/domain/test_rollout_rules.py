"""The rule of roll-outs: plan, place and facts in, the one next act out."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pilothouse.domain.rollouts.rollout import PlaceState, Rollout, RolloutState
from pilothouse.domain.rollouts.rules import (
    Act,
    Breach,
    CatchUp,
    Complete,
    Enter,
    Facts,
    GoBack,
    Leave,
    Outcome,
    Pass,
    Pause,
    PlaceFacts,
    StepEvidence,
    Wait,
    next_act,
)
from support.rollout_plans import START, TRIALS, TWO_WAVES, plan, rollout, with_target

HOUR = timedelta(hours=1)
WORSE = Breach("alert", "alert 4: auc 0.61 on ewr, below 0.70", "ewr")


def fresh(of: Any = TWO_WAVES) -> Rollout:
    return rollout(of, ("ewr",), ("jfk", "lga"))


def inside(one: Rollout, place: PlaceState, **other: Any) -> Rollout:
    """The roll-out after ewr has entered its step."""
    moved = with_target(one, "ewr", place, entered_at=START)
    return replace(moved, **{"entered_at": START, "patience_from": START, **other})


def act(one: Rollout, places: dict[str, PlaceFacts] | None = None, **facts: Any) -> Act:
    known = {
        target.target: PlaceFacts(live=2 if target.state is PlaceState.LIVE else 1) for target in one.targets
    } | (places or {})
    return next_act(one, Facts(**{"now": START, "places": known, **facts}))


def waits(one: Rollout, *args: Any, **facts: Any) -> str:
    found = act(one, *args, **facts)
    assert isinstance(found, Wait), found
    return found.why


def test_a_step_begins_on_the_targets_that_answer() -> None:
    assert act(fresh()) == Enter(("ewr",), ())
    second = replace(inside(fresh(), PlaceState.LIVE), wave=1, entered_at=None)
    assert act(second, {"lga": PlaceFacts(answers=False, live=1)}) == Enter(("jfk",), ("lga",))


def test_a_live_step_bakes_and_then_passes() -> None:
    baking = inside(fresh(), PlaceState.LIVE)

    assert waits(baking, now=START + HOUR - timedelta(seconds=1)) == "bakes until 2026-05-03 13:00:00 UTC"
    assert act(baking, now=START + HOUR) == Pass("nothing was found against it in 1h")
    assert baking.after() == (1, 0)
    assert replace(baking, wave=1, step=0).after() == (2, 0)


def test_a_wave_without_a_target_of_the_request_is_left_out() -> None:
    three = plan(
        {"name": "a", "select": {"name": "a"}}, {"name": "b", "select": {"name": "b"}}, {"name": "rest"}
    )
    one = rollout(three, (), (), ("ewr",))

    assert one.wave == 2
    assert replace(rollout(three, ("a",), (), ("ewr",)), wave=0).after() == (2, 0)


def test_nothing_is_tried_beside_what_is_live_where_something_else_serves() -> None:
    of_others = {"ewr": PlaceFacts(live=1, tries=False)}
    alone = fresh(TRIALS)
    assert act(alone) == Enter(("ewr",), ())
    assert act(alone, of_others) == Pass(
        "something else serves its targets, where nothing can be tried beside what is live"
    )
    live = replace(alone, step=2)
    assert act(live, of_others) == Enter(("ewr",), ())

    together = rollout(TRIALS, ("ewr", "nightly"), ())
    assert act(together, {"nightly": PlaceFacts(live=1, tries=False)}) == Enter(("ewr",), ())


def test_it_is_complete_when_every_wave_is_through_and_no_target_is_missing() -> None:
    through = replace(inside(fresh(), PlaceState.LIVE), wave=2, entered_at=None)
    through = with_target(with_target(through, "jfk", PlaceState.LIVE), "lga", PlaceState.LIVE)

    assert act(through) == Complete()
    missing = with_target(through, "lga", PlaceState.PASSED_OVER)
    assert waits(missing, {"lga": PlaceFacts(answers=False)}) == "every wave is through; lga does not answer"
    assert act(missing) == CatchUp(("lga",))


def test_a_dead_target_does_not_hold_its_wave_and_catches_up() -> None:
    second = replace(inside(fresh(), PlaceState.LIVE), wave=1, entered_at=START)
    second = with_target(with_target(second, "jfk", PlaceState.LIVE), "lga", PlaceState.PASSED_OVER)
    dead = {"lga": PlaceFacts(answers=False, live=1)}

    assert act(second, dead) == Pass("nothing was found against it")
    assert act(second) == CatchUp(("lga",))
    both = {"lga": PlaceFacts(answers=False), "jfk": PlaceFacts(answers=False, live=2)}
    assert waits(second, both) == "no target of the wave answers"


def test_a_target_that_has_not_loaded_the_version_holds_the_step_even_when_somebody_lets_it_go_on() -> None:
    loading = inside(fresh(), PlaceState.LIVE)
    places = {"ewr": PlaceFacts(ready=False, live=2)}

    assert waits(loading, places, now=START + HOUR) == "ewr has not loaded delay/2 yet"
    assert "not loaded" in waits(replace(loading, released_by="pat"), places)


@pytest.mark.parametrize("state", [RolloutState.RUNNING, RolloutState.PAUSED])
def test_a_breach_takes_it_back_whatever_blocks_its_way_forward(state: RolloutState) -> None:
    one = inside(fresh(), PlaceState.LIVE, state=state, why="lunch")

    assert act(one, breaches=[WORSE], blocked="automation is paused") == GoBack(WORSE)


@pytest.mark.parametrize(
    "state", [RolloutState.COMPLETED, RolloutState.ABORTED, RolloutState.ROLLED_BACK, RolloutState.SUPERSEDED]
)
def test_nothing_follows_once_it_has_ended(state: RolloutState) -> None:
    assert waits(inside(fresh(), PlaceState.LIVE, state=state), breaches=[WORSE]) == f"it is {state}"


def test_paused_or_blocked_it_takes_no_step_forward() -> None:
    assert waits(replace(fresh(), state=RolloutState.PAUSED, why="lunch")) == "paused: lunch"
    assert waits(fresh(), blocked="a hold is set") == "a hold is set"
    late = inside(fresh(), PlaceState.LIVE)
    assert waits(late, blocked="frozen", now=START + 400 * 24 * HOUR) == "frozen"  # its patience is kept too


def test_another_version_live_in_its_place_ends_it_and_leaves_the_others() -> None:
    one = inside(fresh(), PlaceState.LIVE)

    assert act(one, {"ewr": PlaceFacts(live=1)}) == Leave(("ewr",))
    assert act(one, {"ewr": PlaceFacts(live=1)}, breaches=[WORSE]) == GoBack(WORSE)


def test_evidence_lets_a_shadow_step_go_on_only_with_its_least_number_of_pairs() -> None:
    shadow = inside(fresh(TRIALS), PlaceState.SHADOW)

    assert waits(shadow) == "no traffic: 0 of 100 requests"
    few = StepEvidence(40, Outcome.NOT_WORSE, "")
    assert waits(shadow, evidence=few) == "40 of 100 requests"
    unsure = StepEvidence(400, Outcome.UNDECIDED, "e-value 3.1 of 20; about 900 more pairs")
    assert waits(shadow, evidence=unsure) == "e-value 3.1 of 20; about 900 more pairs"
    enough = StepEvidence(400, Outcome.NOT_WORSE, "e-value 24 of 20")
    assert act(shadow, evidence=enough) == Pass("not worse: e-value 24 of 20")
    assert shadow.after() == (0, 1)


def test_a_step_that_asks_for_outcomes_waits_for_them_and_says_how_many_were_known() -> None:
    step = {"kind": "canary", "share": 0.1, "go_on": "time", "requests": 50, "judged": 20}
    canary = inside(fresh(plan({"name": "all", "step": [step, {"kind": "live"}]})), PlaceState.CANARY)

    assert waits(canary, evidence=StepEvidence(60, judged=19)) == "19 of 20 requests with outcomes"
    passed = act(canary, evidence=StepEvidence(60, judged=20))
    assert passed == Pass("60 requests, 20 of them with an outcome")


def test_without_traffic_it_neither_passes_nor_fails_and_says_so_when_its_patience_ends() -> None:
    shadow = inside(fresh(TRIALS), PlaceState.SHADOW)
    week = timedelta(days=7)

    waiting = act(shadow, now=START + week - timedelta(seconds=1))
    assert waiting == Wait("no traffic: 0 of 100 requests", START + week)
    assert act(shadow, now=START + week) == Pause("no traffic: 0 of 100 requests, for 1w")
    resumed = replace(shadow, patience_from=START + week)
    assert isinstance(act(resumed, now=START + week), Wait)


def test_a_step_that_goes_on_by_hand_waits_for_a_person_as_long_as_it_takes() -> None:
    by_hand = plan({"name": "all", "step": [{"kind": "live", "go_on": "hand", "bake": "1h"}]})
    one = inside(rollout(by_hand, ("ewr",)), PlaceState.LIVE)

    released = replace(one, released_by="pat")
    assert "bakes until" in waits(released)  # the least time holds
    assert waits(one, now=START + 9_000 * HOUR) == "waits for a person: pilothouse rollout go-on 7 --step 1.1"
    assert act(released, now=START + HOUR) == Pass("pat let it go on")


def test_a_person_may_stand_in_for_evidence_that_does_not_come() -> None:
    shadow = inside(fresh(TRIALS), PlaceState.SHADOW, released_by="pat")

    assert act(shadow) == Pass("pat let it go on")


def test_the_event_clock_counts_from_where_each_target_stood() -> None:
    by_events = plan({"name": "all", "step": [{"kind": "live", "bake": "1h", "clock": "event"}]})
    one = rollout(by_events, ("ewr", "jfk"))
    for target in ("ewr", "jfk"):
        one = with_target(one, target, PlaceState.LIVE, entered_at=START, entered_clock=START - 24 * HOUR)
    one = replace(one, entered_at=START, patience_from=START)
    ahead = PlaceFacts(live=2, clock=START - 23 * HOUR)

    behind = PlaceFacts(live=2, clock=START - 24 * HOUR)
    assert waits(one, {"ewr": ahead, "jfk": behind}) == "bakes until 2026-05-02 13:00 by the events of jfk"
    assert waits(one, {"ewr": ahead, "jfk": PlaceFacts(live=2)}).endswith("no event has come from jfk")
    assert isinstance(act(one, {"ewr": ahead, "jfk": ahead}), Pass)


def test_a_wave_of_which_no_target_answered_bakes_from_when_one_caught_up() -> None:
    late = inside(with_target(fresh(), "ewr", PlaceState.PASSED_OVER), PlaceState.LIVE)
    late = with_target(late, "ewr", PlaceState.LIVE, entered_at=START + 2 * HOUR)

    assert waits(late, now=START + 2.5 * HOUR) == "bakes until 2026-05-03 15:00:00 UTC"
    assert isinstance(act(late, now=START + 3 * HOUR), Pass)
