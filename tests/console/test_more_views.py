"""Searches, triggers, legal holds, outcomes and long histories: what each view shows, and what its keys do."""

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from test_approval_by_keyboard import footer
from test_hostile_text import FORBIDDEN, KEPT, texts_on
from test_snapshots import SIZES
from textual.pilot import Pilot

from pilothouse.console.screenshots import settle
from pilothouse.console.widgets.grid import Grid
from pilothouse.domain.errors import NotFoundError
from pilothouse.domain.formats.wire import ServingReport
from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.operations.automation import automation_activity
from pilothouse.operations.fleet import fleet
from pilothouse.operations.jobs import searches
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.operations.upkeep import retention
from pilothouse.store.deployed import processes
from support import example, example_extras, many_rows

VIEWS = (
    ("trials 7", "80x24"), ("trials 7", "120x40"), ("triggers", "80x24"), ("triggers", "120x40"), ("legal-holds", "80x24"),
    ("outcomes", "80x24"), ("outcomes conflicts", "80x24"), ("history flight-delay", "80x24"), ("train flight-delay", "80x24"),
)  # fmt: skip


@pytest.fixture(scope="module")
def fuller_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuller") / "workspace"
    root.mkdir()
    example.build(root)
    assert example_extras.add(root) == 7
    return root


@pytest.fixture
def workspace(fuller_example: Path, tmp_path: Path) -> Path:
    """In place of the fixture of all console tests: ``make_console`` opens this one."""
    root = tmp_path / "workspace"
    shutil.copytree(fuller_example, root)
    example.start_daemon(root)
    return root


@pytest.fixture
def services(workspace: Path) -> Iterator[Services]:
    with example.opened(workspace) as opened:
        yield opened


def grid(app) -> Grid:
    return app.view.query_one("#grid", Grid)


def column(app, title: str, of: str = "#grid") -> list[str]:
    found = app.view.query_one(of, Grid)
    place = next(i for i, c in enumerate(found._table.columns) if c.title == title)
    return [row.cells[place].text for row in found._rows]


async def press(pilot: Pilot[int], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


@pytest.mark.parametrize(
    ("view", "size"), VIEWS, ids=[f"{view} {size}".replace(" ", "-") for view, size in VIEWS]
)
def test_view_looks_as_it_did(snap_compare: Callable[..., bool], make_console, view: str, size: str) -> None:
    async def wait(pilot: Pilot[int]) -> None:
        await settle(pilot, view)
        for field in pilot.app.screen.query("Input"):
            field.cursor_blink = False  # type: ignore[attr-defined]

    assert snap_compare(make_console("pat", start=view), terminal_size=SIZES[size], run_before=wait)


async def test_a_search_is_ranked_and_two_of_its_candidates_are_compared(make_console) -> None:
    app = make_console("sam", start="jobs")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        grid(app).select("7")
        await press(pilot, "t")
        assert app.view.SCOPE == "trials"
        assert column(app, "TRIAL") == ["3", "2", "1", "4"]
        assert column(app, "STATE") == ["▶ running", "◌ stopped early", "◌ stopped early", "✖ out of memory"]
        assert column(app, "FOLDS")[:3] == ["0.709–0.731 of 2", "0.719–0.722 of 2", "0.701 of 1"]
        await press(pilot, "down", "space", "space", "equals_sign")
        text = "\n".join(texts_on(app))
        assert "+0.0090" not in text
        assert re.search(r"fold 3 +0\.722 +0\.701 +−0\.0210", "".join(texts_on(app)))
        await press(pilot, "escape", "escape", "enter")
        assert app.view.SCOPE == "job"


async def test_where_there_is_no_search_the_view_says_how_to_start_one(
    make_console, services: Services
) -> None:
    app = make_console("sam", start="trials 1")
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot)
        words = str(app.view.query_one("#whole").render())
        assert app.view.query_one("#whole").region.y <= 4, "in place of the rows"
        assert "searches nothing: name values to try under [training.search.parameters]" in words
        await press(pilot, "enter")
        assert "there is no trial yet" in footer(app)
        await press(pilot, "t")
        assert app.view.SCOPE == "train"
    with example.opened(services.paths.root) as opened:
        sam = example.person(opened, "sam")
        assert searches.search_of(opened, sam).job.id == 7
        assert searches.search_of(opened, sam, 9).job.id == 7, "a trial's number finds its search"
        with pytest.raises(NotFoundError):
            searches.search_of(opened, sam, 99)


async def test_the_training_form_sets_the_size_of_a_search(make_console, workspace: Path) -> None:
    app = make_console("sam", start="train flight-delay")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.pause(0.1)
        fields = {field.name: field for field in app.view.query("#form Input")}
        fields["training.search.candidates"].value = "2"
        await press(pilot, "ctrl+s", "enter")
        await settle(pilot)
    with example.opened(workspace) as opened:
        from pilothouse.operations.jobs import jobs

        newest = jobs.list_jobs(opened, example.person(opened, "sam"), limit=1)[0]
        assert newest.options["overrides"] == {"training.search.candidates": 2}
        asked = searches.search_of(opened, example.person(opened, "sam"), newest.id).search
        assert asked is not None
        assert asked.candidates == 2


async def test_triggers_say_why_not_now_and_what_came_of_the_last_time(make_console) -> None:
    app = make_console("olga", start="schedules")
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "t")
        assert column(app, "TRIGGER") == ["fresh", "upstream", "alerts"]
        assert set(column(app, "STATE")) == {"○ not now"}
        assert column(app, "LAST STARTED") == ["never", "job 1, 10h ago", "never"]
        assert column(app, "LAST REFUSED")[0].startswith(
            "3m ago: waits, training job 5 of this model has not ended"
        )
        assert column(app, "KEY")[:2] == ["5e1f", "deployed:2"]
        assert "training job 7 of this model has not ended yet" in app.view.query_one("#facts").text
        await press(pilot, "enter")
        assert "no job has come of it" in footer(app)
        await press(pilot, "down", "enter")
        assert (app.view.SCOPE, app.view.number) == ("job", "1")
        await press(pilot, "escape", "f")
        assert column(app, "WHY", "#feed") == ["new data under rows.csv"]
        await press(pilot, "s")
        assert app.view.SCOPE == "schedules"


def test_what_automation_does_is_told_with_what_came_of_it(services: Services) -> None:
    from pilothouse.domain.identity.roles import DAEMON
    from pilothouse.operations.jobs import jobs, trainings

    options = trainings.TrainingOptions(trigger_key="schedule:1:x")
    job = trainings.start_training(services, DAEMON, "bike-demand", options, reason="schedule weekly")
    pat = example.person(services, "pat")
    first = automation_activity.list_activity(services, pat)[0]
    assert (first.what, first.why, first.state, first.job) == (
        f"train, job {job.id}",
        "schedule weekly",
        "going on",
        job.id,
    )
    jobs.cancel_job(services, example.person(services, "sam"), job.id, reason="not now")
    first = automation_activity.list_activity(services, pat, model="bike-demand")[0]
    assert first.state == "nothing"
    assert first.next.startswith("cancelled")


async def test_a_legal_hold_is_placed_and_lifted_by_an_admin_alone(make_console, workspace: Path) -> None:
    app = make_console("pat", start="audit")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "h", "p")
        assert "you are approver" in footer(app)
    app = make_console("rex", start="holds")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert column(app, "ON") == ["target jfk", "model bike-demand"]
        await press(pilot, "p", *"nowhere", "enter")
        assert "'nowhere' is no model and no target here" in footer(app)
        await pilot.press("p", *"flight-delay ewr".replace(" ", "~"))
        app.screen.query_one("Input").value = "flight-delay ewr"
        await press(pilot, "enter", *"a claim", "enter")
        await settle(pilot)
        assert column(app, "ON")[0] == "model flight-delay on target ewr"
        grid(app).select("3")
        await press(pilot, "ctrl+l", *"settled", "enter")
        await settle(pilot)
        await press(pilot, "ctrl+l")
    with example.opened(workspace) as opened:
        holds = retention.list_holds(opened, example.person(opened, "rex"))
        assert [(h.placed_by, h.reason, h.lift_reason) for h in holds[2:]] == [("rex", "a claim", "settled")]


async def test_outcomes_that_wait_and_those_in_conflict_are_listed(make_console) -> None:
    app = make_console("pat", start="rejected")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert app.view.notes() == ["3 outcomes wait (o)"]
        await press(pilot, "o")
        assert app.view.kind == "conflicts", "the cursor was on their reason"
        assert (column(app, "STANDS"), column(app, "THEN CAME"), column(app, "TARGET")) == (
            ["1"],
            ["0"],
            ["ewr"],
        )
        await press(pilot, "o")
        assert column(app, "PREDICTION") == ["order/78", "order/77", "ewr-live.900.0"]
        assert column(app, "WAITS FOR")[2] == "batch ewr-live.900, which has not come"
        await press(pilot, "slash", *"from=ewr", "enter")
        assert column(app, "PREDICTION") == ["order/77", "ewr-live.900.0"]
        await press(pilot, "m")
        assert "whose prediction it is" in footer(app)


async def test_the_past_does_not_show_what_waits_now(make_console) -> None:
    app = make_console("pat", start="outcomes")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "at", *"2013-08-20", "enter")
        assert "what waited then is not on record" in grid(app)._nothing()


def test_a_roll_out_names_each_place_with_how_far_it_is(services: Services) -> None:
    from pilothouse.presentation.tables.fleet_rows import fleet_table, roll_out_lines

    pat = example.person(services, "pat")
    promotions.approve(services, pat, 3, promotions.get_request(services, pat, 3).evidence_digest)
    (found,) = fleet.fleet(services, pat).roll_outs
    assert (found.there, found.under_way, found.failed) == (("ewr", "jfk"), ("ewr", "jfk"), ())
    for target, loaded, failed in (("ewr", 3, {}), ("jfk", 1, {"flight-delay": "the model file is damaged"})):
        report = ServingReport(target, 41_001, 4_242, {"flight-delay": loaded}, failed, 0, {})
        with services.registry.transaction() as connection:
            processes.put_report(connection, report, at=example.NOW)
            states.refresh(services, connection, [("flight-delay", target)], windows=False)
    (line,) = roll_out_lines(fleet.fleet(services, pat), 3)
    assert line.text == " ◐ flight-delay v3 rolls out, 1 of 2: ● ewr  ✖ jfk failed (request 3)"
    table = fleet_table(fleet.fleet(services, pat, "flight-delay", 1), "", "nothing", example.NOW)
    places = {row.key: row.cells[1].text for row in table.rows}
    assert places["jfk"].endswith(" ✖ failed")
    with services.registry.transaction() as connection:
        processes.put_report(
            connection, ServingReport("jfk", 41_002, 4_243, {"flight-delay": 3}, {}, 0, {}), at=example.NOW
        )
        states.refresh(services, connection, [("flight-delay", "jfk")], windows=False)
    assert fleet.fleet(services, pat).roll_outs == ()


def test_a_version_of_which_no_event_has_come_is_there_since_its_deployment_by_the_wall_clock(
    services: Services,
) -> None:
    from pilothouse.presentation.tables.fleet_rows import fleet_table

    now = fleet.fleet(services, example.person(services, "pat"))
    (state,) = [s for s in now.states if s.target == "jfk"]
    live = replace(
        state.deployment,
        effective_at=example.NOW - timedelta(days=4_000),
        recorded_at=example.NOW - timedelta(hours=3),
    )
    alone = replace(
        now,
        states=(replace(state, deployment=live, event_clock=None, health=Health.NO_DATA),),
        window=(state.model,),
        places=tuple(place for place in now.places if place.target == "jfk"),
    )
    (row,) = fleet_table(alone, "", "nothing", example.NOW).rows
    assert row.cells[1].text == "○ v1 no data 3h ◆v3"


@pytest.fixture(scope="module")
def crowded_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many_rows") / "workspace"
    root.mkdir()
    many_rows.build(root, jobs=1, alerts=1_500, deployments=1_500)
    return root


@pytest.fixture
def crowded(crowded_example: Path, workspace: Path) -> Path:
    """The workspace of ``make_console`` with very many alerts and deployments."""
    shutil.rmtree(workspace)
    shutil.copytree(crowded_example, workspace)
    return workspace


async def test_very_many_alerts_are_read_window_by_window(crowded: Path, make_console) -> None:
    app = make_console("olga", start="alerts")
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot)
        assert (grid(app).shown, grid(app).paged) == (11, False)
        await press(pilot, "slash", *"region=us-east", "enter", "escape")
        assert grid(app).shown == 11
        await press(pilot, "o")
        assert (grid(app).shown, grid(app).paged) == (1_502, True)
        assert len(grid(app)._rows) < 500
        await press(pilot, "end")
        assert grid(app).key == "1"
        await press(pilot, "slash", *"bu=ops severity=critical", "enter")
        assert grid(app).shown == 1 + sum(i % 3 < 2 for i in range(0, 1_500, 9))
        await press(pilot, "ctrl+z")
        assert grid(app).shown == 2
        await press(pilot, "escape", "ctrl+z", "S", "S")
        since = column(app, "SINCE (DATA)")
        assert since == sorted(since, reverse=True)
        await press(pilot, "enter")
        assert app.view.SCOPE == "incident"
        await press(pilot, "escape", "o")
        assert (grid(app).shown, grid(app).sort) == (11, "")


async def test_a_long_history_of_deployments_is_read_window_by_window(crowded: Path, make_console) -> None:
    app = make_console("olga", start="deployments")
    async with app.run_test(size=(140, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "h")
        assert (app.view.SCOPE, grid(app).shown) == ("history", 1_503)
        since = column(app, "SINCE (DATA)")
        assert since == sorted(since, reverse=True)
        await press(pilot, "slash", *"region=us* target=jfk", "enter")
        assert grid(app).shown == 501
        assert set(column(app, "TARGET")) == {"jfk"}
        await press(pilot, "ctrl+z")
        assert set(column(app, "HOW")) == {"rollback"}
        await press(pilot, "r")
        assert "a roll-back needs no request" in footer(app)
        await press(pilot, "enter")
        assert app.view.SCOPE == "version"


@pytest.mark.parametrize("view", ["trials 7", "triggers", "legal-holds", "outcomes"])
async def test_hostile_text_stays_text(workspace: Path, make_console, view: str) -> None:
    from pilothouse.domain.formats.wire import Outcome
    from pilothouse.operations.ingest import ingest
    from pilothouse.store.work import triggers

    with example.opened(workspace) as services:
        retention.place_hold(services, example.person(services, "rex"), KEPT)
        ingest.ingest_outcomes(services, [Outcome(KEPT[:200], KEPT[:80])], "ewr")
        with services.registry.transaction() as connection:
            triggers.set_off(connection, "flight-delay", "fresh", KEPT, KEPT, at=example.NOW)
            connection.execute("UPDATE jobs SET error = ?, message = ? WHERE id >= 7", (KEPT, KEPT))
    app = make_console("rex", start=view)
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for key in ("end", "f", "escape", "d"):
            await press(pilot, key)
            assert [text for text in texts_on(app) if FORBIDDEN.search(text)] == []
        assert app.return_code is None
