"""Long lists, filters, order, marks, history, records: what a hand that knows k9s reaches for."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_approval_by_keyboard import footer

from pilothouse.console.screenshots import settle
from pilothouse.console.session.actions import ACTIONS, EVERYWHERE
from pilothouse.console.session.clipboard import LONGEST_BASE64, clean
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.operations.jobs import jobs
from pilothouse.presentation.pages.raw import to_json, to_toml
from support import example, many_rows


@pytest.fixture(scope="module")
def crowded_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many_rows") / "workspace"
    root.mkdir()
    many_rows.build(root, jobs=2_000, versions=900)
    return root


@pytest.fixture
def crowded(crowded_example: Path, workspace: Path) -> Iterator[Path]:
    """The workspace of ``make_console`` with very many jobs."""
    for name in ("registry.db", "registry.db-wal", "registry.db-shm"):
        (workspace / "state" / name).unlink(missing_ok=True)
        source = crowded_example / "state" / name
        if source.exists():
            (workspace / "state" / name).write_bytes(source.read_bytes())
    example.start_daemon(workspace)
    return workspace


def grid_of(app) -> Grid:
    return app.view.query_one("#grid", Grid)


def words_in_place_of_rows(app) -> str:
    """Why there is no row, where none is shown."""
    frame = app.view.frame
    if frame.fault.display:
        assert not frame.body.display
        return str(frame.fault.render())
    assert grid_of(app).shown == 0
    return grid_of(app)._nothing()


async def test_a_long_list_is_read_window_by_window(crowded: Path, make_console) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        grid = grid_of(app)
        assert (grid.shown, grid.key) == (2_006, "2006")
        assert len(grid._rows) < 500
        for _ in range(30):
            await pilot.press("pagedown")
        await settle(pilot)
        assert grid.key == str(2_006 - 30 * (grid.size.height - 2)), "no row is left out or seen twice"
        await pilot.press("end")
        await settle(pilot)
        assert grid.key == "1"
        await pilot.press("up", "up")
        await settle(pilot)
        assert grid.key == "3"
        await pilot.press("home")
        await settle(pilot)
        assert grid.key == "2006"
        assert "2,006 rows" in " ".join(app.view.notes())


async def test_rows_that_come_in_above_leave_the_cursor_on_its_row(crowded: Path, make_console) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        for _ in range(12):
            await pilot.press("pagedown")
        await settle(pilot)
        before, offset = grid_of(app).key, grid_of(app).scroll_offset.y
        with example.opened(crowded) as services:
            from pilothouse.operations.jobs import trainings

            sam = example.person(services, "sam")
            for _ in range(3):
                trainings.start_training(services, sam, "flight-delay", reason="from elsewhere")
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert (grid_of(app).key, grid_of(app).shown) == (before, 2_009)
        assert grid_of(app).scroll_offset.y == offset + 3


async def test_filter_order_and_what_is_unhealthy_are_asked_in_sql(crowded: Path, make_console) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        grid = grid_of(app)
        await pilot.press("slash", *"kind=backtest by=ol*", "enter")
        await settle(pilot)
        assert 0 < grid.shown < 400
        assert {row.cells[1].text for row in grid._rows} == {"backtest"}
        await pilot.press("escape")
        await settle(pilot)
        assert grid.shown == 2_006
        title = next(c.title for c in grid._table.columns if c.title.startswith("TOOK"))
        letter = next(k for k, i in grid.sort_letters().items() if grid._table.columns[i].title == title)
        await pilot.press(letter, letter)
        await settle(pilot)
        assert (grid.sort, grid.descending) == (title, True)
        first = app.view.data.records[grid._rows[0].key]
        assert (first.ended_at - first.started_at).total_seconds() == pytest.approx(99.9)
        assert f"↓ {title}" in app.view.notes()
        await pilot.press("ctrl+z")
        await settle(pilot)
        assert {row.cells[3].text for row in grid._rows} <= {"✖ failed", "✖ crashed"}
        assert "only unhealthy" in app.view.notes()


@pytest.mark.parametrize(
    "start", ["jobs", "audit", "history", "models", "approvals", "alerts", "deployments"]
)
async def test_an_unknown_column_is_said_in_the_place_of_the_rows(make_console, start: str) -> None:
    app = make_console("sam", start=start)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        grid = grid_of(app)
        before = grid.shown
        assert before
        await pilot.press("slash", *"colour=red", "enter")
        await settle(pilot)
        assert "there is no column 'colour' here: expected " in words_in_place_of_rows(app)
        assert "Esc clears the filter" in words_in_place_of_rows(app)
        assert not {f"{before:,} rows", "1 row"} & set(app.view.notes())
        await pilot.press("down")
        assert "there is no column 'colour' here: expected " in words_in_place_of_rows(app)
        await pilot.press("escape")
        await settle(pilot)
        assert grid.shown == before


@pytest.mark.parametrize("start", ["history zork", "deployments zork", "alerts zork"])
async def test_a_mistyped_model_never_reads_as_all_clear(make_console, start: str) -> None:
    app = make_console("sam", start=start)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        words = "there is no model 'zork': expected bike-demand, flight-delay"
        assert words in words_in_place_of_rows(app)
        if start.startswith("alerts"):
            await pilot.press("o")
            await settle(pilot)
            assert words in words_in_place_of_rows(app)


async def test_what_a_command_narrowed_is_said_and_esc_shows_all(make_console) -> None:
    app = make_console("sam", start="jobs crashed")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert grid_of(app)._nothing() == "no job is crashed; Esc shows all"
        await pilot.press("escape")
        await settle(pilot)
        assert grid_of(app).shown == 6
        assert app.view.crumbs() == ("jobs", "all")
        assert app.history.now.arguments == ()
        await pilot.press("colon", *"jobs nosuch", "enter")
        await settle(pilot)
        words = words_in_place_of_rows(app)
        assert "'nosuch' is no status of a job: expected queued, running" in words
        assert "Esc shows all" in words


async def test_the_log_is_searched_in_what_it_says_too(make_console) -> None:
    app = make_console("sam", start="audit")
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot)
        whole = grid_of(app).shown
        await pilot.press("slash", *"detail=*model=flight-delay*", "enter")
        await settle(pilot)
        by_column = [entry.detail["model"] for entry in app.view.data.records.values()]
        assert set(by_column) == {"flight-delay"}
        assert len(by_column) < whole
        await pilot.press("escape", "slash", *"flight-delay", "enter")
        await settle(pilot)
        by_text = [entry for entry in app.view.data.records.values() if "flight-delay" not in entry.subject]
        assert {entry.detail["model"] for entry in by_text if "model" in entry.detail} == {"flight-delay"}


async def test_another_order_or_filter_begins_at_the_top(crowded: Path, make_console) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        grid = grid_of(app)
        await pilot.press("pagedown", "pagedown", "K")
        await settle(pilot)
        assert (grid.sort, grid.cursor, grid.scroll_offset.y) == ("KIND", 0, 0)
        assert "KIND↑" in grid.render_line(0).text
        await pilot.press("pagedown", "slash", *"kind=train", "enter")
        await settle(pilot)
        assert (grid.cursor, grid.scroll_offset.y) == (0, 0)
        await pilot.press("down", "down")
        on = grid.key
        await pilot.press("ctrl+r")
        await settle(pilot)
        assert grid.key == on, "a refresh leaves the cursor where it is"


@pytest.mark.parametrize(
    ("start", "letter", "title"),
    [("jobs", "J", "JOB"), ("alerts", "I", "INC"), ("deployments", "T", "TARGET"), ("models", "M", "MODEL")],
)
async def test_the_arrow_of_the_order_stands_beside_the_whole_title(
    make_console, start: str, letter: str, title: str
) -> None:
    app = make_console("pat", start=start)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for arrow in "↑↓":
            await pilot.press(letter)
            await settle(pilot)
            assert f"{title}{arrow}" in grid_of(app).render_line(0).text


@pytest.mark.parametrize(
    ("start", "names"),
    [
        ("approvals", ["flight-delay", "v3", "ewr jfk"]),
        ("models", ["flight-delay"]),
        ("jobs", ["flight-delay"]),
        ("history", ["flight-delay"]),
    ],
)
async def test_a_narrow_screen_says_whole_what_a_row_is_about(
    make_console, start: str, names: list[str]
) -> None:
    app = make_console("pat", start=start)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        text = "\n".join(grid_of(app).render_line(y).text for y in range(10))
        for name in names:
            assert f" {name} " in text


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("alerts", "MODEL"), ("jobs", "MODEL"), ("schedules", "MODEL"), ("history", "MODEL"), ("outcomes conflicts", "MODEL"),
        ("legal-holds", "ON"),
    ],
)  # fmt: skip
async def test_a_list_that_concerns_models_begins_with_the_model(
    make_console, start: str, first: str
) -> None:
    app = make_console("pat", start=start)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        columns = grid_of(app)._table.columns
        assert columns[0].title == first
        if grid_of(app)._rows:
            assert grid_of(app)._columns[0][0] == 0, "however narrow the screen"


async def test_models_that_are_unhealthy_are_shown_alone(make_console) -> None:
    app = make_console("pat", start="models")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        healths = {row.key: row.cells[1].text for row in grid_of(app)._rows}
        unwell = {model for model, health in healths.items() if health[0] in "✖▲"}
        assert unwell
        await pilot.press("ctrl+z")
        assert {row.key for row in grid_of(app)._rows} == unwell


@pytest.mark.parametrize(
    ("start", "words"),
    [("schedules", "a schedule has no health")],
)
async def test_what_has_no_health_says_so(make_console, start: str, words: str) -> None:
    app = make_console("pat", start=start)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+z")
        assert words in footer(app)
        assert not grid_of(app).unhealthy


async def test_a_log_without_failures_says_what_was_looked_for(make_console) -> None:
    app = make_console("pat", start="audit")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+z")
        await settle(pilot)
        assert words_in_place_of_rows(app).startswith("no entry tells of a failure, a loss")


async def test_no_letter_is_underlined_where_the_list_has_no_such_order(make_console) -> None:
    app = make_console("pat", start="versions flight-delay")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        columns = grid_of(app)._table.columns
        letters = grid_of(app).sort_letters()
        assert {columns[i].title for i in letters.values()} == {"VERSION", "STAGE", "CREATED"}
        for letter in letters:
            await pilot.press(letter)
            await settle(pilot)
            assert app.view.frame.body.display


async def test_keys_act_on_every_row_that_is_marked_and_name_each(make_console, workspace: Path) -> None:
    app = make_console("olga", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("space", "space", "ctrl+k")
        words = str(app.screen.query_one("#message").render())
        assert "job 6: train of bike-demand, queued" in words
        assert "job 5: train of flight-delay, running" in words
        await pilot.press(*"yes, both", "enter")
        await settle(pilot)
        await pilot.press("escape")
        assert grid_of(app).marked == set()
    with example.opened(workspace) as services:
        olga = example.person(services, "olga")
        assert jobs.get_job(services, olga, 6).status is JobStatus.CANCELLED
        assert jobs.get_job(services, olga, 5).status is JobStatus.RUNNING, "its process is told"


async def test_one_marked_row_that_may_not_refuses_all_beforehand(make_console) -> None:
    app = make_console("olga", start="jobs")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("space", "down", "down", "space", "ctrl+k")
        assert "has ended: succeeded" in footer(app)
        assert app.screen is app.view


async def test_a_short_table_is_sorted_filtered_and_widened_where_it_is(make_console) -> None:
    app = make_console("pat", start="models")
    async with app.run_test(size=(60, 24)) as pilot:
        await settle(pilot)
        grid = grid_of(app)
        narrow = len(grid._columns)
        await pilot.press("M", "M")
        assert [row.key for row in grid._rows] == ["flight-delay", "bike-demand"]
        await pilot.press("ctrl+w")
        await pilot.pause()
        assert len(grid._columns) == len(grid._table.columns) >= narrow
        await pilot.press("right", "right")
        assert grid.scroll_offset.x > 0
        await pilot.press("ctrl+w", "slash", *"-f fltdly", "enter")
        assert (grid.shown, grid.key) == (1, "flight-delay")


async def test_history_goes_back_forward_and_to_the_last_view(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)

        async def go(key: str) -> tuple[str, str]:
            await pilot.press(key)
            await settle(pilot)
            return app.view.SCOPE, " ".join(app.view.destination.arguments)

        await go("5")
        await go("2")
        await go("enter")
        assert await go("enter") != ("models", "")
        assert await go("left_square_bracket") == ("versions", "bike-demand")
        assert await go("left_square_bracket") == ("models", "")
        assert await go("left_square_bracket") == ("jobs", "")
        assert await go("right_square_bracket") == ("models", "")
        assert await go("minus") == ("jobs", "")
        assert await go("minus") == ("models", "")
        assert await go("0") == ("audit", "")


async def test_commands_come_back_with_the_arrows_and_tab_goes_through_what_fits(make_console) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("colon", *"jobs failed", "enter")
        await settle(pilot)
        assert app.view.crumbs() == ("jobs", "failed")
        await pilot.press("colon", *"models", "enter")
        await settle(pilot)
        await pilot.press("colon", "up", "up")
        field = app.view.query_one("#line")
        assert field.value == "jobs failed"
        await pilot.press("down", "down")
        assert field.value == ""
        await pilot.press(*"jobs ", "tab", "tab")
        assert field.value == "jobs running"
        await pilot.press("shift+tab")
        assert field.value == "jobs queued"


async def test_a_record_is_described_shown_raw_and_copied(make_console, monkeypatch) -> None:
    app = make_console("pat", start="jobs")
    copied = []
    monkeypatch.setattr(app, "copy_to_clipboard", copied.append)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        await pilot.press("c")
        await pilot.press("d")
        assert "created_by" in app.screen.query_one("#text", Pager).text
        await pilot.press("escape", "y")
        assert 'kind = "train"' in app.screen.query_one("#text", Pager).text
        await pilot.press("y")
        assert '"kind": "train"' in app.screen.query_one("#text", Pager).text
        await pilot.press("c")
    assert copied[0] == "6"
    assert '"kind": "train"' in copied[1]


def test_what_is_copied_is_clean_and_fits_a_terminal() -> None:
    words, cut = clean("漢" * 100_000)
    assert cut
    assert len(base64.b64encode(words.encode())) <= LONGEST_BASE64
    assert clean("rm -rf /\r\n\x1b[2Jx\u202e") == ("rm -rf /\n\ufffd[2Jx\ufffd", False)


def test_raw_records_are_toml_and_json() -> None:
    import json
    import tomllib

    record = {
        "a": None, "text": 'x"\\\n\x00\x7f漢\u202e', "list": [1, 2.5, True, {"b": 1}], "tables": [{"c": 1}, {"c": 2}],
        "odd key": {"nested": {"deep": []}}, "nan": 1.5,
    }  # fmt: skip
    found = tomllib.loads(to_toml(record))
    assert found == {key: value for key, value in record.items() if value is not None}
    assert json.loads(to_json(record)) == record
    assert tomllib.loads(to_toml({"s": "\ud800"})) == {"s": "\ufffd"}


@pytest.mark.parametrize("action", [a for a in ACTIONS if a.dangerous], ids=lambda a: a.id)
def test_what_takes_something_away_has_a_key_with_ctrl(action) -> None:
    assert all(key.startswith("ctrl+") for key in action.key_list)
    assert action.permission is not None


def test_capitals_are_left_for_sorting() -> None:
    assert [a.id for a in ACTIONS for key in a.key_list if len(key) == 1 and key.isupper()] == []


@pytest.mark.parametrize(
    "start", ["overview", "versions flight-delay", "evidence 3", "deployments", "alerts", "jobs", "train"]
)
async def test_a_read_only_console_reaches_no_change_and_says_so(make_console, start: str) -> None:
    app = make_console("ada", start=start, read_only=True)
    async with app.run_test(size=(120, 24)) as pilot:
        await settle(pilot)
        assert "READ-ONLY" in str(app.view.query_one("#header").render())
        for action in app.view.actions():
            if not action.writes:
                continue
            await pilot.press(action.key_list[0])
            await pilot.pause()
            assert app.screen is app.view, f"{action.id} opened something"
            assert "this console is read-only" in footer(app)
            await pilot.press("shift")


async def test_keys_typed_in_one_burst_go_where_they_belong(make_console, monkeypatch) -> None:
    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        from textual import events

        for key in ["colon", *"jobs", "enter", "slash", *"kind=train dyc", "enter", "question_mark"]:
            app.post_message(events.Key(key if len(key) > 1 else _name(key), key if len(key) == 1 else None))
        for _ in range(300):
            await pilot.pause(0.02)
            if app.screen is not app.view and app.view.SCOPE == "jobs":
                break
        assert app.view.SCOPE == "jobs"
        assert app.view.filter_text == "kind=train dyc"
        assert type(app.screen).__name__ == "Help"


def _name(character: str) -> str:
    return {"=": "equals_sign", " ": "space"}.get(character, character)


def test_every_action_has_a_key_that_is_not_taken_from_everywhere() -> None:
    everywhere = {key for a in ACTIONS if a.scope == EVERYWHERE for key in a.key_list}
    assert [a.id for a in ACTIONS if a.scope != EVERYWHERE and everywhere & set(a.key_list)] == []
