"""What runs where: roll-back, holds, both clocks, and what each target should serve."""

from datetime import UTC, datetime, timedelta

import pytest

from fixtures.registries import START, Example
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.records import Deployment, RollBackStep
from pilothouse.operations import catalogue
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.sqlite import Connection
from pilothouse.store.work import runs


def promote(example: Example, number: int, *targets: str) -> None:
    request = promotions.request_promotion(
        example.services, example.actor("sam"), f"delay/{number}", targets or None
    )
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)


def roll_back(example: Example, *targets: str) -> list[Deployment]:
    return deployments.roll_back(
        example.services, example.actor("oscar"), "delay", targets or None, "too slow"
    )


def live(example: Example) -> dict[str, int]:
    found = deployments.list_deployments(example.services, example.actor("vera"))
    return {deployment.target: deployment.version for deployment in found}


@pytest.fixture
def fleet(example: Example) -> Example:
    """Versions 1, 2 and 3; each was promoted everywhere, an hour after the one before."""
    for number in (1, 2, 3):
        example.add_version()
        promote(example, number)
        example.pass_time(hours=1)
    return example


def test_a_roll_back_puts_the_version_before_back_everywhere(fleet: Example) -> None:
    found = roll_back(fleet)

    assert [(d.target, d.version, d.kind, d.reason) for d in found] == [
        ("ewr", 2, "rollback", "too slow"),
        ("jfk", 2, "rollback", "too slow"),
    ]
    assert catalogue.get_model(fleet.services, fleet.actor("vera"), "delay").aliases["champion"] == 2


def test_rolling_back_again_goes_further_back(fleet: Example) -> None:
    roll_back(fleet)
    roll_back(fleet)

    assert live(fleet) == {"ewr": 1, "jfk": 1}
    with pytest.raises(ConflictError, match="no version before"):
        roll_back(fleet)


def test_a_promotion_after_a_roll_back_goes_back_to_what_it_replaced(fleet: Example) -> None:
    roll_back(fleet)
    fleet.add_version()
    promote(fleet, 4)

    roll_back(fleet)

    assert live(fleet) == {"ewr": 2, "jfk": 2}


def test_one_target_is_rolled_back_alone_and_the_champion_stays(fleet: Example) -> None:
    roll_back(fleet, "jfk")

    assert live(fleet) == {"ewr": 3, "jfk": 2}
    assert catalogue.get_model(fleet.services, fleet.actor("vera"), "delay").aliases["champion"] == 3


def test_the_plan_says_what_a_roll_back_then_does(fleet: Example) -> None:
    for now in (3, 2):
        plan = deployments.roll_back_plan(fleet.services, fleet.actor("vera"), "delay")
        assert [(step.target, step.now, step.then) for step in plan] == [
            (target, now, now - 1) for target in ("ewr", "jfk")
        ]
        assert {step.now_record for step in plan} == {
            f"no data: no prediction of v{now} has come yet, and no process has reported"
        }
        assert {step.then_record for step in plan} == {f"no data: no prediction of v{now - 1} has come"}
        assert {d.target: d.version for d in roll_back(fleet)} == {step.target: step.then for step in plan}
    with pytest.raises(ConflictError, match="no version before"):
        deployments.roll_back_plan(fleet.services, fleet.actor("vera"), "delay")
    with pytest.raises(NotFoundError, match="not live on 'lga'"):
        deployments.roll_back_plan(fleet.services, fleet.actor("vera"), "delay", ["lga"])


def test_every_step_back_of_every_model_is_listed(fleet: Example) -> None:
    fleet.apply("other")
    fleet.add_version("other")
    request = promotions.request_promotion(fleet.services, fleet.actor("sam"), "other")
    promotions.approve(fleet.services, fleet.actor("pat"), request.id, request.evidence_digest)
    roll_back(fleet, "jfk")

    assert deployments.roll_back_steps(fleet.services, fleet.actor("vera")) == [
        RollBackStep("delay", "ewr", 3, 2),
        RollBackStep("delay", "jfk", 2, 1),
    ]


def test_a_roll_back_needs_a_reason_and_a_target_where_it_is_live(fleet: Example) -> None:
    with pytest.raises(InvalidInputError, match="needs a reason"):
        deployments.roll_back(fleet.services, fleet.actor("oscar"), "delay", reason=" ")
    with pytest.raises(NotFoundError, match="not live on 'lga'"):
        roll_back(fleet, "lga")


def test_a_roll_back_holds_automatic_deployment_off_until_it_is_lifted(fleet: Example) -> None:
    roll_back(fleet)

    held = deployments.list_holds(fleet.services, fleet.actor("vera"))
    assert [(h.model, h.set_by, h.reason) for h in held] == [("delay", "oscar", "too slow")]
    deployments.lift_hold(fleet.services, fleet.actor("oscar"), "delay", "fixed")
    assert deployments.list_holds(fleet.services, fleet.actor("vera")) == []
    with pytest.raises(ConflictError, match="nothing holds"):
        deployments.lift_hold(fleet.services, fleet.actor("oscar"), "delay", "again")


def test_what_was_live_at_a_time_by_the_wall_clock(fleet: Example) -> None:
    def at(time: datetime) -> set[int]:
        return {d.version for d in deployments.deployed_at(fleet.services, fleet.actor("aud"), time)}

    assert at(START - timedelta(seconds=1)) == set()
    assert at(START) == {1}
    assert at(START + timedelta(minutes=90)) == {2}
    assert at(START + timedelta(days=9)) == {3}


def test_what_was_live_at_a_time_of_a_replayed_history(example: Example) -> None:
    trained_as_of = datetime(2013, 4, 1, tzinfo=UTC)
    example.add_version(as_of=trained_as_of)
    promote(example, 1)
    example.clocks.update(ewr=datetime(2013, 8, 5, tzinfo=UTC), jfk=datetime(2013, 8, 7, tzinfo=UTC))
    example.add_version(as_of=datetime(2013, 8, 4, tzinfo=UTC))
    promote(example, 2)

    def at(month: int, day: int) -> dict[str, int]:
        time = datetime(2013, month, day, tzinfo=UTC)
        found = deployments.deployed_at(example.services, example.actor("aud"), time, clock="event")
        return {d.target: d.version for d in found}

    assert at(3, 31) == {}
    assert at(6, 1) == {"ewr": 1, "jfk": 1}
    assert at(8, 6) == {"ewr": 2, "jfk": 1}
    assert at(12, 1) == {"ewr": 2, "jfk": 2}


def test_a_version_takes_effect_when_it_goes_live_where_traffic_is_live(fleet: Example) -> None:
    """Not at the last event before, which may be from before it was trained; a roll-back too."""
    newest, began = fleet.time - timedelta(minutes=7), fleet.time
    fleet.clocks.update(ewr=newest, jfk=newest)
    fleet.services.live_targets = lambda model: {"ewr"}  # type: ignore[method-assign]
    fleet.add_version()
    promote(fleet, 4)
    fleet.pass_time(minutes=4)
    roll_back(fleet)

    def at(time: datetime) -> dict[str, int]:
        found = deployments.deployed_at(fleet.services, fleet.actor("aud"), time, clock="event")
        return {d.target: d.version for d in found}

    assert at(began - timedelta(minutes=1))["ewr"] == 3
    assert at(began + timedelta(minutes=1))["ewr"] == 4
    assert at(began + timedelta(minutes=5))["ewr"] == 3
    history = deployments.list_deployments(fleet.services, fleet.actor("aud"), live_only=False)
    assert {d.effective_at for d in history[:4] if d.target == "jfk"} == {newest}


def test_no_clock_goes_back_on_a_target_that_is_silent(fleet: Example) -> None:
    """Each version was trained as of the moment at which that was asked for."""
    example = fleet
    began = example.time
    for _ in range(2):
        example.add_version(as_of=example.time)
        example.pass_time(hours=1)
        promote(example, 4 if live(example)["ewr"] == 3 else 5)
    example.pass_time(hours=1)
    roll_back(example)

    def at(hours: float) -> set[int]:
        time = began + timedelta(hours=hours)
        found = deployments.deployed_at(example.services, example.actor("aud"), time, clock="event")
        return {d.version for d in found}

    assert (at(0.5), at(1.5), at(2.5), at(3.5)) == ({3}, {4}, {5}, {4})


def test_the_desired_state_names_artifacts_and_private_columns(example: Example) -> None:
    empty = deployments.desired_state(example.services, "jfk")
    version = example.add_version()
    promote(example, 1, "jfk")

    state = deployments.desired_state(example.services, "jfk")

    assert [(v.model, v.version, v.model_digest) for v in state.versions] == [
        ("delay", 1, version.model_digest)
    ]
    assert state.private_columns == {"delay": ["passenger"]}
    assert state.revision == deployments.desired_state(example.services, "jfk").revision != empty.revision
    assert deployments.desired_state(example.services, "ewr").versions == []


def test_a_column_made_private_is_private_at_once_for_what_is_live(example: Example) -> None:
    example.add_version()
    promote(example, 1)
    before = deployments.desired_state(example.services, "jfk").revision
    data = {"source": "x.csv", "target": "late", "timestamp": "at", "features": ["wind"], "private": ["seat"]}
    example.apply(data=data)

    after = deployments.desired_state(example.services, "jfk")

    assert after.private_columns == {"delay": ["passenger", "seat"]}
    assert after.revision != before
    assert deployments.private_columns(example.services, "delay") == ("passenger", "seat")


def test_the_desired_state_is_read_again_only_after_a_change(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    example.add_version()
    promote(example, 1)
    first = deployments.desired_state(example.services, "jfk")
    monkeypatch.setattr(example.services.registry, "read", lambda: pytest.fail("the registry was read"))
    assert deployments.desired_state(example.services, "jfk") is first
    monkeypatch.undo()
    example.add_version()
    promote(example, 2)
    after = deployments.desired_state(example.services, "jfk")
    assert [version.version for version in after.versions] == [2]
    assert after.revision != first.revision


def test_private_columns_of_many_targets_are_read_once_a_version(
    example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    example.apply(targets=[{"name": f"t{number}"} for number in range(20)])
    example.add_version()
    promote(example, 1)
    asked: list[list[int]] = []
    read = runs.rows_read

    def counted(connection: Connection, run_ids: list[int]) -> dict[int, runs.ReadRows]:
        asked.append(list(run_ids))
        return read(connection, run_ids)

    monkeypatch.setattr(runs, "rows_read", counted)
    assert deployments.private_columns(example.services, "delay") == ("passenger",)
    assert deployments.private_columns(example.services, "delay") == ("passenger",)
    assert [len(run_ids) for run_ids in asked] == [1]
