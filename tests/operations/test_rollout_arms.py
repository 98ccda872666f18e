"""Canaries of several versions (A/B), one observation a key, answers that move before outcomes are known."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError
from pilothouse.domain.formats.wire import Outcome as Known
from pilothouse.domain.formats.wire import TrialReport, pack_numbers
from pilothouse.domain.models.target_file import Deployer
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.fleet.deployers import TargetDeployer
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import claims
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.rollouts import keeper, views
from pilothouse.operations.rollouts.facts import Serving
from pilothouse.operations.workspace import time_machine
from pilothouse.store.deployed import deployer_states
from pilothouse.store.models.used_versions import used_versions
from pilothouse.store.promotion import rollouts, trials
from pilothouse.system.processes import own_name
from pilothouse.telemetry import VersionFacts
from support.flight_batches import NOW_US, batch_of, flights, specification
from support.rollout_plans import TRIALS, TWO_WAVES, plan
from support.rollout_workspace import RolloutWorkspace

SHARE = 0.25
AB = plan(
    {
        "name": "first",
        "select": {"name": "ewr"},
        "step": [{"kind": "canary", "share": SHARE, "requests": 300, "go_on": "hand"}, {"kind": "live"}],
    },
    {"name": "rest"},
    margin=0.2,
)


def facts(model: str, version: int) -> VersionFacts:
    return VersionFacts(specification())


def send(
    place: RolloutWorkspace,
    number: int,
    version: int,
    count: int,
    *,
    share: float = SHARE,
    wrong: float = 0.1,
    keys: int = 0,
    sequence: int = 1,
    lifted: float = 0.0,
) -> None:
    """Requests of one row that a version answers in a canary, with outcomes: wrong on a share of them, or where there are so
    many ``keys``, on all of a key's rows or on none. ``lifted``: by how much its scores are higher."""
    draw = np.random.default_rng([version, sequence, count])
    rows = flights().iloc[20_000 : 20_000 + count].copy()
    rows["score"] = np.clip(np.linspace(0.02, 0.9, count) + lifted, 0, 1)
    rows["label"] = (rows["score"] > 0.5).astype(int).astype(str)
    producer = f"arm-{version}"
    batch = batch_of(rows, sequence, producer=producer, model="delay", version=version)
    timing = dataclasses.replace(batch.requests[0], rows=1)
    of = np.arange(count) % keys if keys else np.arange(count)
    bad = (draw.random(keys or count) < wrong)[of]
    hashes = (version * 1_000_000 + of + 1).tolist() if keys else [0] * count
    made = dataclasses.replace(
        batch, requests=[timing] * count, rollout=number, share=share, draws=pack_numbers(hashes)
    )
    place.services.telemetry.append(made, facts, NOW_US)
    labels = rows["label"].to_numpy()
    outcome = np.where(bad, np.where(labels == "1", "0", "1"), labels)
    known = [Known(f"{producer}.{sequence}.{j}", value) for j, value in enumerate(outcome)]
    place.services.telemetry.add_outcomes(known, NOW_US)


def begun(root: Path, of: Any = AB, beside: tuple[int, ...] = (3, 4)) -> tuple[RolloutWorkspace, int]:
    """A roll-out of version 2 whose canary tries others too."""
    place = RolloutWorkspace(root, of)
    for _ in range(2):
        place.example.add_version()
    sam = place.example.actor("sam")
    request = promotions.request_promotion(place.services, sam, "delay/2", beside=beside)
    promotions.approve(place.services, place.example.actor("pat"), request.id, request.evidence_digest)
    place.keep()
    with place.services.registry.read() as connection:
        found = rollouts.of_request(connection, request.id)
    assert found is not None
    return place, found.id


def test_a_command_is_asked_for_the_roll_outs_own_version_whatever_is_tried_beside_it(tmp_path: Path) -> None:
    place, _ = begun(tmp_path / "workspace")
    pulse = Pulse(place.services, own_name())
    TargetDeployer(place.services, pulse, "ewr", lambda: False).turn(Deployer(command=("true",)))
    with place.services.registry.read() as connection:
        tried = [(one.version, one.place) for one in trials.trials_on(connection, "ewr")]
        (state,) = deployer_states.states(connection, "ewr").values()
    assert tried == [(2, 0), (3, 1), (4, 2)]
    assert state.wanted["canary"][1:] == [2, SHARE]


def test_what_a_target_says_that_an_arm_answered_counts_in_its_trial(tmp_path: Path) -> None:
    """A hub takes no claim of a trial that the registry does not have; that of every version that is tried it has."""
    place, number = begun(tmp_path / "workspace")
    for version in (1, 2, 3, 4):
        made = batch_of(flights().iloc[:3], 1, producer=f"arm-{version}", model="delay", version=version)
        said = dataclasses.replace(made, rollout=number, share=SHARE)
        assert claims.of_trial(place.services, said) is said, version
        of_shadow = dataclasses.replace(said, share=0.0)
        assert claims.of_trial(place.services, of_shadow).rollout == 0, "the plan has none"
    stranger = dataclasses.replace(said, version=5)
    assert claims.of_trial(place.services, stranger).rollout == 0


def test_several_versions_share_the_requests_and_the_evidence_shows_them(tmp_path: Path) -> None:
    place, number = begun(tmp_path / "workspace")

    with place.services.registry.read() as connection:
        files = trials.trials_on(connection, "ewr")
        assert trials.trials_on(connection, "jfk") == []
    assert [(one.version, one.place, one.arms, one.share) for one in files] == [
        (2, 0, 3, SHARE), (3, 1, 3, SHARE), (4, 2, 3, SHARE),
    ]  # fmt: skip
    desired = deployments.desired_state(place.services, "ewr")
    assert [(one.version.version, one.place, one.arms) for one in desired.trials] == [
        (2, 0, 3), (3, 1, 3), (4, 2, 3),
    ]  # fmt: skip
    assert place.live() == {"ewr": 1, "jfk": 1, "lga": 1}
    request = promotions.get_request(
        place.services, place.example.actor("vera"), place.rollout(number).request_id
    )
    assert [one["version"] for one in request.evidence["beside"]] == [3, 4]
    with place.services.registry.read() as connection:
        used = {one.number: one.place for one in used_versions(connection)}
    assert used == {1: "live on ewr, jfk, lga", 2: "tried", 3: "tried", 4: "tried"}
    assert [one.version for one in place.rollout(number).arms] == [3, 4]


def test_each_arm_is_judged_against_the_live_version_and_one_that_is_worse_leaves_alone(
    tmp_path: Path,
) -> None:
    place, number = begun(tmp_path / "workspace")
    for version, wrong in ((1, 0.2), (2, 0.2), (3, 0.7), (4, 0.02)):
        send(place, number, version, 400, wrong=wrong)
    place.keep()

    rollout = place.rollout(number)
    assert rollout.state is RolloutState.RUNNING
    assert [one.version for one in rollout.tried] == [4]
    (out,) = [one for one in rollout.arms if one.ended_at]
    assert out.version == 3
    assert out.why.startswith("harm in wave 1: canary ")
    assert out.why.endswith(" of 300)")  # 1 % over three versions
    shown = views.show_rollout(place.services, place.example.actor("vera"), number)
    assert [one.version for one in shown.arms] == [2, 4]
    assert [one.is_better for one in shown.arms] == [False, True]
    assert shown.evidence.requests == 400
    assert shown.next == f"waits for a person: pilothouse rollout go-on {number} --step 1.1"
    with place.services.registry.read() as connection:
        left = trials.trials_on(connection, "ewr")
    assert [(one.version, one.place, one.arms) for one in left] == [(2, 0, 3), (4, 2, 3)]  # the places stay
    assert "arm out" in place.events(number)


def test_harm_of_the_requests_own_version_ends_the_trial_of_all(tmp_path: Path) -> None:
    place, number = begun(tmp_path / "workspace")
    for version, wrong in ((1, 0.1), (2, 0.7), (3, 0.1), (4, 0.1)):
        send(place, number, version, 400, wrong=wrong)
    place.keep()

    assert place.rollout(number).state is RolloutState.ROLLED_BACK
    with place.services.registry.read() as connection:
        assert trials.trials_on(connection, "ewr") == []


def test_the_winner_goes_on_by_a_request_of_its_own(tmp_path: Path) -> None:
    place, number = begun(tmp_path / "workspace")

    after = place.begin(4)
    assert place.rollout(number).state is RolloutState.SUPERSEDED
    place.keep()
    assert place.states(after)["ewr"] == "canary"
    assert place.rollout(after).arms == ()


def test_an_arm_that_cannot_be_loaded_leaves_alone(tmp_path: Path) -> None:
    place, number = begun(tmp_path / "workspace")
    said = [TrialReport(number, "delay", 3, "canary", "failed", "no memory")]
    keeper.keep(place.services, serving=Serving(trials={"ewr": said}))

    assert [one.version for one in place.rollout(number).tried] == [4]
    assert place.rollout(number).state is RolloutState.RUNNING


def test_what_may_be_tried_beside_a_version(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", AB)
    for _ in range(3):
        place.example.add_version()
    sam = place.example.actor("sam")

    def ask(*beside: int) -> Any:
        return promotions.request_promotion(place.services, sam, "delay/2", beside=beside)

    with pytest.raises(InvalidInputError, match="version 2 is named twice"):
        ask(2)
    with pytest.raises(ConflictError, match="delay/1 is live on ewr"):
        ask(1)
    with pytest.raises(
        ConflictError, match=r"4 versions with 0\.25 of the requests each leave none to the live one"
    ):
        ask(3, 4, 5)
    with pytest.raises(InvalidInputError, match="4 at most"):
        ask(3, 4, 5, 6, 7)
    place.put_plan(TWO_WAVES)
    place.example.apply(targets=[{"name": n} for n in ("ewr", "jfk", "lga")], promotion={"plan": "careful"})
    with pytest.raises(ConflictError, match="no plan with a canary"):
        ask(3)


def test_who_trained_an_arm_does_not_approve(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", AB)
    place.example.add_version(by="pat")
    sam = place.example.actor("sam")
    request = promotions.request_promotion(place.services, sam, "delay/2", beside=[3])
    with pytest.raises(NotAllowedError, match="pat trained delay/3, which is tried beside it"):
        promotions.approve(place.services, place.example.actor("pat"), request.id, request.evidence_digest)


def test_asking_anew_asks_for_the_same_versions(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", AB)
    place.example.add_version()
    sam = place.example.actor("sam")
    request = promotions.request_promotion(place.services, sam, "delay/2", beside=[3])
    place.put_plan(dataclasses.replace(AB, margin=0.1))
    (listed,) = [one for one in promotions.list_requests(place.services, sam) if one.id == request.id]
    assert listed.in_force is not None
    assert listed.in_force.other_plan
    with pytest.raises(ConflictError, match="its evidence shows another plan than the one in force"):
        promotions.approve(place.services, place.example.actor("pat"), request.id, request.evidence_digest)
    again = promotions.request_again(place.services, sam, request.id)
    assert [one["version"] for one in again.evidence["beside"]] == [3]


def test_the_past_shows_the_arms_of_then(tmp_path: Path) -> None:
    place, number = begun(tmp_path / "workspace")
    then = place.example.time
    place.example.pass_time(hours=1)
    said = [TrialReport(number, "delay", 3, "canary", "failed", "no memory")]
    keeper.keep(place.services, serving=Serving(trials={"ewr": said}))
    past = time_machine.open_past(place.services, place.example.actor("vera"), then)
    try:
        shown = views.show_rollout(past, place.example.actor("vera"), number)
    finally:
        past.close()
    assert [one.version for one in shown.rollout.tried] == [3, 4]


ONE_KEY = plan(
    {
        "name": "first",
        "select": {"name": "ewr"},
        "step": [{"kind": "canary", "share": 0.5, "requests": 100}, {"kind": "live"}],
    },
    {"name": "rest"},
)


@pytest.mark.parametrize(("keys", "state"), [(0, "rolled back"), (2, "running")])
def test_a_client_with_one_key_is_one_observation(tmp_path: Path, keys: int, state: str) -> None:
    """Two clients that send four hundred requests each, all of whose answers are wrong with one version's client."""
    place = RolloutWorkspace(tmp_path / "workspace", ONE_KEY)
    number = place.begin()
    place.keep()
    for version, wrong in ((1, 0.0), (2, 1.0)):
        send(place, number, version, 400, share=0.5, wrong=wrong, keys=keys)
        send(place, number, version, 400, share=0.5, wrong=wrong, keys=keys, sequence=2)
    place.keep()

    assert str(place.rollout(number).state) == state
    shown = views.show_rollout(place.services, place.example.actor("vera"), number)
    if keys:
        assert "in 4 with outcomes" in shown.evidence.words
        assert shown.evidence.requests == 800


MOVED = plan(
    {
        "name": "first",
        "select": {"name": "ewr"},
        "step": [{"kind": "canary", "share": 0.5, "requests": 2_000}, {"kind": "live"}],
    },
    {"name": "rest"},
    moved=0.1,
)


@pytest.mark.parametrize(("lifted", "state"), [(0.0, "running"), (0.45, "rolled back")])
def test_scores_that_move_are_found_before_any_outcome(tmp_path: Path, lifted: float, state: str) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", MOVED)
    number = place.begin()
    place.keep()
    for version in (1, 2):
        for sequence in (1, 2, 3):
            rows = flights().iloc[20_000:20_500].copy()
            base = np.random.default_rng([version, sequence]).random(500) * 0.5
            rows["score"] = base + (lifted if version == 2 else 0.0)
            rows["label"] = "0"
            batch = batch_of(rows, sequence, producer=f"arm-{version}", model="delay", version=version)
            timing = dataclasses.replace(batch.requests[0], rows=1)
            made = dataclasses.replace(batch, requests=[timing] * 500, rollout=number, share=0.5)
            place.services.telemetry.append(made, facts, NOW_US)
    place.keep()

    assert str(place.rollout(number).state) == state
    if lifted:
        assert place.rollout(number).why.startswith("harm in wave 1: canary moved answers, +0.")


def test_a_second_step_of_a_share_begins_with_no_requests(tmp_path: Path) -> None:
    twice = plan(
        {
            "name": "first",
            "select": {"name": "ewr"},
            "step": [
                {"kind": "canary", "share": 0.5, "requests": 100, "go_on": "time"},
                {"kind": "canary", "share": 0.5, "requests": 100, "go_on": "time"},
                {"kind": "live"},
            ],
        },
        {"name": "rest"},
    )
    place = RolloutWorkspace(tmp_path / "workspace", twice)
    number = place.begin()
    place.keep()
    for version in (1, 2):
        send(place, number, version, 150, share=0.5)
    place.keep()

    assert (place.rollout(number).wave, place.rollout(number).step) == (0, 1)
    shown = views.show_rollout(place.services, place.example.actor("vera"), number)
    assert shown.next == "no traffic: 0 of 100 requests"
    for version in (1, 2):
        send(place, number, version, 150, share=0.5, sequence=2)
    place.keep()
    assert place.live()["ewr"] == 2


def test_a_trial_ends_when_its_champion_is_rolled_back(tmp_path: Path) -> None:
    place = RolloutWorkspace(tmp_path / "workspace", TRIALS)
    place.put_plan(TWO_WAVES)
    second = place.begin(2)
    place.keep()
    place.example.pass_time(hours=1)
    place.keep()
    assert place.rollout(second).state is RolloutState.COMPLETED
    place.put_plan(TRIALS)
    place.example.add_version()
    number = place.begin(3)
    place.keep()
    assert place.states(number)["ewr"] == "shadow"
    deployments.roll_back(place.services, place.example.actor("oscar"), "delay", ["ewr"], "complaints")
    place.keep()

    rollout = place.rollout(number)
    assert rollout.state is RolloutState.ABORTED
    assert rollout.why == (
        "another version is live on ewr in place of the version beside which v3 was tried: the others stay as they are"
    )
    assert place.states(number)["ewr"] == "back"
