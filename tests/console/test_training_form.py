"""The form of a training: where the cursor is, what the keys do, and which parameters are offered."""

import json
import sqlite3
from pathlib import Path

from test_approval_by_keyboard import footer

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.field import TextField
from support import example


async def press(pilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def fields_of(app) -> dict[str, TextField]:
    return {field.name: field for field in app.view.query("#form TextField").results(TextField)}


async def opened(pilot) -> None:
    await settle(pilot)
    for _ in range(1_000):
        if pilot.app.focused is not None:
            break
        await pilot.pause()
    await settle(pilot)  # what was loaded meanwhile makes the form anew


async def test_a_number_typed_at_once_lands_in_the_first_parameter(make_console) -> None:
    app = make_console("sam", start="train flight-delay")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await press(pilot, "end", "9")
        assert next(iter(fields_of(app).values())).value.endswith("9")
        assert app.focused.name.startswith("training.parameters.")
        assert fields_of(app)["reason"].value == ""


async def test_arrows_and_tab_move_between_fields_and_the_footer_says_so(make_console) -> None:
    app = make_console("sam", start="train flight-delay")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        names = list(fields_of(app))
        assert "↓ next field" in footer(app)
        assert "Esc leave the field" in footer(app)
        for key, name in (("down", names[1]), ("tab", names[2]), ("up", names[1]), ("shift+tab", names[0])):
            await press(pilot, key)
            assert app.focused.name == name, key
        await press(pilot, "escape")
        await press(pilot, "x")  # the next key takes the message away
        assert "Esc back" in footer(app)


async def test_the_label_of_the_field_with_the_cursor_is_reversed(make_console) -> None:
    app = make_console("sam", start="train flight-delay")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        await press(pilot, "down")
        marked = [
            str(row.query_one("Static").render())
            for row in app.view.query(".field")
            if row.query_one("Static").styles.text_style.reverse
        ]
        assert marked == [str(app.focused.parent.query_one("Static").render())]


async def test_another_models_form_begins_at_its_first_field(make_console) -> None:
    app = make_console("sam", start="train bike-demand")
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert app.focused.name == "others", "a field that the other form has too, further down"
        await press(pilot, "escape", ":", *"train flight-delay", "enter")
        await opened(pilot)
        assert app.focused.name == next(iter(fields_of(app))) != "others"


async def test_before_any_run_a_parameter_is_typed_by_name(make_console, workspace: Path) -> None:
    app = make_console("sam", start="train bike-demand")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        assert "no run has recorded those of its estimator yet" in str(app.view.query_one("#intro").render())
        await press(pilot, *"max_depth=3", "ctrl+s", "enter")
        await settle(pilot)
    from pilothouse.operations.jobs import jobs

    with example.opened(workspace) as services:
        newest = jobs.list_jobs(services, example.person(services, "sam"), limit=1)[0]
    assert newest.options["overrides"] == {"training.parameters.max_depth": 3}


async def test_the_estimators_own_parameters_are_those_of_the_newest_run(
    make_console, workspace: Path
) -> None:
    with example.opened(workspace) as services:
        from pilothouse.operations import catalogue

        spec = catalogue.get_spec(services, example.person(services, "sam"), "bike-demand")
        estimator = spec.training.estimator
    record = {"fit": {"estimator": estimator, "estimator_parameters": {"max_iter": 100, "max_depth": None}}}
    with sqlite3.connect(workspace / "state" / "registry.db") as connection:
        connection.execute("DROP TRIGGER IF EXISTS runs_no_update")
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'runs'"
        ).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("UPDATE runs SET record = ?", (json.dumps(record),))
    app = make_console("sam", start="train bike-demand")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        fields = fields_of(app)
        assert fields["training.parameters.max_iter"].value == "100"
        assert fields["training.parameters.max_depth"].value == ""
        assert app.focused.name == "training.parameters.max_iter"
