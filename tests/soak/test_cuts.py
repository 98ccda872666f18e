"""Killed at every point of a training, a request, an approval, a roll-back, an ingest, a retention: all of it or nothing."""

import shutil
import signal
from pathlib import Path

import pytest

from soak import cut
from soak.scenarios import SCENARIOS
from support.soak_plan import seeded, size


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_change_that_is_cut_off_is_whole_or_absent(name: str, tmp_path: Path) -> None:
    scenario, chance = SCENARIOS[name], seeded("cuts")
    base = tmp_path / "base"
    base.mkdir()
    scenario.make(base)
    before = scenario.state(base)
    shutil.copytree(base, tmp_path / "whole")
    code, points = cut.run(name, tmp_path / "whole", cut.NEVER)
    assert code == 0
    after = scenario.state(tmp_path / "whole")
    assert after != before
    assert len(points) > 10
    print(f"{name}: {len(points)} points")
    wanted = sorted(chance.sample(range(1, len(points) + 1), min(len(points), size(5, 100_000))))
    for at in wanted:
        root = tmp_path / "cut"
        shutil.copytree(base, root)
        code, _ = cut.run(name, root, at)
        assert code == -signal.SIGKILL, f"{name} was not cut at {at} of {len(points)}: {points[at - 1]}"
        found = scenario.state(root)
        if not scenario.changes:
            assert found in (before, after), f"half of it after a cut at {at}: {points[at - 1]}"
        scenario.again(root)
        assert scenario.state(root) == after, f"the second try after a cut at {at}: {points[at - 1]}"
        shutil.rmtree(root)
