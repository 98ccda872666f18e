"""The ways that are walked most, in keys, each counted."""

import pytest

from pilothouse.console.screenshots import settle
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.jobs import jobs
from pilothouse.operations.promotion import deployments, promotions
from support import example


async def press(pilot, keys: list[str], most: int) -> None:
    """Press keys one by one, each on a screen that has come up, and no more of them than promised."""
    assert len(keys) <= most
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


async def test_inbox_evidence_signature_takes_four_keys_of_six(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, ["3", "enter", "a", "enter"], 6)
        await settle(pilot)
        assert app.view.data.status is RequestStatus.DEPLOYED


async def test_roll_back_on_a_target_takes_four_keys_of_six_and_the_reason(make_console, workspace) -> None:
    with example.opened(workspace) as services:
        pat = example.person(services, "pat")
        request = promotions.get_request(services, pat, 3)
        promotions.approve(services, pat, 3, request.evidence_digest)
    app = make_console("olga")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, ["7", "down", "ctrl+l"], 5)
        await pilot.press(*"wrong slices", "enter")
        await settle(pilot)
    with example.opened(workspace) as services:
        live = {
            d.target: d.version for d in deployments.list_deployments(services, pat, model="flight-delay")
        }
    assert live == {"ewr": 1, "jfk": 3}


async def test_why_an_alert_fired_takes_two_keys_of_four(make_console) -> None:
    app = make_console("olga")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await press(pilot, ["8", "w"], 4)
        assert app.view.SCOPE == "alert"
        assert app.view.data is not None


@pytest.mark.parametrize("field", ["training.parameters.max_iter"])
async def test_a_training_with_one_changed_parameter_takes_eight_keys_and_the_value(
    make_console, workspace, field: str
) -> None:
    app = make_console("sam")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        keys = ["t"]
        await press(pilot, keys, 8)
        await pilot.pause(0.1)
        while app.view.model != "flight-delay":
            keys.append("escape")
            await pilot.press("escape")
            keys.append("m")
            await pilot.press("m")
            await settle(pilot)
            await pilot.pause(0.1)
        while getattr(app.focused, "name", None) != field:
            keys.append("tab")
            await pilot.press("tab")
            assert len(keys) < 8
        app.focused.value = ""
        await pilot.press(*"60")
        keys += ["ctrl+s", "enter"]
        assert len(keys) <= 8, keys
        await pilot.press("ctrl+s", "enter")
        await settle(pilot)
    with example.opened(workspace) as services:
        newest = jobs.list_jobs(services, example.person(services, "sam"), limit=1)[0]
    assert newest.options["overrides"] == {field: 60}


@pytest.mark.parametrize("worst", ["ewr", "jfk"])
@pytest.mark.parametrize("keys", [["enter"], ["colon", *"monitor flight-delay", "enter"]])
async def test_a_model_opens_on_the_target_whose_state_is_the_models(
    make_console, workspace, worst: str, keys: list[str]
) -> None:
    with example.opened(workspace) as services, services.registry.transaction() as connection:
        for target in ("ewr", "jfk"):
            health = Health.CRITICAL if target == worst else Health.HEALTHY
            connection.execute(
                "UPDATE deployment_states SET health = ?, severity = ? WHERE target_id = "
                "(SELECT id FROM targets WHERE name = ?)",
                (health, health.rank, target),
            )
    app = make_console("olga")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        while app.view.subject_model() != "flight-delay":
            await pilot.press("down")
            await settle(pilot)
        await pilot.press(*keys)
        await settle(pilot)
        assert app.view.deployment == ("flight-delay", worst)
        assert app.view.data.view.target == worst
