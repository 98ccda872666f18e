"""A roll-out onto platforms of others, with a real daemon that is killed on the way: commands bring the version there wave by
wave, a log of what it answered lets it go on, and an alert of the outcomes of another takes it back by the same commands."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilothouse.confinement import probe
from pilothouse.daemon import control
from pilothouse.domain.confinement import confines
from pilothouse.domain.rollouts.rollout import RolloutState
from pilothouse.operations.ingest import ingest
from pilothouse.operations.workspace import apply_models
from pilothouse.store.promotion import rollouts
from pilothouse.system.processes import is_alive
from support import PATIENCE_S, wait_until
from support.registered_versions import promote, register
from support.small_workspace import SmallWorkspace, make_small_workspace

pytestmark = [
    pytest.mark.loop,
    pytest.mark.skipif(not confines(probe.offered()), reason="nothing confines here"),
]
COMMAND = """
import json, sys
from pathlib import Path
asked, folder = json.load(sys.stdin), Path(sys.argv[1])
runs = folder / asked["target"]
if asked["action"] == "probe":
    sys.exit(0 if runs.read_text() == asked["key"] else "another version runs")
runs.write_text(asked["key"])
with (folder / "asked").open("a") as stream:
    stream.write(f"{asked['action']} {asked['target']} {asked['version']}\\n")
"""
PLAN = """
[[plan]]
name = "by-site"
[[plan.wave]]
name = "first"
select = { name = "ewr" }
[[plan.wave.step]]
kind = "live"
requests = 150
[[plan.wave]]
name = "rest"
[[plan.wave.step]]
kind = "live"
bake = "1h"
"""
MORE = """
[[targets]]
name = "far"

[monitoring]
performance_window = "1d"
performance_step = "1d"
metric = "auc"
minimum_rows = 50
fire = 1
of = 1
"""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SmallWorkspace]:
    made = make_small_workspace(tmp_path / "w")
    (tmp_path / "command.py").write_text(COMMAND)
    command = json.dumps([sys.executable, str(tmp_path / "command.py"), str(tmp_path)])
    targets = "\n".join(
        f'[[target]]\nname = "{name}"\n[target.deployer]\ncommand = {command}\nprobe_every = "1s"'
        for name in ("ewr", "far")
    )
    (made.root / "targets.toml").write_text(targets)
    (made.root / "plans.toml").write_text(PLAN)
    made.write_model(more=MORE)
    try:
        yield made
    finally:
        control.stop(made.root, timeout_s=PATIENCE_S)


def asked(tmp_path: Path) -> list[str]:
    """What the commands were asked for, in its order; what the daemon after a killed one asked for again is there once."""
    path = tmp_path / "asked"
    return list(dict.fromkeys(path.read_text().splitlines())) if path.exists() else []


def answered(shop: SmallWorkspace, log: Path, target: str, *, rightly: bool) -> None:
    """Hand in a log of what version 2 answered at a site in two days, with what came of it."""
    now = datetime.now(UTC)
    rows = []
    for n in range(150):
        late = n % 2
        score = (0.7 if late == rightly else 0.3) + n % 7 / 50
        rows.append(f"{now - timedelta(minutes=20 * n)},{8 + 4 * late},{n % 20},{score},{late},{target}-{n}")
    log.write_text("\n".join(["event_time,wind,load,score,truth,prediction_id", *rows]) + "\n")
    ingest.ingest_file(shop.services, shop.admin, log, "delay", 2, target)


def test_commands_bring_a_version_in_waves_past_a_killed_daemon_and_outcomes_take_it_back(
    shop: SmallWorkspace, tmp_path: Path
) -> None:
    register(shop, 1, watched=True)
    register(shop, 2, watched=True)
    promote(shop, 1, "ewr", "far")
    daemon = control.start_in_background(shop.root)
    wait_until(lambda: sorted(asked(tmp_path)) == ["deploy ewr 1", "deploy far 1"])
    file = shop.root / "models" / "delay" / "model.toml"
    file.write_text(file.read_text().replace("approvals = 1", 'approvals = 1\nplan = "by-site"'))
    apply_models.apply(shop.services, shop.admin)
    promote(shop, 2, "ewr", "far")
    wait_until(lambda: asked(tmp_path)[2:] == ["deploy ewr 2"])

    os.kill(daemon.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(daemon))
    answered(shop, tmp_path / "ewr.csv", "ewr", rightly=True)
    control.start_in_background(shop.root)
    wait_until(lambda: asked(tmp_path)[3:] == ["deploy far 2"])

    answered(shop, tmp_path / "far.csv", "far", rightly=False)
    wait_until(lambda: sorted(asked(tmp_path)[4:]) == ["rollback ewr 1", "rollback far 1"])
    with shop.services.registry.read() as connection:
        found = rollouts.find(connection, 1)
    assert found is not None
    assert found.state is RolloutState.ROLLED_BACK
    assert "on far: auc" in found.why
