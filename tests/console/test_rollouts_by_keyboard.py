"""Roll-outs in the console: listed, read and steered by keys, as the one who sits there may."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from test_hostile_text import texts_on
from textual.pilot import Pilot

from pilothouse.composition import open_workspace
from pilothouse.console.app import Console
from pilothouse.console.screenshots import settle
from pilothouse.console.session.options import ConsoleOptions
from pilothouse.domain.formats.wire import Outcome
from pilothouse.operations.services import Services
from pilothouse.telemetry import VersionFacts
from support.flight_batches import NOW_US, batch_of, flights, specification
from support.rollout_plans import TRIALS, TWO_WAVES
from support.rollout_workspace import RolloutWorkspace
from support.trial_batches import pairs_of


@pytest.fixture
def workspace(tmp_path: Path) -> RolloutWorkspace:
    return RolloutWorkspace(tmp_path / "w", TWO_WAVES)


@pytest.fixture
def console(workspace: RolloutWorkspace) -> Iterator[Callable[..., Console]]:
    made: list[Console] = []

    def opener() -> Services:
        opened = open_workspace(workspace.services.paths.root)
        opened.now = workspace.services.now
        return opened

    def make(name: str, start: str) -> Console:
        made.append(Console(opener, ConsoleOptions(user=name, start=start), watching=False))
        return made[-1]

    yield make
    for one in made:
        one.session.close()


async def press(pilot: Pilot[int], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def shown(app: Console) -> str:
    return "\n".join(texts_on(app))


def first_wave(workspace: RolloutWorkspace) -> int:
    """A roll-out whose first wave is live, and bakes."""
    number = workspace.begin()
    for target in ("ewr", "jfk", "lga"):
        workspace.report(target, 1)
    workspace.keep()
    workspace.report("ewr", 2)
    workspace.keep()
    assert workspace.live() == {"ewr": 2, "jfk": 1, "lga": 1}
    return number


async def test_a_roll_out_is_found_from_the_deployments_and_read_on_a_small_screen(
    console, workspace: RolloutWorkspace
) -> None:
    first_wave(workspace)
    app = console("oscar", "deployments")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "o")
        assert app.view.SCOPE == "rollouts"
        text = shown(app)
        assert "◐ running" in text
        assert "1 of 3" in text
        await press(pilot, "enter")
        assert app.view.SCOPE == "rollout"
        text = shown(app)
        assert "delay v2" in text
        assert "● live" in text
        assert "○ waiting" in text
        assert "next" in text


async def test_an_operator_pauses_and_resumes(console, workspace: RolloutWorkspace) -> None:
    number = first_wave(workspace)
    app = console("oscar", f"rollout {number}")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "p", *"short", "enter")
        assert workspace.rollout(number).state == "paused"
        assert "oscar: short" in shown(app)
        await press(pilot, "n")
        assert "is paused: resume it first" in shown(app)
        await press(pilot, "p", "enter")
        assert workspace.rollout(number).state == "running"


async def test_one_key_with_a_reason_takes_everything_back(console, workspace: RolloutWorkspace) -> None:
    number = first_wave(workspace)
    app = console("oscar", f"rollout {number}")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "ctrl+l")
        assert "Back at once: ewr to v1." in shown(app)
        await press(pilot, *"calls", "enter")
        assert workspace.live() == {"ewr": 1, "jfk": 1, "lga": 1}
        assert "aborted" in shown(app)
        await press(pilot, "p")
        assert f"roll-out {number} is aborted already" in shown(app)


async def test_who_may_not_steer_is_told_so(console, workspace: RolloutWorkspace) -> None:
    number = first_wave(workspace)
    app = console("vera", f"rollout {number}")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, "ctrl+l")
        assert workspace.rollout(number).state == "running"
        assert "vera" in shown(app)


async def test_without_a_roll_out_the_list_says_how_one_is_made(console) -> None:
    app = console("oscar", "rollouts")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "no roll-out is on its way" in shown(app)
        await press(pilot, "enter")
        assert app.view.SCOPE == "rollouts"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_both_versions_are_charted_beside_each_other(
    console, workspace: RolloutWorkspace, size: tuple[int, int]
) -> None:
    workspace.put_plan(TRIALS)
    number = workspace.begin()
    workspace.keep()
    rows = flights().iloc[20_000:20_400].copy()
    rows["label"] = "1"
    batch = batch_of(rows, 1, model="delay", version=1)
    facts = lambda model, version: VersionFacts(specification())  # noqa: E731
    telemetry = workspace.services.telemetry
    telemetry.append(replace(batch, rollout=number), facts, NOW_US)
    pairs = pairs_of(rows, 1, [(1, 0)], 400, model="delay")
    telemetry.append_pairs(replace(pairs, rollout=number), facts, NOW_US)
    known = [Outcome(f"ewr-1.1.{i}", str(late)) for i, late in enumerate(rows["late"])]
    telemetry.add_outcomes(known, NOW_US)
    app = console("oscar", f"rollout {number}")
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        await press(pilot, "b")
        text = shown(app)
        assert "v1 live, 400 rows" in text
        assert "v2 tried, 400 rows" in text
        assert text.count("share of wrong answers 0.") == 2
        assert text.count("mean score 0.") == 2
        assert "p95 in ms" in text
        await press(pilot, "b")
        assert "WAVES" in shown(app)
    assert workspace.states(number)["ewr"] == "shadow"


async def test_one_key_in_the_fleet_rolls_a_group_back(console, workspace: RolloutWorkspace) -> None:
    first_wave(workspace)
    app = console("oscar", "fleet")
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await press(pilot, "home", "ctrl+l")
        text = shown(app)
        assert "Roll back delay?" in text
        assert "ewr: version 2 → version 1" in text
        await press(pilot, *"storm", "enter")
    assert workspace.live() == {"ewr": 1, "jfk": 1, "lga": 1}
