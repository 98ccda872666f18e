"""Roll-outs on a target that a command brings versions to: what logs of its answers let go on, and what they do not."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.domain.models.target_file import Deployer
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.operations.automation.monitoring_round import evaluate_windows
from pilothouse.operations.fleet.deployers import TargetDeployer
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import ingest
from pilothouse.operations.promotion import promotions
from pilothouse.operations.rollouts import keeper
from pilothouse.operations.workspace import apply_models
from pilothouse.store.promotion import rollouts
from pilothouse.system.processes import own_name
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace

TARGETS = """
[[target]]
name = "ewr"
[target.deployer]
command = ["true"]
"""
MONITORING = """
[monitoring]
performance_window = "1d"
performance_step = "1d"
metric = "auc"
minimum_rows = 50
fire = 1
of = 1

[automation]
retrain_on = ["performance"]
"""
PLAN = """
[[plan]]
name = "out"
[[plan.wave]]
name = "all"
[[plan.wave.step]]
"""


@pytest.fixture
def shop(tmp_path: Path) -> SmallWorkspace:
    made = make_small_workspace(tmp_path / "w")
    (made.root / "targets.toml").write_text(TARGETS)
    for version in (1, 2, 3):
        register(made, version, watched=True)
    made.write_model(more=MONITORING)
    promote(made, 1)
    heard_of(made)
    return made


def begin(shop: SmallWorkspace, steps: str, beside: Sequence[int] = ()) -> None:
    """Let version 2 go out by a plan of these steps, as far as its first one."""
    (shop.root / "plans.toml").write_text(PLAN + steps)
    file = shop.root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace("approvals = 1", 'approvals = 1\nplan = "out"'))
    apply_models.apply(shop.services, shop.admin)
    asked = promotions.request_promotion(
        shop.services, shop.scientist, "delay/2", ["ewr"], "a test", beside=beside
    )
    promotions.approve(shop.services, shop.approver, asked.id, asked.evidence_digest)
    assert not [one.fault for one in keeper.keep(shop.services) if one.fault]
    heard_of(shop)


def heard_of(shop: SmallWorkspace) -> None:
    """Let the platform be asked for what it should run, and answer with it."""
    platform = TargetDeployer(shop.services, Pulse(shop.services, own_name()), "ewr", lambda: False)
    for _ in range(2):  # deployed, then ready
        platform.turn(Deployer(command=("true",)))


def answered(shop: SmallWorkspace, log: Path, version: int, rows: int, *, rightly: bool = True) -> None:
    """Hand in a log of what a version answered, one row in twenty minutes, and of what came of it."""
    now = datetime.now(UTC)
    lines = []
    for n in range(rows):
        late = n % 2
        score = (0.7 if late == rightly else 0.3) + n % 7 / 50
        lines.append(
            f"{now - timedelta(minutes=20 * n)},{8 + 4 * late},{n % 20},{score},{late},{log.stem}-{n}"
        )
    log.write_text("\n".join(["event_time,wind,load,score,truth,prediction_id", *lines]) + "\n")
    taken = ingest.ingest_file(shop.services, shop.admin, log, "delay", version, "ewr")
    assert (taken.accepted, taken.outcomes.joined) == (rows, rows)


def found(shop: SmallWorkspace) -> Rollout:
    with shop.services.registry.read() as connection:
        one = rollouts.find(connection, 1)
    assert one is not None
    return one


@pytest.mark.parametrize("go_on", ["evidence", "time"])
def test_rows_from_before_a_canary_are_no_requests_of_it_and_it_waits_and_then_pauses(
    shop: SmallWorkspace, tmp_path: Path, go_on: str
) -> None:
    begin(
        shop,
        f'kind = "canary"\nshare = 0.5\nrequests = 100\ngo_on = "{go_on}"\npatience = "1h"\n'
        '[[plan.wave.step]]\nkind = "live"\n',
    )
    for version in (1, 2):
        answered(shop, tmp_path / f"{version}.csv", version, 150)
    evaluate_windows(shop.services)

    assert keeper.keep(shop.services) == []
    assert (found(shop).step_name, found(shop).state) == ("1.1", RolloutState.RUNNING)
    later = datetime.now(UTC) + timedelta(hours=2)
    shop.services.now = lambda: later
    heard_of(shop)
    keeper.keep(shop.services)
    assert (found(shop).step_name, found(shop).state) == ("1.1", RolloutState.PAUSED)
    assert found(shop).why == "no traffic: 0 of 100 requests, for 1h"


def test_rows_of_a_log_are_requests_of_a_live_step(shop: SmallWorkspace, tmp_path: Path) -> None:
    begin(shop, 'kind = "live"\nrequests = 100\n')
    answered(shop, tmp_path / "1.csv", 1, 200)
    answered(shop, tmp_path / "2.csv", 2, 99)
    assert keeper.keep(shop.services) == []
    assert found(shop).state is RolloutState.RUNNING

    answered(shop, tmp_path / "more.csv", 2, 1)
    keeper.keep(shop.services)
    assert found(shop).state is RolloutState.COMPLETED


CANARY = 'kind = "canary"\nshare = 0.3\ngo_on = "hand"\n[[plan.wave.step]]\nkind = "live"\n'


def test_an_alert_of_what_a_canary_answered_takes_it_back_and_asks_for_no_training(
    shop: SmallWorkspace, tmp_path: Path
) -> None:
    begin(shop, CANARY)
    answered(shop, tmp_path / "1.csv", 1, 150)
    answered(shop, tmp_path / "2.csv", 2, 150, rightly=False)
    made = evaluate_windows(shop.services)

    assert [(alert.kind, alert.version) for alert in made.opened] == [("performance", 2)]
    assert made.retrainings == []
    assert evaluate_windows(shop.services).resolved == [], "it is tried still"
    keeper.keep(shop.services)
    assert found(shop).state is RolloutState.ROLLED_BACK
    assert found(shop).why.startswith("alert 1 on ewr: auc 0 on ewr")
    assert [alert.id for alert in evaluate_windows(shop.services).resolved] == [1]


def test_an_alert_of_a_version_beside_the_canary_takes_that_one_out_alone(
    shop: SmallWorkspace, tmp_path: Path
) -> None:
    begin(shop, CANARY, beside=(3,))
    answered(shop, tmp_path / "2.csv", 2, 150)
    answered(shop, tmp_path / "3.csv", 3, 150, rightly=False)
    evaluate_windows(shop.services)
    keeper.keep(shop.services)

    assert found(shop).state is RolloutState.RUNNING
    assert [(arm.version, arm.why.partition(":")[0]) for arm in found(shop).arms] == [(3, "alert 1 on ewr")]


def test_outcomes_that_come_after_the_last_step_take_nothing_back(
    shop: SmallWorkspace, tmp_path: Path
) -> None:
    begin(shop, 'kind = "live"\nrequests = 150\n')
    answered(shop, tmp_path / "2.csv", 2, 150, rightly=False)
    keeper.keep(shop.services)
    evaluate_windows(shop.services)
    keeper.keep(shop.services)
    assert found(shop).state is RolloutState.COMPLETED
