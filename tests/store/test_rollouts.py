"""Roll-outs on record: what the tables keep and refuse, and the trials that a target runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import ConflictError
from pilothouse.domain.identity.roles import DAEMON, Permission
from pilothouse.domain.rollouts.rollout import PlaceState, RolloutEvent, RolloutState
from pilothouse.operations.authorisation import changing
from pilothouse.operations.promotion import promotions
from pilothouse.sqlite import Connection
from pilothouse.store.promotion import rollouts, trials
from support.rollout_plans import TRIALS, TWO_WAVES, plan
from support.rollout_records import recorded_rollout


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Example]:
    """Version 1 is live on both targets; version 2 is a candidate."""
    example = make_example(tmp_path / "workspace")
    example.add_version()
    request = promotions.request_promotion(example.services, example.actor("sam"), "delay/1")
    promotions.approve(example.services, example.actor("pat"), request.id, request.evidence_digest)
    example.add_version()
    yield example
    example.close()


@contextmanager
def written(example: Example) -> Iterator[Connection]:
    """A transaction that is accounted for."""
    with changing(example.services, DAEMON, Permission.RUN_DAEMON) as change:
        yield change.connection
        change.record("test.wrote", "a test")


def test_a_roll_out_comes_back_as_it_was_put_in(example: Example) -> None:
    with written(example) as connection:
        number = recorded_rollout(connection, example, TRIALS)
        found = rollouts.find(connection, number)

    assert found is not None
    assert (found.model, found.version, found.plan, found.state) == ("delay", 2, TRIALS, "running")
    assert [(one.target, one.wave, one.state, one.before) for one in found.targets] == [
        ("ewr", 0, PlaceState.WAITING, 1),
        ("jfk", 1, PlaceState.WAITING, 1),
    ]
    with example.services.registry.read() as connection:
        assert rollouts.of_request(connection, found.request_id) == found
        assert rollouts.listed(connection, unfinished=True) == [found]
        assert rollouts.unfinished_on(connection, "delay", ["jfk"]) == [found]
        assert rollouts.unfinished_on(connection, "delay", ["lga"]) == []


def test_a_target_runs_the_trial_of_its_roll_out_until_it_is_live_or_back(example: Example) -> None:
    with written(example) as connection:
        number = recorded_rollout(connection, example, TRIALS)
        assert trials.trials_on(connection, "ewr") == []

        rollouts.set_targets(connection, number, PlaceState.SHADOW, {"ewr": None}, at=example.time)
        (trial,) = trials.trials_on(connection, "ewr")
        assert (trial.rollout, trial.model, trial.version) == (number, "delay", 2)
        assert (trial.mode, trial.share, trial.salt) == ("shadow", 1.0, "5a" * 16)
        assert trial.model_digest
        assert trial.schema_digest
        assert trials.trials_on(connection, "jfk") == []

        rollouts.set_targets(connection, number, PlaceState.CANARY, {"ewr": None}, at=example.time, share=0.1)
        rollouts.pause(connection, number, "lunch")
        (trial,) = trials.trials_on(connection, "ewr")
        assert (trial.mode, trial.share) == ("canary", 0.1)

        rollouts.set_targets(connection, number, PlaceState.LIVE, {"ewr": None}, at=example.time)
        assert trials.trials_on(connection, "ewr") == []

        rollouts.set_targets(connection, number, PlaceState.SHADOW, {"jfk": None}, at=example.time)
        rollouts.end(connection, number, RolloutState.ABORTED, why="no", by="pat", at=example.time)
        assert trials.trials_on(connection, "jfk") == []


def test_evidence_and_its_watermark_are_replaced_together(example: Example) -> None:
    with written(example) as connection:
        number = recorded_rollout(connection, example, TRIALS)
        row = rollouts.EvidenceRow(
            wave=0,
            step=0,
            target="ewr",
            test="loss",
            statistics={"won": 3},
            watermark={"pair": 40},
            folded_at=example.time,
        )
        rollouts.put_evidence(connection, number, [row])
        later = rollouts.EvidenceRow(
            wave=0,
            step=0,
            target="ewr",
            test="loss",
            statistics={"won": 5},
            watermark={"pair": 90},
            folded_at=example.time + timedelta(seconds=1),
        )
        rollouts.put_evidence(connection, number, [later])

        assert rollouts.evidence(connection, number) == [later]


def test_events_are_kept_in_their_order(example: Example) -> None:
    events = [
        RolloutEvent(
            what=what,
            actor="daemon",
            recorded_at=example.time,
            wave=0,
            step=0,
            text=what,
            figures={"targets": ["ewr"]},
        )
        for what in ("made", "entered")
    ]
    with written(example) as connection:
        number = recorded_rollout(connection, example, TRIALS)
        for event in events:
            rollouts.add_event(connection, number, event)

        assert rollouts.events(connection, number) == events


Try = Callable[[Connection, Example, int], None]


def _other_version_of_the_request(connection: Connection, example: Example, number: int) -> None:
    connection.execute("UPDATE rollouts SET version_id = 1")


def _again(connection: Connection, example: Example, number: int) -> None:
    recorded_rollout(connection, example, TRIALS)


def _back(connection: Connection, example: Example, number: int) -> None:
    rollouts.move(connection, number, 1, 0)
    rollouts.move(connection, number, 0, 2)


def _another_plan(connection: Connection, example: Example, number: int) -> None:
    connection.execute("UPDATE rollouts SET plan = '{}'")


def _end_twice(connection: Connection, example: Example, number: int) -> None:
    rollouts.end(connection, number, RolloutState.COMPLETED, why="", by="daemon", at=example.time)
    rollouts.pause(connection, number, "lunch")


def _target_after_the_end(connection: Connection, example: Example, number: int) -> None:
    rollouts.end(connection, number, RolloutState.COMPLETED, why="", by="daemon", at=example.time)
    rollouts.set_targets(connection, number, PlaceState.LIVE, {"ewr": None}, at=example.time)


def _target_closed_alone(connection: Connection, example: Example, number: int) -> None:
    connection.execute("UPDATE rollout_targets SET open = 0")


def _abort_without_a_reason(connection: Connection, example: Example, number: int) -> None:
    rollouts.end(connection, number, RolloutState.ABORTED, why="", by="pat", at=example.time)


def _share_of_a_shadow(connection: Connection, example: Example, number: int) -> None:
    rollouts.set_targets(connection, number, PlaceState.SHADOW, {"ewr": None}, at=example.time, share=0.5)


@pytest.mark.parametrize(
    ("attempt", "said"),
    [
        (_other_version_of_the_request, "frozen"),
        (_again, "UNIQUE"),
        (_back, "takes no step twice"),
        (_another_plan, "frozen"),
        (_end_twice, "ends once"),
        (_target_after_the_end, "stay as they are"),
        (_target_closed_alone, "frozen"),
        (_abort_without_a_reason, "CHECK"),
        (_share_of_a_shadow, "CHECK"),
    ],
)
def test_the_database_refuses(example: Example, attempt: Try, said: str) -> None:
    with written(example) as connection:
        number = recorded_rollout(connection, example, TRIALS)

    with pytest.raises(ConflictError, match=said), written(example) as connection:
        attempt(connection, example, number)


def test_a_roll_out_is_of_an_approved_request_by_the_plan_that_its_evidence_shows(example: Example) -> None:
    with written(example) as connection:
        number = recorded_rollout(connection, example, TRIALS)
        rollouts.end(connection, number, RolloutState.COMPLETED, why="", by="daemon", at=example.time)
    undecided = promotions.request_promotion(example.services, example.actor("sam"), "delay/2").id

    with (
        pytest.raises(ConflictError, match="by the plan that its evidence shows"),
        written(example) as connection,
    ):
        connection.execute(
            "INSERT INTO rollouts (request_id, model_id, version_id, kind, plan, plan_digest, salt, wave, made_by, "
            "recorded_at) SELECT ?, model_id, version_id, kind, plan, plan_digest, salt, 0, 'eve', 1 FROM rollouts",
            (undecided,),
        )


def test_the_newest_row_of_a_plan_counts(example: Example) -> None:
    other = plan({"name": "all"}, name="careful")
    with written(example) as connection:
        rollouts.put_plan(connection, "careful", TWO_WAVES, by="ada", at=example.time)
        rollouts.put_plan(connection, "quick", other, by="ada", at=example.time)
        rollouts.put_plan(connection, "careful", other, by="ada", at=example.time)
        rollouts.put_plan(connection, "quick", None, by="ada", at=example.time)

        assert {name: row.plan for name, row in rollouts.plans(connection).items()} == {"careful": other}
