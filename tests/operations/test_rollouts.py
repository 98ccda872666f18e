"""Roll-outs from the last approval to their end: waves, dead targets, what is found against them, people, other requests."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.registries import raised
from pilothouse.domain.errors import ConflictError, IntegrityError, InvalidInputError, NotAllowedError
from pilothouse.domain.identity.roles import DAEMON, Permission, Role
from pilothouse.domain.promotion.conditions import NewCondition
from pilothouse.domain.promotion.request_rules import policy_met_text
from pilothouse.domain.records import AlertStatus, RequestStatus
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.operations import automation_switch
from pilothouse.operations.alerts import alerts, incidents
from pilothouse.operations.authorisation import changing
from pilothouse.operations.fleet.processes import note_serving_end
from pilothouse.operations.promotion import deployments, freezes, promotions
from pilothouse.operations.promotion.attached import conditions
from pilothouse.operations.rollouts import keeper, steering, views
from pilothouse.operations.workspace import doctor, time_machine, workspaces
from pilothouse.sqlite import Connection
from pilothouse.store.deployed import deployments as deployment_store
from pilothouse.store.promotion import rollouts as store
from support.rollout_plans import TWO_WAVES, plan
from support.rollout_workspace import TARGETS, RolloutWorkspace

Make = Callable[..., RolloutWorkspace]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    return lambda of=TWO_WAVES, **other: RolloutWorkspace(tmp_path / "workspace", of, **other)


def test_a_version_goes_out_in_waves_that_bake(make: Make) -> None:
    place = make()
    number = place.begin()

    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}  # the keeper takes every step
    place.keep()
    assert place.live() == {"ewr": 2, "jfk": 1, "lga": 1}
    place.keep()
    assert place.states(number) == {"ewr": "live", "jfk": "waiting", "lga": "waiting"}
    place.example.pass_time(hours=1)
    place.keep()
    assert place.live() == {"ewr": 2, "jfk": 2, "lga": 2}
    assert place.rollout(number).state is RolloutState.COMPLETED
    assert place.events(number) == ["made", "entered", "passed", "entered", "passed", "completed"]
    assert place.keep() == []


def test_the_evidence_shows_the_plan_and_the_request_ends_as_approved(make: Make) -> None:
    place = make()

    request = place.request(2)
    assert request.evidence["plan"]["targets"] == [["ewr"], ["jfk", "lga"]]
    assert request.evidence["plan"]["digest"] == TWO_WAVES.digest
    place.example.pass_time(minutes=1)
    done = promotions.approve(place.services, place.example.actor("pat"), request.id, request.evidence_digest)
    assert done.status is RequestStatus.APPROVED
    with pytest.raises(ConflictError, match="is approved already"):
        promotions.reject(place.services, place.example.actor("pia"), request.id, "late")


def test_a_plan_that_was_changed_since_takes_another_request(make: Make) -> None:
    place = make()
    request = place.request(2)
    place.put_plan(plan({"name": "all"}))

    with pytest.raises(ConflictError, match="its evidence shows another plan than the one in force"):
        promotions.approve(place.services, place.example.actor("pat"), request.id, request.evidence_digest)


def test_a_request_for_targets_that_no_wave_selects_is_refused_before_it_is_filed(make: Make) -> None:
    place = make(plan({"name": "first", "select": {"name": ["ewr", "jfk"]}}))

    with pytest.raises(ConflictError, match="no wave of the plan careful selects lga"):
        place.request(2)
    assert place.request(2, "ewr").evidence["plan"]["targets"] == [["ewr"]]


def test_an_automatic_decision_goes_out_by_the_plan_too(make: Make) -> None:
    place = make(automatic=True, approvals=0)
    workspaces.set_workspace_policy(
        place.services, place.example.actor("ada"), approvals=0, allow_automatic=True, reason="a test"
    )
    request = place.request(2)

    assert request.status is RequestStatus.APPROVED
    place.keep()
    assert place.live() == {"ewr": 2, "jfk": 1, "lga": 1}
    with place.services.registry.read() as connection:
        found = store.of_request(connection, request.id)
    assert found is not None
    assert found.kind == "automatic"


def test_a_dead_target_is_passed_over_and_catches_up(make: Make) -> None:
    place = make()
    place.report("jfk", 1)
    place.silence("jfk")
    number = place.begin()
    place.keep()
    place.example.pass_time(hours=1)
    place.keep()

    assert place.live() == {"ewr": 2, "jfk": 1, "lga": 2}
    assert place.states(number) == {"ewr": "live", "jfk": "passed over", "lga": "live"}
    assert place.rollout(number).state is RolloutState.RUNNING
    place.report("jfk", 1)
    place.keep()
    assert place.live() == {"ewr": 2, "jfk": 2, "lga": 2}
    place.report("jfk", 2)
    place.keep()
    assert place.rollout(number).state is RolloutState.COMPLETED


def test_a_target_that_loads_holds_its_wave(make: Make) -> None:
    place = make(plan({"name": "first", "select": {"name": "ewr"}}, {"name": "rest"}))
    place.report("ewr", 1)
    number = place.begin()
    place.keep()
    place.keep()
    assert place.states(number) == {"ewr": "live", "jfk": "waiting", "lga": "waiting"}

    place.report("ewr", 2)
    place.keep()
    assert place.rollout(number).state is RolloutState.COMPLETED


def found_not_loaded(place: RolloutWorkspace) -> str:
    place.report("ewr", 1, failed="sklearn.Foo is not allowed")
    return "ewr cannot load delay/2: sklearn.Foo is not allowed"


def found_by_an_alert(place: RolloutWorkspace) -> str:
    place.example.pass_time(seconds=1)
    raised(
        place.example, "performance", "ewr", version=2, severity="critical", effective_at=place.example.time
    )
    return "performance on ewr"


def found_dying(place: RolloutWorkspace) -> str:
    for _ in range(3):
        place.example.pass_time(seconds=20)
        place.report("ewr", 2)
        place.silence("ewr")
    return "the serving process of ewr has ended 3 times since delay/2 is live there, and 0 times in the 60 minutes before"


def test_a_request_by_another_plan_than_the_one_in_force_is_made_anew_while_it_is_open(make: Make) -> None:
    place = make(TWO_WAVES)
    old = place.request(2)
    place.put_plan(plan({"name": "all"}, name=TWO_WAVES.name))
    anew = promotions.request_again(place.services, place.example.actor("sam"), old.id)
    assert (anew.version, anew.targets, anew.status) == (2, old.targets, "open")
    before = promotions.get_request(place.services, place.example.actor("sam"), old.id)
    assert (before.status, before.superseded_by) == ("superseded", anew.id)
    with pytest.raises(ConflictError, match="nothing needs asking anew"):
        promotions.request_again(place.services, place.example.actor("sam"), anew.id)


def test_conditions_of_a_request_that_goes_out_by_a_plan_count_from_its_approval(make: Make) -> None:
    place = make(TWO_WAVES)
    request = place.request(2)
    condition = NewCondition("looked at after a month", "aud", place.example.time + timedelta(days=30))
    pat = place.example.actor("pat")
    approved = promotions.approve(
        place.services, pat, request.id, request.evidence_digest, condition=condition
    )
    assert approved.status == "approved"
    assert policy_met_text(approved) == "yes: 1 of 1 approvals"
    (open_one,) = conditions.list_conditions(place.services, pat)
    assert open_one.standing(place.example.time) == "open"
    done = conditions.confirm(place.services, place.example.actor("aud"), open_one.id, "fine")
    assert done.standing(place.example.time) == "confirmed"
    assert conditions.list_conditions(place.services, pat) == []


def found_not_coming_up(place: RolloutWorkspace) -> str:
    note_serving_end(place.services, "ewr", end="signal 9")
    place.example.pass_time(seconds=30)
    note_serving_end(place.services, "ewr", end="signal 9")  # one outage
    place.keep()
    assert place.live()["ewr"] == 2
    place.example.pass_time(seconds=90)
    return "the serving process of ewr has ended since delay/2 is live there, and has not come up again in 120 seconds"


@pytest.mark.parametrize("find", [found_not_loaded, found_by_an_alert, found_dying, found_not_coming_up])
@pytest.mark.parametrize("paused", [False, True])
def test_what_is_found_against_it_takes_every_touched_target_back(
    make: Make, find: Callable[[RolloutWorkspace], str], paused: bool
) -> None:
    place = make()
    for target in ("ewr", "jfk"):
        place.report(target, 1)
    number = place.begin()
    place.keep()
    place.example.pass_time(minutes=5)
    if paused:
        steering.pause(place.services, place.example.actor("oscar"), number, "lunch")
    why = find(place)
    place.keep()

    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}
    rollout = place.rollout(number)
    assert rollout.state is RolloutState.ROLLED_BACK
    assert why in rollout.why
    assert place.states(number) == {"ewr": "back", "jfk": "waiting", "lga": "waiting"}
    reader = place.example.actor("vera")
    (hold,) = deployments.list_holds(place.services, reader)
    assert why in hold.reason
    (alert,) = [one for one in alerts.list_alerts(place.services, reader) if one.kind == "rollout"]
    assert alert.severity == "critical"
    assert why in alert.summary
    incident = next(
        one for one in incidents.list_incidents(place.services, reader) if alert.incident == one.id
    )
    assert incident.status is AlertStatus.OPEN
    assert place.keep() == []
    with place.services.registry.read() as connection:
        assert store.rolled_back(connection, "delay") == {2: number}


def test_a_version_that_an_alert_took_back_goes_out_again_by_a_new_request(make: Make) -> None:
    place = make()
    first = place.begin()
    place.keep()
    found_by_an_alert(place)
    place.keep()
    assert place.rollout(first).state is RolloutState.ROLLED_BACK
    place.example.pass_time(minutes=5)
    deployments.lift_hold(place.services, place.example.actor("oscar"), "delay", "looked at")

    second = place.begin()
    place.keep()
    assert place.live()["ewr"] == 2
    assert place.rollout(second).state is RolloutState.RUNNING
    assert _has_open_alert(place), "the alert of before stands again, for everybody to see"


def _has_open_alert(place: RolloutWorkspace) -> bool:
    found = alerts.list_alerts(place.services, place.example.actor("oscar"), status=AlertStatus.OPEN)
    return any((one.kind, one.version, one.target) == ("performance", 2, "ewr") for one in found)


def test_an_alert_that_the_version_before_has_too_is_none_against_the_new_one(make: Make) -> None:
    place = make()
    raised(place.example, "data_quality", "ewr", effective_at=place.example.time)
    number = place.begin()
    place.keep()
    place.example.pass_time(minutes=5)
    raised(place.example, "data_quality", "ewr", version=2, effective_at=place.example.time)
    place.keep()

    assert place.rollout(number).state is RolloutState.RUNNING


@pytest.mark.parametrize(
    ("before", "now", "state"),
    [
        (
            (43.0, 37.0, 50.0, 35.0),
            (98.0, 90.0, 106.0, 36.0),
            RolloutState.ROLLED_BACK,
        ),  # an error: more is worse
        ((43.0, 37.0, 50.0, 35.0), (48.0, 44.0, 52.0, 36.0), RolloutState.RUNNING),
        (
            (0.71, 0.69, 0.73, 0.76),
            (0.55, 0.52, 0.58, 0.76),
            RolloutState.ROLLED_BACK,
        ),  # a score: less is worse
        ((0.71, 0.69, 0.73, 0.76), (0.74, 0.735, 0.75, 0.76), RolloutState.RUNNING),
    ],
)
def test_an_alert_of_a_performance_that_is_worse_than_the_version_before_had_is_one_against_the_new_one(
    make: Make, before: tuple[float, ...], now: tuple[float, ...], state: RolloutState
) -> None:
    place = make()
    names = ("value", "low", "high", "reference")
    raised(
        place.example,
        "performance",
        figures=dict(zip(names, before, strict=True)),
        effective_at=place.example.time,
    )
    number = place.begin()
    place.keep()
    place.example.pass_time(minutes=5)
    figures = dict(zip(names, now, strict=True))
    raised(place.example, "performance", version=2, figures=figures, effective_at=place.example.time)
    place.keep()
    assert place.rollout(number).state is state


@pytest.mark.parametrize("what", ["frozen", "hold", "automation is paused"])
def test_freezes_holds_and_paused_automation_keep_it_where_it_is_and_not_from_going_back(
    make: Make, what: str
) -> None:
    place = make()
    place.report("ewr", 1)
    number = place.begin()
    place.keep()
    place.report("ewr", 2)
    ada, oscar = place.example.actor("ada"), place.example.actor("oscar")
    if what == "frozen":
        freezes.set_freeze(
            place.services, ada, "all", "2026-01-01 00:00", "2027-01-01 00:00", "UTC", reason="year"
        )
    elif what == "hold":
        _hold(place)
    else:
        automation_switch.pause(place.services, oscar, "a storm")
    place.example.pass_time(hours=2)
    place.keep()  # in a freeze the step stands still, which is one act
    assert place.keep() == []
    assert place.live()["jfk"] == 1

    place.report("ewr", 1, failed="no memory")
    place.keep()
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}
    assert place.rollout(number).state is RolloutState.ROLLED_BACK


def _hold(place: RolloutWorkspace) -> None:
    with changing(place.services, DAEMON, Permission.RUN_DAEMON) as change:
        deployment_store.set_hold(change.connection, "delay", reason="looks odd", by="oscar", at=change.at)
        change.record("hold.set", "delay")


BY_HAND = plan(
    {"name": "first", "select": {"name": "ewr"}, "step": [{"kind": "live", "go_on": "hand"}]},
    {"name": "rest"},
)


def test_people_pause_resume_and_let_it_go_on(make: Make) -> None:
    place = make(BY_HAND)
    number = place.begin()
    place.keep()
    oscar = place.example.actor("oscar")

    assert place.keep() == []
    steering.pause(place.services, oscar, number, "lunch")
    with pytest.raises(ConflictError, match="resume it first"):
        steering.go_on(place.services, oscar, number)
    steering.resume(place.services, oscar, number)
    with pytest.raises(ConflictError, match=r"is at step 1\.1 \(1 of 2 first: live\), not at that one"):
        steering.go_on(place.services, oscar, number, shown=(1, 0))
    steering.go_on(place.services, oscar, number, shown=(0, 0))
    with pytest.raises(ConflictError, match="oscar has let roll-out 1 go on already"):
        steering.go_on(place.services, oscar, number)
    place.keep()

    assert place.rollout(number).state is RolloutState.COMPLETED
    assert place.events(number) == [
        "made", "entered", "paused", "resumed", "released", "passed", "entered", "passed", "completed",
    ]  # fmt: skip


def test_a_step_ends_without_what_the_plan_asks_for_only_by_somebody_who_decides_and_says_why(
    make: Make,
) -> None:
    place = make()
    number = place.begin()
    place.keep()

    with pytest.raises(NotAllowedError, match="may not approve or reject"):
        steering.go_on(place.services, place.example.actor("oscar"), number, "in a hurry")
    with pytest.raises(
        InvalidInputError, match="ending a step of a roll-out without its time needs a reason"
    ):
        steering.go_on(place.services, place.example.actor("pat"), number)
    workspaces.grant_role(place.services, place.example.actor("ada"), "sam", Role.APPROVER)
    with pytest.raises(NotAllowedError, match="the policy says four eyes: somebody else ends this step"):
        steering.go_on(place.services, place.example.actor("sam"), number, "in a hurry")
    offered = [
        views.show_rollout(place.services, place.example.actor(who), number).may for who in ("sam", "pat")
    ]
    assert ["go-on" in may for may in offered] == [False, True]
    steering.go_on(place.services, place.example.actor("pat"), number, "nobody flies tonight")
    place.keep()
    assert place.live() == {"ewr": 2, "jfk": 2, "lga": 2}


def test_an_abort_takes_it_back_with_a_reason(make: Make) -> None:
    place = make()
    number = place.begin()
    place.keep()

    steering.abort(place.services, place.example.actor("oscar"), number, "the desk calls")

    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}
    assert place.rollout(number).state is RolloutState.ABORTED
    assert place.rollout(number).why == "oscar: the desk calls"
    with pytest.raises(ConflictError, match="is aborted already"):
        steering.pause(place.services, place.example.actor("oscar"), number, "again")
    assert place.keep() == []


def test_where_nothing_was_live_before_it_stays_and_says_so(make: Make) -> None:
    place = make(live=False)
    number = place.begin(2)
    place.keep()
    steering.abort(place.services, place.example.actor("oscar"), number, "wrong one")

    assert place.live() == {"ewr": 2}
    with place.services.registry.read() as connection:
        last = store.events(connection, number)[-1]
    assert last.figures["nothing_before"] == ["ewr"]


def test_a_roll_back_by_hand_on_one_of_its_targets_ends_it_there(make: Make) -> None:
    place = make()
    number = place.begin()
    place.keep()
    deployments.roll_back(place.services, place.example.actor("oscar"), "delay", ["ewr"], reason="slow")
    place.keep()

    assert place.rollout(number).state is RolloutState.ABORTED
    assert "another version is live on ewr" in place.rollout(number).why
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}


def test_a_newer_approved_request_supersedes_it(make: Make) -> None:
    place = make()
    first = place.begin()
    place.keep()
    place.example.add_version(incumbents=(1, 2))
    second = place.begin(3)

    assert place.rollout(first).state is RolloutState.SUPERSEDED
    assert place.rollout(first).superseded_by == place.rollout(second).request_id
    assert place.live() == {"ewr": 2, "jfk": 1, "lga": 1}
    place.keep()
    assert place.live() == {"ewr": 3, "jfk": 1, "lga": 1}
    steering.abort(place.services, place.example.actor("oscar"), second, "no")
    assert place.live() == {"ewr": 2, "jfk": 1, "lga": 1}  # what was live before this one


def test_everything_that_it_wrote_is_accounted_for(make: Make) -> None:
    place = make()
    place.report("ewr", 1)
    place.begin()
    place.keep()
    place.report("ewr", 1, failed="no memory")
    place.keep()

    found = doctor.diagnose(place.services, place.example.actor("ada"))
    assert {one.check: one.text for one in found if one.check in ("records", "registry") and not one.ok} == {}


def test_a_roll_out_that_cannot_be_read_holds_none_of_the_others(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = make()
    broken, other = place.begin(2, "ewr"), place.begin(2, "jfk")
    find = store.find

    def cannot_read_one(connection: Connection, number: int) -> Rollout | None:
        if number == broken:
            raise IntegrityError(f"the plan of roll-out {number} cannot be read")
        return find(connection, number)

    monkeypatch.setattr(store, "find", cannot_read_one)
    done = {(one.number, one.fault) for one in keeper.keep(place.services)}
    assert (broken, f"the plan of roll-out {broken} cannot be read") in done
    assert (other, "") in done
    assert place.live() == {"ewr": 1, "jfk": 2, "lga": 1}


def test_a_keeper_that_waits_looks_again_when_something_changes_or_time_has_passed(make: Make) -> None:
    place = make()
    number = place.begin()
    kept = keeper.Keeper(place.services)
    assert [type(one.act).__name__ for one in kept.keep()] == ["Enter"]
    assert kept.keep() == []

    place.example.pass_time(hours=1)
    assert kept.keep()
    assert place.rollout(number).state is RolloutState.COMPLETED
    second = place.example.add_version(incumbents=(2,))
    number = place.begin(second.number)
    assert kept.keep()
    assert kept.keep() == []
    place.report("ewr", 2, failed="no memory")
    assert [type(one.act).__name__ for one in kept.keep()] == ["GoBack"]


def test_in_the_past_a_roll_out_is_where_it_was(make: Make) -> None:
    place = make()
    number = place.begin()
    ada = place.example.actor("ada")
    seen = []
    for act in (
        lambda: None,
        place.keep,
        lambda: steering.pause(place.services, place.example.actor("oscar"), number, "lunch"),
        lambda: steering.resume(place.services, place.example.actor("oscar"), number),
        lambda: steering.abort(place.services, place.example.actor("oscar"), number, "no"),
    ):
        act()
        rollout = place.rollout(number)
        seen.append((place.example.time, str(rollout.state), rollout.why, rollout.wave, place.states(number)))
        place.example.pass_time(minutes=5)

    for time, state, why, wave, states in seen:
        past = time_machine.open_past(place.services, ada, time)
        try:
            (found,) = views.list_rollouts(past, ada)
            events = views.show_rollout(past, ada, number).events
        finally:
            past.close()
        assert (str(found.state), found.why, found.wave) == (state, why, wave)
        assert {one.target: str(one.state) for one in found.targets} == states
        assert all(event.recorded_at <= time for event in events)


def test_going_back_leaves_what_somebody_has_put_live_meanwhile(make: Make) -> None:
    place = make()
    number = place.begin()
    place.keep()
    place.example.pass_time(hours=1)
    place.keep()
    assert place.rollout(number).state is RolloutState.COMPLETED
    place.example.add_version(incumbents=(2,))
    number = place.begin(3)
    place.keep()
    oscar = place.example.actor("oscar")
    deployments.roll_back(place.services, oscar, "delay", ["ewr"], reason="slow")
    deployments.roll_back(place.services, oscar, "delay", ["ewr"], reason="slower")
    steering.abort(place.services, oscar, number, "enough")

    assert place.live() == {"ewr": 1, "jfk": 2, "lga": 2}


def test_going_back_is_to_no_version_that_somebody_rolled_back_while_it_waited(make: Make) -> None:
    place = make()
    place.begin()
    place.keep()
    place.example.pass_time(hours=1)
    place.keep()
    place.example.add_version(incumbents=(2,))
    number = place.begin(3)
    deployments.roll_back(place.services, place.example.actor("oscar"), "delay", ["ewr"], reason="slow")
    deployments.lift_hold(place.services, place.example.actor("ada"), "delay", "seen")
    place.keep()
    assert place.live() == {"ewr": 3, "jfk": 2, "lga": 2}
    steering.abort(place.services, place.example.actor("oscar"), number, "enough")

    assert place.live() == {"ewr": 1, "jfk": 2, "lga": 2}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"targets": [{"name": "ewr"}, {"name": "jfk"}]}, "names lga no longer"),
        ({"inventory": {"retired": "nobody asks for it"}}, "delay is retired (nobody asks for it)"),
    ],
)
def test_a_model_file_that_takes_a_target_or_the_model_out_keeps_it_where_it_is(
    make: Make, changed: dict[str, Any], said: str
) -> None:
    place = make()
    number = place.begin()
    place.keep()
    usual = {"targets": [{"name": name} for name in TARGETS], "promotion": {"plan": "careful"}}
    place.example.apply(**{**usual, **changed})
    place.example.pass_time(hours=2)

    assert place.keep() == []
    assert place.live() == {"ewr": 2, "jfk": 1, "lga": 1}
    assert said in views.show_rollout(place.services, place.example.actor("vera"), number).next
    steering.abort(place.services, place.example.actor("oscar"), number, "enough")
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}


LATER_TRIAL = plan(
    {"name": "first", "select": {"name": "ewr"}},
    {"name": "rest", "step": [{"kind": "canary", "share": 0.1, "requests": 10}, {"kind": "live"}]},
)


def test_trials_that_end_with_a_roll_back_by_hand_elsewhere_have_ended_in_the_past_too(make: Make) -> None:
    place = make(LATER_TRIAL)
    number = place.begin()
    place.keep()
    assert place.states(number) == {"ewr": "live", "jfk": "canary", "lga": "canary"}
    deployments.roll_back(place.services, place.example.actor("oscar"), "delay", ["ewr"], reason="slow")
    place.keep()
    now = place.states(number)
    assert now == {"ewr": "live", "jfk": "back", "lga": "back"}

    time = place.example.time
    place.example.pass_time(minutes=5)
    past = time_machine.open_past(place.services, place.example.actor("ada"), time)
    try:
        (found,) = views.list_rollouts(past, place.example.actor("ada"))
    finally:
        past.close()
    assert {one.target: str(one.state) for one in found.targets} == now


def test_before_the_first_event_a_step_bakes_from_when_the_live_version_took_effect(make: Make) -> None:
    place = make(plan({"name": "all", "step": [{"kind": "live", "bake": "1h", "clock": "event"}]}))
    number = place.begin()
    place.keep()

    with place.services.registry.read() as connection:
        live = {one.target: one.effective_at for one in deployment_store.live(connection, model="delay")}
    assert {one.target: one.entered_clock for one in place.rollout(number).targets} == live
