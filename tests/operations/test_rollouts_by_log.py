"""Roll-outs on a target that a command brings versions to: what logs of its answers let go on, and what they do not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.domain.models.target_file import Deployer
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.operations.fleet.deployers import TargetDeployer
from pilothouse.operations.fleet.processes import Pulse
from pilothouse.operations.ingest import ingest
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
    register(made, 1)
    register(made, 2)
    made.write_model()
    promote(made, 1)
    heard_of(made)
    return made


def begin(shop: SmallWorkspace, steps: str) -> None:
    """Let version 2 go out by a plan of these steps, as far as its first one."""
    (shop.root / "plans.toml").write_text(PLAN + steps)
    file = shop.root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace("approvals = 1", 'approvals = 1\nplan = "out"'))
    apply_models.apply(shop.services, shop.admin)
    promote(shop, 2)
    assert not [one.fault for one in keeper.keep(shop.services) if one.fault]
    heard_of(shop)


def heard_of(shop: SmallWorkspace) -> None:
    """Let the platform be asked for what it should run, and answer with it."""
    platform = TargetDeployer(shop.services, Pulse(shop.services, own_name()), "ewr", lambda: False)
    for _ in range(2):  # deployed, then ready
        platform.turn(Deployer(command=("true",)))


def answered(shop: SmallWorkspace, log: Path, version: int, rows: int) -> None:
    """Hand in a log of what a version answered, and of what came of it: it was right each time."""
    now = datetime.now(UTC)
    lines = [
        f"{now - timedelta(minutes=n)},{n % 20},0.5,{0.2 + 0.6 * (n % 2)},{n % 2},{log.stem}-{n}"
        for n in range(rows)
    ]
    log.write_text("\n".join(["event_time,wind,load,score,truth,prediction_id", *lines]) + "\n")
    taken = ingest.ingest_file(shop.services, shop.admin, log, "delay", version, "ewr")
    assert (taken.accepted, taken.outcomes.joined) == (rows, rows)


def found(shop: SmallWorkspace) -> Rollout:
    with shop.services.registry.read() as connection:
        one = rollouts.find(connection, 1)
    assert one is not None
    return one


@pytest.mark.parametrize("go_on", ["evidence", "time"])
def test_rows_of_a_log_are_no_requests_of_a_canary_which_waits_and_then_pauses(
    shop: SmallWorkspace, tmp_path: Path, go_on: str
) -> None:
    begin(
        shop,
        f'kind = "canary"\nshare = 0.5\nrequests = 100\ngo_on = "{go_on}"\npatience = "1h"\n'
        '[[plan.wave.step]]\nkind = "live"\n',
    )
    for version in (1, 2):
        answered(shop, tmp_path / f"{version}.csv", version, 400)

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
