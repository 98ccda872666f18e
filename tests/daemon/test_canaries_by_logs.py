"""A canary on a platform of others that its logs judge, with a real daemon that is killed on the way: commands give it its
share, a version as good goes live by evidence, and a worse one comes back with its figures."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.rollouts.rollout import Rollout, RolloutState
from pilothouse.operations.ingest import ingest
from pilothouse.operations.rollouts import views
from pilothouse.operations.workspace import apply_models
from pilothouse.store.promotion import canary_spans, rollouts
from pilothouse.system.processes import is_alive
from support import PATIENCE_S, wait_until
from support.log_canaries import Platform, history, written
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]
LONG_S = 3 * PATIENCE_S
"""For what takes the daemon several turns, and a command's process between them."""
COMMAND = """
import json, sys
from pathlib import Path
asked, folder = json.load(sys.stdin), Path(sys.argv[1])
runs = folder / asked["target"]
if asked["action"] == "probe":
    sys.exit(0 if runs.read_text() == asked["key"] else "another version runs")
runs.write_text(asked["key"])
canary = asked["canary"]
with (folder / "asked").open("a") as stream:
    stream.write(f"{asked['version']}" + (f" beside {canary['version']} at {canary['share']}" if canary else "") + "\\n")
"""
PLAN = """
[[plan]]
name = "by-evidence"
margin = 0.1
false_rollbacks = 0.05
[[plan.wave]]
name = "all"
[[plan.wave.step]]
kind = "canary"
share = 0.5
clock = "event"
[[plan.wave.step]]
kind = "live"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SmallWorkspace]:
    made = make_small_workspace(tmp_path / "w")
    (tmp_path / "command.py").write_text(COMMAND)
    command = json.dumps([sys.executable, str(tmp_path / "command.py"), str(tmp_path)])
    (made.root / "targets.toml").write_text(
        f'[[target]]\nname = "ewr"\n[target.deployer]\ncommand = {command}\nprobe_every = "1s"\n'
    )
    (made.root / "plans.toml").write_text(PLAN)
    made.write_model()
    try:
        yield made
    finally:
        control.stop(made.root, timeout_s=PATIENCE_S)


def asked(tmp_path: Path) -> list[str]:
    """What the command was asked for, in its order; what a daemon after a killed one asked for again is there once."""
    path = tmp_path / "asked"
    return list(dict.fromkeys(path.read_text().splitlines())) if path.exists() else []


def rollout(shop: SmallWorkspace, number: int) -> Rollout:
    with shop.services.registry.read() as connection:
        found = rollouts.find(connection, number)
    assert found is not None
    return found


def has_its_share(shop: SmallWorkspace, number: int) -> bool:
    with shop.services.registry.read() as connection:
        return bool(canary_spans.spans(connection, number))


def has_counted(shop: SmallWorkspace, number: int) -> bool:
    """True where the daemon has folded hours of logs."""
    with shop.services.registry.read() as connection:
        return any(row.statistics.get("answered") for row in rollouts.evidence(connection, number))


def hand_in(shop: SmallWorkspace, platform: Platform, live: int, first: int, count: int) -> None:
    """Logs of whole hours of the live version, as Parquet, and of the one after it, as CSV."""
    for place, frame in platform.hours(first, count).items():
        name = f"{live}-{first}.{'parquet' if place == 1 else 'csv'}"
        log = written(frame, shop.root.parent / name)
        ingest.ingest_file(shop.services, shop.admin, log, "delay", live + place - 1, "ewr")


def test_logs_let_a_good_version_go_live_past_a_killed_daemon_and_bring_a_worse_one_back(
    shop: SmallWorkspace, tmp_path: Path
) -> None:
    for version in (1, 2, 3):
        register(shop, version)
    promote(shop, 1)
    daemon = control.start_in_background(shop.root)
    wait_until(lambda: asked(tmp_path) == ["1"])
    ingest.ingest_file(
        shop.services, shop.admin, written(history(), tmp_path / "before.csv"), "delay", 1, "ewr"
    )
    file = shop.root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace("approvals = 1", 'approvals = 1\nplan = "by-evidence"'))
    apply_models.apply(shop.services, shop.admin)
    promote(shop, 2)
    wait_until(lambda: has_its_share(shop, 1), LONG_S)
    assert asked(tmp_path) == ["1", "1 beside 2 at 0.5"]

    good = Platform(0.5, 60, (0.05, 0.05))
    hand_in(shop, good, 1, 0, 20)
    wait_until(lambda: has_counted(shop, 1), LONG_S)
    os.kill(daemon.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(daemon))
    hand_in(shop, good, 1, 20, 40)
    hand_in(shop, good, 1, 0, 20)
    control.start_in_background(shop.root)
    wait_until(lambda: rollout(shop, 1).state is RolloutState.COMPLETED, LONG_S)
    (log,) = views.show_rollout(shop.services, shop.admin, 1).logs
    assert (log.hours, log.rows, log.judged, log.late_rows) == (59, 59 * 60, 59 * 60, 0)

    promote(shop, 3)
    wait_until(lambda: has_its_share(shop, 2), LONG_S)
    hand_in(shop, Platform(0.5, 60, (0.05, 0.4)), 2, 61, 20)
    wait_until(lambda: rollout(shop, 2).state is RolloutState.ROLLED_BACK, LONG_S)
    assert rollout(shop, 2).why.startswith("harm in wave 1: canary losses, +0.")
    wait_until(lambda: (tmp_path / "asked").read_text().splitlines()[-1] == "2")
    assert asked(tmp_path) == ["1", "1 beside 2 at 0.5", "2", "2 beside 3 at 0.5"]
